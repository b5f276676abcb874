//! Chores of the project. `cargo xtask --help` lists them.

mod archive;
mod bench;
mod bless;
mod capture;
mod cases;
mod ebpf;
mod frame;
mod fuzz;
mod incident;
mod lab;
mod needs;
mod ovn;
mod project;
mod simulate;
mod soundness;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// Chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Run every check and every test.
    Test(test::Args),
    /// Check what compilers do not: the arrows between modules, file sizes, folders of cases, leftovers.
    Tidy,
    /// Build the kernel program, which is committed so that nobody else needs its compiler.
    Ebpf(ebpf::Args),
    /// Feed every parser of foreign bytes with mutated input, guided by coverage.
    Fuzz(fuzz::Args),
    /// Rewrite what the golden tests expect of the cases in pcaps/ by running the analyzer on them.
    Bless(bless::Args),
    /// Rewrite the captures and dumps of the incident, pcaps/bz2095444 and pcaps/bz2095444-text.
    Incident,
    /// Rewrite the captures and dumps of the cases that are made up: one situation each, in as few packets as it takes.
    Cases,
    /// Play a scenario on real OVN, in network namespaces; as root.
    Lab(lab::Args),
    /// Hold the engine against a plain model of OVN, on small worlds made from seeds.
    Soundness(soundness::Args),
    /// Watch simulated nodes with the daemon's core, and hold what it tells to what really happened there.
    Simulate(simulate::Args),
    /// Run the tests that need a kernel, or any command, on other kernels in a virtual machine.
    Vm(vm::Args),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Test(args) => test::run(&args),
        Command::Tidy => tidy::run(),
        Command::Ebpf(args) => ebpf::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Bless(args) => bless::run(&args),
        Command::Incident => incident::run(),
        Command::Cases => cases::run(),
        Command::Lab(args) => lab::run(&args),
        Command::Soundness(args) => soundness::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::Bench(command) => bench::run(&command),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
