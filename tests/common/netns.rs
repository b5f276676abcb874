//! A network namespace of a test's own, and what to do where the machine cannot give one.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{self, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, panic, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Why a test cannot run on this machine.
#[derive(Debug)]
pub(crate) struct Missing(String);

impl Missing {
    /// What is missing, in words.
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs `test`. What is missing fails the test, unless `ANALYZER_TEST_MISSING=report` asks to be told only.
pub(crate) fn run(test: impl FnOnce() -> Result<(), Missing>) {
    if let Err(missing) = test() {
        let report = std::env::var("ANALYZER_TEST_MISSING").is_ok_and(|value| value == "report");
        assert!(report, "{missing}. ANALYZER_TEST_MISSING=report passes over such tests");
        println!("SKIPPED: {missing}");
    }
}

/// Checks that a program is there.
pub(crate) fn require(program: &str, package: &str) -> Result<(), Missing> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    let missing = || Missing(format!("the program {program} is missing; Debian has it in the package {package}"));
    found.then_some(()).ok_or_else(missing)
}

/// A network namespace. Dropping it deletes it, also while a test panics.
pub(crate) struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace with a name that no other test has.
    pub(crate) fn new(purpose: &str) -> Result<Self, Missing> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        require("ip", "iproute2")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("analyzer-{purpose}-{}-{number}", process::id());
        let output = Command::new("ip").args(["netns", "add", &name]).output().expect("ip can be run");
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(Missing(format!("no network namespace can be made, which needs root: {}", error.trim())));
        }
        Ok(Self { name })
    }

    /// Its name, as ip-netns(8) knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs a program in the namespace, under its own process id.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// A command that runs a shell script in the namespace.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "sh", "-c", script]);
        command
    }

    /// Runs code in the namespace, in a thread of its own. Sockets that it opens stay there.
    pub(crate) fn inside<T: Send>(&self, code: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let entered = || {
            let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter it");
            code()
        };
        thread::scope(|scope| scope.spawn(entered).join()).unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    /// Runs a shell script in the namespace and gives what it prints. Panics where it fails.
    pub(crate) fn sh(&self, script: &str) -> String {
        stdout(script, self.shell(script).output().expect("ip can be run"))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "del", &self.name]).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("the network namespace {} is left behind", self.name);
        }
    }
}

/// What a script printed. Panics where it failed.
pub(crate) fn stdout(script: &str, output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    let script: String = script.chars().take(500).collect();
    assert!(output.status.success(), "{script}\nfailed: {}\n{error}", output.status);
    String::from_utf8(output.stdout).expect("the output is text")
}
