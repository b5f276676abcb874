//! The bar for the simulation itself: with a mend taken back it has to find the fault.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use super::{HOURS, SEED, test};
use crate::project;

/// Patches that take mends back. Above each stands from which seed on, in how many hours, and by which words it is found.
const PATCHES: &str = "tests/simulation/bar";
/// Where the copies are, beside other things that are built.
const COPY: &str = "target/bar";
const BUILT: &str = "target/bar-built";

/// Takes each mend back in a copy of the last commit and watches nodes with it.
pub(super) fn run() -> Result<ExitCode> {
    let mut patches: Vec<PathBuf> =
        fs::read_dir(project::root().join(PATCHES))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    patches.sort();
    let mut missed = Vec::new();
    for patch in &patches {
        let found = find(patch)?;
        println!("{}: {}", patch.display(), if found { "found" } else { "NOT found" });
        if !found {
            missed.push(patch);
        }
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the fault of a patch is found.
fn find(patch: &Path) -> Result<bool> {
    let text = fs::read_to_string(patch)?;
    let named = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.with_context(|| format!("{} has no line `{name}: ..`", patch.display()))
    };
    let (seed, hours, says) = (named("seed")?, named("hours")?, named("says")?);
    let copy = project::root().join(COPY);
    let at = copy.display().to_string();
    git(&["worktree", "add", "--force", "--detach", &at, "HEAD"])?;
    let applied = git(&["-C", &at, "apply", "--unidiff-zero", &patch.display().to_string()]);
    let watched = applied.and_then(|()| {
        let mut command = test();
        command.arg("--nocapture").env(SEED, seed).env(HOURS, hours).current_dir(&copy);
        // All copies are built in one place, so that each builds only what its patch touches.
        command.env("CARGO_TARGET_DIR", project::root().join(BUILT));
        project::announce(&command);
        command.output().context("cannot start cargo")
    });
    git(&["worktree", "remove", "--force", &at])?;
    let watched = watched?;
    let told = String::from_utf8_lossy(&watched.stdout) + String::from_utf8_lossy(&watched.stderr);
    ensure!(told.contains("running 1 test"), "the copy does not build:\n{told}");
    Ok(!watched.status.success() && told.contains(says))
}

fn git(arguments: &[&str]) -> Result<()> {
    let status =
        Command::new("git").current_dir(project::root()).args(arguments).status().context("cannot start git")?;
    ensure!(status.success(), "git {} fails", arguments.join(" "));
    Ok(())
}
