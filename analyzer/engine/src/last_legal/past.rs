//! Which MACs were legal when.
//!
//! The whole past is gone through once, next hop by next hop: each is looked at where something changes that bears on it,
//! not where any other one changes.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;

use crate::bfd::Liveness;
use crate::fact::Route;
use crate::finding::LastLegal;
use crate::knowledge::{HopKey, Knowledge, hop_key};
use crate::routes::Decision;
use crate::types::{MacAddr, Timestamp, Validity};
use crate::versions::{Dated, Versions, dated};

/// The past of some routes' next hops.
#[derive(Debug)]
pub(super) struct Past {
    /// Moments at which they changed, in order.
    moments: Vec<Timestamp>,
    spans: HashMap<MacAddr, Versions<Span>>,
}

/// A time in which a next hop had the MAC.
#[derive(Clone, PartialEq, Hash, Debug)]
struct Span {
    /// Number of the route among those that are meant: of several next hops the first is told.
    number: usize,
    nexthop: IpAddr,
    how: How,
    validity: Validity,
}

#[derive(Clone, Copy, PartialEq, Hash, Debug)]
enum How {
    /// A packet could rightly go there.
    Legal,
    /// Older evidence named the MAC.
    Older,
    /// The same, while the next hop was not up or some rule put that evidence behind: a packet could not rightly go there.
    Void,
}

dated!(Span);

impl Past {
    pub(super) fn new(knowledge: &Knowledge, routes: &[&Route]) -> Self {
        let mut moments = knowledge.changes(routes.iter().copied(), Timestamp::MAX);
        moments.reverse();
        let mut ways: HashMap<HopKey<'_>, Vec<usize>> = HashMap::new();
        for (number, route) in routes.iter().enumerate() {
            if let Some(key) = hop_key(route) {
                ways.entry(key).or_default().push(number);
            }
        }
        let mut past = Self { moments, spans: HashMap::new() };
        ways.into_values().for_each(|numbers| past.add(knowledge, routes, &numbers));
        past
    }

    /// Adds the times of one next hop, which the routes of these numbers have.
    fn add(&mut self, knowledge: &Knowledge, routes: &[&Route], numbers: &[usize]) {
        let Some(&first) = numbers.first() else { return };
        let mut bounds = knowledge.changes_of_hop(routes[first]);
        let mut begin: Vec<(Option<Timestamp>, usize)> = Vec::with_capacity(numbers.len());
        let mut end: Vec<(Timestamp, usize)> = Vec::new();
        for &number in numbers {
            let Validity { from, until } = routes[number].validity;
            begin.push((from, number));
            end.extend(until.map(|until| (until, number)));
            bounds.extend(from.into_iter().chain(until));
        }
        begin.sort_unstable();
        end.sort_unstable();
        bounds.push(Timestamp::default());
        bounds.sort_unstable();
        bounds.dedup();
        let (mut begin, mut end) = (begin.into_iter().peekable(), end.into_iter().peekable());
        let mut holding: BTreeSet<usize> = BTreeSet::new();
        let mut open: HashMap<(MacAddr, usize), Span> = HashMap::new();
        for &at in &bounds {
            while let Some((_, number)) = begin.next_if(|&(from, _)| from <= Some(at)) {
                holding.insert(number);
            }
            while let Some((_, number)) = end.next_if(|&(until, _)| until <= at) {
                holding.remove(&number);
            }
            let now = holding.first().map(|&number| (number, had(knowledge, routes[number], at))).unwrap_or_default();
            self.go_on(&mut open, now, at);
        }
        open.into_iter().for_each(|((mac, _), span)| self.push(mac, span));
    }

    /// Ends what does not go on as it was, and begins what is new at `at`.
    fn go_on(
        &mut self,
        open: &mut HashMap<(MacAddr, usize), Span>,
        (number, now): (usize, Vec<(MacAddr, IpAddr, How)>),
        at: Timestamp,
    ) {
        let mut before = core::mem::take(open);
        for (mac, nexthop, how) in now {
            let span = match before.remove(&(mac, number)) {
                Some(span) if span.how == how => span,
                ended => {
                    ended.into_iter().for_each(|span| self.push(mac, span.until(at)));
                    Span { number, nexthop, how, validity: Validity { from: Some(at), until: None } }
                }
            };
            open.insert((mac, number), span);
        }
        before.into_iter().for_each(|((mac, _), span)| self.push(mac, span.until(at)));
    }

    fn push(&mut self, mac: MacAddr, span: Span) {
        self.spans.entry(mac).or_default().push(span);
    }

