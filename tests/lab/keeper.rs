//! Who ends a lab, however the test ends.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, mem};

use crate::netns::{Missing, Netns};

/// Set by `cargo xtask lab --keep`.
const KEEP: &str = "ANALYZER_LAB_KEEP";

/// The script that ends a lab: processes by the ids in the folder, if they still are the lab's own, then namespaces.
const DOWN: &str = r#"#!/bin/sh
# Ends this lab: its processes by their ids, its namespaces, its folder.
folder=$(dirname "$(readlink -f "$0")")
is_ours() { grep -qsF "$folder" "/proc/$1/cmdline"; }
pids=$(cat "$folder"/*.pid 2>/dev/null)
for pid in $pids; do is_ours "$pid" && kill "$pid"; done
for pid in $pids; do
    tries=50
    while is_ours "$pid" && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
    is_ours "$pid" && kill -9 "$pid"
done
while read -r name; do
    [ ! -e "/run/netns/$name" ] || ip netns del "$name"
done <"$folder/namespaces"
rm -rf "$folder"
"#;

/// The folder of a lab and its end. A shell outside of the test's process group waits for the test to end, by itself, by
/// Ctrl-C or by `kill -9`, and then runs the script `down` of the folder.
pub(crate) struct Keeper {
    folder: PathBuf,
    waiter: Child,
}

impl Keeper {
    /// Makes the folder. Its path is short, as socket names have 108 bytes.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("analyzer-lab-{}-{number}", process::id()));
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let down = folder.join("down");
        fs::write(&down, DOWN).expect("the folder is ours");
        fs::set_permissions(&down, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        fs::write(folder.join("namespaces"), "").expect("the folder is ours");
        let mut waiter = Command::new("sh");
        waiter.args(["-c", "read -r word; [ \"$word\" = keep ] || exec \"$0\""]).arg(&down).process_group(0);
        let waiter = waiter.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("there is a shell");
        Self { folder, waiter }
    }

    /// Its files, sockets and process ids.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a namespace that goes with the lab.
    pub(crate) fn netns(&self, purpose: &str) -> Result<LabNetns, Missing> {
        let netns = Netns::new(&format!("lab-{purpose}"))?;
        let mut file =
            OpenOptions::new().append(true).open(self.folder.join("namespaces")).expect("the folder is ours");
        writeln!(file, "{}", netns.name()).expect("the folder is ours");
        Ok(LabNetns(Some(netns)))
    }

    /// Tells of a process that has to end with the lab. The folder stands in its command line.
    pub(crate) fn note(&self, name: &str, pid: u32) {
        fs::write(self.folder.join(format!("{name}.pid")), format!("{pid}\n")).expect("the folder is ours");
    }
}

/// Whether labs are to stay when the test is over.
pub(crate) fn stays() -> bool {
    env::var_os(KEEP).is_some()
}

/// A namespace that stays if the lab stays.
pub(crate) struct LabNetns(Option<Netns>);

impl Deref for LabNetns {
    type Target = Netns;

    fn deref(&self) -> &Netns {
        self.0.as_ref().expect("it is taken out at its end only")
    }
}

impl Drop for LabNetns {
    fn drop(&mut self) {
        if stays() {
            mem::forget(self.0.take());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut order = self.waiter.stdin.take().expect("nobody else takes it");
        if stays() {
            // It ends without doing anything. Where it is gone already, the lab stays all the more.
            let _ = order.write_all(b"keep\n");
        }
        drop(order);
        let ended = self.waiter.wait();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("{} did not end as it should", self.folder.display());
        }
    }
}
