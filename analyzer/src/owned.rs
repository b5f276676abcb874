//! Files that we write and believe later, opened only where nobody else can have written them.
//!
//! What is kept over a restart ends up in messages and in commands that people paste, and what a repair writes down is
//! evidence. So both are files of ours or of root that nobody else may write, and are never reached through a link.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

pub mod lock;

/// The group or others may write.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with this bit files are renamed and deleted by their owners alone.
const STICKY: u32 = 0o1000;

/// Opens a file that is ours or root's and that nobody else may write.
///
/// # Errors
/// It is another's, others may write it, it is a link or no regular file (a pipe would block for ever), or it cannot be
/// opened. [`io::ErrorKind::NotFound`] where there is none.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is no regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Between the look and the opening it may have become a link or a pipe.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    check(&metadata)?;
    Ok(file)
}

/// Checks that nobody else can put files of another's making into a folder.
///
/// # Errors
/// It belongs to another user, or others may write into it and replace what is not theirs.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let link = fs::symlink_metadata(folder)?;
    if link.is_symlink() && !is_ours(&link) {
        return Err(io::Error::other(format!("it is a link of another user's (uid {})", link.uid())));
    }
    match metadata.mode() & STICKY {
        0 => check(&metadata),
        _ => check_owner(&metadata),
    }
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn check(metadata: &Metadata) -> io::Result<()> {
    check_owner(metadata)?;
    match metadata.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err(io::Error::other(format!(
            "others than its owner may write it (mode {:o}); chmod go-w would help",
            metadata.mode() & 0o7777
        ))),
    }
}

fn check_owner(metadata: &Metadata) -> io::Result<()> {
    match is_ours(metadata) {
        true => Ok(()),
        false => Err(io::Error::other(format!("it belongs to another user (uid {})", metadata.uid()))),
    }
}

fn is_ours(metadata: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("analyzer-owned-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn opened(path: &Path) -> String {
        open(path, OpenOptions::new().read(true)).map_or_else(|error| error.to_string(), |_| "opened".to_owned())
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_have_written_is_not_opened() {
        let folder = Folder::new("file");
        let file = folder.0.join("file");
        assert_eq!(open(&file, OpenOptions::new().read(true)).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&file, "").unwrap();
        for (bits, expected) in [(0o600, "opened"), (0o644, "opened"), (0o620, "may write"), (0o602, "may write")] {
            mode(&file, bits);
            assert!(opened(&file).contains(expected), "{bits:o}: {}", opened(&file));
        }
        mode(&file, 0o600);
        let link = folder.0.join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(opened(&link), "it is no regular file");
        assert_eq!(opened(&folder.0), "it is no regular file");
        // Only root may give a file away.
        if chown(&file, Some(65534), None).is_ok() {
            assert_eq!(opened(&file), "it belongs to another user (uid 65534)");
        }
    }

    #[test]
    fn folders_that_others_may_write() {
        let folder = Folder::new("folder");
        check_folder(&folder.0).unwrap();
        mode(&folder.0, 0o775);
        assert!(check_folder(&folder.0).unwrap_err().to_string().contains("may write"));
        mode(&folder.0, 0o1777);
        check_folder(&folder.0).unwrap();
        mode(&folder.0, 0o755);
        let link = folder.0.join("link");
        symlink("/", &link).unwrap();
        check_folder(&link).unwrap();
        if std::os::unix::fs::lchown(&link, Some(65534), None).is_ok() {
            assert!(check_folder(&link).unwrap_err().to_string().contains("a link of another"));
            chown(&folder.0, Some(65534), None).unwrap();
            assert!(check_folder(&folder.0).unwrap_err().to_string().contains("another user"));
        }
    }

    #[test]
    fn folders_of_files() {
        for (path, folder) in [("a", "."), ("a/b", "a"), ("/a", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }
}
