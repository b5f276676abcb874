//! Other kernels: the tests that need a kernel, as root in a virtual machine that sees this machine's files.

mod boot;
mod initramfs;
mod kernel;
mod programs;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use self::boot::Machine;
use self::kernel::Kernel;
use crate::test::{Summary, Verbosity};
use crate::{needs, project};

/// What `cargo xtask vm --help` says behind the options.
const EXAMPLES: &str = "Examples:
  cargo xtask vm                                      all tests that need a kernel, on each kernel
  cargo xtask vm --kernel 6.1 live_kernel::alerts     some of them, on one
  cargo xtask vm --kernel 6.1 -- uname -a             any command, as root; its exit status is ours
  cargo xtask vm -- target/debug/analyzer doctor

Kernels are Debian's, downloaded by apt and unpacked in target/vm, never installed. The guest sees this
machine's files, but what it writes is gone when it ends. Without --kvm all is emulated, 10 to 20 times slower.";

/// Arguments of `cargo xtask vm`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A kernel by its version; can be given several times. [default: 5.10, 6.1, 6.12 and 7.2]
    #[arg(long = "kernel", value_name = "VERSION", value_parser = kernel::parse_version)]
    kernels: Vec<String>,
    /// Install missing programs with apt-get (Debian, as root).
    #[arg(long)]
    install: bool,
    /// Memory of the guest in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    memory: u32,
    /// Let the host's processor run it. There are hosts that have KVM and cannot, so that it is not the default.
    #[arg(long)]
    kvm: bool,
    /// Run only the tests whose names, as in live_kernel::alerts, contain one of these.
    #[arg(conflicts_with = "command")]
    filters: Vec<String>,
    /// Run this in the place of tests.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Kernels that are tried where none is named.
const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7.2"];

/// How long a guest may say nothing. Under emulation a test may take minutes.
const SILENCE: Duration = Duration::from_secs(1200);

/// Boots each kernel, and runs the command or the tests in it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let missing = match args.command.is_empty() {
        true => needs::missing(&[needs::VM, needs::ARCHIVE, needs::LAB, needs::TESTS]),
        false => needs::missing(&[needs::VM, needs::ARCHIVE]),
    };
    if !missing.is_empty() {
        if !args.install {
            needs::report(&missing);
            bail!("a virtual machine cannot be made without");
        }
        needs::install(&missing)?;
    }
    let versions = if args.kernels.is_empty() { KERNELS.map(str::to_owned).to_vec() } else { args.kernels.clone() };
    let machine = Machine { memory: args.memory, kvm: args.kvm, silence: SILENCE };
    let fetched = versions.iter().map(|version| Kernel::fetch(version));
    if args.command.is_empty() { tests(&machine, args, fetched) } else { command(&machine, &args.command, fetched) }
}

/// Runs the command on each kernel. The status is that of the first that fails.
fn command(machine: &Machine, words: &[String], kernels: impl Iterator<Item = Result<Kernel>>) -> Result<ExitCode> {
    let words: Vec<String> = words.iter().map(|word| initramfs::quoted(word)).collect();
    let root = initramfs::quoted(&project::root().to_string_lossy());
    let script = format!("cd {root} && exec {}\n", words.join(" "));
    let mut first = 0;
    for kernel in kernels {
        let kernel = kernel?;
        eprintln!("{}:", kernel.release);
        let status = machine.run(&kernel, &script, |line| println!("{line}"))?;
        first = if first == 0 { status } else { first };
    }
    Ok(ExitCode::from(first))
}

/// Runs the tests on each kernel, and closes with a line for each.
fn tests(machine: &Machine, args: &Args, kernels: impl Iterator<Item = Result<Kernel>>) -> Result<ExitCode> {
    let programs = programs::build(&args.filters)?;
    let (mut sums, mut passed_all, mut ran) = (Vec::new(), true, false);
    for kernel in kernels {
        let kernel = match kernel {
            Ok(kernel) => kernel,
            // The others can be tried all the same.
            Err(error) => {
                sums.push(format!("{error:#}"));
                passed_all = false;
                continue;
            }
        };
        println!("\n{}", kernel.release);
        let mut summary = Summary::new(Verbosity::ShowOutput);
        for (test, reason) in programs::left_out(&programs, kernel.numbers()) {
            summary.left_out(&test, reason);
        }
        let script = programs::script(&programs, kernel.numbers());
        let (ended, seconds) = timed(|| match &script {
            Some(script) => machine.run(&kernel, script, |line| {
                if summary.read(line) {
                    println!("{}: {line}", kernel.version);
                }
            }),
            // All that was asked for is left out here.
            None => Ok(0),
        });
        match ended {
            Ok(0) => {}
            Ok(_) => summary.failure_without_result(),
            Err(error) => {
                println!("{}: {error:#}", kernel.version);
                summary.failure_without_result();
            }
        }
        passed_all &= script.is_none() || summary.passed_all();
        ran |= script.is_some();
        let text = summary.to_string();
        sums.push(format!(
            "{}: {}, {seconds} s",
            kernel.release,
            text.trim_end().replace('\n', &format!("\n{}: ", kernel.release))
        ));
    }
    println!("\n{}", sums.join("\n"));
    Ok(if passed_all && ran { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::disallowed_methods, reason = "tells how long it takes")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let started = std::time::Instant::now();
    let done = work();
    (done, started.elapsed().as_secs())
}

/// Where kernels are kept.
fn folder() -> PathBuf {
    project::target().join("vm")
}
