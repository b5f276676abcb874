//! Whether flows that were healed leave rightly.

use std::time::Duration;

use anyhow::Context;
use hashbrown::HashSet;

use crate::engine::Engine;
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::live::afterwards::Lookout;
use crate::output::repair::Afterwards;
use crate::output::report::leaving;
use crate::repair::{Outcome, Repair};
use crate::types::Tuple;

/// NICs that are watched, and for how long.
pub(super) struct Watch {
    nics: Lookout,
    patience: Duration,
}

impl Watch {
    /// Watches NICs from now on.
    ///
    /// # Errors
    /// They cannot be watched.
    pub(super) fn start(nics: &[String], patience: Duration) -> anyhow::Result<Self> {
        let nics = Lookout::start(nics).context("--watch: nothing was changed")?;
        Ok(Self { nics, patience })
    }

    /// What is seen of each flow whose entry was healed, as the engine judges it; `None` for the others. `is_over` says
    /// whether nobody waits any longer.
    ///
    /// # Errors
    /// The kernel does not tell what left.
    pub(super) fn see(
        &self,
        repairs: &[Repair],
        engine: &mut Engine,
        is_over: impl Fn() -> bool,
    ) -> anyhow::Result<Vec<Option<Afterwards>>> {
        let healed =
            |repair: &Repair| matches!(repair.outcome, Outcome::Done { .. }).then(|| *leaving(&repair.pin.cited));
        let flows: HashSet<Tuple> = repairs.iter().filter_map(healed).collect();
        if flows.is_empty() {
            return Ok(Vec::new());
        }
        let seen =
            self.nics.wait(&flows, self.patience, is_over).context("what was done is in the journal; --watch")?;
        let mut judge = |packets: &Vec<Observation>| {
            let judged = packets.iter().map(|packet| (packet.eth_dst, engine.verdict(packet)));
            // Of packets to several MACs that which is worst counts.
            judged.max_by_key(|(_, verdict)| match verdict {
                Verdict::Violating(_) => 2,
                Verdict::Conforming | Verdict::Info(_) => 0,
                _ => 1,
            })
        };
        let mut afterwards = |flow: Tuple| match seen.packets.get(&flow).and_then(&mut judge) {
            Some((eth_dst, verdict)) => Afterwards::Seen { eth_dst, verdict },
            None => Afterwards::NoPacket { watched: seen.watched },
        };
        Ok(repairs.iter().map(|repair| healed(repair).map(&mut afterwards)).collect())
    }
}
