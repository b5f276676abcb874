//! All routes of the followed tables, and which of those to the same destinations the kernel uses.

use std::collections::HashMap;

use super::message::{Key, Path, Reach, RouteMessage};
use crate::netlink::nexthop::{Hop, Nexthops, Resolved};

/// How a message tells a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// As part of a dump, which lists routes in the order in which the kernel tries them.
    Listed,
    /// As new, after those that it does not replace.
    Appended,
    /// As new, before them.
    Added,
    /// In place of another.
    Replacing,
}

/// Routes by destination.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_key: HashMap<Key, Vec<Known>>,
    len: usize,
    /// Number of the last IPv4 and IPv6 dump.
    rounds: [u32; 2],
}

#[derive(Debug)]
struct Known {
    path: Path,
    /// The dump that listed it last, or that was the last when it was told.
    round: u32,
}

/// What a message did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Effect {
    /// What follows from the routes to these destinations may have changed.
    pub(super) changed: bool,
    /// Which route was replaced or deleted is not certain: only a dump can tell.
    pub(super) doubtful: bool,
}

/// What the kernel does with packets to some destinations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Chosen {
    /// Next hops, those of better routes included that are down.
    pub(super) hops: Vec<Hop>,
    /// Whether some packets go nowhere by a link.
    pub(super) nowhere: bool,
}

impl Routes {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Notes routes to the same destinations.
    pub(super) fn insert(&mut self, message: RouteMessage, told: Told) -> Effect {
        let RouteMessage { key, paths } = message;
        let Some(first) = paths.first() else { return Effect::default() };
        let is_ipv4 = key.prefix.addr().is_ipv4();
        let round = self.rounds[usize::from(!is_ipv4)];
        let known = self.by_key.entry(key).or_default();
        let before = known.len();
        let mut effect = Effect::default();
        let mut at = if told == Told::Added && is_ipv4 { 0 } else { known.len() };
        if told == Told::Replacing {
            // The kernel replaces the first IPv4 route of that metric, and all next hops of an IPv6 route; but of IPv6
            // routes that share a metric and no load, one.
            let rivals = |known: &Known| known.path.lane == first.lane && known.path.priority == first.priority;
            effect.doubtful = known.iter().filter(|known| rivals(known)).count() > 1;
            if let Some(place) = known.iter().position(rivals) {
                match is_ipv4 {
                    true => drop(known.remove(place)),
                    false => known.retain(|known| !rivals(known)),
                }
                at = place;
                effect.changed = true;
            }
        }
        for path in paths {
            let same = known.iter().position(|known| known.path.is_same(&path));
            match same {
                None => {
                    known.insert(at.min(known.len()), Known { path, round });
                    at = at.saturating_add(1);
                    effect.changed = true;
                }
                Some(place) => {
                    effect.changed |= known[place].path != path || known.len() > 1;
                    known[place] = Known { path, round };
                    if told == Told::Listed {
                        let listed = known.remove(place);
                        known.push(listed);
                    }
                }
            }
        }
        self.len = self.len.saturating_sub(before).saturating_add(known.len());
        effect
    }

    /// Forgets routes to the same destinations.
    pub(super) fn remove(&mut self, message: &RouteMessage) -> Effect {
        let mut effect = Effect::default();
        let Some(known) = self.by_key.get_mut(&message.key) else { return effect };
        for path in &message.paths {
            match known.iter().position(|known| known.path.is_same(path)) {
                Some(place) => {
                    known.remove(place);
                    self.len = self.len.saturating_sub(1);
                    effect.changed = true;
                }
                None => effect.doubtful = true,
            }
        }
        if known.is_empty() {
            self.by_key.remove(&message.key);
        }
        effect
    }

    /// A dump of one family begins.
    pub(super) fn dump_begins(&mut self, is_ipv4: bool) {
        let round = &mut self.rounds[usize::from(!is_ipv4)];
        *round = round.wrapping_add(1);
    }

    /// A dump of one family has listed all routes: forgets others. Returns the destinations of those.
    pub(super) fn sweep(&mut self, is_ipv4: bool) -> Vec<Key> {
        let round = self.rounds[usize::from(!is_ipv4)];
        let mut swept = Vec::new();
        let mut gone = 0;
        self.by_key.retain(|key, known| {
            if key.prefix.addr().is_ipv4() == is_ipv4 {
                let before = known.len();
                known.retain(|known| known.round == round);
                if known.len() < before {
                    gone += before - known.len();
                    swept.push(*key);
                }
            }
            !known.is_empty()
        });
        self.len = self.len.saturating_sub(gone);
        swept
    }

    /// Destinations whose routes use a link or a nexthop object that is meant.
    pub(super) fn using(
        &self,
        nexthops: &Nexthops,
        is_link: impl Fn(u32) -> bool,
        is_object: impl Fn(u32) -> bool,
    ) -> Vec<Key> {
        let leaves = |hops: &[Hop]| hops.iter().any(|hop| is_link(hop.ifindex));
        let uses = |known: &Known| match &known.path.reach {
            Reach::Hops(hops) => leaves(hops),
            Reach::Object { id, told } => {
                nexthops.uses(*id, &is_object)
                    || match nexthops.resolve(*id) {
                        Resolved::Hops(hops) => leaves(&hops),
                        Resolved::Blackhole => false,
                        Resolved::Unknown => leaves(told),
                    }
            }
            Reach::Nowhere(_) => false,
        };
        self.by_key.iter().filter(|(_, known)| known.iter().any(uses)).map(|(key, _)| *key).collect()
    }

    /// What the kernel does with packets to these destinations: of the routes that match a packet alike, that of the
    /// lowest metric with a next hop that is up. IPv6 routes of one metric count together, of IPv4 routes the first
    /// (`fib_table_lookup`, net/ipv4/fib_trie.c; `rt6_select`, net/ipv6/route.c).
    ///
    /// Which TOS or source a packet has is not asked: what any packet may meet is chosen.
    pub(super) fn chosen(&self, key: Key, nexthops: &Nexthops, is_dead: impl Fn(u32) -> bool) -> Chosen {
        let mut chosen = Chosen::default();
        let mut paths: Vec<&Path> = self.by_key.get(&key).into_iter().flatten().map(|known| &known.path).collect();
        paths.sort_by_key(|path| (path.lane, path.priority));
        let is_ipv4 = key.prefix.addr().is_ipv4();
        for lane in paths.chunk_by(|a, b| a.lane == b.lane) {
            for rank in lane.chunk_by(|a, b| !is_ipv4 && a.priority == b.priority) {
                let mut is_up = false;
                for path in rank {
                    let hops = match &path.reach {
                        Reach::Hops(hops) => Resolved::Hops(hops.clone()),
                        Reach::Nowhere(_) => Resolved::Blackhole,
                        Reach::Object { id, told } => match nexthops.resolve(*id) {
                            Resolved::Unknown => Resolved::Hops(told.clone()),
                            resolved => resolved,
                        },
                    };
                    match hops {
                        Resolved::Hops(hops) => {
                            let dated =
                                hops.into_iter().map(|hop| Hop { is_down: hop.is_down || is_dead(hop.ifindex), ..hop });
                            let first = chosen.hops.len();
                            chosen.hops.extend(dated);
                            is_up |= chosen.hops[first..].iter().any(|hop| !hop.is_down);
                        }
                        Resolved::Blackhole | Resolved::Unknown => {
                            chosen.nowhere = true;
                            is_up = true;
                        }
                    }
                }
                if is_up {
                    break;
                }
            }
        }
        chosen
    }
}
