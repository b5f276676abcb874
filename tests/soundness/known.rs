//! Differences between the model and the engine on whole evidence that are known, by name. What is right is said by the
//! design and the fact sheet, and a difference stands here until the engine says it, too: an entry that no longer occurs
//! fails the test, so that the list shrinks.

use crate::check::{Difference, Fault};
use crate::model::{Played, Verdict};
use crate::world::World;

/// A difference on whole evidence.
pub(crate) struct Known {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is right, and why the engine differs.
    pub(crate) reason: &'static str,
    /// Whether it occurs so seldom that the run of CI may be without.
    pub(crate) is_seldom: bool,
    /// Whether a difference is this one.
    is: fn(&Place<'_>) -> bool,
}

/// A difference with what it is about.
struct Place<'a> {
    world: &'a World,
    played: &'a Played,
    one: &'a Difference,
}

impl Place<'_> {
    fn is(&self, truth: Verdict, said: &[Verdict]) -> bool {
        self.one.verdicts.is_some_and(|(right, wrong)| right == truth && said.contains(&wrong))
    }

    fn says(&self, verdict: Verdict) -> bool {
        self.one.verdicts.is_some_and(|(_, said)| said == verdict)
    }

    fn flow(&self) -> usize {
        if self.one.verdicts.is_some() { self.played.frames[self.one.index].flow } else { self.one.index }
    }

    fn router(&self) -> usize {
        self.world.flows[self.flow()].router
    }

    /// Whether the frame went to a MAC that a static binding overrides.
    fn is_to_overridden_mac(&self) -> bool {
        let mac = self.played.frames[self.one.index].eth_dst;
        let overridden = |ip| self.world.statics.iter().any(|row| row.overrides && row.ip == ip && row.mac != mac);
        self.world.bindings.iter().any(|row| row.mac == mac && overridden(row.ip))
    }
}

/// Differences on whole evidence. The first that fits has it.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        name: "overridden-mac-was-legal",
        reason: "a MAC_Binding that a static one overrides was never the next hop's; the engine dates its end in the set",
        is_seldom: false,
        is: |place| {
            use Verdict::*;
            [FormerNexthop, Grace, StaleConntrack].into_iter().any(|verdict| place.says(verdict))
                && place.is_to_overridden_mac()
        },
    },
    Known {
        name: "heard-before-the-history",
        reason: "row 10 counts frames from the first moment at which the MAC is known to be outside the set",
        is_seldom: false,
        is: |place| place.says(Verdict::AsymmetricGateway) && place.world.history_start > 0,
    },
    Known {
        name: "on-link-while-all-symmetric-hops-are-down",
        reason: "nothing pins the flow, so that the connected route decides; the engine calls the neighbour's MAC unknown",
        is_seldom: false,
        is: |place| place.is(Verdict::NotCovered, &[Verdict::UnknownMac]),
    },
    Known {
        name: "host-before-the-history",
        reason: "row 1 stands before row 3: the host's own packets are not covered at any time",
        is_seldom: false,
        is: |place| place.is(Verdict::NotCovered, &[Verdict::NoNexthopData]),
    },
    Known {
        name: "former-hop-of-a-route-that-is-gone",
        reason: "the label pinned the flow to a route that no row tells any longer; the engine says no more than unknown-mac",
        is_seldom: true,
        is: |place| place.is(Verdict::FormerNexthop, &[Verdict::UnknownMac]),
    },
    Known {
        name: "heard-from-a-port-of-our-own",
        reason: "requests that another router of the node forwards show that their sender is alive; the engine passes them over",
        is_seldom: true,
        is: |place| {
            place.one.verdicts.is_some_and(|(truth, _)| truth == Verdict::AsymmetricGateway)
                && place.world.routers.iter().any(|row| row.mac == place.played.frames[place.one.index].eth_dst)
        },
    },
    Known {
        name: "table-of-the-outer-port",
        reason: "a pod's packets enter by the inner port and are looked up in its table; the engine takes the outer's, too",
        is_seldom: false,
        is: |place| place.says(Verdict::Conforming) && !place.world.routers[place.router()].table.is_empty(),
    },
    Known {
        name: "armed-though-ovn-does-not-ask",
        reason: "the era, the single-route rule and routes that are all down keep OVN from asking the label",
        is_seldom: false,
        is: |place| place.one.fault == Fault::ArmedThoughIgnored,
    },
];

/// Which of the known ones a difference is, where no kind of evidence is left out.
pub(crate) fn known(world: &World, played: &Played, one: &Difference) -> Option<&'static Known> {
    let place = Place { world, played, one };
    KNOWN.iter().find(|known| (known.is)(&place))
}
