//! The daemon on a real node: it is told what happens, and what it asks for is done.
//!
//! What it makes of that is decided in [`crate::daemon`], which knows no machine.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | settings, resolved and checked once |
//! | `start` | loads, asks, and attaches in this order |
//! | `run` | the loop |
//! | `packets`, `hooks` | the kernel program and AF_XDP sockets: what was counted, and where they are attached |
//! | `conntrack` | the conntrack table |
//! | `databases`, `flows`, `nexthop_files` | sources of facts, connected to and followed |
//! | `guard` | whether anybody else uses the NICs whose frames are taken away |
//! | `repairing` | repairs that were begun |
//! | [`history`], [`kept`], `remembering`, `claim` | what is kept over a restart, and by whom |
//! | `console`, `news`, `messages`, `exporting` | standard error and output, sinks, metrics |
//! | `tracing`, `recording` | single packets told, and frames recorded, where that is asked for |
//! | [`snapshot`], [`afterwards`] | the running system asked once, for commands that watch no packets, and what leaves behind a repair |

use std::sync::Arc;

use crate::output::Report;
use crate::sinks::Hooks;
use config::Config;

pub mod afterwards;
mod claim;
mod clock;
pub mod config;
mod conntrack;
mod console;
mod databases;
mod exporting;
mod flows;
mod guard;
pub mod history;
mod hooks;
pub mod kept;
mod messages;
mod namespace;
mod news;
mod nexthop_files;
mod packets;
pub mod privileges;
mod recording;
mod reload;
mod remembering;
pub mod repairing;
mod run;
mod signals;
pub mod snapshot;
mod start;
pub mod toml_file;
mod tracing;

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