    /// When `mac` was last legal before `at`: the end of that time, which is told as the moment of some change.
    pub(super) fn last(&self, mac: MacAddr, at: Timestamp) -> Option<LastLegal> {
        let spans = self.spans.get(&mac)?;
        let stands = spans.holding(at).any(|span| span.how != How::Legal);
        let is_meant = |span: &&Span| span.how == How::Legal || !stands && span.how == How::Older;
        let found = |until: Timestamp| {
            let meant = spans.holding(just_before(until)?).filter(is_meant);
            let first = meant.min_by_key(|span| span.number)?;
            Some(LastLegal { until, nexthop: first.nexthop })
        };
        let latest = self.moment(at)?;
        found(latest).or_else(|| {
            let ended = spans.ended(just_before(latest)?).filter(is_meant);
            ended.filter_map(|span| self.moment(span.validity.until?)).find_map(found)
        })
    }

    /// Moments just before which the span held.
    fn moments_in(&self, span: &Span) -> &[Timestamp] {
        let Validity { from, until } = span.validity;
        let first = self.moments.partition_point(|&moment| Some(moment) <= from);
        let end = self.moments.partition_point(|&moment| until.is_none_or(|until| moment <= until));
        &self.moments[first..end.max(first)]
    }

    /// The latest moment of a change up to `at`.
    fn moment(&self, at: Timestamp) -> Option<Timestamp> {
        let later = self.moments.partition_point(|&moment| moment <= at);
        self.moments.get(later.checked_sub(1)?).copied()
    }
}

impl Span {
    fn until(mut self, at: Timestamp) -> Self {
        self.validity.until = Some(at);
        self
    }
}

/// The MACs that a route's next hop had at `at`.
fn had(knowledge: &Knowledge, route: &Route, at: Timestamp) -> Vec<(MacAddr, IpAddr, How)> {
    let Some(hop) = knowledge.hop(route, at) else { return Vec::new() };
    let is_void = |mac| hop.liveness != Liveness::Up || hop.lladdrs.overruled.contains(mac);
    let older = hop.lladdrs.older.iter().map(|mac| (*mac, hop.ip, if is_void(mac) { How::Void } else { How::Older }));
    let current =
        hop.lladdrs.current.iter().filter(|_| hop.liveness == Liveness::Up).map(|&mac| (mac, hop.ip, How::Legal));
    current.chain(older).collect()
}

/// The past of what decided packets of some addresses on some routers.
#[derive(Debug)]
pub(super) struct Decisions {
    past: Past,
    routers: hashbrown::HashSet<Option<Arc<str>>>,
    /// Moments just before which a MAC was legal for the route that decided then, and for which next hop.
    decided: HashMap<MacAddr, Vec<(Timestamp, IpAddr)>>,
}

impl Decisions {
    pub(super) fn new(knowledge: &Knowledge, (src, dst): (IpAddr, IpAddr), routers: &[Option<Arc<str>>]) -> Self {
        let routers: hashbrown::HashSet<_> = routers.iter().cloned().collect();
        let versions = knowledge.routes.versions_for(src, dst).filter(|route| routers.contains(&route.router));
        let past = Past::new(knowledge, &versions.collect::<Vec<_>>());
        Self { past, routers, decided: HashMap::new() }
    }

    /// When `mac` was last legal for packets from `src` to `dst`, whatever route decided then.
    pub(super) fn last(
        &mut self,
        knowledge: &Knowledge,
        ends: (IpAddr, IpAddr),
        mac: MacAddr,
        at: Timestamp,
    ) -> Option<LastLegal> {
        let Self { past, routers, decided } = self;
        // Most MACs that are asked for were no next hop's at all.
        let spans = past.spans.get(&mac)?;
        let decided = decided.entry(mac).or_insert_with(|| {
            let legal = spans.iter().filter(|span| span.how == How::Legal);
            let mut moments: Vec<Timestamp> = legal.flat_map(|span| past.moments_in(span)).copied().collect();
            moments.sort_unstable();
            moments.dedup();
            let decided = |moment| Some((moment, deciding(knowledge, ends, routers, mac, just_before(moment)?)?));
            moments.into_iter().filter_map(decided).collect()
        });
        let later = decided.partition_point(|&(moment, _)| moment <= at);
        let &(until, nexthop) = decided.get(later.checked_sub(1)?)?;
        Some(LastLegal { until, nexthop })
    }
}

/// The next hop that made `mac` legal at `at`, of the routes that decided then.
fn deciding(
    knowledge: &Knowledge,
    (src, dst): (IpAddr, IpAddr),
    routers: &hashbrown::HashSet<Option<Arc<str>>>,
    mac: MacAddr,
    at: Timestamp,
) -> Option<IpAddr> {
    let lookups = knowledge.routes.decide(&knowledge.ports, src, dst, at, |route| knowledge.bfd.liveness(route, at));
    lookups.into_iter().find_map(|lookup| match lookup.decision {
        Decision::Route(group) if routers.contains(&group.routes[0].router) => {
            knowledge.hops(&group, at).into_iter().find(|hop| hop.is_legal(mac)).map(|hop| hop.ip)
        }
        _ => None,
    })
}

fn just_before(moment: Timestamp) -> Option<Timestamp> {
    moment.as_nanos().checked_sub(1).map(Timestamp::from_nanos)
}
