//! `analyzer replay` and signals, with real processes: what was read so far is judged.

#[path = "common/mod.rs"]
mod common;
#[path = "common/patience.rs"]
mod patience;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::TempDir;
use patience::patience;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A terabyte: at gigabytes a second it takes minutes to read.
const ENDLESS: u64 = 1 << 40;

/// What tells the next hops of [`CAPTURE`].
const DUMPS: [&str; 4] =
    ["--lr-routes", "pcaps/bz2095444/lr-route-list.txt", "--mac-bindings", "pcaps/bz2095444/mac_binding.txt"];
/// Five of its 19 packets violate.
const CAPTURE: &str = "pcaps/bz2095444/capture.pcap";

/// The flow of three of them.
const FLOW: &str = "udp 192.168.16.230:59943 -> 172.27.0.13:5005";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A replay that is under way. It ends with the test.
struct Replay(Child);

impl Replay {
    fn start(args: &[&str], capture: &str, stdin: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
        command.current_dir(root()).args(["replay", "--format", "json"]).args(DUMPS).args(args).arg(capture);
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        Self(child)
    }

    /// The same of `explain`, on the first flow that violates.
    fn explain(capture: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
        command.current_dir(root()).args(["explain", "--format", "json", FLOW]).args(DUMPS).arg(capture);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("it starts"))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id")).expect("it is not 0");
        kill_process(pid, signal).expect("it is there");
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).expect("the process is there")
    }

    /// Whether it catches a signal.
    fn catches(&self, signal: Signal) -> bool {
        let status = self.proc_file("status");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("the kernel tells");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
        mask >> (signal.as_raw() - 1) & 1 == 1
    }

    /// Bytes that it has read, of whatever.
    fn bytes_read(&self) -> u64 {
        let io = self.proc_file("io");
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("the kernel tells").parse().expect("a number")
    }

    /// Waits until it listens to signals and has read so much.
    fn reach(&mut self, bytes: u64) {
        until("it reads", || {
            assert_eq!(self.0.try_wait().expect("it can be waited for"), None, "it ended by itself");
            self.catches(Signal::INT) && self.catches(Signal::TERM) && self.bytes_read() >= bytes
        });
    }

    fn output(mut self) -> Output {
        until("it ends", || self.0.try_wait().expect("it can be waited for").is_some());
        let mut output = Output { status: self.0.wait().unwrap(), stdout: Vec::new(), stderr: Vec::new() };
        self.0.stdout.take().unwrap().read_to_end(&mut output.stdout).unwrap();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_end(&mut output.stderr).unwrap();
        }
        output
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits in vain has to end")]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience(Duration::from_secs(60));
    while !holds() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::yield_now();
    }
}

fn summary(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{stderr}"));
    document["summary"].clone()
}

/// The capture of a case, and behind it frames without content to the end of a terabyte that takes no room on the disk.
fn endless(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("endless.pcap");
    fs::copy(root().join(CAPTURE), &path).expect("the capture is copied");
    let file = OpenOptions::new().write(true).open(&path).expect("it is there");
    file.set_len(ENDLESS).expect("the file system has holes");
    path
}

#[test]
fn a_file_is_left_and_judged_so_far() {
    let folder = TempDir::new();
    let path = endless(&folder);
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let mut replay = Replay::start(&[], path.to_str().unwrap(), Stdio::null());
        replay.reach(8 << 20);
        replay.signal(signal);
        let output = replay.output();
        let summary = summary(&output);
        assert_eq!((output.status.code(), &summary["interrupted"]), (Some(1), &Value::Bool(true)), "{summary}");
        assert_eq!(summary["violating_packets"], 5);
        let warning = summary["warnings"].to_string();
        assert!(warning.contains(&format!("interrupted by {name}; what came before is judged")), "{warning}");
    }
}

#[test]
fn what_is_known_so_far_is_explained() {
    let folder = TempDir::new();
    let mut explain = Replay::explain(endless(&folder).to_str().unwrap());
    explain.reach(8 << 20);
    explain.signal(Signal::INT);
    let output = explain.output();
    let document: Value = serde_json::from_slice(&output.stdout).expect("an explanation");
    assert_eq!((output.status.code(), &document["interrupted"]), (Some(1), &Value::Bool(true)), "{document}");
    assert_eq!(document["seen"][0]["packets"], 3, "{document}");
}

/// What was not read may violate, so no violation so far is no conformity.
#[test]
fn no_violation_so_far_is_undetermined() {
    let folder = TempDir::new();
    let path = endless(&folder);
    let allowed = ["--allow-mac", "ce:73:29:66:39:a4", "--threads", "1"];
    let mut replay = Replay::start(&allowed, path.to_str().unwrap(), Stdio::null());
    replay.reach(8 << 20);
    replay.signal(Signal::INT);
    let output = replay.output();
    let summary = summary(&output);
    assert_eq!((output.status.code(), &summary["interrupted"]), (Some(3), &Value::Bool(true)), "{summary}");
    assert_eq!(summary["violating_packets"], 0);
}

/// Of several nodes those that come after the signal are not read, and their captures are not judged.
#[test]
fn one_signal_ends_all_nodes() {
    let folder = TempDir::new();
    endless(&folder);
    let first = folder.path().to_str().unwrap();
    let mut replay = Replay::start(&["--node", &format!("first={first}"), first], "pcaps/silent", Stdio::null());
    replay.reach(8 << 20);
    replay.signal(Signal::INT);
    let output = replay.output();
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let nodes: Vec<_> = document["total"]["nodes"].as_array().expect("a list").iter().collect();
    assert_eq!((output.status.code(), nodes.len()), (Some(1), 2), "{document}");
    assert_eq!((&nodes[0]["node"], &nodes[0]["answer"]), (&"first".into(), &"violating".into()));
    assert_eq!((&nodes[1]["answer"], &nodes[1]["error"]), (&Value::Null, &"not read: interrupted".into()));
    assert_eq!(document["reports"][0]["summary"]["interrupted"], true);
}

