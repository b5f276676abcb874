//! What a sink's task and its owner both hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::format::Encoded;
use super::queue::{Entry, Queue};
use super::status::{Counts, Happening, News, SinkStatus, State};
use crate::alerts::Alert;
use crate::types::Timestamp;

/// News that wait to be told, at most; the newest are kept.
const MOST_NEWS: usize = 16;

/// What the sinks need of the program around them.
#[derive(Clone)]
pub struct Hooks {
    /// The time, for messages of their own.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Called when a socket has taken a message for the first time. It must not wait.
    pub written: Arc<dyn Fn(&Written<'_>) + Send + Sync>,
}

/// A message that a socket has taken.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The sink's name, as in its status.
    pub sink: &'a str,
    /// The message.
    pub alert: &'a Alert,
    /// How long it took from `send` on.
    pub took: Duration,
}

/// A sink, as both sides see it.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) hooks: Hooks,
    inner: Mutex<Inner>,
    /// Wakes the task: there is a message, or the end.
    wake: Notify,
}

struct Inner {
    queue: Queue,
    state: State,
    counts: Counts,
    news: VecDeque<Happening>,
    is_ending: bool,
    is_full: bool,
}

/// What the task does next.
pub(super) enum Next {
    /// Write a message.
    Write(Entry),
    /// Nothing waits, and nothing will come.
    End,
}

impl Shared {
    pub(super) fn new(name: String, queue: Queue, hooks: Hooks) -> Self {
        let state = State::Connecting { since: (hooks.now)() };
        let inner =
            Inner { queue, state, counts: Counts::default(), news: VecDeque::new(), is_ending: false, is_full: false };
        Self { name, hooks, inner: Mutex::new(inner), wake: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panics with the lock leaves nothing half done that matters more than the messages.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message.
    pub(super) fn push(&self, alert: Arc<Alert>) {
        let mut inner = self.lock();
        let dropped = inner.queue.push(alert, Instant::now(), (self.hooks.now)());
        inner.counts.dropped += dropped;
        if dropped > 0 && !inner.is_full {
            inner.is_full = true;
            inner.tell(Happening::Full);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Nothing will come any more.
    pub(super) fn end(&self) {
        self.lock().is_ending = true;
        self.wake.notify_one();
    }

    /// Waits for a message.
    pub(super) async fn next(&self) -> Next {
        loop {
            {
                let mut inner = self.lock();
                if let Some(entry) = inner.queue.take() {
                    return Next::Write(entry);
                }
                if inner.is_ending {
                    return Next::End;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Waits until nothing waits, and nothing will come.
    pub(super) async fn over(&self) {
        loop {
            {
                let inner = self.lock();
                if inner.is_ending && inner.queue.len() == 0 {
                    return;
                }
            }
            self.wake.notified().await;
        }
    }

    pub(super) fn connected(&self) {
        let mut inner = self.lock();
        inner.state = State::Connected { since: (self.hooks.now)() };
        inner.tell(Happening::Connected);
    }

    /// The connection broke, or none came about.
    pub(super) fn failed(&self, failure: String) {
        let mut inner = self.lock();
        inner.queue.lost(Instant::now());
        inner.counts.failures += 1;
        let (since, is_news) = match &inner.state {
            State::Failed { since, error } => (*since, *error != failure),
            State::Connecting { .. } | State::Connected { .. } => ((self.hooks.now)(), true),
        };
        if is_news {
            inner.tell(Happening::Failed(failure.clone()));
        }
        inner.state = State::Failed { since, error: failure };
    }

    /// The receiver has read all that was written.
    pub(super) fn confirmed(&self) {
        self.lock().queue.confirmed();
    }

    /// The socket has taken the message.
    pub(super) fn written(&self, entry: &Entry, encoded: &Encoded) {
        let mut inner = self.lock();
        inner.queue.written(Instant::now());
        if entry.was_written {
            inner.counts.resent += 1;
        } else {
            inner.counts.sent += 1;
            inner.counts.left_out_fields += encoded.left_out as u64;
            inner.counts.cut_texts += u64::from(encoded.is_cut);
        }
        let loss = inner.queue.take_loss();
        inner.is_full &= loss.is_none();
        drop(inner);
        if let Some(loss) = loss {
            self.push(Arc::new(loss.alert(&self.name, (self.hooks.now)())));
        }
        if !entry.was_written {
            let took = entry.queued.elapsed();
            (self.hooks.written)(&Written { sink: &self.name, alert: &entry.alert, took });
        }
    }

    /// The message cannot be sent at all.
    pub(super) fn refused(&self, why: String) {
        let mut inner = self.lock();
        inner.queue.refused();
        inner.counts.too_long += 1;
        inner.tell(Happening::TooLong(why));
    }

    pub(super) fn status(&self) -> SinkStatus {
        let inner = self.lock();
        SinkStatus {
            name: self.name.clone(),
            state: inner.state.clone(),
            counts: inner.counts,
            queued: inner.queue.len(),
        }
    }

    pub(super) fn take_news(&self) -> Vec<News> {
        let news = std::mem::take(&mut self.lock().news);
        news.into_iter().map(|what| News { sink: self.name.clone(), what }).collect()
    }

    /// What waits, in order.
    pub(super) fn unsent<T>(&self, each: impl Fn(&Alert) -> T) -> Vec<T> {
        self.lock().queue.unsent().map(each).collect()
    }
}

impl Inner {
    fn tell(&mut self, what: Happening) {
        if self.news.len() == MOST_NEWS {
            self.news.pop_front();
        }
        self.news.push_back(what);
    }
}
