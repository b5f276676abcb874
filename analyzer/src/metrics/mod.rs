//! What Prometheus reads: counts and states of the daemon, by HTTP.
//!
//! The daemon publishes a [`Snapshot`] with every tick; the server answers from the latest one, on a thread of its own,
//! and so never waits for the daemon nor keeps it waiting.
//!
//! | module | what it does |
//! |---|---|
//! | `snapshot`, `latency` | what the daemon publishes |
//! | [`address`] | where the server listens, as typed |
//! | `families` | every metric: name, type, labels, meaning. docs/metrics.md says the same |
//! | `encode`, `text`, `process` | a snapshot as text of OpenMetrics, and in the form before it |
//! | `health` | whether the daemon is alive and ready |
//! | `server`, `places`, `answer` | HTTP, and its limits |

pub mod address;
mod answer;
mod encode;
mod error;
mod families;
mod health;
mod latency;
mod places;
mod process;
mod server;
mod snapshot;
mod text;

pub use error::MetricsError;
pub use families::{Described, all as families};
pub use latency::Latency;
pub use server::{Listeners, Server, bind};
pub use snapshot::{Conformed, Count, Judged, Map, Nic, SinkCounts, Snapshot, Source, SourceState};