/// A replay of a pipe, and the other end of the pipe.
fn piped() -> (Replay, ChildStdin) {
    piped_with(&[])
}

fn piped_with(args: &[&str]) -> (Replay, ChildStdin) {
    let mut replay = Replay::start(args, "-", Stdio::piped());
    let stdin = replay.0.stdin.take().expect("a pipe");
    replay.reach(0);
    (replay, stdin)
}

/// The capture, cut behind this many of its bytes.
fn split(at: usize) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = Vec::new();
    File::open(root().join(CAPTURE)).unwrap().read_to_end(&mut bytes).unwrap();
    let behind = bytes.split_off(at);
    (bytes, behind)
}

/// As in `tcpdump -w - | analyzer replay -` at Ctrl-C: tcpdump writes what it holds and ends. The end of the pipe may be here
/// before the thread that listens has heard of the signal: so often, that at times it is.
#[test]
fn a_pipe_is_read_to_its_end() {
    for _ in 0..20 {
        let (replay, mut stdin) = piped();
        let (before, behind) = split(500);
        stdin.write_all(&before).unwrap();
        replay.signal(Signal::INT);
        stdin.write_all(&behind).unwrap();
        drop(stdin);
        let output = replay.output();
        let summary = summary(&output);
        assert_eq!((output.status.code(), &summary["packets"]), (Some(1), &Value::from(19)), "{summary}");
        assert_eq!(summary["interrupted"], true, "{summary}");
    }
}

/// What wrote into the pipe may have ended by the same signal, and not because there was no more.
#[test]
fn a_pipe_that_ends_after_the_signal_is_no_proof() {
    for (is_late, status) in [(true, 3), (false, 0)] {
        let (mut replay, mut stdin) = piped_with(&["--allow-mac", "ce:73:29:66:39:a4"]);
        stdin.write_all(&split(0).1).unwrap();
        let mut stderr = BufReader::new(replay.0.stderr.take().expect("a pipe"));
        if is_late {
            replay.signal(Signal::INT);
            stderr.read_line(&mut String::new()).expect("it answers");
        }
        drop(stdin);
        let output = replay.output();
        let summary = summary(&output);
        assert_eq!((output.status.code(), &summary["interrupted"]), (Some(status), &Value::Bool(is_late)), "{summary}");
    }
}

#[test]
fn a_pipe_that_stays_open_is_left() {
    let (replay, mut stdin) = piped();
    stdin.write_all(&split(500).0).unwrap();
    replay.signal(Signal::TERM);
    let output = replay.output();
    let summary = summary(&output);
    assert_eq!((output.status.code(), &summary["interrupted"]), (Some(1), &Value::Bool(true)), "{summary}");
    assert!(summary["packets"].as_u64().is_some_and(|packets| (1..19).contains(&packets)), "{summary}");
    drop(stdin);
}

/// Nothing came, so there is nothing to judge.
#[test]
fn a_pipe_that_stays_empty() {
    let (replay, stdin) = piped();
    replay.signal(Signal::INT);
    let output = replay.output();
    let summary = summary(&output);
    assert_eq!((output.status.code(), &summary["interrupted"]), (Some(3), &Value::Bool(true)), "{summary}");
    assert_eq!(summary["packets"], 0);
    drop(stdin);
}

/// A pipe with a name is opened once, and need not have a writer for us to be interrupted.
#[test]
fn a_pipe_with_a_name() {
    let folder = TempDir::new();
    let path = folder.path().join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("the folder is ours");
    let mut replay = Replay::start(&[], path.to_str().unwrap(), Stdio::null());
    replay.reach(0);
    replay.signal(Signal::INT);
    let output = replay.output();
    assert_eq!((output.status.code(), &summary(&output)["interrupted"]), (Some(3), &Value::Bool(true)));

    let replay = Replay::start(&[], path.to_str().unwrap(), Stdio::null());
    let mut writer = OpenOptions::new().write(true).open(&path).expect("it is opened for reading");
    let (before, behind) = split(500);
    writer.write_all(&before).unwrap();
    writer.write_all(&behind).expect("the reader is the same all the time");
    drop(writer);
    let output = replay.output();
    assert_eq!((output.status.code(), &summary(&output)["packets"]), (Some(1), &Value::from(19)));
}

/// As in `analyzer replay - |& tee log` at Ctrl-C: whoever reads the messages ends, too.
#[test]
fn a_reader_of_messages_that_has_gone() {
    let (mut replay, mut stdin) = piped();
    drop(replay.0.stderr.take());
    stdin.write_all(&split(500).0).unwrap();
    replay.signal(Signal::INT);
    drop(stdin);
    let output = replay.output();
    assert_eq!((output.status.code(), &summary(&output)["interrupted"]), (Some(1), &Value::Bool(true)));
}

#[test]
fn the_second_signal_ends_at_once() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut replay, stdin) = piped();
        let mut stderr = BufReader::new(replay.0.stderr.take().expect("a pipe"));
        replay.signal(Signal::INT);
        let mut line = String::new();
        stderr.read_line(&mut line).expect("it answers");
        assert!(line.contains("SIGINT: pipes are read to their end"), "{line}");
        replay.signal(signal);
        let output = replay.output();
        assert_eq!((output.status.code(), output.status.signal()), (Some(status), None));
        assert!(output.stdout.is_empty());
        drop(stdin);
    }
}
