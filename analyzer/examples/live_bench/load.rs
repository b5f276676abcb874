//! CPU and memory of the daemon while legal traffic passes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::clock::now;
use crate::daemon::Daemon;
use crate::sender::{BATCH, Sender};
use crate::traffic::{Random, Traffic};

/// Time that passes before it is measured: the first packets of each combination ask the engine.
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) fn run(analyzer: &Path, folder: &Path, packets_per_second: u64, seconds: u64) -> Result<()> {
    let traffic = Traffic::new(65_536);
    let mut sender = Sender::new("s0")?;
    let daemon = Daemon::start(analyzer, folder, traffic.pods)?;
    daemon.settle()?;
    let mut pace = Pace { traffic, random: Random::new(), packets_per_second };
    pace.send(&mut sender, WARM_UP)?;
    let before = daemon.usage()?;
    let sent = pace.send(&mut sender, Duration::from_secs(seconds))?;
    let after = daemon.usage()?;
    println!(
        "load\t{sent}\t{}\t{}\t{}\t{}\t{}\t{}",
        (after.at - before.at).as_nanos(),
        after.user_ms - before.user_ms,
        after.system_ms - before.system_ms,
        after.resident_kib,
        after.resident_peak_kib,
        after.anonymous_kib
    );
    Ok(())
}

struct Pace {
    traffic: Traffic,
    random: Random,
    packets_per_second: u64,
}

impl Pace {
    /// Sends for a time at the pace, or as fast as it goes, and tells how many packets it were.
    fn send(&mut self, sender: &mut Sender, duration: Duration) -> Result<u64> {
        let start = now();
        let mut sent = 0;
        loop {
            let passed = now() - start;
            if passed >= duration {
                return Ok(sent);
            }
            let due = passed.as_nanos() * u128::from(self.packets_per_second) / 1_000_000_000;
            if u128::from(sent) > due {
                std::hint::spin_loop();
                continue;
            }
            let flows: [u32; BATCH] = std::array::from_fn(|_| self.random.below(self.traffic.flows));
            sender.send(&self.traffic, &flows)?;
            sent += BATCH as u64;
        }
    }
}
