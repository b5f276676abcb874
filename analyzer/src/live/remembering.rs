//! The history of next hops, kept over a restart.

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
}

impl Remembering {
    /// Reads what was kept, and tells the engine what is over.
    pub(super) fn load(config: &Config, engine: &mut Engine, now: Timestamp) -> (Self, Vec<Warning>) {
        let bounds = Bounds { age: config.history_age, ..Bounds::default() };
        let Some(path) = &config.history else {
            return (Self { history: History::new(bounds), saver: None, saving: Saving::default() }, Vec::new());
        };
        let file::Loaded { history, warnings } = file::load(path, bounds, now);
        history.ended().for_each(|fact| engine.add(fact));
        (Self { history, saver: Some(Saver::new(path.clone())), saving: Saving::default() }, warnings)
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
        let Remembering { history, saver: Some(saver), saving } = &mut self.remembering else { return };
        if let Some(outcome) = saving.outcome().await {
            match saver.done(outcome) {
                Some(Notice::Failing(error)) => self.news.complain(&format!("{error}; it is tried again")),
                Some(Notice::Recovered) => self.news.say("the history of next hops is saved again"),
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
        let Remembering { history, saver: Some(saver), saving } = &mut self.remembering else { return };
        // What it says was said, or comes up again now.
        drop(saving.wait().await);
        if let Err(error) = saver.job(history, now).run() {
            self.news.complain(&error.to_string());
        }
    }
}
