//! nexthops.toml, read again when it changes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::fact::{Delta, Fact};
use crate::ovn::nexthops_toml;

/// Largest file that is read. The largest set that is meant to be, 20,000 routes, has a few MiB.
const MAX_LEN: u64 = 64 << 20;

/// A nexthops.toml that is looked at again and again.
///
/// The file is taken for changed when what its path leads to is another file, or has another time or size. Symbolic links
/// are followed, so that a ConfigMap, whose folder Kubernetes exchanges by a link, is seen to change. It is read once it
/// looks the same at two looks, and again at the next look, as a change within the file system's own tick of time shows
/// in neither time nor size.
///
/// What cannot be read changes nothing: the set that was told last goes on to hold.
#[derive(Debug)]
pub struct TomlFile {
    path: PathBuf,
    name: Arc<str>,
    /// The look before this one.
    seen: Option<Result<Stamp, String>>,
    /// What was read last, and how the file looked then.
    read: Option<(Stamp, Vec<u8>)>,
    /// Whether it was read again at the look after that.
    is_settled: bool,
    told: HashSet<Fact>,
    /// Whether facts were taken from it, or that it has none.
    was_taken: bool,
    complaint: Option<String>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look at the file gave.
#[derive(Clone, PartialEq, Debug)]
pub enum Reread {
    /// The facts of the file have changed.
    ///
    /// Facts have the validity that `since` and `until` in the file give them. They hold where both this and the time
    /// between their being told as begun and as ended say so.
    Changed(Delta),
    /// The file cannot be read or used, for the reason told; its last facts go on to hold. Told once for each reason.
    Failed(String),
}

impl TomlFile {
    /// Watches a file that was not read yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            name: path.display().to_string().into(),
            seen: None,
            read: None,
            is_settled: false,
            told: HashSet::new(),
            was_taken: false,
            complaint: None,
        }
    }

    /// Looks at the file; the first time it is read at once. To be called about once a second.
    pub fn poll(&mut self) -> Option<Reread> {
        let look =
            std::fs::metadata(&self.path).map(|metadata| Stamp::of(&metadata)).map_err(|error| error.to_string());
        let is_steady = self.seen.as_ref().is_none_or(|seen| *seen == look);
        self.seen = Some(look.clone());
        let stamp = match look {
            Ok(stamp) => stamp,
            // Between two looks it may be exchanged by removing and making it.
            Err(error) if is_steady => return self.complain(format!("{}: {error}", self.name)),
            Err(_) => return None,
        };
        let is_known = self.read.as_ref().is_some_and(|(read, _)| *read == stamp);
        if !is_steady || is_known && self.is_settled {
            return None;
        }
        match self.read_file(stamp) {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                self.is_settled = is_known && self.read.as_ref().is_some_and(|(_, read)| *read == bytes);
                let is_same = self.read.as_ref().is_some_and(|(_, read)| *read == bytes) && self.complaint.is_none();
                let reread = if is_same { None } else { self.take(&bytes) };
                self.read = Some((stamp, bytes));
                reread
            }
            Err(error) => self.complain(format!("{}: {error}", self.name)),
        }
    }

    /// The bytes of the file; `None` where it changes while it is read.
    fn read_file(&self, stamp: Stamp) -> io::Result<Option<Vec<u8>>> {
        if stamp.size > MAX_LEN {
            return Err(io::Error::other(format!(
                "it has {} bytes, more than the {MAX_LEN} that are read",
                stamp.size
            )));
        }
        // Never waits, also where the path leads to a pipe.
        let file = rustix::fs::open(
            &self.path,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        let mut file = File::from(file);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(MAX_LEN + 1).read_to_end(&mut bytes)?;
        let is_unchanged = Stamp::of(&file.metadata()?) == stamp;
        Ok(is_unchanged.then_some(bytes))
    }

    fn take(&mut self, bytes: &[u8]) -> Option<Reread> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.complain(format!("{}: it is no UTF-8 text", self.name));
        };
        let facts = match nexthops_toml::parse(text, &self.name) {
            Ok(facts) => facts,
            Err(error) => return self.complain(error.to_string()),
        };
        self.complaint = None;
        let now: HashSet<Fact> = facts.facts.into_iter().collect();
        let delta = Delta {
            ended: self.told.difference(&now).cloned().collect(),
            begun: now.difference(&self.told).cloned().collect(),
        };
        self.told = now;
        // That it is read for the first time is news, also where it names no next hop.
        let is_first = !std::mem::replace(&mut self.was_taken, true);
        (is_first || delta != Delta::default()).then_some(Reread::Changed(delta))
    }

    fn complain(&mut self, complaint: String) -> Option<Reread> {
        if self.complaint.as_ref() == Some(&complaint) {
            return None;
        }
        self.complaint = Some(complaint.clone());
        Some(Reread::Failed(complaint))
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;
