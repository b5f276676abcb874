//! Files that one daemon keeps, and no other beside it.
//!
//! The lock is of the single file, in a file of its own beside it: what is kept is replaced by a new file with each save,
//! and two daemons may share a folder as long as each has files of its own. The lock's file stays, as its removal could
//! take it from under a daemon that just starts.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::config::Config;
use crate::owned;
use crate::owned::lock::{self, Holder};

/// How often a lock's file that was deleted while we took it is made anew.
const TRIES: u32 = 5;

/// A file that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) path: PathBuf,
    _lock: File,
}

/// Why a file is not ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOurs {
    /// Another daemon keeps it.
    #[error("{0} keeps it")]
    Held(Holder),
    /// Whether another does cannot be told, or what is there cannot be believed.
    #[error("{action} {}: {source}", path.display())]
    Unsure { action: &'static str, path: PathBuf, source: io::Error },
}

/// What a daemon keeps over its end.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Open alerts.
    pub(super) alerts: Option<Claimed>,
    /// The history of next hops.
    pub(super) history: Option<Claimed>,
    /// Whether another daemon has the open alerts, and tells of them.
    pub(super) is_second: bool,
    /// What is to be said of files that are not ours.
    pub(super) said: Vec<String>,
}

impl Claims {
    /// Takes what is configured and free.
    pub(super) fn take(config: &Config) -> Self {
        let mut claims = Self::default();
        if let Some(path) = &config.alert_state {
            match claim(path) {
                Ok(claimed) => claims.alerts = Some(claimed),
                Err(refused) => claims.without_alerts(path, &refused),
            }
        }
        if let Some(path) = &config.history {
            match claim(path) {
                Ok(claimed) => claims.history = Some(claimed),
                Err(refused) => claims.said.push(format!(
                    "the history of next hops is neither read nor kept in {}: {refused}; --history FILE names another",
                    path.display()
                )),
            }
        }
        claims
    }

    /// Alerts under the ids of another daemon, or a second one for each cause, would mislead whoever is on call. Where
    /// nobody is known to send them, we do.
    fn without_alerts(&mut self, path: &Path, refused: &NotOurs) {
        let path = path.display();
        let message = match refused {
            NotOurs::Held(holder) => {
                self.is_second = true;
                format!(
                    "{holder} keeps the open alerts in {path}, and sends them: this daemon sends none and keeps none; \
                     --alert-state FILE gives it a file of its own, and --alert-state none lets it send without one"
                )
            }
            NotOurs::Unsure { .. } => {
                format!("open alerts are neither read nor kept in {path}: {refused}; --alert-state FILE names another")
            }
        };
        self.said.push(message);
    }
}

/// Takes a file for this daemon alone, and makes its folder.
///
/// # Errors
/// Another daemon has it, or nothing is certain: a folder or a file that others may write, one that cannot be locked.
pub(super) fn claim(path: &Path) -> Result<Claimed, NotOurs> {
    let unsure = |action, path: &Path| {
        let path = path.to_owned();
        move |source| NotOurs::Unsure { action, path, source }
    };
    let folder = owned::folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unsure("cannot make", folder))?;
    owned::check_folder(folder).map_err(unsure("cannot trust", folder))?;
    match owned::open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unsure("cannot trust", path)(error)),
        _ => {}
    }
    let mut beside = path.to_owned().into_os_string();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let lock = take(&beside).map_err(unsure("cannot lock", &beside))?;
    lock.map(|lock| Claimed { path: path.to_owned(), _lock: lock }).map_err(NotOurs::Held)
}

fn take(path: &Path) -> io::Result<Result<File, Holder>> {
    for _ in 0..TRIES {
        let file = open(path)?;
        if !lock::try_lock(&file)? {
            return Ok(Err(lock::signed_by(&file)));
        }
        let (ours, there) = (file.metadata()?, std::fs::symlink_metadata(path));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            // On a full disk others see that it is held, and not by whom.
            let _ = lock::sign(&file);
            return Ok(Ok(file));
        }
    }
    Err(io::Error::other("it is deleted again and again"))
}

/// Opens the lock's file; on a disk that is read-only, one that is there already.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match owned::open(path, options.read(true).write(true).create(true).mode(0o600)) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            owned::open(path, OpenOptions::new().read(true)).map_err(|_| error)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("analyzer-claim-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    fn said(path: &Path) -> String {
        claim(path).map_or_else(|error| error.to_string(), |_| "ours".to_owned())
    }

    #[test]
    fn each_file_has_one_keeper() {
        let folder = folder("one");
        let (one, other) = (folder.0.join("state/alerts.json"), folder.0.join("state/other.json"));
        let first = claim(&one).unwrap();
        assert_eq!(fs::metadata(folder.0.join("state")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(said(&one), format!("process {} keeps it", std::process::id()));
        assert_eq!(said(&other), "ours");
        drop(first);
        assert_eq!(said(&one), "ours");
    }

    #[test]
    fn what_is_not_certain_is_not_claimed() {
        let folder = folder("unsure");
        let file = folder.0.join("alerts.json");
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(said(&file).contains("may write it (mode 666)"), "{}", said(&file));
        fs::remove_file(&file).unwrap();
        symlink("/etc/passwd", &file).unwrap();
        assert!(said(&file).contains("no regular file"), "{}", said(&file));
        fs::remove_file(&file).unwrap();
        symlink("/etc/passwd", folder.0.join("alerts.json.lock")).unwrap();
        assert!(said(&file).starts_with("cannot lock"), "{}", said(&file));
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(said(&file).starts_with("cannot trust"), "{}", said(&file));
    }
}
