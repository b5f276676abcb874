//! What the decision table says of a frame, row by row (DESIGN 3), where all evidence is at hand.

use analyzer_engine::types::MacAddr;

use super::conntrack;
use super::lookup::{Way, configured, configured_symmetric, decide, is_active, symmetric};
use super::neighbours::{is_superseded, lladdr};
use super::play::{Frame, Played, Why};
use crate::world::{Flow, Route, Secs, World};

/// A verdict with its reason. What only tells more of a conforming packet (`asymmetric-reply`) is conforming.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Verdict {
    NotCovered,
    NoNexthopData,
    TranslatedSource,
    Unresolved,
    OtherUndetermined,
    Conforming,
    Grace,
    AsymmetricGateway,
    UnknownMac,
    StaleNeighbour,
    FormerNexthop,
    NexthopDown,
    StaleConntrack,
}

impl Verdict {
    pub(crate) fn is_violating(self) -> bool {
        self >= Self::UnknownMac
    }

    pub(crate) fn is_undetermined(self) -> bool {
        (Self::NoNexthopData..=Self::OtherUndetermined).contains(&self)
    }
}

/// `--grace` and `--heard-window`, seconds.
const GRACE: Secs = 5;
const HEARD_WINDOW: Secs = 60;

/// The verdict on a frame.
pub(crate) fn verdict(world: &World, played: &Played, frame: &Frame) -> Verdict {
    let (flow, t, mac) = (&world.flows[frame.flow], frame.at, frame.eth_dst);
    // Row 1: received, another router's, the host's own.
    if !frame.is_sent() || flow.is_of_host {
        return Verdict::NotCovered;
    }
    // Row 1: an on-link destination, unless a label pins the packet; no route. A route that was passed over only because
    // its next hops are down still says what the MACs of its hops mean.
    let pinned = is_pinned(world, frame.label, flow, t);
    let active = deciding(world, flow, pinned, t);
    let to_hop_that_is_down = is_down(world, flow, frame.label.is_some(), mac, t);
    let ends = (flow.tuple.src, flow.tuple.dst);
    let is_to_former_hop =
        !configured(world, flow.router, ends, t).is_empty() && legal_until(world, frame, flow).is_some();
    if active.is_empty() && !to_hop_that_is_down && !is_to_former_hop {
        return Verdict::NotCovered;
    }
    // Row 3: before the history.
    if t < world.history_start {
        return Verdict::NoNexthopData;
    }
    // Rows 4 and 5.
    if is_legal(world, flow, pinned, mac, t) {
        return Verdict::Conforming;
    }
    let until = legal_until(world, frame, flow);
    if until.is_some_and(|until| t - until < GRACE) {
        return Verdict::Grace;
    }
    // Row 8 stands before rows 6 and 7 where a hop is unresolved.
    if active.iter().any(|route| lladdr(world, flow.router, route.nexthop, t).is_none()) {
        return Verdict::Unresolved;
    }
    // Row 6.
    if to_hop_that_is_down {
        return Verdict::NexthopDown;
    }
    // Row 7: what a row of the databases said until it ended. Evidence that still stands and lost is row 9's.
    let in_dump = played.entries[frame.flow].and_then(|entry| entry.mac);
    let carried_in_dump = in_dump == Some(mac) && may_be_carried(world, flow, t);
    let superseded = active.iter().any(|route| is_superseded(world, flow.router, route.nexthop, mac, t));
    if until.is_some() && !superseded {
        return if carried_in_dump { Verdict::StaleConntrack } else { Verdict::FormerNexthop };
    }
    // Row 9.
    if superseded && !carried_in_dump {
        return Verdict::StaleNeighbour;
    }
    // Rows 10 to 12.
    if is_heard(world, played, frame, until) {
        return Verdict::AsymmetricGateway;
    }
    if carried_in_dump { Verdict::StaleConntrack } else { Verdict::UnknownMac }
}

/// Whether the flow's entry is labelled while a symmetric route of the pod is up on the port. The label's MAC is not asked:
/// it may have been another a moment before.
fn is_pinned(world: &World, label: Option<MacAddr>, flow: &Flow, t: Secs) -> bool {
    label.is_some() && !symmetric(world, flow.router, flow.tuple.src, t).is_empty()
}

/// Whether the pod has a symmetric route on the port, up or down. A packet seen leaving to the label's MAC proves that OVN
/// honoured the entry; more is not asked (DESIGN 3, (5)).
fn may_be_carried(world: &World, flow: &Flow, t: Secs) -> bool {
    !configured_symmetric(world, flow.router, flow.tuple.src, t).is_empty()
}

/// The rows that decide: those that the lookup gives, or the symmetric ones for a pinned flow, which bypasses it.
fn deciding<'a>(world: &'a World, flow: &Flow, pinned: bool, t: Secs) -> Vec<&'a Route> {
    if pinned {
        return symmetric(world, flow.router, flow.tuple.src, t);
    }
    match decide(world, flow.router, (flow.tuple.src, flow.tuple.dst), t) {
        Way::Hops(hops) => hops,
        Way::Nowhere | Way::OnLink | Way::Inside => Vec::new(),
    }
}

/// Whether the MAC is an active next hop's. A packet of a pinned flow may also have left as unpinned ones do, before it was
/// labelled.
fn is_legal(world: &World, flow: &Flow, pinned: bool, mac: MacAddr, t: Secs) -> bool {
    let has_mac = |route: &&Route| lladdr(world, flow.router, route.nexthop, t) == Some(mac);
    deciding(world, flow, false, t).iter().any(has_mac)
        || (pinned && deciding(world, flow, true, t).iter().any(has_mac))
}

