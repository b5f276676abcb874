//! Lines of traced packets on their way to standard error.
//!
//! A thread of its own writes them: a terminal that stands still, or a pipe that nobody reads, holds up nothing but these.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::output::say;

/// Lines that wait at most.
const QUEUE: usize = 1024;
/// How long whoever reads them is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines that wait to be written.
#[derive(Debug)]
pub(super) struct Lines {
    queue: SyncSender<String>,
    /// Tells that all are written.
    ended: Receiver<()>,
}

impl Lines {
    /// Starts the writer.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn start() -> io::Result<Self> {
        let (queue, lines) = sync_channel::<String>(QUEUE);
        let (ending, ended) = channel();
        std::thread::Builder::new().name("trace".to_owned()).spawn(move || {
            lines.iter().for_each(say);
            // Whoever waited has given up where nobody listens.
            let _ = ending.send(());
        })?;
        Ok(Self { queue, ended })
    }

    /// Has a line written. Returns whether there was room for it.
    pub(super) fn say(&self, line: String) -> bool {
        self.queue.try_send(line).is_ok()
    }

    /// Ends, once all is written or whoever reads was waited for long enough.
    pub(super) fn end(self) {
        drop(self.queue);
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}
