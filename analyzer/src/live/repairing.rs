//! Repairs that the daemon has begun: on a thread of their own, as the journal waits for the disk and ovs-vswitchd for its
//! main loop.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::clock::Clock;
use super::config::Config;
use crate::daemon::connections::Way;
use crate::daemon::event::Event;
use crate::netlink::conntrack::Table;
use crate::repair::journal::{By, Journal};
use crate::repair::plan::Step;
use crate::repair::rules::Rules;
use crate::repair::{Outcome, Repair, kernel, userspace};
use crate::unixctl::conntrack::{Pacing, UserspaceTable};

/// How a daemon repairs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// By which rules.
    pub rules: Rules,
    /// Entries changed in a minute at most.
    pub per_minute: u32,
    /// Where it is written down.
    pub journal: PathBuf,
}

impl Settings {
    /// Checks that the journal can be written.
    ///
    /// # Errors
    /// It cannot.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        Ok(Journal::new(self.journal.clone(), By::Daemon).check()?)
    }
}

/// Steps that are handed over.
pub(super) struct Work {
    journal: Journal,
    steps: Vec<Step>,
    rules: Rules,
    clock: Clock,
    hand_back: Sender<Event>,
}

impl Work {
    /// Steps for the entries of this node. `hand_back` gets what comes of each.
    pub(super) fn new(
        settings: &Settings,
        steps: Vec<Step>,
        rules: Rules,
        clock: Clock,
        hand_back: Sender<Event>,
    ) -> Self {
        let journal = Journal::new(settings.journal.clone(), By::Daemon);
        Self { journal, steps, rules, clock, hand_back }
    }

    /// Begins.
    pub(super) fn start(self, way: Way, config: &Config) {
        match (way, config.sources.vswitchd_socket()) {
            (Way::Userspace, Ok(socket)) => drop(tokio::spawn(self.in_userspace(socket))),
            (Way::Userspace, Err(error)) => drop(tokio::task::spawn_blocking(move || self.give_up(&error))),
            _ => drop(tokio::task::spawn_blocking(|| self.in_kernel())),
        }
    }

    fn in_kernel(mut self) {
        let table = match Table::open() {
            Ok(table) => table,
            Err(error) => return self.give_up(&error.to_string()),
        };
        for step in std::mem::take(&mut self.steps) {
            let repair = kernel::repair(&table, &mut self.journal, step, &self.rules, || self.clock.now(), false);
            self.hand_back(repair);
        }
    }

    async fn in_userspace(mut self, socket: PathBuf) {
        // The limit per minute spares the daemon.
        let pacing = Pacing { zone_interval: Duration::ZERO, share: 1 };
        let mut table = UserspaceTable::new(socket, None, pacing);
        // It may have been started anew, as another one.
        self.rules.ovs = table.release().await;
        let (steps, clock) = (std::mem::take(&mut self.steps), self.clock);
        let repairs =
            userspace::repair(&mut table, &mut self.journal, steps, &self.rules, || clock.now(), || false).await;
        for repair in repairs {
            // The daemon ends where nobody takes it; the journal has it.
            let _ = self.hand_back.send(Event::Repaired(Box::new(repair))).await;
        }
    }

    fn give_up(mut self, error: &str) {
        for step in std::mem::take(&mut self.steps) {
            if let Ok(action) = step.verdict {
                let outcome = Outcome::Failed { action, reason: format!("{error}; nothing was changed") };
                let repair = step.into_repair(&self.rules, None, self.clock.now(), outcome);
                self.hand_back(repair);
            }
        }
    }

    fn hand_back(&self, repair: Repair) {
        // The daemon ends where nobody takes it; the journal has it.
        let _ = self.hand_back.blocking_send(Event::Repaired(Box::new(repair)));
    }
}
