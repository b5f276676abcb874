//! The daemon: events in, findings out, one loop.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | settings, resolved and checked once |
//! | `start` | loads, asks, and attaches in this order |
//! | `daemon` | the loop: `event` says all that can happen |
//! | `databases`, `nexthop_files`, `connections`, `watching` | what each source tells |
//! | `sources` | the state and the age of each source |
//! | `facts`, `set` | facts into the engine, the engine's set into the kernel |
//! | `sweeping` | suspect packets: in which order they are judged, and which give way to others |
//! | `judging`, `evidence`, `senders`, `ledger` | the same: what is counted, asked and said |
//! | [`repairing`] | stale entries healed, where that is asked for |
//! | `replies` | flows that conform and leave by another next hop than their requests came by |
//! | [`kept`], [`history`], `remembering`, `claim` | what is kept over a restart, and by whom |
//! | `alerting`, `namespace`, `exporting` | who is told of it, by messages and by metrics |
//! | `tracing` | single packets, told where that is asked for |
//! | `news`, `finish` | what is told on the way and at the end |
//! | [`snapshot`] | the running system asked once, for commands that watch no packets |

use std::sync::Arc;

use crate::output::Report;
use crate::sinks::Hooks;
use config::Config;

pub mod afterwards;
mod alerting;
mod claim;
mod clock;
pub mod config;
mod connections;
mod daemon;
mod databases;
mod event;
mod evidence;
mod exporting;
mod facts;
mod finish;
mod flows;
mod guard;
pub mod history;
mod judging;
pub mod kept;
mod kernel;
mod latent;
mod ledger;
mod mirrored;
mod mirroring;
mod namespace;
mod news;
mod nexthop_files;
pub mod nics;
pub mod privileges;
mod recording;
mod reload;
mod remembering;
pub mod repairing;
mod replies;
mod senders;
mod set;
mod signals;
pub mod snapshot;
mod sources;
mod start;
mod sweeping;
pub mod toml_file;
mod tracing;
mod voice;
mod watching;

/// Watches until a signal or the end of [`Config::duration`]. What is found on the way goes to standard output.
///
/// # Errors
/// When it cannot start, or standard output fails.
pub fn run(config: Config) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(start::run(config));
    // A name that is not resolved must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// What sinks need of a run that is no daemon: the time.
pub fn hooks() -> Hooks {
    let clock = clock::Clock::new();
    Hooks { now: Arc::new(move || clock.now()), written: Arc::new(|_| {}) }
}
