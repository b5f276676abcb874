//! Facts into the engine, and the engine's set into the kernel.

use super::daemon::Daemon;
use super::ledger::Cited;
use crate::engine::fact::{Binding, BindingKind, Delta, Fact};
use crate::engine::finding::LatentState;
use crate::types::{MacAddr, Timestamp, Tuple, Validity};

/// Facts that ended are kept for the history at most.
const MAX_PAST: usize = 100_000;
/// Latent entries that are looked at, at most.
const MAX_LATENT: usize = 10_000;

impl Daemon {
    /// Takes note of what a source tells. It takes effect with the next [`Daemon::commit`], together with whatever else
    /// was told at the same time.
    pub(super) fn told(&mut self, delta: Delta) {
        if delta.ended.is_empty() && delta.begun.is_empty() {
            return;
        }
        self.evidence.follow(&delta);
        self.pending.push(delta);
    }

    /// Makes what was told take effect: in the engine, then in the kernel, at one moment.
    pub(super) fn commit(&mut self) {
        let at = self.clock.now();
        let is_known = self.sources.are_known(at, self.config.max_age);
        let is_due = self.due.is_some_and(|due| due <= at);
        let is_quiet = self.pending.is_empty() && !is_due && !self.has_heard && is_known == self.is_sighted;
        if is_quiet && !(self.must_switch && self.ticks != self.switch_tried) {
            return;
        }
        self.has_heard = false;
        let deltas = std::mem::take(&mut self.pending);
        let shrinks = deltas.iter().flat_map(|delta| &delta.ended).any(is_nexthop_fact);
        for delta in deltas {
            self.apply(delta, at);
        }
        let is_news = is_known != self.is_sighted;
        if is_news {
            self.see(is_known, at);
        }
        self.switch(at);
        if is_news {
            // Whoever waits for it may send packets at once.
            self.tell_status();
            self.publish();
        }
        self.due = self.next_due(at);
        if is_known && shrinks {
            self.look_for_latent(at);
        }
    }

    /// Tells the kernel what holds now. Where it will not take it, packets are judged by nothing rather than by what no
    /// longer holds, and it is tried again.
    fn switch(&mut self, at: Timestamp) {
        let switched = match self.is_sighted {
            true => self.set.switch(&mut self.engine, &mut self.table, at),
            false => self.set.unload(&mut self.table),
        };
        self.must_switch = switched.is_err();
        self.switch_tried = self.ticks;
        if let Err(error) = switched {
            self.failed(&error);
            if let Err(error) = self.set.unload(&mut self.table) {
                self.failed(&error);
            }
        }
    }

    fn apply(&mut self, delta: Delta, at: Timestamp) {
        self.remembering.record(&delta, at);
        for fact in &delta.ended {
            self.engine.end(fact, at);
        }
        for fact in delta.begun {
            let own = fact.validity().unwrap_or(Validity::ALWAYS);
            if own.until.is_some() || own.from.is_some_and(|from| from > at) {
                // A file of next hops that says itself when one held, or will.
                self.engine.add(fact);
                continue;
            }
            // What holds as we start began at some time before, which only the history or the source itself can tell;
            // so did a neighbour that the kernel has known for longer than we have asked.
            let is_dated = matches!(&fact, Fact::Binding(Binding { kind: BindingKind::Neighbour, confirmed: Some(at), .. })
                if *at < self.started);
            let from = match self.is_sighted && !is_dated {
                true => Some(at),
                false => self.remembering.began(&fact).filter(|&from| from < self.started).or(own.from),
            };
            self.engine.begin(fact, from);
        }
    }

    /// Next hops become known, or are known no longer.
    fn see(&mut self, is_known: bool, at: Timestamp) {
        self.is_sighted = is_known;
        if is_known {
            // What held at the last save and was not told again ended while nobody looked.
            for fact in self.remembering.settle() {
                self.engine.add(fact);
            }
            self.engine.set_sighted(at);
            self.news.say("next hops are known");
        } else {
            self.engine.set_blind(at);
            self.news.complain("next hops are not known any more: packets are undetermined until a source comes back");
        }
    }

    fn next_due(&mut self, at: Timestamp) -> Option<Timestamp> {
        let change = self.engine.next_change(at);
        let expiry = self.sources.next_expiry(self.config.max_age).filter(|&expiry| expiry > at);
        change.into_iter().chain(expiry).min()
    }

    /// Looks for labelled entries whose MAC is outside the set, and tells of those that are new.
    pub(super) fn look_for_latent(&mut self, at: Timestamp) {
        for tuple in std::mem::take(&mut self.latent_tuples) {
            self.engine.set_connections(tuple, Vec::new());
        }
        let legal = self.engine.legal_macs(at);
        self.latent_tuples = self.evidence.tell_outside(&legal, MAX_LATENT, &mut self.engine);
        let conforming = if self.latent_tuples.is_empty() { Vec::new() } else { self.conforming_now() };
        self.latent = self.engine.latent(at, conforming);
        self.latent_at = at;
        let cited = self.ledger.cited();
        self.leave_out_cited(&cited);
        self.alerting.latent(&self.latent, &cited, at);
        let known = std::mem::take(&mut self.known_latent);
        for latent in &self.latent {
            let entry = &latent.connection;
            let key = (entry.zone, entry.orig, entry.reply_eth, latent.state);
            if !known.contains(&key) {
                self.news.latent(latent);
            }
            self.known_latent.insert(key);
        }
    }

    /// Flows that left to a legal next hop since the set is what it is, and not to another MAC since, as far as samples
    /// show it. A label whose MAC is outside the set is older than they are.
    fn conforming_now(&mut self) -> Vec<(Tuple, Timestamp, MacAddr)> {
        let samples = self.samples();
        let violations = self.ledger.last_violations();
        let present =
            samples.iter().filter(|sample| self.is_present(&sample.key)).map(|sample| self.observation(sample));
        present
            .filter(|seen| violations.get(&seen.tuple).is_none_or(|&last| last < seen.last))
            .map(|seen| (seen.tuple, seen.last, seen.eth_dst))
            .collect()
    }

    /// Leaves out latent entries whose flow was seen to follow them: these are findings. That it follows one no longer is
    /// told all the same.
    pub(super) fn leave_out_cited(&mut self, cited: &Cited) {
        let looked_at = self.latent_at;
        self.latent.retain(|latent| {
            let entry = &latent.connection;
            let last = cited.get(&(entry.orig, entry.zone, entry.reply_eth));
            last.is_none_or(|&last| latent.state == LatentState::Unused && last <= looked_at)
        });
    }

    /// Forgets what is too old to be asked for.
    pub(super) fn forget(&mut self) {
        let before = self.clock.now().saturating_sub(self.config.history_age);
        self.engine.forget(before, MAX_PAST);
    }
}

/// Whether the end of the fact may make a MAC illegal.
fn is_nexthop_fact(fact: &Fact) -> bool {
    matches!(fact, Fact::Route(_) | Fact::Binding(_) | Fact::Bfd(_))
}
