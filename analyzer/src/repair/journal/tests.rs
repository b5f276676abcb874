use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::engine::label::Rewrite;
use crate::netlink::conntrack::protoinfo::Tcp;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("analyzer-journal-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entry() -> Entry {
    let orig: Tuple = "tcp 172.27.0.13:5005 -> 192.168.16.230:59943".parse().unwrap();
    let connection = Connection {
        orig,
        reply: orig.reversed(),
        zone: 35,
        mark: 0x2_0002,
        label: 0xce73296639a400000000,
        id: Some(7),
        offloaded: false,
        dying: false,
    };
    let tcp = Tcp { state: 3, wscale: Some([7, 9]), flags: Some([0x23, 0x22]) };
    Entry {
        connection,
        counters: None,
        started: None,
        status: 14,
        timeout: Some(300),
        protoinfo: Some(ProtoInfo::Tcp(tcp)),
    }
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_entry_is_written_in_full() {
    let folder = Folder::new("full");
    let path = folder.0.join("new").join("journal.jsonl");
    let mut journal = Journal::new(path.clone(), By::Daemon);
    let at = Timestamp::from_millis(1_700_000_000_000);
    let entry = entry();
    let rewrite = Rewrite::unpin(entry.connection.label, entry.connection.mark).unwrap();
    let action = Action::Unpin(rewrite);
    let number = journal.intent(Before::Kernel(&entry), Method::Unpin, &action, at).unwrap();
    journal.outcome(&number, &Outcome::Done { action, seen: "it reads back so".to_owned() }, at).unwrap();
    let second = journal.intent(Before::Userspace(&entry.connection), Method::Delete, &Action::Delete, at).unwrap();
    assert_ne!(number, second);
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    let tuple = |src: &str, dst: &str, tp_src: u16, tp_dst: u16| {
        let text = format!("tcp {src}:{tp_src} -> {dst}:{tp_dst}");
        json!({"text": text, "proto": 6, "src": src, "dst": dst, "tp_src": tp_src, "tp_dst": tp_dst})
    };
    assert_eq!(
        lines[0],
        json!({
            "schema": 1, "type": "intent", "number": number.0, "at": "2023-11-14T22:13:20.000000000Z", "by": "daemon",
            "method": "unpin", "datapath": "kernel",
            "entry": {
                "orig": tuple("172.27.0.13", "192.168.16.230", 5005, 59943),
                "reply": tuple("192.168.16.230", "172.27.0.13", 59943, 5005),
                "zone": 35, "mark": 0x2_0002, "label": "0xce73296639a400000000", "id": 7, "status": 14, "timeout": 300,
                "protoinfo": {"tcp": {"state": 3, "wscale": [7, 9], "flags": [0x23, 0x22]}},
            },
            "mark": {"value": "0x0", "mask": "0xffff0000"},
            "label": null,
        })
    );
    assert_eq!((&lines[1]["type"], &lines[1]["number"]), (&json!("outcome"), &json!(number.0)));
    assert_eq!((&lines[1]["outcome"], &lines[1]["at"]), (&json!("done"), &lines[0]["at"]));
    let told = &lines[2]["entry"];
    assert_eq!((&told["status"], &told["timeout"], &told["protoinfo"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&lines[2]["mark"], &lines[2]["label"]), (&Value::Null, &Value::Null));
}

/// Lines are added, whoever wrote the others; a file that was moved away is made anew.
#[test]
fn two_writers_and_rotation() {
    let folder = Folder::new("two");
    let path = folder.0.join("journal.jsonl");
    let mut writers = [Journal::new(path.clone(), By::Command), Journal::new(path.clone(), By::Daemon)];
    let entry = entry();
    for turn in 0..10 {
        let at = Timestamp::from_millis(turn);
        writers[turn as usize % 2].intent(Before::Kernel(&entry), Method::Delete, &Action::Delete, at).unwrap();
        if turn == 3 {
            fs::rename(&path, folder.0.join("old.jsonl")).unwrap();
        }
    }
    assert_eq!((lines(&folder.0.join("old.jsonl")).len(), lines(&path).len()), (4, 6));
}

/// A disk that was full has left half a line.
#[test]
fn a_torn_line_stays_alone() {
    let folder = Folder::new("torn");
    let path = folder.0.join("journal.jsonl");
    let mut journal = Journal::new(path.clone(), By::Command);
    fs::write(&path, "{\"schema\":1,\"ty").unwrap();
    for _ in 0..2 {
        journal.intent(Before::Kernel(&entry()), Method::Delete, &Action::Delete, Timestamp::default()).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<bool> = text.lines().map(|line| serde_json::from_str::<Value>(line).is_ok()).collect();
    assert_eq!(lines, [false, true, true], "{text}");
}

/// Whoever may read it learns who talks to whom.
#[test]
fn nobody_else_reads_it() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let folder = Folder::new("rights");
    let path = folder.0.join("journal.jsonl");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let journal = Journal::new(path.clone(), By::Command);
    journal.check().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Only root may give a file away.
    if chown(&path, Some(65534), None).is_ok() {
        assert!(journal.check().unwrap_err().to_string().contains("another user"));
    }
}

#[test]
fn what_is_no_file() {
    let folder = Folder::new("none");
    let journal = |path: PathBuf| Journal::new(path, By::Command).check().map_err(|error| error.to_string());
    assert!(journal(folder.0.clone()).unwrap_err().contains("no regular file"));
    let link = folder.0.join("link");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    assert!(journal(link).unwrap_err().contains("no regular file"));
    let inside = folder.0.join("file");
    fs::write(&inside, "").unwrap();
    assert!(journal(inside.join("journal")).unwrap_err().contains("cannot"));
    assert_eq!(journal(folder.0.join("journal")), Ok(()));
    if Path::new("/dev/full").exists() {
        // No regular file either, which is found before it would be full.
        assert!(journal("/dev/full".into()).is_err());
    }
}
