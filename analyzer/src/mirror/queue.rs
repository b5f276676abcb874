//! One receive queue: a thread that counts its frames and hands over what it has counted.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use analyzer_ebpf::abi::Direction;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::recording::{Copying, FirstFrames, Recording};
use super::socket::{Received, Shape, Socket};
use crate::bpf::attach::Nic;
use crate::capture::{FrameRef, LinkType};
use crate::replay::{Batch, Intake};
use crate::types::Timestamp;

/// How long a batch lasts at least. Whoever is to be told of a violation waits for it.
const SHORTEST: Duration = Duration::from_millis(20);
/// How long a batch lasts at most.
const LONGEST: Duration = Duration::from_secs(1);
/// How long frames are waited for by pauses behind the last one, before the kernel is asked to wake us.
const BUSY: Duration = Duration::from_millis(10);
/// Such a pause. A ring of 8192 frames has room for those of 4 ms at 2 million a second.
const PAUSE: Duration = Duration::from_micros(200);

/// Sockets that were opened so far.
static SOCKETS: AtomicU64 = AtomicU64::new(0);

/// Flows for which a batch lasts once more as long: to hand over many of them takes time.
const FLOWS: u32 = 1024;

/// Frames that were not counted, since the NIC is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// There was no free buffer, or the frame did not fit.
    pub dropped: u64,
    /// The ring was full.
    pub ring_full: u64,
    /// Times that the ring of free buffers was found empty.
    pub fill_empty: u64,
}

impl Losses {
    /// Adds what a socket has lost since `before`.
    pub fn add_since(&mut self, now: &Self, before: &Self) {
        self.dropped += now.dropped.saturating_sub(before.dropped);
        self.ring_full += now.ring_full.saturating_sub(before.ring_full);
        self.fill_empty += now.fill_empty.saturating_sub(before.fill_empty);
    }
}

/// What a queue counted, from one batch to the next.
#[derive(Debug)]
pub struct Taken {
    /// Number of the socket among all that this process has opened.
    pub socket: u64,
    /// Whether it is closed now.
    pub is_last: bool,
    /// What was counted. Times are nanoseconds of `CLOCK_MONOTONIC`.
    pub batch: Batch,
    /// What was lost, since the socket was opened.
    pub losses: Losses,
    /// First frames of its flows, where these may be recorded.
    pub first: Option<Box<FirstFrames>>,
}

/// Whether sockets that are to be closed are.
#[derive(Clone, Default, Debug)]
pub struct Closing(pub(super) Vec<Arc<AtomicBool>>);

impl Closing {
    /// Whether all are closed: then their queues are free for others.
    pub fn is_over(&self) -> bool {
        self.0.iter().all(|is_closed| is_closed.load(Ordering::Acquire))
    }
}

/// What the threads of all queues share with the daemon.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// The generation of the set that frames are counted in.
    pub(super) generation: Arc<AtomicU16>,
    /// Where batches go.
    pub(super) batches: mpsc::Sender<Taken>,
    /// Flows that a batch holds at most.
    pub(super) max_flows: usize,
    /// Which frames are copied, if any.
    pub(super) copying: Option<Copying>,
}

/// A queue that is read. Dropping it ends the reading, once all frames that are there were counted and handed over.
#[derive(Debug)]
pub(super) struct Queue {
    is_ending: Arc<AtomicBool>,
    is_closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    socket: RawFd,
    is_zero_copy: bool,
}

impl Queue {
    /// Opens the socket of a queue. Its frames are read from [`Queue::start`] on.
    ///
    /// # Errors
    /// What was tried, and what the kernel said.
    pub(super) fn open(ifindex: u32, queue: u32, shape: Shape) -> Result<(Self, Reader), (&'static str, io::Error)> {
        let socket = Socket::open(ifindex, queue, shape)?;
        let is_ending = Arc::new(AtomicBool::new(false));
        let opened = Self {
            is_ending: Arc::clone(&is_ending),
            is_closed: Arc::default(),
            thread: None,
            socket: socket.as_raw_fd(),
            is_zero_copy: socket.is_zero_copy(),
        };
        Ok((
            opened,
            Reader { queue, number: SOCKETS.fetch_add(1, Ordering::Relaxed), socket, is_ending, ring: shape.ring },
        ))
    }

    /// Reads the queue on a thread of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(&mut self, reader: Reader, nic: &Nic, shared: Shared) -> io::Result<()> {
        let name = format!("afxdp-{}", reader.queue);
        let is_closed = Arc::clone(&self.is_closed);
        let recording = shared.copying.as_ref().map(|copying| copying.begin(&nic.name));
        let nic = nic.index;
        let run = move || {
            // The socket is closed when this comes back.
            reader.run(nic, &shared, recording);
            is_closed.store(true, Ordering::Release);
        };
        self.thread = Some(std::thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }

