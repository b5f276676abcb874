//! What was changed, written down before it is done, so that an entry can be made again as it was.
//!
//! One JSON object a line: an `intent` before each change and an `outcome` after it. Each line is on the disk
//! (fdatasync(2)) before anything else happens; where it cannot be written nothing is changed. docs/repair.md tells what
//! the keys mean and how an entry is made again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::Outcome;
use super::rules::{Action, Method};
use crate::engine::fact::Connection;
use crate::engine::label::label_text;
use crate::netlink::conntrack::entry::Entry;
use crate::netlink::conntrack::protoinfo::ProtoInfo;
use crate::output::remedy::Datapath;
use crate::output::say;
use crate::owned;
use crate::owned::lock;
use crate::types::{Timestamp, Tuple};

/// Where the journal is kept if nothing else is said.
pub const DEFAULT_PATH: &str = "/var/lib/analyzer/repairs.jsonl";

/// Version of the journal's lines.
const SCHEMA: u32 = 1;

/// How long another may write before it is said that we wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a line could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the journal of repairs: {action} {}: {source}", path.display())]
pub struct JournalError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Who asked for a repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// A person, with `analyzer repair`.
    Command,
    /// The daemon, by `live --repair`.
    Daemon,
}

impl By {
    /// The name that the journal has.
    fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Daemon => "daemon",
        }
    }
}

/// The file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    by: By,
    /// Intents written so far.
    written: u64,
}

/// An entry as it is before it is changed.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// Of the kernel, with all that it tells.
    Kernel(&'a Entry),
    /// Of ovs-vswitchd, which tells less.
    Userspace(&'a Connection),
}

/// Names an intent, for its outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number(String);

impl Journal {
    /// A journal in this file. Nothing is opened yet.
    pub fn new(path: PathBuf, by: By) -> Self {
        Self { path, by, written: 0 }
    }

    /// Checks that lines can be written: makes the folder and the file where they are missing.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), JournalError> {
        self.open().map(drop)
    }

    /// Writes what is to be done, before it is.
    ///
    /// # Errors
    /// When it is not on the disk for certain. Then nothing must be done.
    pub fn intent(
        &mut self,
        before: Before<'_>,
        method: Method,
        action: &Action,
        at: Timestamp,
    ) -> Result<Number, JournalError> {
        self.written += 1;
        let number = Number(format!("{}-{}-{}", std::process::id(), at.as_nanos(), self.written));
        let rewrite = action.rewrite();
        let intent = IntentView {
            schema: SCHEMA,
            r#type: "intent",
            number: &number.0,
            at: at.to_rfc3339(9),
            by: self.by.name(),
            method: method.name(),
            datapath: match before {
                Before::Kernel(_) => Datapath::Kernel.name(),
                Before::Userspace(_) => Datapath::Userspace.name(),
            },
            entry: EntryView::new(before),
            mark: rewrite
                .and_then(|new| new.mark())
                .map(|mark| MaskedView { value: format!("{:#x}", mark.value()), mask: format!("{:#x}", mark.mask()) }),
            label: rewrite
                .and_then(|new| new.label())
                .map(|label| MaskedView { value: label_text(label.value()), mask: label_text(label.mask()) }),
        };
        self.append(&intent)?;
        Ok(number)
    }

    /// Writes what came of it.
    ///
    /// # Errors
    /// When it is not on the disk for certain.
    pub fn outcome(&mut self, number: &Number, outcome: &Outcome, at: Timestamp) -> Result<(), JournalError> {
        let view = OutcomeView {
            schema: SCHEMA,
            r#type: "outcome",
            number: &number.0,
            at: at.to_rfc3339(9),
            outcome: outcome.name(),
            message: outcome.to_string(),
        };
        self.append(&view)
    }

    /// Opens the file anew for each line, so that it may be rotated at any time.
    fn open(&self) -> Result<File, JournalError> {
        let path = &self.path;
        let error = |action, path: &Path| {
            let path = path.to_owned();
            move |source| JournalError { action, path, source }
        };
        let folder = owned::folder_of(path);
        let is_new = fs::symlink_metadata(path).is_err_and(|missing| missing.kind() == io::ErrorKind::NotFound);
        if is_new {
            make(folder).map_err(error("cannot make", folder))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = owned::open(path, &mut options).map_err(error("cannot open", path))?;
        let metadata = file.metadata().map_err(error("cannot open", path))?;
        if metadata.mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(error("cannot keep to ourselves", path))?;
        }
        if is_new {
            // The new name, too, has to reach the disk.
            sync(folder).map_err(error("cannot sync", folder))?;
        }
        Ok(file)
    }

    /// Waits until nobody else writes. That takes them no longer than the disk, so a longer wait is worth a word.
    fn lock(&self, file: &File) -> io::Result<()> {
        if lock::try_within(file, PATIENCE)? {
            return Ok(());
        }
        let path = self.path.display();
        say(format_args!("waiting for the lock of the journal {path}, which {} holds", lock::held_by(file)));
        lock::lock(file)
    }

    fn append(&self, line: &impl Serialize) -> Result<(), JournalError> {
        let error = |source| JournalError { action: "cannot write", path: self.path.clone(), source };
        let mut text = serde_json::to_vec(line).map_err(|failed| error(failed.into()))?;
        text.push(b'\n');
        let mut file = self.open()?;
        // A daemon and a person may write at once. The lock goes with the file.
        self.lock(&file).map_err(error)?;
        if is_torn(&file).map_err(error)? {
            text.insert(0, b'\n');
        }
        file.write_all(&text).map_err(error)?;
        file.sync_data().map_err(error)
    }
}

