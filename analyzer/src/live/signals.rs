//! Signals that the daemon listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::run::Wake;

/// SIGINT and SIGTERM end it, SIGHUP has it read its configuration again.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Wake {
        tokio::select! {
            _ = self.interrupt.recv() => Wake::Stop("SIGINT"),
            _ = self.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = self.hangup.recv() => Wake::Reload,
        }
    }
}
