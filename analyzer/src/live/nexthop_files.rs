//! Files of next hops, read again as they change.

use std::path::PathBuf;

use super::toml_file::{Reread, TomlFile};
use crate::daemon::event::Event;

/// Files of next hops.
#[derive(Debug)]
pub(super) struct NexthopFiles(Vec<TomlFile>);

impl NexthopFiles {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        Self(paths.iter().map(|path| TomlFile::new(path)).collect())
    }

    /// Looks at all files, about once a second. Gives what changed, and what could not be read.
    pub(super) fn poll(&mut self) -> Vec<Event> {
        let read = |(number, file): (usize, &mut TomlFile)| match file.poll()? {
            Reread::Changed(delta) => Some(Event::File(number, Ok(delta))),
            Reread::Failed(error) => Some(Event::File(number, Err(error))),
        };
        self.0.iter_mut().enumerate().filter_map(read).collect()
    }
}
