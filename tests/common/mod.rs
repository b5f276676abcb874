//! What the tests that run real programs share.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

/// Programs that tests run, and the Debian packages that have them.
const PACKAGES: &[(&str, &str)] = &[
    ("groff", "groff-base"),
    ("ip", "iproute2"),
    ("journalctl", "systemd"),
    ("mount", "mount"),
    ("ovs-appctl", "openvswitch-switch"),
    ("ovs-pki", "openvswitch-common"),
    ("ovs-vsctl", "openvswitch-switch"),
    ("ovsdb-client", "openvswitch-switch"),
    ("ovsdb-server", "openvswitch-switch"),
    ("ovsdb-tool", "openvswitch-switch"),
    ("ovn-nbctl", "ovn-central"),
    ("ovn-sbctl", "ovn-central"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("rsyslogd", "rsyslog"),
    ("ss", "iproute2"),
    ("systemd-analyze", "systemd"),
    ("tshark", "tshark"),
    ("unshare", "util-linux"),
];

/// Whether the test can run: all `programs` are there. Where one is not, the test fails, naming the packages; with
/// `ANALYZER_TEST_MISSING=report` in the environment this says so and returns false, and the test has to return.
pub(crate) fn require(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let package = |program: &&str| PACKAGES.iter().find(|known| known.0 == *program).map_or("?", |known| known.1);
    let mut packages: Vec<&str> = missing.iter().map(package).collect();
    packages.sort_unstable();
    packages.dedup();
    let reason = format!("{} not found; install the Debian packages {}", missing.join(", "), packages.join(", "));
    assert!(env::var("ANALYZER_TEST_MISSING").is_ok_and(|what| what == "report"), "{reason}");
    println!("SKIPPED: {reason}");
    false
}

/// A command for a program that [`require`] found.
pub(crate) fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| panic!("{program} is not required by this test")))
}

/// Daemons are in directories that not every user has in PATH.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A process that ends with the test, also when it panics.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command that stays in the foreground.
    pub(crate) fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Process {
    /// Its process id, for signals.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that goes with the test. Its path is short, as socket names have 108 bytes.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("analyzer-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
