//! What `cargo xtask bench ebpf`, `latency` and `afxdp` run in a network namespace. It sends packets, loads or
//! starts what is measured, and prints one figure a line, fields apart by tabs.

#[path = "../../../tests/common/ctnetlink.rs"]
mod ctnetlink;
#[expect(dead_code, reason = "the doctor makes XDP programs too")]
#[path = "../../src/doctor/trial/object.rs"]
mod object;

mod clock;
mod connections;
mod cost;
mod daemon;
mod flood;
mod install;
mod latency;
mod load;
mod sender;
mod set;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
enum Command {
    /// ns a packet of an empty program at `e0` and of ours at `s0`.
    Cost { rounds: u32, packets: u32 },
    /// Time that a new set takes to come into force, and memory of the maps.
    Install { rounds: u32 },
    /// Makes conntrack entries, those of the flows that `latency` sends among them.
    Fill { entries: u32, labelled_percent: u32, stale: u32 },
    /// Time from a packet to the finding of a daemon that watches `s0`.
    Latency {
        analyzer: PathBuf,
        folder: PathBuf,
        #[command(flatten)]
        args: latency::Args,
    },
    /// Sends frames of 65,536 flows out of a veth, as fast as it goes, or the slower the larger `idle` is.
    Flood { nic: String, seconds: u64, idle: usize },
    /// Drops all frames that a NIC receives, until standard input ends.
    Sink { nic: String },
    /// CPU and memory of a daemon that watches `s0` while legal traffic passes.
    Load { analyzer: PathBuf, folder: PathBuf, packets_per_second: u64, seconds: u64 },
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Cost { rounds, packets } => cost::run(rounds, packets),
        Command::Install { rounds } => install::run(rounds),
        Command::Fill { entries, labelled_percent, stale } => {
            connections::fill(entries, labelled_percent, stale);
            Ok(())
        }
        Command::Latency { analyzer, folder, args } => latency::run(&analyzer, &folder, &args),
        Command::Flood { nic, seconds, idle } => flood::run(&nic, seconds, idle),
        Command::Sink { nic } => flood::sink(&nic),
        Command::Load { analyzer, folder, packets_per_second, seconds } => {
            load::run(&analyzer, &folder, packets_per_second, seconds)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
