//! Debian's rsyslogd, in a network namespace and with a configuration of the test's own.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::PROGRAMS;
use crate::alerts::PATIENCE;
use crate::authority::Authority;
use crate::common::{Process, TempDir, command, require};
use crate::netns::Netns;

/// A message as rsyslog understood it.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Received {
    /// The name of the input that it came by.
    pub(crate) input: String,
    pub(crate) facility: String,
    pub(crate) severity: String,
    pub(crate) time: String,
    pub(crate) hostname: String,
    pub(crate) app_name: String,
    pub(crate) procid: String,
    pub(crate) msgid: String,
    pub(crate) structured_data: String,
    pub(crate) msg: String,
}

impl Received {
    /// The structured data: names and values in order, read as RFC 5424 section 6.3 writes them.
    pub(crate) fn elements(&self) -> Vec<(String, Vec<(String, String)>)> {
        let mut elements = Vec::new();
        let mut rest = self.structured_data.as_str();
        while let Some(element) = rest.strip_prefix('[') {
            let end = element.find([' ', ']']).expect("an SD-ID ends");
            let mut parameters = Vec::new();
            let id = element[..end].to_owned();
            rest = &element[end..];
            while let Some(parameter) = rest.strip_prefix(' ') {
                let (name, quoted) = parameter.split_once("=\"").expect("a parameter has a value");
                let mut value = String::new();
                let mut chars = quoted.chars();
                loop {
                    match chars.next().expect("a value ends") {
                        '"' => break,
                        '\\' => value.push(chars.next().expect("something is escaped")),
                        c => value.push(c),
                    }
                }
                parameters.push((name.to_owned(), value));
                rest = chars.as_str();
            }
            elements.push((id, parameters));
            rest = rest.strip_prefix(']').expect("an element ends");
        }
        elements
    }

    /// The `sequenceId` of the structured data.
    pub(crate) fn sequence(&self) -> u32 {
        let elements = self.elements();
        let (id, parameters) = &elements[0];
        assert_eq!((id.as_str(), parameters[0].0.as_str()), ("meta", "sequenceId"), "{self:?}");
        parameters[0].1.parse().unwrap()
    }

    /// A field of the alert, whatever form it came in.
    pub(crate) fn field(&self, name: &str) -> String {
        let elements = self.elements();
        let found = elements.iter().flat_map(|(_, parameters)| parameters).find(|parameter| parameter.0 == name);
        if let Some((_, value)) = found {
            return value.clone();
        }
        let (_, behind) = self.msg.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        behind.split(' ').next().unwrap_or_default().to_owned()
    }
}

const OUTPUT: &str = r#"
template(name="json" type="list") {
    constant(value="{")
    property(outname="input" name="inputname" format="jsonf") constant(value=",")
    property(outname="facility" name="syslogfacility-text" format="jsonf") constant(value=",")
    property(outname="severity" name="syslogseverity-text" format="jsonf") constant(value=",")
    property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf") constant(value=",")
    property(outname="hostname" name="hostname" format="jsonf") constant(value=",")
    property(outname="app-name" name="app-name" format="jsonf") constant(value=",")
    property(outname="procid" name="procid" format="jsonf") constant(value=",")
    property(outname="msgid" name="msgid" format="jsonf") constant(value=",")
    property(outname="structured-data" name="structured-data" format="jsonf") constant(value=",")
    property(outname="msg" name="msg" format="jsonf")
    constant(value="}\n")
}
"#;

/// An rsyslogd.
pub(crate) struct Rsyslog<'a> {
    netns: &'a Netns,
    directory: TempDir,
    inputs: String,
    ports: Vec<u16>,
    sockets: Vec<PathBuf>,
    process: Option<Process>,
}

impl<'a> Rsyslog<'a> {
    /// Not running yet. `inputs` is the part of the configuration that loads modules and names inputs, where `DIR` stands
    /// for the directory; `ports` and `sockets` are those that it opens.
    pub(crate) fn new(netns: &'a Netns, inputs: &str, ports: &[u16], sockets: &[&str]) -> Self {
        let directory = TempDir::new();
        let inputs = inputs.replace("DIR", &directory.path().display().to_string());
        let sockets = sockets.iter().map(|name| directory.path().join(name)).collect();
        Self { netns, directory, inputs, ports: ports.to_vec(), sockets, process: None }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it listens. What an earlier process wrote stays.
    pub(crate) fn start(&mut self) {
        let directory = self.directory.path().display();
        let file = self.directory.path().join("rsyslog.conf");
        let head = format!(
            "global(workDirectory=\"{directory}\" maxMessageSize=\"64k\" net.enableDNS=\"off\" \
             defaultNetstreamDriverCAFile=\"{directory}/ours.pem\" \
             defaultNetstreamDriverCertFile=\"{directory}/server-cert.pem\" \
             defaultNetstreamDriverKeyFile=\"{directory}/server-key.pem\")\n"
        );
        let action = format!("*.* action(type=\"omfile\" file=\"{directory}/received\" template=\"json\")\n");
        fs::write(&file, [&head, OUTPUT, &self.inputs, "\n", &action].concat()).unwrap();
        let mut command = self.netns.command("rsyslogd");
        command.arg("-n").arg("-f").arg(&file).arg("-i").arg(self.directory.path().join("pid"));
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
        self.process = Some(Process::start(&mut command));
        let is_listening = || {
            let listening = self.netns.sh("ss -Hlnut");
            let has = |port: &u16| listening.lines().any(|line| line.contains(&format!(":{port} ")));
            self.ports.iter().all(has) && self.sockets.iter().all(|socket| socket.exists())
        };
        wait_for("rsyslogd to listen", is_listening);
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().expect("it runs").id();
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What it has received by now, without its messages of its own.
    pub(crate) fn received(&self) -> Vec<Received> {
        let text = fs::read_to_string(self.directory.path().join("received")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |line| serde_json::from_str::<Received>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        whole.lines().map(parse).filter(|message| message.app_name != "rsyslogd").collect()
    }

    /// Waits until it has received what makes `is_done` true. Not for use in a runtime, which would stand still.
    pub(crate) fn until(&self, what: &str, is_done: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        wait_for(what, || is_done(&self.received()));
        self.received()
    }
}

fn wait_for(what: &str, is_true: impl Fn() -> bool) {
    let between = Duration::from_millis(50);
    let mut rounds = PATIENCE.as_millis() / between.as_millis();
    while !is_true() {
        rounds -= 1;
        assert!(rounds > 0, "waited in vain for {what}");
        pause(between);
    }
}

#[expect(clippy::disallowed_methods, reason = "rsyslogd tells nobody when it is done")]
fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// The example of docs/alerts.md is what rsyslogd takes.
#[test]
fn the_documented_configuration_is_valid() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server", &["log.example"], 2999);
    for (of, file) in [("server-cert.pem", "cert.pem"), ("server-key.pem", "key.pem")] {
        fs::rename(authority.path(of), authority.path(file)).unwrap();
    }
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.md")).unwrap();
    let (_, behind) = docs.split_once("```rsyslog\n").expect("there is an example");
    let (example, _) = behind.split_once("```").expect("it ends");
    let file = directory.path().join("rsyslog.conf");
    fs::write(&file, example.replace("/etc/rsyslog.d", &directory.path().display().to_string())).unwrap();
    let output = command("rsyslogd").arg("-N1").arg("-f").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("error"), "{said}");
}
