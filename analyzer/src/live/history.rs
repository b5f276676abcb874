//! The file that keeps the history of next hops.
//!
//! A disk that is full or read-only costs the memory over a restart, nothing else: it is said once, and
//! tried again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::kept;
pub use super::kept::{Job, SaveError};
use crate::daemon::history::{Bounds, History, format};
use crate::types::{Place, Position, Timestamp, Warning};

/// Where the history is kept if nothing else is configured.
pub const DEFAULT_PATH: &str = "/var/lib/analyzer/history.jsonl";

/// What messages call it.
const WHAT: &str = "the history of next hops";

/// After something changed, the history is saved at most this often.
const WHEN_CHANGED: Duration = Duration::from_secs(30);

/// Also if nothing changed, it is saved this often: what holds is known to have held until the last save.
const WHEN_UNCHANGED: Duration = Duration::from_secs(600);

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The history; empty where there is no file, or none that can be read.
    pub history: History,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// Reads a history. That there is no file is nothing to speak of: it is the first start.
pub fn load(path: &Path, bounds: Bounds, now: Timestamp) -> Loaded {
    let file: Arc<str> = path.display().to_string().into();
    let failed = |error: io::Error| {
        let place = Place { file: Arc::clone(&file), position: Position::Whole };
        let message = format!("cannot read the history of next hops, so it starts anew: {error}");
        Loaded { history: History::new(bounds), warnings: vec![Warning { place, message }] }
    };
    match kept::open(path) {
        Ok(opened) => match read(opened, &file, bounds, now, format::MAX_TEXT as u64) {
            Ok(loaded) => loaded,
            Err(error) => failed(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Loaded { history: History::new(bounds), warnings: Vec::new() }
        }
        Err(error) => failed(error),
    }
}

/// Reads a file, of one that is longer than `most` bytes only the last whole lines of these.
pub(super) fn read(file: File, name: &Arc<str>, bounds: Bounds, now: Timestamp, most: u64) -> io::Result<Loaded> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let passed_over = length.saturating_sub(most);
    if passed_over > 0 {
        // Where it cuts a line, that one is passed over, too.
        reader.seek(SeekFrom::Start(passed_over - 1))?;
        reader.skip_until(b'\n')?;
    }
    let (history, mut warnings) = format::decode(reader.take(most), name, bounds, now, passed_over > 0)?;
    if passed_over > 0 {
        let place = Place { file: Arc::clone(name), position: Position::Whole };
        let message = format!(
            "the file has {length} bytes, and no more than {most} are read: the last lines count, and what they say held \
             is taken to have ended at the latest time in them"
        );
        warnings.insert(0, Warning { place, message });
    }
    Ok(Loaded { history, warnings })
}

/// Says when the history is to be saved, and what is to be said of it.
#[derive(Debug)]
pub struct Saver {
    path: PathBuf,
    /// Time and [`History::changes`] of the last attempt.
    last: Option<(Timestamp, u64)>,
    is_failing: bool,
    /// Facts that the last text had no room for, and whether that was said.
    left_out: usize,
    is_told_full: bool,
}

/// What came of saving that is worth saying.
#[derive(Debug)]
pub enum Notice {
    /// It fails from now on.
    Failing(SaveError),
    /// It works again.
    Recovered,
    /// It was saved without so many facts, for which there is no room.
    Full(usize),
}

impl Saver {
    /// A saver to this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, last: None, is_failing: false, left_out: 0, is_told_full: false }
    }

    /// When [`Saver::job`] is worth calling next, for a history as it is.
    pub fn due(&self, history: &History) -> Timestamp {
        match self.last {
            Some((at, changes)) if changes == history.changes() && !self.is_failing => {
                at.saturating_add(WHEN_UNCHANGED)
            }
            Some((at, _)) => at.saturating_add(WHEN_CHANGED),
            None => Timestamp::default(),
        }
    }

    /// What is to be written at `now`, whether it is due or not.
    pub fn job(&mut self, history: &History, now: Timestamp) -> Job {
        self.last = Some((now, history.changes()));
        let format::Encoded { text, left_out } = format::encode(history, now, format::MAX_TEXT);
        self.left_out = left_out;
        Job { what: WHAT, path: self.path.clone(), text }
    }

    /// Takes the outcome of [`Job::run`]. Only a change of state is worth a message.
    pub fn done(&mut self, outcome: Result<(), SaveError>) -> Option<Notice> {
        let was_failing = self.is_failing;
        self.is_failing = outcome.is_err();
        match outcome {
            Err(error) if !was_failing => Some(Notice::Failing(error)),
            Ok(()) if was_failing => Some(Notice::Recovered),
            Ok(()) => {
                let was_told = std::mem::replace(&mut self.is_told_full, self.left_out > 0);
                (self.left_out > 0 && !was_told).then_some(Notice::Full(self.left_out))
            }
            Err(_) => None,
        }
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.is_failing
    }
}

#[cfg(test)]
mod tests;
