//! Reading that is ended from outside before the captures end.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use thiserror::Error;

/// Ends the reading of captures: files at once, streams a while later.
///
/// What writes into a pipe often gets the same signal as we do and flushes what it holds, so a pipe is read on until
/// [`Interruption::end_streams`].
#[derive(Debug)]
pub struct Interruption {
    /// What ended the reading of files, once it has ended.
    by: OnceLock<&'static str>,
    /// Whether it came before all was read.
    was_met: AtomicBool,
    /// Says to those that wait for a stream that they need not: its other end is closed then.
    streams_end: PipeReader,
    streams_go_on: Mutex<Option<PipeWriter>>,
}

/// Why a capture is read only so far.
#[derive(Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("interrupted by {0}")]
pub(crate) struct Interrupted(&'static str);

impl Interruption {
    /// Nothing has ended yet.
    ///
    /// # Errors
    /// When the process has no more descriptors.
    pub fn new() -> io::Result<Self> {
        let (streams_end, streams_go_on) = io::pipe()?;
        Ok(Self {
            by: OnceLock::new(),
            was_met: AtomicBool::new(false),
            streams_end,
            streams_go_on: Mutex::new(Some(streams_go_on)),
        })
    }

    /// Ends the reading of files. `by` is what ends it, for messages.
    pub fn end_files(&self, by: &'static str) {
        self.by.get_or_init(|| by);
    }

    /// Ends the reading of streams, also of one that is waited for. Files have to be ended before.
    pub fn end_streams(&self) {
        *self.streams_go_on.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether it came before all was read. A stream that ended by itself after it counts, too: what wrote into it may have
    /// ended for the same reason, and not because there was no more.
    pub fn was_met(&self) -> bool {
        self.was_met.load(Ordering::Relaxed)
    }

    /// Why whoever reads a file has to stop.
    pub(crate) fn meet(&self) -> Option<Interrupted> {
        let by = self.by.get()?;
        self.was_met.store(true, Ordering::Relaxed);
        Some(Interrupted(by))
    }

    /// Waits until the stream has bytes or an end.
    fn await_stream(&self, stream: &File) -> io::Result<()> {
        let mut both =
            [PollFd::new(stream, PollFlags::IN), PollFd::from_borrowed_fd(self.streams_end.as_fd(), PollFlags::IN)];
        poll(&mut both, None)?;
        match self.meet() {
            Some(why) if !both[1].revents().is_empty() => Err(io::Error::other(why)),
            _ => Ok(()),
        }
    }
}

/// A file or stream whose reading can be ended.
pub(super) struct Interruptible {
    file: File,
    is_stream: bool,
    interruption: Arc<Interruption>,
}

impl Interruptible {
    /// `is_stream` says that what is there may still come in.
    pub(super) fn new(file: File, is_stream: bool, interruption: Arc<Interruption>) -> Self {
        Self { file, is_stream, interruption }
    }
}

impl Read for Interruptible {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.is_stream {
            self.interruption.await_stream(&self.file)?;
        } else if let Some(why) = self.interruption.meet() {
            return Err(io::Error::other(why));
        }
        self.file.read(target)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use super::*;

    fn stream(interruption: &Arc<Interruption>) -> (Interruptible, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Interruptible::new(File::from(OwnedFd::from(reader)), true, Arc::clone(interruption)), writer)
    }

    #[test]
    fn a_stream_is_read_on_until_streams_end() {
        let interruption = Arc::new(Interruption::new().unwrap());
        let (mut stream, mut writer) = stream(&interruption);
        interruption.end_files("SIGINT");
        writer.write_all(b"flushed").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer).unwrap(), 7);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| stream.read(&mut buffer).unwrap_err().to_string());
            interruption.end_streams();
            assert_eq!(waiting.join().unwrap(), "interrupted by SIGINT");
        });
        assert!(interruption.was_met());
    }

    /// Whether its writer ended because of the same signal is not known.
    #[test]
    fn a_stream_that_ends_by_itself() {
        let interruption = Arc::new(Interruption::new().unwrap());
        let (mut early, writer) = stream(&interruption);
        drop(writer);
        assert_eq!(early.read(&mut [0; 16]).unwrap(), 0);
        let (mut late, writer) = stream(&interruption);
        interruption.end_files("SIGTERM");
        assert!(!interruption.was_met());
        drop(writer);
        assert_eq!(late.read(&mut [0; 16]).unwrap(), 0);
        assert!(interruption.was_met());
    }

    #[test]
    fn a_file_is_read_no_further() {
        let interruption = Arc::new(Interruption::new().unwrap());
        let mut file = Interruptible::new(File::open("/dev/zero").unwrap(), false, Arc::clone(&interruption));
        assert_eq!(file.read(&mut [0; 16]).unwrap(), 16);
        assert!(interruption.meet().is_none() && !interruption.was_met());
        interruption.end_files("SIGTERM");
        assert_eq!(file.read(&mut [0; 16]).unwrap_err().to_string(), "interrupted by SIGTERM");
        assert!(interruption.was_met());
    }
}