/// Whether the last line was not written to its end, as on a disk that was full: the next one must not be glued to it.
fn is_torn(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Makes the folder and those above it that are missing, and sees that their names reach the disk.
fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let above = missing.into_iter().map(|made| made.parent().filter(|it| !it.as_os_str().is_empty()));
    above.map(|parent| parent.unwrap_or(Path::new("."))).try_for_each(sync)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[derive(Serialize)]
struct IntentView<'a> {
    schema: u32,
    r#type: &'static str,
    number: &'a str,
    at: String,
    by: &'static str,
    method: &'static str,
    datapath: &'static str,
    entry: EntryView,
    mark: Option<MaskedView>,
    label: Option<MaskedView>,
}

#[derive(Serialize)]
struct OutcomeView<'a> {
    schema: u32,
    r#type: &'static str,
    number: &'a str,
    at: String,
    outcome: &'static str,
    message: String,
}

#[derive(Serialize)]
struct MaskedView {
    value: String,
    mask: String,
}

#[derive(Serialize)]
struct EntryView {
    orig: TupleView,
    reply: TupleView,
    zone: u16,
    mark: u32,
    label: String,
    id: Option<u32>,
    status: Option<u32>,
    timeout: Option<u32>,
    protoinfo: Option<ProtoView>,
}

#[derive(Serialize)]
struct TupleView {
    text: String,
    proto: u8,
    src: std::net::IpAddr,
    dst: std::net::IpAddr,
    tp_src: u16,
    tp_dst: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ProtoView {
    Tcp { state: u8, wscale: Option<[u8; 2]>, flags: Option<[u8; 2]> },
    Dccp { state: u8, role: u8, handshake_seq: u64 },
    Sctp { state: u8, vtag: [u32; 2] },
}

impl EntryView {
    fn new(before: Before<'_>) -> Self {
        let (connection, entry) = match before {
            Before::Kernel(entry) => (&entry.connection, Some(entry)),
            Before::Userspace(connection) => (connection, None),
        };
        Self {
            orig: TupleView::new(connection.orig),
            reply: TupleView::new(connection.reply),
            zone: connection.zone,
            mark: connection.mark,
            label: label_text(connection.label),
            id: connection.id,
            status: entry.map(|entry| entry.status),
            timeout: entry.and_then(|entry| entry.timeout),
            protoinfo: entry.and_then(|entry| entry.protoinfo).map(ProtoView::new),
        }
    }
}

impl TupleView {
    fn new(tuple: Tuple) -> Self {
        let Tuple { src, dst, nw_proto, tp_src, tp_dst } = tuple;
        Self { text: tuple.to_string(), proto: nw_proto, src, dst, tp_src, tp_dst }
    }
}

impl ProtoView {
    fn new(protoinfo: ProtoInfo) -> Self {
        match protoinfo {
            ProtoInfo::Tcp(tcp) => Self::Tcp { state: tcp.state, wscale: tcp.wscale, flags: tcp.flags },
            ProtoInfo::Dccp(dccp) => {
                Self::Dccp { state: dccp.state, role: dccp.role, handshake_seq: dccp.handshake_seq }
            }
            ProtoInfo::Sctp(sctp) => Self::Sctp { state: sctp.state, vtag: sctp.vtag },
        }
    }
}

#[cfg(test)]
mod tests;
