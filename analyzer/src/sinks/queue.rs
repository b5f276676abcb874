//! Messages that wait for a receiver, in order, and those that may have to be sent again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::loss::Loss;
use crate::alerts::{Alert, Kind};
use crate::types::Timestamp;

/// The highest `sequenceId`; 1 follows (RFC 5424 section 7.3.1).
const LAST_SEQUENCE: u32 = 2_147_483_647;

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The message.
    pub(super) alert: Arc<Alert>,
    /// Its number among the messages of this sink, which it keeps when it is sent again.
    pub(super) sequence: u32,
    /// When it was handed over.
    pub(super) queued: Instant,
    /// Whether a receiver's socket has taken it before.
    pub(super) was_written: bool,
}

/// Which written messages are sent again after a connection broke: what a socket has taken may not have been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Retention {
    /// All of this age. It must be longer than a receiver may be silent before the connection is given up.
    pub(super) young: Duration,
    /// Of older ones the newest, up to this many in all ...
    pub(super) count: usize,
    /// ... and up to this age.
    pub(super) old: Duration,
}

impl Retention {
    /// Nothing is sent again.
    pub(super) const NONE: Self = Self { young: Duration::ZERO, count: 0, old: Duration::ZERO };
}

/// The queue of one sink.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    retention: Retention,
    next_sequence: u32,
    /// Written before and to be written again, before all that waits.
    again: VecDeque<Entry>,
    waiting: VecDeque<Entry>,
    /// Of the waiting, how many have each rank.
    ranks: [usize; RANKS],
    writing: Option<Entry>,
    /// Written on this connection, oldest first.
    written: VecDeque<(Entry, Instant)>,
    /// What found no place and was not told yet.
    loss: Option<Loss>,
}

const RANKS: usize = 4;

/// What is kept where not all can be kept. A reminder comes again. Without the rest somebody knows less than they
/// should; without the message that a violation began, nobody knows anything.
fn rank(kind: Kind) -> usize {
    match kind {
        Kind::Repeated => 0,
        Kind::Latent | Kind::SourceLost | Kind::SourceBack => 1,
        Kind::Cleared | Kind::Loss => 2,
        Kind::Violation => 3,
    }
}

impl Queue {
    pub(super) fn new(capacity: usize, retention: Retention) -> Self {
        Self {
            capacity: capacity.max(1),
            retention,
            next_sequence: 1,
            again: VecDeque::new(),
            waiting: VecDeque::new(),
            ranks: [0; RANKS],
            writing: None,
            written: VecDeque::new(),
            loss: None,
        }
    }

    /// Takes a message at the end, and returns how many were dropped for want of room, 0 or 1.
    ///
    /// In a full queue the oldest message of the lowest rank makes room for one of a higher rank, and an old reminder for
    /// a new one, which counts more. Else the new message is dropped: of equals the first is worth most, as it tells the
    /// cause from its beginning, and what goes on is told again by reminders. A dropped message keeps its number, so
    /// that the receiver sees a gap.
    pub(super) fn push(&mut self, alert: Arc<Alert>, queued: Instant, now: Timestamp) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence = if sequence == LAST_SEQUENCE { 1 } else { sequence + 1 };
        let entry = Entry { alert, sequence, queued, was_written: false };
        if self.waiting.len() < self.capacity {
            self.enqueue(entry);
            return 0;
        }
        let dropped = match self.victim(rank(entry.alert.kind)).and_then(|at| self.waiting.remove(at)) {
            Some(victim) => {
                self.ranks[rank(victim.alert.kind)] -= 1;
                self.enqueue(entry);
                victim
            }
            None => entry,
        };
        self.loss.get_or_insert_with(|| Loss::new(now)).note(dropped.alert.kind, now);
        1
    }

    fn enqueue(&mut self, entry: Entry) {
        self.ranks[rank(entry.alert.kind)] += 1;
        self.waiting.push_back(entry);
    }

    fn victim(&self, newcomer: usize) -> Option<usize> {
        let lowest = self.ranks.iter().position(|&count| count > 0)?;
        let gives_way = lowest < newcomer || lowest == 0 && newcomer == 0;
        gives_way.then(|| self.waiting.iter().position(|entry| rank(entry.alert.kind) == lowest)).flatten()
    }

    /// The next message to be written: what was begun comes back by [`Self::written`], [`Self::refused`] or
    /// [`Self::lost`].
    pub(super) fn take(&mut self) -> Option<Entry> {
        self.writing = self.again.pop_front().or_else(|| {
            let entry = self.waiting.pop_front()?;
            self.ranks[rank(entry.alert.kind)] -= 1;
            Some(entry)
        });
        self.writing.clone()
    }

    /// The socket has taken the message that was being written.
    pub(super) fn written(&mut self, now: Instant) {
        if let Some(entry) = self.writing.take() {
            self.written.push_back((Entry { was_written: true, ..entry }, now));
            self.forget(now);
        }
    }

    /// The message that was being written cannot be sent at all.
    pub(super) fn refused(&mut self) {
        self.writing = None;
    }

    /// The connection broke: all that may not have been read comes first again, in the old order.
    pub(super) fn lost(&mut self, now: Instant) {
        self.forget(now);
        for entry in self.writing.take().into_iter().chain(self.written.drain(..).rev().map(|(entry, _)| entry)) {
            self.again.push_front(entry);
        }
    }

    /// The receiver has read all that was written.
    pub(super) fn confirmed(&mut self) {
        self.written.clear();
    }

    fn forget(&mut self, now: Instant) {
        let Retention { young, count, old } = self.retention;
        while let Some((_, at)) = self.written.front() {
            let age = now.saturating_duration_since(*at);
            let is_kept = age < young || self.written.len() <= count && age < old;
            if is_kept && self.written.len() <= self.capacity.max(count) {
                break;
            }
            self.written.pop_front();
        }
    }

    /// What was dropped, once there is room to tell it. Half of the queue must be free, so that a queue that stays full
    /// does not fill with what it lost.
    pub(super) fn take_loss(&mut self) -> Option<Loss> {
        if self.waiting.len() <= self.capacity / 2 { self.loss.take() } else { None }
    }

    /// Messages that wait, with the one that is being written and those to be sent again.
    pub(super) fn len(&self) -> usize {
        usize::from(self.writing.is_some()) + self.again.len() + self.waiting.len()
    }

    /// The messages that wait, in order.
    pub(super) fn unsent(&self) -> impl Iterator<Item = &Alert> {
        self.writing.iter().chain(&self.again).chain(&self.waiting).map(|entry| &*entry.alert)
    }
}

#[cfg(test)]
mod tests;
