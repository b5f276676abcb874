//! The history of next hops on the disk.

use super::claim::Claimed;
use super::config::Config;
use super::console::Console;
use super::history::{self, Loaded, Notice, Saver};
use super::kept::Saving;
use crate::daemon::history::{Bounds, History};
use crate::types::{Timestamp, Warning};

/// The file that keeps the history.
#[derive(Debug)]
pub(super) struct Remembering {
    saver: Option<Saver>,
    saving: Saving,
    /// Nobody else saves it as long as this is held.
    _claimed: Option<Claimed>,
}

impl Remembering {
    /// Reads what was kept.
    pub(super) fn load(config: &Config, claimed: Option<Claimed>, now: Timestamp) -> (Self, History, Vec<Warning>) {
        let bounds = Bounds { age: config.history_age, ..Bounds::default() };
        let loaded = claimed.as_ref().map(|claimed| history::load(&claimed.path, bounds, now));
        let Loaded { history, warnings } =
            loaded.unwrap_or_else(|| Loaded { history: History::new(bounds), warnings: Vec::new() });
        let saver = claimed.as_ref().map(|claimed| Saver::new(claimed.path.clone()));
        (Self { saver, saving: Saving::default(), _claimed: claimed }, history, warnings)
    }

    /// Saves the history when it is worth it, in a thread that may wait for the disk.
    pub(super) async fn tick(&mut self, history: &History, console: &Console, now: Timestamp) {
        let Self { saver: Some(saver), saving, .. } = self else { return };
        if let Some(outcome) = saving.outcome().await {
            match saver.done(outcome) {
                Some(Notice::Failing(error)) => console.complain(&format!("{error}; it is tried again")),
                Some(Notice::Recovered) => console.say("the history of next hops is saved again"),
                Some(Notice::Full(facts)) => console.complain(&format!(
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
    pub(super) async fn end(&mut self, history: &History, console: &Console, now: Timestamp) {
        let Self { saver: Some(saver), saving, .. } = self else { return };
        // What it says was said, or comes up again now.
        drop(saving.wait().await);
        if let Err(error) = saver.job(history, now).run() {
            console.complain(&error.to_string());
        }
    }
}
