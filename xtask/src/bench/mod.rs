//! Benchmarks. They print; no test asserts a time.

mod afxdp;
mod conntrack;
mod ebpf;
mod figures;
mod formats;
mod lab;
mod latency;
mod measure;
mod replay;
mod scratch;
mod standing;
mod traffic;

use std::process::ExitCode;

use anyhow::Result;

/// `cargo xtask bench`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Judge a generated capture, side by side with other readers of the same file.
    Replay(replay::Args),
    /// Judge the same frames in every format and packing, side by side with what else reads such files.
    Formats(formats::Args),
    /// What reads the frames of a mirror port, and at what cost, in turns with tcpdump and dumpcap.
    Afxdp(afxdp::Args),
    /// Read and index the labelled conntrack entries of the kernel, side by side with `conntrack -L`.
    Conntrack(conntrack::Args),
    /// Hold the labelled entries of a node against the routes of their own flows, all of them and after one change.
    Standing(standing::Args),
    /// Cost of the kernel program a packet, side by side with an empty program.
    Ebpf(ebpf::Args),
    /// Time from a violating packet to the daemon's finding, and what the daemon takes while legal traffic passes.
    Latency(latency::Args),
}

/// Runs one benchmark.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Replay(args) => replay::run(args),
        Command::Afxdp(args) => afxdp::run(args),
        Command::Formats(args) => formats::run(args),
        Command::Conntrack(args) => conntrack::run(args),
        Command::Standing(args) => standing::run(args),
        Command::Ebpf(args) => ebpf::run(args),
        Command::Latency(args) => latency::run(args),
    }
}
