//! Waiting for running programs, ahead of need and beside other work.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::sys::Quiescence;

/// Waits, some tens of milliseconds, until the programs of a moment have ended.
#[derive(Debug)]
pub(super) struct GracePeriod {
    quiescence: Arc<Quiescence>,
    begun: Option<JoinHandle<io::Result<()>>>,
}

impl GracePeriod {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { quiescence: Arc::new(Quiescence::new()?), begun: None })
    }

    /// Starts to wait for the programs that run now, on a thread of its own. Where no thread can be had, [`Self::end`]
    /// does all of the waiting.
    pub(super) fn begin(&mut self) {
        let quiescence = Arc::clone(&self.quiescence);
        self.begun = Builder::new().name("grace-period".to_owned()).spawn(move || quiescence.wait()).ok();
    }

    /// Comes back when all programs that run now have ended, whatever was begun before.
    pub(super) fn wait(&self) -> io::Result<()> {
        self.quiescence.wait()
    }

    /// Comes back when all programs that ran at the last [`Self::begin`] have ended; without one that is still to be
    /// waited for, all that run now.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self.begun.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) => Ok(()),
            // It failed, or nothing was begun.
            _ => self.quiescence.wait(),
        }
    }
}
