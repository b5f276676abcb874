use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("analyzer-toml-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(lladdr: &str) -> String {
    format!(
        "[[route]]\npolicy = \"src-ip\"\nprefix = \"10.1.0.0/16\"\n[[route.nexthop]]\nip = \"192.0.2.1\"\n\
         lladdr = \"{lladdr}\"\nsince = \"2022-06-07T20:13:55Z\"\n"
    )
}

/// Looks until nothing more comes of a change. Panics where one look gives more than one thing.
fn settle(file: &mut TomlFile) -> Vec<Reread> {
    (0..4).filter_map(|_| file.poll()).collect()
}

fn counts(rereads: &[Reread]) -> Vec<(usize, usize)> {
    let count = |reread: &Reread| match reread {
        Reread::Changed(delta) => (delta.ended.len(), delta.begun.len()),
        Reread::Failed(complaint) => panic!("{complaint}"),
    };
    rereads.iter().map(count).collect()
}

#[test]
fn difference_is_told() {
    let folder = Folder::new();
    let path = folder.file("nexthops.toml");
    fs::write(&path, text("02:00:00:00:00:01")).unwrap();
    let mut file = TomlFile::new(&path);
    let Some(Reread::Changed(first)) = file.poll() else { panic!("the first look reads") };
    assert_eq!((first.ended.len(), first.begun.len()), (0, 2));
    let dated = first.begun.iter().any(|fact| matches!(fact, Fact::Route(route) if route.validity.from.is_some()));
    assert!(dated, "{first:?}");
    assert_eq!(settle(&mut file), []);

    // Of the same length: only times differ.
    fs::write(&path, text("02:00:00:00:00:02")).unwrap();
    assert_eq!(counts(&settle(&mut file)), [(1, 1)]);
    // White space is no change.
    fs::write(&path, text("02:00:00:00:00:02") + "\n\n").unwrap();
    assert_eq!(settle(&mut file), []);
    fs::write(&path, "").unwrap();
    assert_eq!(counts(&settle(&mut file)), [(2, 0)]);
}

#[test]
fn file_that_is_being_written_is_left_alone() {
    let folder = Folder::new();
    let path = folder.file("nexthops.toml");
    fs::write(&path, text("02:00:00:00:00:01")).unwrap();
    let mut file = TomlFile::new(&path);
    assert_eq!(counts(&settle(&mut file)), [(0, 2)]);
    for length in [10, 20, 30] {
        fs::write(&path, &text("02:00:00:00:00:02")[..length]).unwrap();
        assert_eq!(file.poll(), None, "after {length} bytes");
    }
    fs::write(&path, text("02:00:00:00:00:02")).unwrap();
    assert_eq!(file.poll(), None);
    assert_eq!(counts(&settle(&mut file)), [(1, 1)]);
}

#[test]
fn broken_and_missing_files_keep_the_set() {
    let folder = Folder::new();
    let path = folder.file("nexthops.toml");
    let mut file = TomlFile::new(&path);
    let missing = settle(&mut file);
    assert_eq!(missing, [Reread::Failed(format!("{}: No such file or directory (os error 2)", path.display()))]);

    fs::write(&path, text("02:00:00:00:00:01")).unwrap();
    assert_eq!(counts(&settle(&mut file)), [(0, 2)]);
    fs::write(&path, text("02:00:00:00:00:0g")).unwrap();
    let broken = settle(&mut file);
    let [Reread::Failed(complaint)] = &broken[..] else { panic!("{broken:?}") };
    assert!(complaint.starts_with(&format!("{}:6:10: ", path.display())), "{complaint}");
    // The same text again clears the complaint, and changes nothing.
    fs::write(&path, text("02:00:00:00:00:01")).unwrap();
    assert_eq!(settle(&mut file), []);
    fs::remove_file(&path).unwrap();
    assert_eq!(settle(&mut file).len(), 1);
    fs::write(&path, text("02:00:00:00:00:03")).unwrap();
    assert_eq!(counts(&settle(&mut file)), [(1, 1)]);
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(settle(&mut file).len(), 1);
    // What was broken and is broken in the same way later is told again.
    fs::write(&path, text("02:00:00:00:00:04")).unwrap();
    assert_eq!(counts(&settle(&mut file)), [(1, 1)]);
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(settle(&mut file).len(), 1);
}

/// As kubelet does: `nexthops.toml -> ..data/nexthops.toml`, and `..data` is a link that is renamed over the old one.
#[test]
fn exchanged_config_map_is_read() {
    let folder = Folder::new();
    for (version, lladdr) in [("1", "02:00:00:00:00:01"), ("2", "02:00:00:00:00:02")] {
        fs::create_dir(folder.file(version)).unwrap();
        fs::write(folder.file(version).join("nexthops.toml"), text(lladdr)).unwrap();
    }
    symlink("1", folder.file("..data")).unwrap();
    symlink("..data/nexthops.toml", folder.file("nexthops.toml")).unwrap();
    let mut file = TomlFile::new(&folder.file("nexthops.toml"));
    assert_eq!(counts(&settle(&mut file)), [(0, 2)]);
    symlink("2", folder.file("..data_tmp")).unwrap();
    fs::rename(folder.file("..data_tmp"), folder.file("..data")).unwrap();
    assert_eq!(counts(&settle(&mut file)), [(1, 1)]);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    let mut file = TomlFile::new(&folder.0);
    let rereads = settle(&mut file);
    let [Reread::Failed(complaint)] = &rereads[..] else { panic!("{rereads:?}") };
    assert!(complaint.ends_with("it is no regular file"), "{complaint}");
}
