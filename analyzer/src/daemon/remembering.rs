//! The history of next hops, and what it tells of facts that were there before us.

use super::history::History;
use crate::engine::Engine;
use crate::engine::fact::{Delta, Fact};
use crate::types::Timestamp;

/// The history.
#[derive(Debug)]
pub(crate) struct Remembering {
    history: History,
}

impl Remembering {
    /// Goes on with what was kept, and tells the engine what is over.
    pub(crate) fn new(history: History, engine: &mut Engine) -> Self {
        history.ended().for_each(|fact| engine.add(fact));
        Self { history }
    }

    pub(crate) fn record(&mut self, delta: &Delta, at: Timestamp) {
        self.history.record(delta, at);
    }

    /// Since when a fact holds, where that is known from an earlier run.
    pub(crate) fn began(&self, fact: &Fact) -> Option<Timestamp> {
        self.history.began(fact)
    }

    /// What held at the last save and was not told again.
    pub(crate) fn settle(&mut self) -> Vec<Fact> {
        self.history.settle(|_| true)
    }

    /// What is to be kept.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn displaced(&self) -> u64 {
        self.history.losses().displaced + self.history.losses().untracked
    }
}
