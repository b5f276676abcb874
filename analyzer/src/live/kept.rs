//! Files that keep something over a restart.
//!
//! Each is written anew as a whole beside the old one and then takes its place, so that a crash at any moment leaves the
//! one or the other.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;

use crate::owned;

/// Why a file could not be saved.
#[derive(Debug, thiserror::Error)]
#[error("cannot save {what}: {action} {path}: {source}")]
pub struct SaveError {
    what: &'static str,
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A file as text, to be written where waiting for the disk harms nobody.
#[derive(Debug)]
pub struct Job {
    /// What messages call it.
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    pub(super) text: Vec<u8>,
}

impl Job {
    /// Writes the file, readable by its owner alone.
    ///
    /// # Errors
    /// When the file system does not let us; the file is as it was then.
    pub fn run(self) -> Result<(), SaveError> {
        let Self { what, path, text } = self;
        let error = |action, path: &Path| {
            let path = path.to_owned();
            move |source| SaveError { what, action, path, source }
        };
        let directory = owned::folder_of(&path);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(error("cannot make", directory))?;
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let written = write_anew(&new, &text).map_err(error("cannot write", &new));
        let replaced = written.and_then(|()| fs::rename(&new, &path).map_err(error("cannot replace", &path)));
        if replaced.is_err() {
            // It may not be there; and on a full disk its space is needed.
            let _ = fs::remove_file(&new);
        }
        replaced?;
        // The new name, too, has to reach the disk.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(error("cannot sync", directory))
    }
}

/// Opens a file that was kept: one that nobody else can have written.
///
/// # Errors
/// It is not there, cannot be read, or is not to be believed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    owned::check_folder(owned::folder_of(path))?;
    owned::open(path, OpenOptions::new().read(true))
}

fn write_anew(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A file that is there, or a link, is not followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// A job that runs in a thread that may wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Saving(Option<JoinHandle<Result<(), SaveError>>>);

impl Saving {
    /// What came of the job, once it is done.
    pub(super) async fn outcome(&mut self) -> Option<Result<(), SaveError>> {
        let done = self.0.take_if(|job| job.is_finished())?;
        // It does not panic, and nobody aborts it.
        done.await.ok()
    }

    /// Waits for the job that is under way.
    pub(super) async fn wait(&mut self) -> Option<Result<(), SaveError>> {
        self.0.take()?.await.ok()
    }

    /// Whether a job is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a job.
    pub(super) fn start(&mut self, job: Job) {
        self.0 = Some(tokio::task::spawn_blocking(move || job.run()));
    }
}
