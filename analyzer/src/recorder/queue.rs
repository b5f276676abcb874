//! What waits to be written, and what found no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::frames::Frames;

/// Bytes of frames that wait at most: a disk may be slow for a moment.
const MOST: usize = 32 << 20;

/// Where frames are handed over. It never waits.
#[derive(Clone, Debug)]
pub struct Inlet {
    frames: Sender<Frames>,
    counts: Arc<Counts>,
}

/// Where the writer takes them.
pub(super) struct Outlet {
    frames: Receiver<Frames>,
    counts: Arc<Counts>,
}

/// Counts that both ends share.
#[derive(Debug, Default)]
pub(super) struct Counts {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

/// A queue without frames.
pub(super) fn queue() -> (Inlet, Outlet, Arc<Counts>) {
    let (sender, receiver) = channel();
    let counts = Arc::new(Counts::default());
    let inlet = Inlet { frames: sender, counts: Arc::clone(&counts) };
    (inlet, Outlet { frames: receiver, counts: Arc::clone(&counts) }, counts)
}

impl Inlet {
    /// Has frames written. Where too many wait, these are counted as lost.
    pub fn record(&self, frames: Frames) {
        if frames.is_empty() {
            return;
        }
        let (size, len) = (frames.size(), frames.len());
        // Whoever comes in the same moment may overshoot by as much as it holds.
        let has_room = self.counts.waiting.load(Ordering::Relaxed) + size <= MOST;
        if has_room {
            self.counts.waiting.fetch_add(size, Ordering::Relaxed);
        }
        if !has_room || self.frames.send(frames).is_err() {
            self.counts.lose(len);
        }
    }
}

impl Outlet {
    /// The next frames, if some come within a time.
    pub(super) fn next(&self, within: Duration) -> Result<Frames, RecvTimeoutError> {
        let frames = self.frames.recv_timeout(within)?;
        self.counts.waiting.fetch_sub(frames.size(), Ordering::Relaxed);
        Ok(frames)
    }
}

impl Counts {
    /// Counts frames that are in no file.
    pub(super) fn lose(&self, frames: usize) {
        self.lost.fetch_add(frames as u64, Ordering::Relaxed);
    }

    /// How many are in no file.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Frame;

    #[test]
    fn what_finds_no_room_is_counted() {
        let (inlet, outlet, counts) = queue();
        let mut frames = Frames::new("ens1".into());
        let data = vec![0; 10 << 20];
        frames.push(&Frame { at: Default::default(), orig_len: 10 << 20, data: &data });
        for _ in 0..5 {
            inlet.record(frames.clone());
        }
        assert_eq!(counts.lost(), 2);
        outlet.next(Duration::ZERO).unwrap();
        inlet.record(frames.clone());
        assert_eq!(counts.lost(), 2);
        drop(outlet);
        inlet.record(frames);
        assert_eq!(counts.lost(), 3);
    }
}
