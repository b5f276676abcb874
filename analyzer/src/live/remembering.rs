//! The history of next hops, kept over a restart.

use super::claim::Claimed;
use super::config::Config;
use super::daemon::Daemon;
use super::history::file::{self, Notice, Saver};
use super::history::{Bounds, History};
use super::kept::Saving;
use crate::engine::Engine;
use crate::engine::fact::{Delta, Fact};
use crate::types::{Timestamp, Warning};

/// The history, and the file that keeps it.
#[derive(Debug)]
pub(super) struct Remembering {
    history: History,
    saver: Option<Saver>,
    saving: Saving,
    /// Nobody else saves it as long as this is held.
    _claimed: Option<Claimed>,
}

impl Remembering {
    /// Reads what was kept, and tells the engine what is over.
    pub(super) fn load(
        config: &Config,
        claimed: Option<Claimed>,
        engine: &mut Engine,
        now: Timestamp,
    ) -> (Self, Vec<Warning>) {
        let bounds = Bounds { age: config.history_age, ..Bounds::default() };
        let loaded = claimed.as_ref().map(|claimed| file::load(&claimed.path, bounds, now));
        let file::Loaded { history, warnings } =
            loaded.unwrap_or_else(|| file::Loaded { history: History::new(bounds), warnings: Vec::new() });
        history.ended().for_each(|fact| engine.add(fact));
        let saver = claimed.as_ref().map(|claimed| Saver::new(claimed.path.clone()));
        (Self { history, saver, saving: Saving::default(), _claimed: claimed }, warnings)
    }

    pub(super) fn record(&mut self, delta: &Delta, at: Timestamp) {
        self.history.record(delta, at);
    }

    /// Since when a fact holds, where that is known from an earlier run.
    pub(super) fn began(&self, fact: &Fact) -> Option<Timestamp> {
        self.history.began(fact)
    }

    /// What held at the last save and was not told again.
    pub(super) fn settle(&mut self) -> Vec<Fact> {
        self.history.settle(|_| true)
    }

    pub(super) fn displaced(&self) -> u64 {
        self.history.losses().displaced + self.history.losses().untracked
    }
}

impl Daemon {
    /// Saves the history when it is worth it, in a thread that may wait for the disk.
    pub(super) async fn save_history(&mut self) {
        let now = self.clock.now();
        let Remembering { history, saver: Some(saver), saving, .. } = &mut self.remembering else { return };
        if let Some(outcome) = saving.outcome().await {
            match saver.done(outcome) {
                Some(Notice::Failing(error)) => self.voice.complain(&format!("{error}; it is tried again")),
                Some(Notice::Recovered) => self.voice.say("the history of next hops is saved again"),
                Some(Notice::Full(facts)) => self.voice.complain(&format!(
                    "the history of next hops is saved without {facts} facts, for which its file has no room; a lesser \
                     --history-age would make some"
                )),
                None => {}
            }
        }
        if !saving.is_busy() && saver.due(history) <= now {
            saving.start(saver.job(history, now));
        }
    }

    /// Saves the history at the end of the run.
    pub(super) async fn save_history_now(&mut self) {
        let now = self.clock.now();
        let Remembering { history, saver: Some(saver), saving, .. } = &mut self.remembering else { return };
        // What it says was said, or comes up again now.
        drop(saving.wait().await);
        if let Err(error) = saver.job(history, now).run() {
            self.voice.complain(&error.to_string());
        }
    }
}
