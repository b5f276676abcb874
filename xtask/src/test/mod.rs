//! Every check and every test, the tests last so that their count closes the output.

mod other_ovn;
mod stages;
mod summary;

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use self::other_ovn::Plan;
use self::stages::Stages;
pub(crate) use self::summary::{Summary, Verbosity};
use crate::needs::Need;
use crate::{ebpf, fuzz, needs, project, soundness, tidy};

/// Tests read it: `report` makes one that lacks something (root, a program, a kernel feature) print why it is skipped.
/// Otherwise it fails.
const MISSING: &str = "ANALYZER_TEST_MISSING";

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install missing programs with apt-get (Debian, as root); a test that still lacks something then fails.
    #[arg(long)]
    install: bool,
    /// Run only the tests whose names contain one of these, and none of the other checks.
    filters: Vec<String>,
}

/// Runs the checks and the tests. A failed test is told by the tests' own words and the exit status.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let strict = args.install || env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let mut stages = Stages::default();
    let missing = needs::missing(&[needs::LAB, needs::ARCHIVE, needs::TESTS, needs::KERNEL_PROGRAM]);
    if args.install {
        stages.time("installing", || install(&missing))?;
    } else if !missing.is_empty() {
        needs::report(&missing);
    }
    // Before all else, for it may need the network.
    let plans = stages.time("fetching other OVNs", || other_ovn::plans(&args.filters, strict));
    if args.filters.is_empty() {
        stages.time("formatting, clippy, docs and tidiness", static_checks)?;
        stages.time("the kernel programs built anew", || kernel_program(strict))?;
        if strict || missing.iter().all(|need| need.program != "g++") {
            stages.time("fuzz targets", fuzz::smoke)?;
        } else {
            eprintln!("skipped: the fuzz targets, for want of g++");
        }
    }
    tests(&args.filters, strict, plans, stages)
}

/// Installs what is missing, and the linker of the kernel program.
fn install(missing: &[&'static Need]) -> Result<()> {
    if !missing.is_empty() {
        needs::install(missing)?;
    }
    ebpf::install_linker()
}

/// That the committed objects are what their sources give.
fn kernel_program(strict: bool) -> Result<()> {
    let missing = ebpf::missing();
    if strict || missing.is_empty() {
        return ebpf::check();
    }
    eprintln!("skipped: building the kernel programs anew, for want of\n  {}", missing.join("\n  "));
    ebpf::check_records()
}

/// What can be said without running the analyzer.
fn static_checks() -> Result<()> {
    project::run(project::cargo().args(["fmt", "--all", "--check"]))?;
    fuzz::check_format()?;
    project::run(project::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    project::run(project::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    tidy::check()
}

/// Runs `cargo test`, then the lab on other versions of OVN, and closes with the sum of their summaries.
fn tests(filters: &[String], strict: bool, plans: Vec<Plan>, mut stages: Stages) -> Result<ExitCode> {
    let mut summary = Summary::new(if strict { Verbosity::Plain } else { Verbosity::ShowOutput });
    let run = |command: &mut Command, summary: &mut Summary| cargo_test(command, strict, summary);
    // The dev profile: it compiles faster than the release profile, checks overflow, and the tests that
    // it runs are not slow.
    let test = |how| {
        let mut command = project::cargo();
        command.args(["test", "--workspace", how, "--"]).args(filters);
        command
    };
    stages.time("building the tests", || run(&mut test("--no-run"), &mut summary))?;
    stages.time("tests", || run(&mut test("--no-fail-fast"), &mut summary))?;
    if filters.is_empty() {
        stages.time("worlds", || run(&mut soundness::test(), &mut summary))?;
    }
    stages.time("the lab on other OVNs", || {
        plans.into_iter().try_for_each(|plan| plan.carry_out(filters, &mut summary, run))
    })?;
    let mut stdout = io::stdout().lock();
    write!(stdout, "\n{stages}\n{summary}")?;
    stdout.flush()?;
    Ok(if summary.passed_all() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a `cargo test`, passes its words on as they come, and adds its results to the sum.
fn cargo_test(command: &mut Command, strict: bool, summary: &mut Summary) -> Result<()> {
    if strict {
        command.env_remove(MISSING);
    } else {
        // Without the option libtest swallows what tests that pass have printed, and with it the reasons.
        command.env(MISSING, "report").arg("--show-output");
    }
    project::announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().expect("standard output was asked for as a pipe");
    let mut stdout = io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        if summary.read(&line) {
            writeln!(stdout, "{line}")?;
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        summary.failure_without_result();
    }
    Ok(())
}
