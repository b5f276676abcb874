//! The history of next hops on a disk that is full, and on one that is read-only: a small tmpfs, mounted in a mount
//! namespace where nothing but the test sees it.

mod common;

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use analyzer::daemon::history::{Bounds, History};
use analyzer::engine::fact::{Bfd, BfdStatus, Delta, Fact};
use analyzer::live::history::{Notice, SaveError, Saver, load};
use analyzer::types::{Timestamp, Validity};
use common::{TempDir, command, require, run};

/// Tells the test, started again inside the namespace, where the tmpfs is.
const MOUNTED: &str = "ANALYZER_TEST_MOUNTED";

#[test]
fn a_disk_that_does_not_take_it_is_told_once_and_tried_again() {
    if let Some(directory) = env::var_os(MOUNTED) {
        return inside(Path::new(&directory));
    }
    if !require(&["unshare", "mount"]) {
        return;
    }
    let directory = TempDir::new();
    let script =
        "mount -t tmpfs -o size=64k tmpfs \"$ANALYZER_TEST_MOUNTED\" && exec \"$0\" --exact --nocapture \"$1\"";
    let test = "a_disk_that_does_not_take_it_is_told_once_and_tried_again";
    let mut inside = command("unshare");
    inside.args(["--mount", "sh", "-c", script]).arg(env::current_exe().unwrap()).arg(test);
    let output = run(inside.env(MOUNTED, directory.path()));
    assert!(output.contains("1 passed"), "{output}");
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn history(sessions: u8) -> History {
    let session = |last| {
        let dst_ip = IpAddr::from([192, 0, 2, last]);
        let logical_port = "rtoe-GR_worker-08".into();
        Fact::Bfd(Bfd { logical_port, dst_ip, status: BfdStatus::Up, validity: Validity::ALWAYS })
    };
    let mut history = History::default();
    history.record(&Delta { ended: Vec::new(), begun: (0..sessions).map(session).collect() }, at(10));
    history
}

fn save(saver: &mut Saver, history: &History, now: u64) -> Option<Notice> {
    let outcome: Result<(), SaveError> = saver.job(history, at(now)).run();
    saver.done(outcome)
}

fn inside(directory: &Path) {
    let path = directory.join("history.jsonl");
    let mut saver = Saver::new(path.clone());
    let (small, large) = (history(1), history(255));
    assert!(save(&mut saver, &small, 20).is_none());
    let before = fs::read(&path).unwrap();
    // What else the disk holds leaves little room.
    fs::write(directory.join("other"), vec![0; 48 << 10]).unwrap();

    let notice = save(&mut saver, &large, 40);
    let Some(Notice::Failing(error)) = notice else { panic!("{notice:?}") };
    let new = format!("{}.new", path.display());
    let expected = format!("cannot save the history of next hops: cannot write {new}: No space left on device");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(saver.is_failing() && !Path::new(&new).exists());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(saver.due(&large), at(70));
    assert!(save(&mut saver, &large, 70).is_none());

    fs::remove_file(directory.join("other")).unwrap();
    let notice = save(&mut saver, &large, 100);
    assert!(matches!(notice, Some(Notice::Recovered)), "{notice:?}");
    assert!(!saver.is_failing());
    assert_eq!(saver.due(&large), at(700));
    assert_eq!(load(&path, Bounds::default(), at(110)).history.pending(), 255);

    run(Command::new("mount").args(["-o", "remount,ro"]).arg(directory));
    let notice = save(&mut saver, &small, 200);
    let Some(Notice::Failing(error)) = notice else { panic!("{notice:?}") };
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    assert_eq!(load(&path, Bounds::default(), at(300)).history.pending(), 255);
}
