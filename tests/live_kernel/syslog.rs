//! A receiver of RFC 5424 on a local socket.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::patience::patience;
use crate::received::unless_late;

/// How long a message may take. Other tests may have the processors.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket that messages are sent to.
pub(crate) struct Receiver {
    socket: UnixDatagram,
    path: PathBuf,
    /// Messages that were taken.
    taken: RefCell<Vec<String>>,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) priority: u8,
    pub(crate) id: String,
    /// Parameters of our own structured data.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Receiver {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("log");
        Self { socket: UnixDatagram::bind(&path).expect("the folder is ours"), path, taken: RefCell::default() }
    }

    /// The arguments that make the daemon send here.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let target = format!("unix:{}", self.path.display());
        ["--syslog".to_owned(), target, "--syslog-format".to_owned(), "5424".to_owned()]
    }

    /// The next message.
    pub(crate) fn next(&self) -> Message {
        let Some(message) = self.within(patience(PATIENCE)) else {
            panic!("no message comes any more; there were {:#?}", self.taken.borrow());
        };
        message
    }

    /// The next message, if one comes within a time.
    pub(crate) fn within(&self, patience: Duration) -> Option<Message> {
        self.socket.set_read_timeout(Some(patience)).expect("it is no zero");
        let mut bytes = vec![0; 65_536];
        let len = unless_late(|| self.socket.recv(&mut bytes))?;
        let text = std::str::from_utf8(&bytes[..len]).expect("messages are UTF-8");
        self.taken.borrow_mut().push(text.to_owned());
        Some(Message::parse(text).unwrap_or_else(|| panic!("no message of RFC 5424: {text}")))
    }

    /// The next message with this MSGID; others before it are passed over.
    pub(crate) fn wait(&self, id: &str) -> Message {
        loop {
            let message = self.next();
            if message.id == id {
                return message;
            }
        }
    }
}

impl Message {
    /// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`.
    fn parse(text: &str) -> Option<Self> {
        let (priority, rest) = text.strip_prefix('<')?.split_once(">1 ")?;
        let mut parts = rest.splitn(6, ' ');
        let (_time, _host, app) = (parts.next()?, parts.next()?, parts.next()?);
        let (_process, id, mut rest) = (parts.next()?, parts.next()?, parts.next()?);
        assert_eq!(app, "analyzer");
        let mut fields = Vec::new();
        while let Some(element) = rest.strip_prefix('[') {
            let (name, params) = element.split_once([' ', ']'])?;
            let mut params = if element[name.len()..].starts_with(']') { None } else { Some(params) };
            rest = params.map_or(&element[name.len() + 1..], |_| "");
            while let Some(param) = params {
                let (key, value) = param.split_once("=\"")?;
                let end = end_of_value(value)?;
                if name.starts_with("analyzer@") {
                    fields.push((key.to_owned(), unescaped(&value[..end])));
                }
                let behind = &value[end + 1..];
                params = behind.strip_prefix(' ');
                if params.is_none() {
                    rest = behind.strip_prefix(']')?;
                }
            }
        }
        let text = rest.strip_prefix(' ')?.trim_start_matches('\u{feff}').to_owned();
        Some(Self { priority: priority.parse().ok()?, id: id.to_owned(), fields, text })
    }

    /// The first value of a field.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Several of them.
    pub(crate) fn values<const N: usize>(&self, names: [&str; N]) -> [&str; N] {
        names.map(|name| self.value(name).unwrap_or_else(|| panic!("no {name} in {self:?}")))
    }
}

/// Where a value's closing quote is.
fn end_of_value(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value.char_indices().find_map(|(at, c)| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end.then_some(at)
    })
}

/// Without the backslashes of section 6.3.3.
fn unescaped(value: &str) -> String {
    let mut chars = value.chars();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}
