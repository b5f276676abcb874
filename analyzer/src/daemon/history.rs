//! What next hops were, remembered over a restart, so that it can be told when a MAC was last legal.
//!
//! The facts kept are those that this follows from: routes, BFD sessions, and bindings of next hops. A [`History`] is
//! told each [`Delta`] and keeps since when each fact holds and, of those that ended, from when until when they held,
//! up to [`Bounds`]. After a restart the facts that held at the last save are *pending*:
//! one that the first synchronisation tells again has gone on, with the beginning it had; one that is not told again
//! ended at the time of that save, as far as we know ([`History::settle`]).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use self::told::Told;
use crate::engine::fact::{Delta, Fact};
use crate::types::{Timestamp, Validity};

pub mod format;
pub(crate) mod told;

/// Facts that hold, or are pending, of which a history keeps track at most.
pub(crate) const MAX_HOLDING: usize = 500_000;

/// How much of what ended is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Facts that ended: a third each of routes, sessions and bindings, so that a session which flaps displaces no route.
    pub facts: usize,
    /// How long ago they may have ended.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { facts: 100_000, age: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// What a history could not keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Facts that ended and made room for later ones before their age was reached.
    pub displaced: u64,
    /// Facts that hold, but were too many to keep track of.
    pub untracked: u64,
}

/// A fact that holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Holding {
    /// How many times it is told; two sources may tell the same.
    pub(crate) times: u32,
    pub(crate) from: Timestamp,
    pub(crate) confirmed: Option<Timestamp>,
}

/// A fact that held at the last save and has not been told again yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pending {
    pub(crate) from: Timestamp,
    pub(crate) confirmed: Option<Timestamp>,
    /// When it was last known to hold.
    pub(crate) seen: Timestamp,
}

/// A fact that ended.
#[derive(Clone, PartialEq, Debug)]
struct Ended {
    told: Told,
    confirmed: Option<Timestamp>,
    from: Timestamp,
    until: Timestamp,
}

impl Ended {
    fn fact(&self) -> Fact {
        let validity = Validity { from: Some(self.from), until: Some(self.until) };
        self.told.fact(self.confirmed, validity)
    }
}

/// Routes, sessions and bindings: since when those hold that do, and when those held that no longer do.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    bounds: Bounds,
    pub(crate) holding: HashMap<Told, Holding>,
    pub(crate) pending: HashMap<Told, Pending>,
    /// Routes, sessions, and bindings of next hops, each by their end.
    ended: [VecDeque<Ended>; Told::KINDS],
    /// By how many routes, of any of these, an address is a next hop.
    pub(crate) nexthops: HashMap<IpAddr, usize>,
    changes: u64,
    losses: Losses,
}

impl History {
    /// A history of nothing.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// Takes over what a source told at `at`; times never go back. Facts of other kinds are passed over.
    ///
    /// A binding that is confirmed anew ends and begins in the same delta; it is one that goes on.
    pub fn record(&mut self, delta: &Delta, at: Timestamp) {
        for (told, confirmed) in delta.begun.iter().filter_map(Told::of) {
            self.begin(told, confirmed, at);
        }
        for (told, _) in delta.ended.iter().filter_map(Told::of) {
            self.end(&told, at);
        }
        self.forget(at);
    }

    /// Since when a fact holds; `None` where it does not, or is not kept track of. It is before the program's start
    /// where the fact held then, too.
    pub fn began(&self, fact: &Fact) -> Option<Timestamp> {
        let (told, _) = Told::of(fact)?;
        Some(self.holding.get(&told)?.from)
    }

    /// The facts that ended, with the time during which they held.
    pub fn ended(&self) -> impl Iterator<Item = Fact> {
        self.ended.iter().flatten().map(Ended::fact)
    }

    /// The same, those that ended last first.
    fn ended_last_first(&self) -> impl Iterator<Item = Fact> {
        let mut ended: Vec<&Ended> = self.ended.iter().flatten().collect();
        ended.sort_by_key(|ended| std::cmp::Reverse(ended.until));
        ended.into_iter().map(Ended::fact)
    }