    /// Tells later whether its socket is closed.
    pub(super) fn is_closed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_closed)
    }

    /// Whether the driver writes frames to our memory by itself.
    pub(super) fn is_zero_copy(&self) -> bool {
        self.is_zero_copy
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.socket
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Release);
        // It is not waited for: its last batch may have to wait for whoever drops this.
        drop(self.thread.take());
    }
}

/// What the thread of a queue works with.
pub(super) struct Reader {
    queue: u32,
    number: u64,
    socket: Socket,
    is_ending: Arc<AtomicBool>,
    /// Frames that the ring holds.
    ring: u32,
}

impl Reader {
    fn run(mut self, nic: u8, shared: &Shared, mut recording: Option<Recording>) {
        let mut generation = shared.generation.load(Ordering::Acquire);
        let mut intake = Intake::new(shared.max_flows, generation);
        let mut begun = monotonic();
        let mut told = Losses::default();
        let mut has_waited = false;
        let mut last_frame = Duration::ZERO;
        loop {
            // Before the frames are looked for: those that came until it was set are counted.
            let is_ending = self.is_ending.load(Ordering::Acquire);
            let now = monotonic();
            let present = shared.generation.load(Ordering::Acquire);
            if present != generation {
                // What is in the ring by now left under the set before.
                let mut left = self.ring as usize;
                while left > 0 {
                    let buffers = self.count(&mut intake, &mut recording, nic, now);
                    left = if buffers == 0 { 0 } else { left.saturating_sub(buffers) };
                }
                generation = present;
                intake.enter(generation);
            }
            let buffers = self.count(&mut intake, &mut recording, nic, now);
            if now.saturating_sub(begun) >= lasts(intake.flows()) {
                begun = now;
                let losses = self.socket.losses();
                if intake.has_counted() || losses != told {
                    match shared.batches.try_reserve() {
                        Ok(place) => {
                            place.send(self.taken(&mut intake, losses, &mut recording, false));
                            told = losses;
                        }
                        // Too many wait already: this one goes on, and is handed over later.
                        Err(TrySendError::Full(())) => {}
                        Err(TrySendError::Closed(())) => return,
                    }
                }
            }
            if buffers > 0 {
                last_frame = now;
                continue;
            }
            if is_ending && has_waited {
                let last = self.taken(&mut intake, self.socket.losses(), &mut recording, true);
                // Where nobody is there to take it, the daemon has ended.
                let _ = shared.batches.blocking_send(last);
                return;
            }
            // A frame may have been on its way when the program was detached.
            has_waited = is_ending;
            self.wait(now.saturating_sub(last_frame));
        }
    }

    /// Waits for frames, none of which came for this time.
    fn wait(&self, silent: Duration) {
        if silent < BUSY {
            // To be woken by each burst costs more than the frames do, on both sides.
            pause(PAUSE);
        } else if self.socket.wait(SHORTEST).is_err() {
            std::thread::yield_now();
        }
    }

    /// Counts frames that are there, and copies those that are to be recorded. Returns the number of buffers that they lay in.
    #[inline(always)]
    fn count(&mut self, intake: &mut Intake, recording: &mut Option<Recording>, nic: u8, now: Duration) -> usize {
        let empty = FrameRef {
            at: Timestamp::from_nanos(nanos(now)),
            interface: nic,
            link_type: LinkType::Ethernet,
            data: &[],
            orig_len: 0,
            direction: Direction::Unknown,
        };
        match recording {
            None => self.socket.receive(|Received { data, len }| {
                intake.count(&FrameRef { data, orig_len: len, ..empty });
            }),
            Some(recording) => recording.receive(&mut self.socket, intake, empty),
        }
    }

    /// Takes out what was counted.
    fn taken(&self, intake: &mut Intake, losses: Losses, recording: &mut Option<Recording>, is_last: bool) -> Taken {
        let first = recording.as_mut().and_then(Recording::end_batch).map(Box::new);
        Taken { socket: self.number, is_last, batch: intake.take(), losses, first }
    }
}

#[expect(clippy::disallowed_methods, reason = "frames are to gather; to wait for the next one is what costs")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// How long a batch of so many flows lasts.
fn lasts(flows: usize) -> Duration {
    let times = u32::try_from(flows).unwrap_or(u32::MAX) / FLOWS + 1;
    SHORTEST.saturating_mul(times).min(LONGEST)
}

/// Time of CLOCK_MONOTONIC.
fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_flows_are_handed_over_less_often() {
        assert_eq!([0, 1023, 1024, 10 * 1024].map(lasts).map(|time| time.as_millis()), [20, 20, 40, 220]);
        assert_eq!(lasts(usize::MAX), LONGEST);
    }
}
