use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("analyzer-recorder-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn name(&self, file: &str) -> Name {
        Name::try_from(self.0.join(file).as_path()).unwrap()
    }

    fn listed(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NOW: Timestamp = Timestamp::from_nanos(1_654_814_908_000_000_000);

fn numbered(number: u32) -> String {
    format!("a_{number:05}_20220609224828.pcapng")
}

#[test]
fn a_file_is_ours_alone_and_nothing_is_written_over() {
    let folder = Folder::new("exclusive");
    let (name, path) = (folder.name("a.pcapng"), folder.0.join("a.pcapng"));
    let mut files = Files::open(&name, None, NOW).unwrap();
    files.append(b"first").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Files::open(&name, None, NOW).unwrap_err().to_string();
    assert!(error.contains("is there already") && error.contains("a.pcapng"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"first");

    let target = folder.0.join("target");
    symlink(&target, folder.0.join("b.pcapng")).unwrap();
    let error = Files::open(&folder.name("b.pcapng"), None, NOW).unwrap_err();
    assert!(matches!(error, RecorderError::Exists { .. }), "{error}");
    assert!(!target.exists());

    let error = Files::open(&folder.name("no/such/a.pcapng"), None, NOW).unwrap_err();
    assert!(matches!(error, RecorderError::Folder { .. }), "{error}");
    let error = Files::open(&Name::try_from(Path::new("/proc/a.pcapng")).unwrap(), None, NOW).unwrap_err();
    assert!(matches!(error, RecorderError::File { .. }), "{error}");
}

#[test]
fn only_the_newest_files_stay() {
    let folder = Folder::new("rotation");
    let rotation = Some(Rotation { bytes: 1, files: 2 });
    // Of another run: it is not ours to remove.
    fs::write(folder.0.join("a_00001_20200101000000.pcapng"), "old").unwrap();
    let mut files = Files::open(&folder.name("a.pcapng"), rotation, NOW).unwrap();
    files.rotate(NOW).unwrap();
    let old = "a_00001_20200101000000.pcapng".to_owned();
    assert_eq!(folder.listed(), [old.clone(), numbered(1), numbered(2)]);
    files.rotate(NOW).unwrap();
    assert_eq!(folder.listed(), [old.clone(), numbered(2), numbered(3)]);
    // Somebody replaced one of them: it stays.
    fs::rename(folder.0.join(numbered(2)), folder.0.join("kept")).unwrap();
    fs::write(folder.0.join(numbered(2)), "of another").unwrap();
    files.rotate(NOW).unwrap();
    assert_eq!(folder.listed(), [old, numbered(2), numbered(3), numbered(4), "kept".to_owned()]);
    assert_eq!((files.made(), files.path()), (4, folder.0.join(numbered(4))));
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let folder = Folder::new("taken");
    let mut files = Files::open(&folder.name("a.pcapng"), Some(Rotation { bytes: 1, files: 3 }), NOW).unwrap();
    fs::write(folder.0.join(numbered(2)), "of another").unwrap();
    assert_eq!(files.rotate(NOW).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(!files.is_open() && files.append(b"x").is_err());
    // A second later the name is another.
    files.rotate(Timestamp::from_nanos(NOW.as_nanos() + 1_000_000_000)).unwrap();
    files.append(b"x").unwrap();
    assert_eq!(fs::read(folder.0.join(numbered(2))).unwrap(), b"of another");
}
