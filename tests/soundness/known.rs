//! Differences between the model and the engine on whole evidence that are known, by name. What is right is said by the
//! design and the fact sheet, and a difference stands here until the engine says it, too: an entry that no longer occurs
//! fails the test, so that the list shrinks.

use std::collections::BTreeSet;

use crate::check::{Difference, Fault};
use crate::model::{Played, Verdict};
use crate::world::{Kind, Route, World};

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
    /// Whether routes of several routers are for the pod of the entry's flow.
    fn is_of_two_routers(&self) -> bool {
        let pod = self.world.flows[self.one.index].tuple.src;
        let is_for_pod = |route: &&Route| matches!(route.kind, Kind::Source { .. }) && route.prefix.contains(pod);
        let routers = self.world.routes.iter().filter(is_for_pod).map(|route| route.router);
        routers.collect::<BTreeSet<_>>().len() > 1
    }

    /// Whether a route by source is for the pod of the entry's flow when the world ends.
    fn has_source_route_at_the_end(&self) -> bool {
        let pod = self.world.flows[self.one.index].tuple.src;
        let is_source = |route: &Route| matches!(route.kind, Kind::Source { .. }) && route.prefix.contains(pod);
        self.world.routes.iter().any(|route| is_source(route) && route.life.until.is_none())
    }
}

/// Differences on whole evidence. The first that fits has it.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        name: "row-1-where-nothing-tells-next-hops",
        reason: "row 1 stands before row 3; the engine tells senders and networks by the ports of routes, and none is known",
        is_seldom: false,
        is: |place| {
            let flow = place.played.frames[place.one.index].flow;
            place.one.verdicts == Some((Verdict::NotCovered, Verdict::NoNexthopData))
                && !place.world.flows[flow].is_of_host
        },
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
        name: "listed-otherwise-than-explained",
        reason: "two routers have the pod's address and the owner's hops are all down: those asked of the entry do not agree",
        is_seldom: true,
        is: |place| place.one.fault == Fault::Contradiction && place.is_of_two_routers(),
    },
    Known {
        name: "listed-in-the-other-direction",
        reason: "no route by source is left for the flow, so that the list guesses which direction leaves; explain is told",
        is_seldom: true,
        is: |place| place.one.fault == Fault::Contradiction && !place.has_source_route_at_the_end(),
    },
];

/// Which of the known ones a difference is, where no kind of evidence is left out.
pub(crate) fn known(world: &World, played: &Played, one: &Difference) -> Option<&'static Known> {
    let place = Place { world, played, one };
    KNOWN.iter().find(|known| (known.is)(&place))
}
