//! Where what is said comes from: the files as they were when reading began, and the run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::engine::Prepared;
use crate::capture::{FileRead, Skipped};
use crate::cli::{OutputArgs, version};
use crate::inputs;
use crate::output::provenance::{Provenance, Run, Source};
use crate::types::{Place, Position, Timestamp};

/// When reading began, and what the files were then.
#[derive(Default)]
pub(super) struct Origins {
    at: Timestamp,
    /// By the name that messages have for it.
    files: HashMap<String, File>,
    passed_over: Vec<String>,
}

/// A file as it lay on the disk.
#[derive(Clone, Copy)]
struct File {
    size: u64,
    modified: Timestamp,
}

impl Origins {
    /// Of files that are to be read, and of those that are not.
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a PathBuf>, passed_over: &[PathBuf]) -> Self {
        let file = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
            let modified = time(metadata.mtime(), metadata.mtime_nsec());
            Some((name(path), File { size: metadata.len(), modified }))
        };
        Self {
            at: now(),
            files: files.filter_map(file).collect(),
            passed_over: passed_over.iter().map(|path| name(path)).collect(),
        }
    }

    /// What was read of the dumps and captures, and what of the running system was `asked` and answered.
    pub(super) fn told(
        &self,
        dumps: &[inputs::Source],
        asked: &[(&'static str, String)],
        captures: &[FileRead],
        output: &OutputArgs,
    ) -> Provenance {
        let of_captures = captures.iter().map(|read| {
            let FileRead { place, frames, skipped: Skipped { frames: lost, lines, ends } } = read;
            self.source(place.clone(), "capture", *frames, lost + lines + ends)
        });
        let of_dumps = dumps.iter().map(|dump| self.source(dump.place.clone(), dump.taken_for, dump.rows, dump.lost));
        Provenance {
            sources: of_captures.chain(asked.iter().map(source_asked)).chain(of_dumps).collect(),
            passed_over: self.passed_over.clone(),
            run: run(self.at, output),
        }
    }

    fn source(&self, place: Place, taken_for: &'static str, rows: u64, lost: u64) -> Source {
        let file = self.files.get(&*place.file);
        // A part of a file has no size of its own.
        let size =
            file.filter(|_| !matches!(place.position, Position::Line(_) | Position::Lines(..))).map(|file| file.size);
        let modified = file.map(|file| file.modified);
        Source { place, taken_for, size, rows: Some(rows), lost: Some(lost), modified }
    }
}

impl Prepared {
    /// Where what is said comes from. `captures` is what became of the captures.
    pub(super) fn provenance(&self, captures: &[FileRead], output: &OutputArgs) -> Provenance {
        self.origins.told(&self.loaded.sources, &self.asked, captures, output)
    }
}

/// A part of the running system that was asked.
fn source_asked((taken_for, place): &(&'static str, String)) -> Source {
    let place = Place { file: place.as_str().into(), position: Position::Whole };
    Source { place, taken_for, size: None, rows: None, lost: None, modified: None }
}

/// The run; `None` where outputs are to be compared.
pub(super) fn run(at: Timestamp, output: &OutputArgs) -> Option<Run> {
    let word = |word: OsString| word.to_string_lossy().into_owned();
    (!output.reproducible).then(|| Run {
        version: version::VERSION,
        commit: version::COMMIT,
        command: std::env::args_os().map(word).collect(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        directory: std::env::current_dir().ok().map(|directory| directory.to_string_lossy().into_owned()),
        at,
    })
}

/// Now, by the wall clock.
pub(super) fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    time(now.as_second(), i64::from(now.subsec_nanosecond()))
}

fn time(seconds: i64, nanos: i64) -> Timestamp {
    let [seconds, nanos] = [seconds, nanos].map(|part| u64::try_from(part).unwrap_or_default());
    Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
