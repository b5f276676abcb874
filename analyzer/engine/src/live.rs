//! What a daemon tells the engine over months: facts that begin and end, entries that change, times in which nothing is
//! known; and how the engine forgets.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::Engine;
use super::fact::{Connection, Delta, Fact};
use super::versions::End;
use crate::types::{MacAddr, Timestamp, Tuple, Validity};

/// Epochs kept at most while facts come and go. Packets older than the oldest are counted as of one epoch.
const MAX_EPOCHS: usize = 1 << 15;

impl Engine {
    /// Tells a fact that holds from `from` on, until [`Engine::end`] ends it; without lower bound where `from` is `None`,
    /// as at the first synchronisation. Whatever validity the fact bears is ignored.
    ///
    /// Unlike [`Engine::add`], which puts together what two dumps tell of one thing, facts told here stay apart: what
    /// two sources say has to be ended twice. A fact that is told again at the moment at which it ended has never ended;
    /// so has a binding whose source merely confirmed it.
    pub fn begin(&mut self, mut fact: Fact, from: impl Into<Option<Timestamp>>) {
        let from = from.into();
        if let Some(validity) = fact.validity_mut() {
            *validity = Validity { from, until: None };
        }
        let moments = self.knowledge.moments_of(&fact, from);
        self.knowledge.begin(fact);
        self.start_epochs(moments);
    }

    /// Ends the fact that was told, holds without end, and equals `fact` but for its validity. Of several the one that
    /// began last ends; one that began at `at` vanishes. Returns whether there was one.
    ///
    /// Conntrack entries do not end: see [`Engine::set_connections`].
    pub fn end(&mut self, fact: &Fact, at: Timestamp) -> bool {
        let is_known = self.knowledge.end(fact, at) != End::Unknown;
        if is_known {
            let moments = self.knowledge.moments_of(fact, Some(at));
            self.start_epochs(moments);
        }
        is_known
    }

    /// Ends and begins what a live source tells at `at`. Returns how many facts were to end that nobody had told.
    pub fn apply(&mut self, delta: Delta, at: Timestamp) -> usize {
        let unknown = delta.ended.iter().filter(|fact| !self.end(fact, at)).count();
        delta.begun.into_iter().for_each(|fact| self.begin(fact, at));
        unknown
    }

    /// Tells all conntrack entries that a look-up of `tuple` found, none included: they stand in the place of all that
    /// are found by it, in either direction, before or after translation.
    pub fn set_connections(&mut self, tuple: Tuple, entries: Vec<Connection>) {
        self.knowledge.connections.set(tuple, entries);
    }

    /// Forgets all conntrack entries, and that any were told: before the table is read anew, or when its source is lost.
    pub fn clear_connections(&mut self) {
        self.knowledge.connections.clear();
    }

    /// Tells that the conntrack table was read, even if nothing in it bears on verdicts: a flow without labelled entry
    /// then has none.
    pub fn note_connections_told(&mut self) {
        self.knowledge.connections.note_told();
    }

    /// Tells in which zones any entry has its port in the mark, those that are not told here included: where one has, OVN
    /// reads ports there and nowhere else.
    pub fn set_mark_zones(&mut self, zones: BTreeSet<u16>) {
        self.knowledge.mark_zones = zones;
    }

    /// Tells all MACs that packets came in from, each with the time of its last one. Verdicts do not rest on it; it keeps
    /// entries from being repaired ([`super::pins`]).
    pub fn set_senders(&mut self, senders: HashMap<MacAddr, Timestamp>) {
        self.knowledge.senders = senders;
    }

    /// Number of conntrack entries kept.
    pub fn connection_count(&self) -> usize {
        self.knowledge.connections.all().len()
    }

    /// From `from` on the next hops are not known: a source is not synchronised, or its facts are older than their
    /// maximum age. Packets are undetermined until [`Engine::set_sighted`].
    pub fn set_blind(&mut self, from: Timestamp) {
        self.knowledge.blind.start(from);
        self.start_epochs(vec![from]);
    }

    /// The next hops are known again from `at` on.
    pub fn set_sighted(&mut self, at: Timestamp) {
        self.knowledge.blind.end(at);
        self.start_epochs(vec![at]);
    }

    /// Drops what is over: facts that ended more than the grace period before `before`; if more than `keep` facts that
    /// ended are left, the oldest of them; what was heard before; and the epochs of that time.
    ///
    /// No verdict on a packet after `before` changes but where it rests on what was over before: a MAC that was last
    /// legal then is a stranger's; an address that then was a next hop or had a route or a port of its own, or a MAC that
    /// a router's port had, is nobody's. Of next hops two kinds of bindings are kept on each port, however old they are: the last one,
    /// and the last one to each MAC that is heard.
    pub fn forget(&mut self, before: Timestamp, keep: usize) {
        let before = before.saturating_sub(self.knowledge.settings.grace);
        self.knowledge.forget(before, keep);
        if let Some(epochs) = &mut self.epochs {
            epochs.forget(before);
        }
        self.remembered.clear();
    }

    /// Routes, bindings and BFD states that have ended, for a file of history: told to [`Engine::add`] after a restart,
    /// they tell again when a MAC was last legal.
    pub fn past(&self) -> impl Iterator<Item = Fact> + '_ {
        self.nexthop_facts().filter(|fact| fact.validity().is_some_and(|validity| validity.until.is_some()))
    }

    /// Routes, bindings and BFD states that hold without end.
    pub fn present(&self) -> impl Iterator<Item = Fact> + '_ {
        self.nexthop_facts().filter(|fact| fact.validity().is_some_and(|validity| validity.until.is_none()))
    }

    fn nexthop_facts(&self) -> impl Iterator<Item = Fact> + '_ {
        let knowledge = &self.knowledge;
        let routes = knowledge.routes.all().cloned().map(Fact::Route);
        let bindings = knowledge.nexthop_bindings().cloned().map(Fact::Binding);
        routes.chain(bindings).chain(knowledge.bfd.all().cloned().map(Fact::Bfd))
    }

    /// The first moment after `after` at which a verdict may change though nothing new is told: a grace period ends.
    pub fn next_change(&mut self, after: Timestamp) -> Option<Timestamp> {
        Some(self.epochs().at(after).end).filter(|&end| end != Timestamp::MAX)
    }

    /// MACs that are legal in some route at `at`.
    pub fn legal_macs(&self, at: Timestamp) -> HashSet<MacAddr> {
        self.knowledge.legal(at, |_| true).into_keys().collect()
    }

    /// Starts epochs at these moments and at the ends of the grace periods after them.
    fn start_epochs(&mut self, moments: Vec<Timestamp>) {
        self.remembered.clear();
        let grace = self.knowledge.settings.grace;
        let Some(epochs) = &mut self.epochs else { return };
        for moment in moments {
            epochs.split(moment);
            epochs.split(moment.saturating_add(grace));
        }
        // Half of them at a time, so that this is rare.
        if epochs.count() > MAX_EPOCHS {
            epochs.keep_latest(MAX_EPOCHS / 2);
        }
    }
}
