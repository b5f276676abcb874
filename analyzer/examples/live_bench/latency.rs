//! Time from a packet of a new violating flow, just before it is given to the kernel, to the finding's line on the
//! daemon's standard output, and to the alert at a syslog socket.

use std::path::Path;
use std::time::{Duration, Instant};

use analyzer::types::{MacAddr, Tuple};
use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock::{now, pause};
use crate::connections::violating;
use crate::daemon::Daemon;
use crate::sender::Sender;
use crate::traffic::Random;

/// After so long the finding will not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is sent, and what the daemon knows meanwhile.
#[derive(clap::Args)]
pub(crate) struct Args {
    packets: u32,
    /// Mean time between two packets.
    gap_ms: u64,
    /// Routes of the set.
    routes: u32,
    /// Write the file of next hops anew before each packet.
    #[arg(long)]
    changing: bool,
}

pub(crate) fn run(analyzer: &Path, folder: &Path, args: &Args) -> Result<()> {
    let &Args { packets, gap_ms, routes, changing } = args;
    let traffic = violating(packets);
    let mut sender = Sender::new("s0")?;
    let daemon = Daemon::start(analyzer, folder, routes)?;
    daemon.settle()?;
    let before = daemon.usage()?;
    let mut random = Random::new();
    for flow in 0..packets {
        // At no fixed distance from what the daemon does each second.
        pause(Duration::from_micros(u64::from(random.below((gap_ms * 2000) as u32))));
        if changing {
            daemon.change_nexthops(flow + 1)?;
        }
        let sent = now();
        sender.send(&traffic, &[flow])?;
        let (told, verdict) = finding(&daemon, traffic.tuple(flow), sent)?;
        let alerted = alert(&daemon, traffic.eth_dst(flow), sent)?;
        println!("latency\t{}\t{}\t{verdict}", (told - sent).as_nanos(), (alerted - sent).as_nanos());
    }
    let after = daemon.usage()?;
    println!(
        "daemon\t{}\t{}\t{}\t{}",
        (after.at - before.at).as_nanos(),
        after.cpu_ms() - before.cpu_ms(),
        after.resident_kib,
        after.resident_peak_kib
    );
    Ok(())
}

/// When the finding of a flow was told, and what it says.
fn finding(daemon: &Daemon, tuple: Tuple, sent: Instant) -> Result<(Instant, String)> {
    loop {
        let left = PATIENCE.saturating_sub(now() - sent);
        let Ok((told, line)) = daemon.lines.recv_timeout(left) else { bail!("nothing was told of {tuple}") };
        let line: Value = serde_json::from_str(&line).context("the daemon tells what is no JSON")?;
        let is_it = line["type"] == "finding"
            && line["flow"]["src"] == tuple.src.to_string()
            && line["flow"]["sport"] == tuple.tp_src
            && line["flow"]["dst"] == tuple.dst.to_string();
        if is_it {
            let word = |name: &str| line[name].as_str().unwrap_or("none").to_owned();
            return Ok((told, format!("{} {}", word("verdict"), word("reason"))));
        }
    }
}

/// When the alert of a MAC was there.
fn alert(daemon: &Daemon, eth_dst: MacAddr, sent: Instant) -> Result<Instant> {
    let it = format!(" eth_dst=\"{eth_dst}\"");
    loop {
        let left = PATIENCE.saturating_sub(now() - sent);
        let Ok((came, message)) = daemon.alerts.recv_timeout(left) else { bail!("no alert came of {eth_dst}") };
        if message.contains(" VIOLATION ") && message.contains(&it) {
            return Ok(came);
        }
    }
}
