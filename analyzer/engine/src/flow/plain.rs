//! The verdict that all plain flows of the same classes share.

use std::sync::Arc;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashSet;

use super::Flow;
use crate::fact::Route;
use crate::judge::{self, Context};
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::routes::Group;
use crate::verdict::{NotCovered, Verdict};

/// The verdict on any flow with the MACs, the time and the classes of `seen`, as far as entries and requests of the flow
/// cannot change it; `None` where each flow must be judged by itself.
pub(in crate) fn plain_verdict<'a>(
    knowledge: &'a Knowledge,
    context: &mut Context<'a>,
    seen: &Observation,
) -> Option<Verdict> {
    match judge::look_alike(knowledge, seen) {
        None => {}
        // Told by the MACs alone. Other look-alikes are told by ports, protocol or addresses, which no class holds.
        Some(NotCovered::Inbound)
            if seen.direction() == Direction::Unknown && judge::is_for_router(knowledge, seen) =>
        {
            return Some(NotCovered::Inbound.into());
        }
        Some(_) => return None,
    }
    if judge::without_data(knowledge, seen).is_some() || seen.eth_dst().is_none() {
        return None;
    }
    Flow::without_entries(knowledge, seen.first, seen.tuple, seen.tuple).plain_verdict(context, seen)
}

impl<'a> Flow<'a> {
    fn plain_verdict(self, context: &mut Context<'a>, seen: &Observation) -> Option<Verdict> {
        let knowledge = self.knowledge;
        let (src, at) = (self.wire.src, self.at);
        let lookups = knowledge.lookups(self.wire, at);
        // Where all next hops of a route are down, it may depend on its past whether the packet is one of ours.
        let is_down = lookups.iter().any(|lookup| !lookup.inactive.is_empty());
        // Routes out of whose port a label may force a flow, and which it may make the only ones that count.
        let is_pinnable =
            |route: &&Route| seen.eth_src.is_zero() || self.may_send(&Group { routes: vec![*route] }, seen.eth_src);
        let symmetric = self.symmetric();
        let pinnable: HashSet<Option<Arc<str>>> =
            symmetric.into_iter().filter(is_pinnable).map(|route| route.router.clone()).collect();

        let judgement = self.judge_by_routes(context, seen);
        let is_shared = match judgement.verdict {
            Verdict::Conforming => judgement.way.is_some_and(|way| {
                let legal: HashSet<_> = way.legal(seen.eth_dst).map(|hop| &hop.route.router).collect();
                let mut routers = way.routers.iter().chain(&pinnable);
                // A translated source: legal for some pod's route, whichever decides.
                let is_for_any_pod = legal.is_empty();
                !way.groups.is_empty() && (is_for_any_pod || routers.all(|router| legal.contains(router)))
            }),
            Verdict::NotCovered(_) => !is_down && pinnable.is_empty() && !knowledge.hides_routed(src, at),
            _ => false,
        };
        is_shared.then_some(judgement.verdict)
    }
}
