//! Where alerts go: syslog over the network or a local socket, and journald.
//!
//! | module | what it does |
//! |---|---|
//! | [`target`] | the places, as typed |
//! | [`mod@format`] | alerts as bytes, within a limit. Pure |
//! | [`severity`] | facility and severity |
//! | [`config`] | settings, checked once |
//! | `queue`, `loss` | what waits, what may have to be sent again, what found no place |
//! | `link` | connections |
//! | `worker`, `shared` | a task for each sink, and what it shares with its owner |
//! | [`status`] | how sinks are |
//! | [`saved`] | what is kept over a restart |
//!
//! A sink that hangs holds up nobody: [`Sinks::send`] never waits, and each sink has its own queue and its own task.

pub mod config;
pub mod format;
mod link;
mod loss;
mod queue;
pub mod saved;
pub mod severity;
mod shared;
pub mod status;
pub mod target;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use self::config::{Config, ConfigError};
use self::format::Encoder;
use self::link::Link;
use self::queue::Queue;
use self::saved::{Names, SavedAlert, Unsent};
pub use self::shared::{Hooks, Written};
use self::status::{Happening, News, SinkStatus};
use self::target::{Place, Target};
use self::worker::Worker;
use crate::alerts::Alert;
use crate::net::backoff::SplitMix64;

/// All sinks. Dropping them ends their tasks at once.
#[derive(Default)]
pub struct Sinks {
    sinks: Vec<Arc<shared::Shared>>,
    tasks: JoinSet<()>,
    /// What is to be told of targets that became no sink.
    news: Vec<News>,
}

impl Sinks {
    /// Starts a task for each place on the runtime that this is called in.
    ///
    /// # Errors
    /// Settings that cannot be used. A receiver that is not there is no error: it is waited for.
    pub fn start(config: &Config, hooks: &Hooks) -> Result<Self, ConfigError> {
        let places = config.places()?;
        let mut sinks = Self { sinks: Vec::new(), tasks: JoinSet::new(), news: Vec::new() };
        if places.is_empty() && config.targets.contains(&Target::Auto) {
            sinks.news.push(News { sink: Target::Auto.to_string(), what: Happening::Nobody });
        }
        for place in places {
            sinks.add(place, config, hooks);
        }
        Ok(sinks)
    }

    fn add(&mut self, place: Place, config: &Config, hooks: &Hooks) {
        let queue = Queue::new(config.delivery.queue, Link::retention(&place, &config.delivery));
        let shared = Arc::new(shared::Shared::new(place.to_string(), queue, hooks.clone()));
        let worker = Worker {
            shared: Arc::clone(&shared),
            encoder: Encoder::new(config.format.form(&place), config.origin.clone(), config.max_bytes),
            delivery: config.delivery.clone(),
            place,
            random: SplitMix64::random(),
        };
        self.sinks.push(shared);
        self.tasks.spawn(worker.run());
    }

    /// Whether there is nowhere to send to: nothing was configured, or `auto` found nothing.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Hands a message to every sink. Never waits: where a queue is full, a message is dropped and counted.
    pub fn send(&mut self, alert: &Arc<Alert>) {
        for sink in &self.sinks {
            sink.push(Arc::clone(alert));
        }
    }

    /// How the sinks are, in the order of their targets.
    pub fn status(&self) -> Vec<SinkStatus> {
        self.sinks.iter().map(|sink| sink.status()).collect()
    }

    /// Tells how the sinks are, also when they have ended.
    pub fn observer(&self) -> impl Fn() -> Vec<SinkStatus> + use<> {
        let sinks = self.sinks.clone();
        move || sinks.iter().map(|sink| sink.status()).collect()
    }

    /// What is to be told of them since this was last asked.
    pub fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        news.extend(self.sinks.iter().flat_map(|sink| sink.take_news()));
        news
    }

    /// What waits in the queues, to be kept over a restart.
    pub fn unsent(&self) -> Vec<Unsent> {
        let of = |sink: &Arc<shared::Shared>| Unsent {
            sink: sink.name.clone(),
            alerts: sink.unsent(|alert| SavedAlert::from(alert)),
        };
        self.sinks.iter().map(of).filter(|unsent| !unsent.alerts.is_empty()).collect()
    }

    /// Hands over what an earlier run did not send, to the sinks of the same names; to be called before anything else is
    /// sent. Returns how many messages were left: their sink is gone, or they cannot be understood.
    pub fn resume(&mut self, unsent: &[Unsent]) -> u64 {
        let mut names = Names::default();
        let mut left = 0;
        for Unsent { sink, alerts } in unsent {
            let sink = self.sinks.iter().find(|known| known.name == *sink);
            for alert in alerts {
                match (sink, names.restore(alert)) {
                    (Some(sink), Some(alert)) => sink.push(alert),
                    _ => left += 1,
                }
            }
        }
        left
    }

    /// Sends what waits, for at most `patience`, and returns what was not delivered. A receiver that is away is tried
    /// until then, if anything waits for it.
    pub async fn end(mut self, patience: Duration) -> Vec<Unsent> {
        for sink in &self.sinks {
            sink.end();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is not done by then is what is returned.
        let _ = timeout(patience, all).await;
        self.unsent()
    }
}
