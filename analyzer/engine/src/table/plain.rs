//! The verdict that all plain flows of the same classes share.

use alloc::sync::Arc;
use alloc::vec;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashSet;

use super::{OF_FRAMES, first, judge_by_routes};
use crate::case::Case;
use crate::context::Context;
use crate::direction;
use crate::fact::Route;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::routes::Group;
use crate::verdict::{NotCovered, Verdict};

/// The verdict on any flow with the MACs, the time and the classes of `seen`, as far as entries and requests of the flow
/// cannot change it; `None` where each flow must be judged by itself.
pub(crate) fn plain_verdict<'a>(
    knowledge: &'a Knowledge,
    context: &mut Context<'a>,
    seen: &Observation,
) -> Option<Verdict> {
    let case = Case::new(knowledge, context, seen).without_entries();
    if let Some((ruling, _)) = first(&OF_FRAMES, &case) {
        // Told by the MACs alone. Other look-alikes are told by ports, protocol or addresses, which no class holds.
        let is_by_macs = ruling.verdict == Verdict::NotCovered(NotCovered::Inbound)
            && seen.direction() == Direction::Unknown
            && direction::is_for_router(knowledge, seen);
        return is_by_macs.then_some(ruling.verdict);
    }
    seen.eth_dst()?;
    of_routes(case)
}

fn of_routes(case: Case<'_, '_>) -> Option<Verdict> {
    let (knowledge, seen, at) = (case.knowledge, case.seen, case.at());
    let flow = case.flow();
    let lookups = knowledge.lookups(flow.wire, at);
    // Where all next hops of a route are down, it may depend on its past whether the packet is one of ours.
    let is_down = lookups.iter().any(|lookup| !lookup.inactive.is_empty());
    // Routes out of whose port a label may force a flow, and which it may make the only ones that count.
    let is_pinnable =
        |route: &&Route| seen.eth_src.is_zero() || flow.may_send(&Group { routes: vec![*route] }, seen.eth_src);
    let symmetric = flow.symmetric();
    let pinnable: HashSet<Option<Arc<str>>> =
        symmetric.into_iter().filter(is_pinnable).map(|route| route.router.clone()).collect();

    let judgement = judge_by_routes(case);
    let is_shared = match judgement.verdict {
        Verdict::Conforming => judgement.way.is_some_and(|way| {
            let legal: HashSet<_> = way.legal(seen.eth_dst).map(|hop| &hop.route.router).collect();
            let mut routers = way.routers.iter().chain(&pinnable);
            // A translated source: legal for some pod's route, whichever decides.
            let is_for_any_pod = legal.is_empty();
            !way.groups.is_empty() && (is_for_any_pod || routers.all(|router| legal.contains(router)))
        }),
        Verdict::NotCovered(_) => !is_down && pinnable.is_empty() && !knowledge.hides_routed(seen.tuple.src, at),
        _ => false,
    };
    is_shared.then_some(judgement.verdict)
}
