//! Counters of what was lost, told when they rise. One that keeps rising is told at growing intervals.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alert::{Alert, Field, Kind};
use super::settings::{Settings, doubled};
use crate::types::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Losses {
    counters: BTreeMap<&'static str, Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    now: u64,
    told: u64,
    told_at: Option<Timestamp>,
    pause: Duration,
    is_held: bool,
}

impl Losses {
    /// Notes how much was lost in all. Returns whether it is more than before.
    pub(super) fn note(&mut self, cause: &'static str, count: u64) -> bool {
        let counter = self.counters.entry(cause).or_default();
        let is_more = count > counter.now;
        counter.now = counter.now.max(count);
        is_more
    }

    /// What was lost and not told, where it is time, and whether it waits for the rate limit.
    pub(super) fn due(&mut self, at: Timestamp) -> impl Iterator<Item = (&'static str, &mut bool)> {
        let due = move |counter: &Counter| {
            let is_quiet = counter.told_at.is_some_and(|told| at.since(told) < counter.pause);
            counter.now > counter.told && !is_quiet
        };
        let counters = self.counters.iter_mut().filter(move |(_, counter)| due(counter));
        counters.map(|(&cause, counter)| (cause, &mut counter.is_held))
    }

    pub(super) fn tell(&mut self, cause: &'static str, settings: &Settings, at: Timestamp) -> Option<Alert> {
        let counter = self.counters.get_mut(cause)?;
        let since = counter.told_at.map(|told| at.since(told));
        // Twice the pause without a loss, and the next one is told at once again.
        counter.pause = match since.is_some_and(|since| since < counter.pause * 2) {
            true => doubled(counter.pause, Settings::MAX_REMIND),
            false => settings.gather,
        };
        let lost = counter.now - counter.told;
        (counter.told, counter.told_at, counter.is_held) = (counter.now, Some(at), false);
        let fields = vec![
            Field { name: "cause", value: cause.to_owned() },
            Field { name: "count", value: lost.to_string() },
            Field { name: "total", value: counter.now.to_string() },
        ];
        let text = format!("lost: {} {lost} more, {} since the start", cause.replace('_', " "), counter.now);
        Some(Alert { kind: Kind::Loss, reason: None, at, seen: None, text, fields })
    }
}
