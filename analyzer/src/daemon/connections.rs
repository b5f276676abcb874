//! When labelled conntrack entries are read as a whole, and where.

use std::time::Duration;

pub use super::entries::Way;
use super::event::Reading;
use super::evidence::Evidence;
use super::voice::{Trouble, Voice};
use crate::netlink::conntrack::events;
use crate::types::Timestamp;

/// Events that are kept for the end of a reading. After more of them there is another one.
const MAX_MEANWHILE: usize = 65_536;

/// Readings of labelled entries.
#[derive(Debug)]
pub(crate) struct Connections {
    way: Way,
    is_reading: bool,
    wanted: Wanted,
    /// What the kernel told while entries are read: the reading may be past an entry when that changes.
    meanwhile: Vec<events::Event>,
    last: Option<Timestamp>,
    overruns: u64,
    interrupted: u64,
    unreadable: u64,
}

/// Moments at which readings are to begin, or later.
#[derive(Clone, Copy, Default, Debug)]
struct Wanted {
    /// The first of them.
    first: Option<Timestamp>,
    /// The last.
    last: Timestamp,
}

impl Wanted {
    fn add(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(at);
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.first.is_some_and(|first| first <= now)
    }

    /// A reading begins at `now`. For all that are left one will do, at the last of them.
    fn begin(&mut self, now: Timestamp) {
        self.first = Some(self.last).filter(|&last| last > now);
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            way: Way::Open,
            is_reading: false,
            wanted: Wanted { first: Some(Timestamp::default()), last: Timestamp::default() },
            meanwhile: Vec::new(),
            last: None,
            overruns: 0,
            interrupted: 0,
            unreadable: 0,
        }
    }
}

impl Connections {
    /// The way that was chosen.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Whether a way was chosen.
    pub(crate) fn is_chosen(&self) -> bool {
        self.way != Way::Open
    }

    /// Goes this way from now on, if the table can be asked so.
    pub(crate) fn go(&mut self, way: Way, evidence: &mut Evidence, voice: &mut Voice) {
        match evidence.ask(way) {
            Ok(()) => self.way = way,
            Err(error) => voice.failed(Trouble::ConntrackReading, &error),
        }
    }

    /// Events that were lost, readings during which the table changed, and entries that could not be read.
    pub(crate) fn losses(&self) -> [u64; 3] {
        [self.overruns, self.interrupted, self.unreadable]
    }

    /// Asks for a reading before the interval is over.
    pub(crate) fn want(&mut self) {
        self.want_from(Timestamp::default());
    }

    /// Asks for a reading that begins at `at` or later.
    pub(crate) fn want_from(&mut self, at: Timestamp) {
        self.wanted.add(at);
    }

    /// Takes over what the kernel says of one entry.
    pub(crate) fn note(&mut self, event: events::Event, evidence: &mut Evidence) {
        if event == events::Event::Overrun {
            self.overruns += 1;
            self.want();
        }
        if self.is_reading && self.meanwhile.len() < MAX_MEANWHILE {
            self.meanwhile.push(event.clone());
        } else if self.is_reading {
            self.want();
        }
        evidence.note(event);
    }

    /// Whether a reading begins at `now`, as it is time for one.
    pub(crate) fn begins(&mut self, interval: Option<Duration>, now: Timestamp) -> bool {
        let is_due = |last: Timestamp| interval.is_some_and(|interval| now.since(last) >= interval);
        let is_time = self.wanted.is_due(now) || self.last.is_none_or(is_due);
        if self.is_reading || !is_time || self.way.datapath().is_none() {
            return false;
        }
        self.is_reading = true;
        self.wanted.begin(now);
        true
    }

    /// Takes note that a reading is over. Returns what the kernel told meanwhile.
    pub(crate) fn done(&mut self, reading: &Result<Reading, String>, now: Timestamp) -> Vec<events::Event> {
        self.is_reading = false;
        self.last = Some(now);
        if let Ok(reading) = reading {
            self.interrupted += u64::from(reading.is_interrupted);
            self.unreadable += reading.unreadable;
        }
        std::mem::take(&mut self.meanwhile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_serves_all_that_were_asked_for_meanwhile() {
        let at = Timestamp::from_nanos;
        let mut wanted = Wanted::default();
        assert!(!wanted.is_due(at(5)));
        for moment in [12, 10, 14] {
            wanted.add(at(moment));
        }
        assert!(!wanted.is_due(at(9)) && wanted.is_due(at(10)));
        wanted.begin(at(10));
        assert!(!wanted.is_due(at(13)) && wanted.is_due(at(14)));
        wanted.begin(at(15));
        assert!(!wanted.is_due(at(100)));
        // What is asked for while a reading goes on is another one.
        wanted.add(at(0));
        assert!(wanted.is_due(at(15)));
    }
}