/// The first second from which on the frame's MAC was no longer legal, if it was before, as far as history goes. Between
/// two changes all seconds are alike.
fn legal_until(world: &World, frame: &Frame, flow: &Flow) -> Option<Secs> {
    let mut ends = moments(world);
    ends.extend(world.heard.iter().map(|heard| heard.at));
    ends.retain(|&end| world.history_start < end && end < frame.at);
    ends.extend((world.history_start < frame.at).then_some(frame.at));
    ends.sort_unstable();
    ends.into_iter().rev().find(|&end| {
        let pinned = is_pinned(world, frame.label, flow, end - 1);
        is_legal(world, flow, pinned, frame.eth_dst, end - 1)
    })
}

/// When a row begins or ends, and when the history begins.
fn moments(world: &World) -> Vec<Secs> {
    let lives = world.routes.iter().map(|row| row.life);
    let lives = lives.chain(world.sessions.iter().map(|row| row.life)).chain(world.bindings.iter().map(|row| row.life));
    let of_lives = lives.flat_map(|life| std::iter::once(life.from).chain(life.until));
    std::iter::once(world.history_start).chain(of_lives).collect()
}

/// Whether the MAC is that of a configured next hop that BFD holds down; of a labelled flow also one of the route that
/// pinned it.
fn is_down(world: &World, flow: &Flow, is_labelled: bool, mac: MacAddr, t: Secs) -> bool {
    let mut rows = configured(world, flow.router, (flow.tuple.src, flow.tuple.dst), t);
    if is_labelled {
        rows.extend(configured_symmetric(world, flow.router, flow.tuple.src, t));
    }
    rows.iter().any(|route| !is_active(world, route, t) && lladdr(world, flow.router, route.nexthop, t) == Some(mac))
}

/// Row 10: packets of the flow's other direction came from the MAC after it left the set, asked at the last packet to it
/// within the epoch.
fn is_heard(world: &World, played: &Played, frame: &Frame, left: Option<Secs>) -> bool {
    let asked = of_epoch(world, played, frame).map(|other| other.at).max().unwrap_or(frame.at);
    is_heard_at(world, played, frame, left, asked)
}

/// Frames of the same flow to the same MAC up to the next change.
fn of_epoch<'a>(world: &World, played: &'a Played, frame: &'a Frame) -> impl Iterator<Item = &'a Frame> {
    let end = next_change(world, frame.at);
    played.frames.iter().filter(move |other| {
        let is_same = other.flow == frame.flow && other.is_sent() && other.eth_dst == frame.eth_dst;
        is_same && (frame.at..end).contains(&other.at)
    })
}

fn is_heard_at(world: &World, played: &Played, frame: &Frame, left: Option<Secs>, asked: Secs) -> bool {
    let since = left.unwrap_or(world.history_start).max(asked.saturating_sub(HEARD_WINDOW));
    let is_heard = |other: &Frame| {
        other.flow == frame.flow
            && other.why == Why::Received
            && other.eth_src == frame.eth_dst
            && (since..=asked).contains(&other.at)
    };
    played.frames.iter().any(is_heard)
}

/// Whether row 10 depends on how frames are put together: on where an epoch ends, which nothing but the moment of asking
/// tells, or on requests of one epoch that lie on both sides of the window. No verdict is held against such frames. Where
/// rows are left out (`knows_all` is false) their changes end no epoch.
pub(crate) fn is_at_the_edge_of_the_window(world: &World, played: &Played, frame: &Frame, knows_all: bool) -> bool {
    let left = legal_until(world, frame, &world.flows[frame.flow]);
    let now = is_heard_at(world, played, frame, left, frame.at);
    let end = if knows_all { next_change(world, frame.at) } else { Secs::MAX };
    let mut later =
        played.frames.iter().filter(|other| other.flow == frame.flow && (frame.at..end).contains(&other.at));
    later.any(|other| is_heard_at(world, played, frame, left, other.at) != now)
}

/// When a verdict may change next: a row begins or ends, an address is heard with another MAC, a grace period ends.
fn next_change(world: &World, t: Secs) -> Secs {
    let mut moments = moments(world);
    for heard in &world.heard {
        let changes = |route: &Route| {
            let of_hop = |t| lladdr(world, route.router, route.nexthop, t);
            route.nexthop == heard.ip && heard.at > 0 && of_hop(heard.at) != of_hop(heard.at - 1)
        };
        if world.routes.iter().any(changes) {
            moments.push(heard.at);
        }
    }
    let ends: Vec<Secs> = moments.iter().map(|moment| moment + GRACE).collect();
    moments.extend(ends);
    moments.into_iter().filter(|&moment| moment > t).min().unwrap_or(Secs::MAX)
}

/// What becomes of the next packet of a flow whose entry is labelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// OVN sends it to the MAC in the label, which is no next hop's, while every next hop is resolved.
    Armed,
    /// It sends it there, and that is right, or cannot be told.
    Right,
    /// It does not ask the label.
    Ignored,
}

/// How the entry of a flow stands at a moment.
pub(crate) fn standing(world: &World, played: &Played, flow: usize, t: Secs) -> Option<Standing> {
    let (entry, flow) = (played.entries[flow]?, &world.flows[flow]);
    let label = entry.mac?;
    Some(match conntrack::pin(world, Some(&entry), flow, t) {
        None => Standing::Ignored,
        Some(_) if is_legal(world, flow, true, label, t) => Standing::Right,
        Some(_) => {
            let rows = deciding(world, flow, true, t);
            let unresolved = rows.iter().any(|route| lladdr(world, flow.router, route.nexthop, t).is_none());
            if unresolved { Standing::Right } else { Standing::Armed }
        }
    })
}
