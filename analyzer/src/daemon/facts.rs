//! Facts into the engine, and the engine's set into the kernel.

use super::Daemon;
use super::effect::Effect;
use crate::engine::fact::{Binding, BindingKind, Delta, Fact};
use crate::types::{Timestamp, Validity};

/// Facts that ended are kept for the history at most.
const MAX_PAST: usize = 100_000;

impl Daemon {
    /// Takes note of what a source tells. It takes effect with the next [`Daemon::commit`], together with whatever else
    /// was told at the same time.
    pub(crate) fn told(&mut self, delta: Delta) {
        if delta.ended.is_empty() && delta.begun.is_empty() {
            return;
        }
        self.evidence.follow(&delta);
        self.pending.push(delta);
    }

    /// Makes what was told take effect: in the engine, then in the kernel, at one moment.
    pub(super) fn commit(&mut self) {
        let at = self.now;
        let is_known = self.sources.are_known(at, self.settings.changing.max_age);
        let is_due = self.due.is_some_and(|due| due <= at);
        let is_quiet = self.pending.is_empty() && !is_due && !self.has_heard && is_known == self.is_sighted;
        if is_quiet && !self.kernel.is_to_be_tried(self.ticks) {
            return;
        }
        self.has_heard = false;
        let deltas = std::mem::take(&mut self.pending);
        for delta in deltas {
            self.apply(delta, at);
        }
        let is_news = is_known != self.is_sighted;
        if is_news {
            self.see(is_known, at);
        }
        self.kernel.switch(&mut self.engine, self.is_sighted, at, self.ticks, &mut self.voice);
        if is_news {
            // Whoever waits for it may send packets at once.
            self.tell_status();
            self.voice.ask(Effect::Publish);
        }
        self.due = self.next_due(at);
        if is_known {
            self.note_departures(at);
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
            self.sighted = at;
            // What held at the last save and was not told again ended while nobody looked.
            for fact in self.remembering.settle() {
                self.engine.add(fact);
            }
            self.engine.set_sighted(at);
            self.voice.say("next hops are known");
        } else {
            self.engine.set_blind(at);
            self.voice.complain("next hops are not known any more: packets are undetermined until a source comes back");
        }
    }

    fn next_due(&mut self, at: Timestamp) -> Option<Timestamp> {
        let change = self.engine.next_change(at);
        let expiry = self.sources.next_expiry(self.settings.changing.max_age).filter(|&expiry| expiry > at);
        change.into_iter().chain(expiry).min()
    }

    /// Forgets what is too old to be asked for.
    pub(crate) fn forget(&mut self) {
        let before = self.now.saturating_sub(self.settings.changing.history_age);
        self.engine.forget(before, MAX_PAST);
    }
}
