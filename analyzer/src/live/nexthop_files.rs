//! Files of next hops, read again as they change.

use std::path::PathBuf;

use super::sources::{SourceId, Sources};
use super::toml_file::{Reread, TomlFile};
use crate::engine::fact::Delta;
use crate::types::Timestamp;

/// Files of next hops.
#[derive(Debug)]
pub(super) struct NexthopFiles {
    files: Vec<(SourceId, TomlFile)>,
}

impl NexthopFiles {
    pub(super) fn new(paths: &[PathBuf], sources: &mut Sources, now: Timestamp) -> Self {
        let file = |path: &PathBuf| {
            let id = sources.add("nexthops.toml", path.display().to_string(), true, now);
            (id, TomlFile::new(path))
        };
        Self { files: paths.iter().map(file).collect() }
    }

    /// Looks at all files, about once a second. Gives what changed, and what is to be said.
    pub(super) fn poll(&mut self, sources: &mut Sources, now: Timestamp) -> Vec<(Delta, Option<String>)> {
        let mut told = Vec::new();
        for (id, file) in &mut self.files {
            match file.poll() {
                Some(Reread::Changed(delta)) => {
                    let news = sources.synchronised(*id, now);
                    told.push((delta, news.map(|source| format!("{} is read", source.place))));
                }
                Some(Reread::Failed(error)) => {
                    // Its last facts go on to hold for verdicts: a file does not age. Repairs wait.
                    sources.unusable(*id, error.clone(), now);
                    told.push((Delta::default(), Some(error)));
                }
                None => {}
            }
        }
        told
    }
}