    /// Ends the pending facts that `is_told` picks, which a source would have told by now, at the time at which they were
    /// last known to hold, and returns them. To be called for what a source tells when it has been synchronised; and for
    /// all when one is too long in coming.
    pub fn settle(&mut self, is_told: impl Fn(&Fact) -> bool) -> Vec<Fact> {
        let picked = |told: &Told, pending: &mut Pending| {
            let validity = Validity { from: Some(pending.from), until: None };
            is_told(&told.fact(pending.confirmed, validity))
        };
        let settled: Vec<_> = self.pending.extract_if(picked).collect();
        let mut facts = Vec::new();
        for (told, Pending { from, confirmed, seen }) in settled {
            let ended = Ended { told, confirmed, from, until: seen };
            facts.push(ended.fact());
            self.keep(ended);
            self.changes += 1;
        }
        facts
    }

    /// How many facts held at the last save and were neither told again nor settled.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// A number that differs when there is something new to save.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What could not be kept.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    fn begin(&mut self, told: Told, confirmed: Option<Timestamp>, at: Timestamp) {
        if let Some(holding) = self.holding.get_mut(&told) {
            holding.times = holding.times.saturating_add(1);
            holding.confirmed = holding.confirmed.max(confirmed);
            return;
        }
        let pending = self.pending.remove(&told);
        if pending.is_none() && self.holding.len() + self.pending.len() >= MAX_HOLDING {
            self.losses.untracked += 1;
            return;
        }
        let from = match pending {
            Some(pending) => pending.from.min(at),
            None => {
                self.refer(&told);
                at
            }
        };
        let confirmed = confirmed.max(pending.and_then(|pending| pending.confirmed));
        self.holding.insert(told, Holding { times: 1, from, confirmed });
        self.changes += 1;
    }

    fn end(&mut self, told: &Told, at: Timestamp) {
        let Some(holding) = self.holding.get_mut(told) else { return };
        holding.times -= 1;
        if holding.times > 0 {
            return;
        }
        if let Some((told, Holding { from, confirmed, .. })) = self.holding.remove_entry(told) {
            self.keep(Ended { told, confirmed, from, until: at });
            self.changes += 1;
        }
    }

    /// Keeps what ended, if anything can follow from it.
    fn keep(&mut self, ended: Ended) {
        let is_useful = match &ended.told {
            Told::Binding(binding) => self.nexthops.contains_key(&binding.ip),
            Told::Route(_) | Told::Bfd(_) => true,
        };
        if !is_useful || ended.until <= ended.from {
            self.unrefer(&ended.told);
            return;
        }
        let list = &mut self.ended[ended.told.kind()];
        let place = list.partition_point(|earlier| earlier.until <= ended.until);
        list.insert(place, ended);
        for kind in 0..Told::KINDS {
            while self.ended[kind].len() > self.bounds.facts / Told::KINDS {
                self.drop_first(kind);
                self.losses.displaced += 1;
            }
        }
    }

    /// Drops what ended too long ago.
    fn forget(&mut self, now: Timestamp) {
        let age = self.bounds.age;
        for kind in 0..Told::KINDS {
            while self.ended[kind].front().is_some_and(|first| now.since(first.until) > age) {
                self.drop_first(kind);
                self.changes += 1;
            }
        }
    }

    fn drop_first(&mut self, kind: usize) {
        if let Some(ended) = self.ended[kind].pop_front() {
            self.unrefer(&ended.told);
        }
    }

    fn refer(&mut self, told: &Told) {
        if let Some(nexthop) = told.nexthop() {
            *self.nexthops.entry(nexthop).or_default() += 1;
        }
    }

    fn unrefer(&mut self, told: &Told) {
        let Some(nexthop) = told.nexthop() else { return };
        if let Some(count) = self.nexthops.get_mut(&nexthop) {
            *count -= 1;
            if *count == 0 {
                self.nexthops.remove(&nexthop);
            }
        }
    }
}
