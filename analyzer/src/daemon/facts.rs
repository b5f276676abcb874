//! Facts into the engine, and the engine's set into the kernel.

use std::time::Duration;

use super::evidence::Evidence;
use super::history::History;
use super::kernel::Kernel;
use super::remembering::Remembering;
use super::sources::Sources;
use super::voice::Voice;
use crate::engine::Engine;
use crate::engine::fact::{Binding, BindingKind, Delta, Fact};
use crate::engine::observation::HeardNeighbour;
use crate::types::{Timestamp, Validity};

/// Facts that ended are kept for the history at most.
const MAX_PAST: usize = 100_000;

/// What is known, and what was told and is not known yet.
pub(super) struct Facts {
    engine: Engine,
    remembering: Remembering,
    /// When the run began.
    started: Timestamp,
    /// What was told and has not taken effect yet.
    pending: Vec<Delta>,
    /// When a verdict changes by itself.
    due: Option<Timestamp>,
    /// Since when the next hops are known; `None` where they are not.
    sighted: Option<Timestamp>,
    /// Whether a neighbour was heard with a new MAC since the last commit.
    has_heard: bool,
}

/// What a commit came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Committed {
    /// There was nothing to do.
    Nothing,
    /// Facts or the kernel's set changed.
    Changed,
    /// The next hops became known, or are known no longer.
    Sight,
}

impl Facts {
    /// Nothing was told yet. What an earlier run kept is over.
    pub(super) fn new(mut engine: Engine, history: History, started: Timestamp) -> Self {
        let remembering = Remembering::new(history, &mut engine);
        // Until a source has told all it has.
        engine.set_blind(started);
        let (pending, due, sighted, has_heard) = (Vec::new(), None, None, false);
        Self { engine, remembering, started, pending, due, sighted, has_heard }
    }

    /// What judges by them.
    pub(super) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The history of next hops, to be kept for the next run.
    pub(super) fn history(&self) -> &History {
        self.remembering.history()
    }

    /// Facts that found no room in it.
    pub(super) fn displaced(&self) -> u64 {
        self.remembering.displaced()
    }

    /// When a verdict changes by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Since when the next hops are known, if they are.
    pub(super) fn sighted(&self) -> Option<Timestamp> {
        self.sighted
    }

    /// Takes note of what a source tells. It takes effect with the next commit, together with whatever else was told at the
    /// same time.
    pub(super) fn told(&mut self, delta: Delta, evidence: &mut Evidence) {
        if delta.ended.is_empty() && delta.begun.is_empty() {
            return;
        }
        evidence.follow(&delta);
        self.pending.push(delta);
    }

    /// Takes note that a neighbour was heard.
    pub(super) fn hear(&mut self, neighbour: HeardNeighbour) {
        self.has_heard |= self.engine.hear(neighbour).iter().any(Option::is_some);
    }

    /// Makes what was told take effect: in the engine, then in the kernel, at one moment. Facts of a source that was lost
    /// `max_age` ago are unknown.
    pub(super) fn commit(
        &mut self,
        sources: &Sources,
        max_age: Duration,
        kernel: &mut Kernel,
        now: (Timestamp, u64),
        voice: &mut Voice,
    ) -> Committed {
        let (at, tick) = now;
        let is_known = sources.are_known(at, max_age);
        let is_news = is_known != self.sighted.is_some();
        let is_due = self.due.is_some_and(|due| due <= at);
        let is_quiet = self.pending.is_empty() && !is_due && !self.has_heard && !is_news;
        if is_quiet && !kernel.is_to_be_tried(tick) {
            return Committed::Nothing;
        }
        self.has_heard = false;
        for delta in std::mem::take(&mut self.pending) {
            self.apply(delta, at);
        }
        if is_news {
            self.see(is_known, at, voice);
        }
        kernel.switch(&mut self.engine, is_known, at, tick, voice);
        let expiry = sources.next_expiry(max_age).filter(|&expiry| expiry > at);
        self.due = self.engine.next_change(at).into_iter().chain(expiry).min();
        if is_news { Committed::Sight } else { Committed::Changed }
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
            let from = match self.sighted.is_some() && !is_dated {
                true => Some(at),
                false => self.remembering.began(&fact).filter(|&from| from < self.started).or(own.from),
            };
            self.engine.begin(fact, from);
        }
    }

    /// Next hops become known, or are known no longer.
    fn see(&mut self, is_known: bool, at: Timestamp, voice: &mut Voice) {
        self.sighted = is_known.then_some(at);
        if is_known {
            // What held at the last save and was not told again ended while nobody looked.
            for fact in self.remembering.settle() {
                self.engine.add(fact);
            }
            self.engine.set_sighted(at);
            voice.say("next hops are known");
        } else {
            self.engine.set_blind(at);
            voice.complain("next hops are not known any more: packets are undetermined until a source comes back");
        }
    }

    /// Forgets what ended before `before`, which nobody asks for.
    pub(super) fn forget(&mut self, before: Timestamp) {
        self.engine.forget(before, MAX_PAST);
    }
}
