//! Rewrites what the golden tests expect, by running the analyzer on each case.
//!
//! A case is a folder under pcaps/. Its file `args` holds more arguments, one a line. `expected.txt` and
//! `expected.jsonl` are what the analyzer prints in these formats, `expected.status` is its exit status.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::project;

/// Arguments of `cargo xtask bless`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Names of cases; all by default.
    cases: Vec<String>,
}

/// Runs the analyzer on the cases and keeps what it prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let analyzer = project::release_analyzer()?;
    let mut cases = project::cases()?;
    for name in &args.cases {
        if !cases.iter().any(|case| case.ends_with(name)) {
            bail!("there is no case pcaps/{name}");
        }
    }
    cases.retain(|case| args.cases.is_empty() || args.cases.iter().any(|name| case.ends_with(name)));
    for case in cases {
        bless(&analyzer, &case).with_context(|| format!("case {}", case.display()))?;
    }
    println!("Read the difference before you commit it: `git diff pcaps/`");
    Ok(ExitCode::SUCCESS)
}

fn bless(analyzer: &Path, case: &Path) -> Result<()> {
    // The report names the files of the folder that it does not read: of a new case they are to be there.
    for name in ["expected.txt", "expected.jsonl", "expected.status"] {
        let path = case.join(name);
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
    }
    let (text, status) = replay(analyzer, case, "text")?;
    let (jsonl, jsonl_status) = replay(analyzer, case, "jsonl")?;
    if status != jsonl_status {
        bail!("exit status {status} with --format text, but {jsonl_status} with --format jsonl");
    }
    for (name, content) in
        [("expected.txt", text), ("expected.jsonl", jsonl), ("expected.status", format!("{status}\n").into_bytes())]
    {
        let path = case.join(name);
        let is_new = fs::read(&path).map_or(true, |old| old != content);
        if is_new {
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

/// Gives what the analyzer prints to standard output, without what differs from run to run, and its exit status.
fn replay(analyzer: &Path, case: &Path, format: &str) -> Result<(Vec<u8>, i32)> {
    let mut command = Command::new(analyzer);
    // The output names files as they are given, so they are given relative to the root.
    let case = case.strip_prefix(project::root()).unwrap_or(case);
    command.current_dir(project::root()).args(["replay", "--reproducible", "--format", format]).arg(case);
    let args = project::root().join(case).join("args");
    if args.exists() {
        let args = fs::read_to_string(&args).with_context(|| format!("cannot read {}", args.display()))?;
        command.args(args.lines());
    }
    let output = command.output().with_context(|| format!("cannot start {}", analyzer.display()))?;
    match output.status.code() {
        // The statuses that the analyzer promises. Any other is a panic or a signal.
        Some(status @ 0..=3) => Ok((output.stdout, status)),
        _ => bail!("the analyzer failed: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()),
    }
}
