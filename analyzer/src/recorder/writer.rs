//! The thread that writes.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::encoder::Encoder;
use super::error::RecorderError;
use super::files::{Files, Rotation};
use super::frames::Frames;
use super::name::Name;
use super::queue::{Counts, Inlet, Outlet, queue};
use crate::types::Timestamp;

/// Bytes that are written at once.
const FLUSHED: usize = 256 << 10;
/// How long frames wait in memory at most where few come.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a file that no other follows.
const MOST: u64 = 1 << 30;

/// What is written, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The file.
    pub name: Name,
    /// When others follow it; `None` for one file of at most 1 GiB.
    pub rotation: Option<Rotation>,
    /// First bytes of a frame that are kept at most; 0 for all.
    pub snaplen: u32,
}

/// A recording. What is handed over waits until [`Recorder::start`].
pub struct Recorder {
    inlet: Inlet,
    counts: Arc<Counts>,
    state: Arc<State>,
    /// What the thread works with, until it is started.
    writer: Option<(Writer, Outlet)>,
    /// Tells that the thread has ended.
    ended: Option<Receiver<()>>,
}

/// What the thread tells.
#[derive(Debug, Default)]
struct State {
    trouble: Mutex<Option<String>>,
    written: AtomicU64,
    files: AtomicU64,
    /// Whether files without frames are not to stay.
    is_discarded: AtomicBool,
}

/// What came of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Frames in files, those included that were removed since.
    pub frames: u64,
    /// Files that were made.
    pub files: u64,
    /// Frames that are in none.
    pub lost: u64,
    /// Whether all that waited was written or lost. If not, the disk did not answer in time.
    pub is_complete: bool,
    /// What went wrong and was not told yet.
    pub trouble: Option<String>,
}

impl Settings {
    /// So many bytes of a frame are kept.
    pub fn kept(&self, len: usize) -> usize {
        match usize::try_from(self.snaplen) {
            Ok(0) | Err(_) => len,
            Ok(most) => len.min(most),
        }
    }
}

impl Recorder {
    /// Makes the first file. Times of frames are `offset_ns` nanoseconds before what is to stand in the files.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(settings: &Settings, offset_ns: u64, now: Timestamp) -> Result<Self, RecorderError> {
        let files = Files::open(&settings.name, settings.rotation, now)?;
        let (inlet, outlet, counts) = queue();
        let state = Arc::new(State::default());
        let writer = Writer {
            path: files.path(),
            files,
            encoder: None,
            unwritten: 0,
            settings: settings.clone(),
            offset_ns,
            now,
            counts: Arc::clone(&counts),
            state: Arc::clone(&state),
        };
        Ok(Self { inlet, counts, state, writer: Some((writer, outlet)), ended: None })
    }

    /// Writes, from a thread of its own. The thread has the rights that its maker has now.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(&mut self) -> Result<(), RecorderError> {
        let Some((writer, outlet)) = self.writer.take() else { return Ok(()) };
        let (ending, ended) = channel();
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let run = move || {
            writer.run(&outlet);
            // Whoever waited has given up where nobody listens.
            let _ = ending.send(());
        };
        thread.spawn(run).map_err(RecorderError::Thread)?;
        self.ended = Some(ended);
        Ok(())
    }

    /// Where frames are handed over.
    pub fn inlet(&self) -> &Inlet {
        &self.inlet
    }

    /// Frames that are in no file, so far.
    pub fn lost(&self) -> u64 {
        self.counts.lost()
    }

    /// What went wrong since this was asked last.
    pub fn take_trouble(&self) -> Option<String> {
        self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends a recording of a run that did not begin: a file without frames goes.
    pub fn discard(self, patience: Duration) {
        self.state.is_discarded.store(true, Ordering::Relaxed);
        self.close(patience);
    }

    /// Ends the recording, once all other inlets are gone and what waits is written; it is waited for no longer than told.
    pub fn close(self, patience: Duration) -> Written {
        let Self { inlet, counts, state, writer: _, ended } = self;
        drop(inlet);
        let ended = ended.map(|ended| ended.recv_timeout(patience));
        let is_complete = !matches!(ended, Some(Err(RecvTimeoutError::Timeout)));
        Written {
            frames: state.written.load(Ordering::Relaxed),
            files: state.files.load(Ordering::Relaxed),
            lost: counts.lost(),
            is_complete,
            trouble: state.trouble.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}

struct Writer {
    files: Files,
    path: PathBuf,
    /// The section that is written. It begins anew where bytes of it were lost.
    encoder: Option<Encoder>,
    /// Frames in it that are in no file yet.
    unwritten: usize,
    settings: Settings,
    offset_ns: u64,
    /// Time of the last frame, which tells when a file was begun.
    now: Timestamp,
    counts: Arc<Counts>,
    state: Arc<State>,
}

impl Writer {
    fn run(mut self, outlet: &Outlet) {
        // A file without frames is one, too.
        self.encoder();
        self.flush();
        let mut flushed = monotonic();
        loop {
            let left = (flushed + PATIENCE).saturating_sub(monotonic());
            match outlet.next(left) {
                Ok(frames) => self.write(&frames),
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    flushed = monotonic();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
        if self.state.is_discarded.load(Ordering::Relaxed)
            && self.state.written.load(Ordering::Relaxed) == 0
            && let Err(error) = self.files.remove_all()
        {
            self.fail("cannot remove", &error);
        }
    }

    fn write(&mut self, frames: &Frames) {
        for mut frame in frames.iter() {
            frame.at = Timestamp::from_nanos(frame.at.as_nanos().saturating_add(self.offset_ns));
            self.now = frame.at;
            let Some(encoder) = self.encoder() else {
                self.counts.lose(1);
                continue;
            };
            match encoder.push(&frames.interface, &frame, frames.comment.as_deref()) {
                Ok(()) => self.unwritten += 1,
                Err(error) => {
                    self.counts.lose(1);
                    self.fail("cannot write a frame to", &error);
                }
            }
            if self.is_due() {
                self.flush();
            }
        }
    }

    /// The section, begun where there is none.
    fn encoder(&mut self) -> Option<&mut Encoder> {
        if self.encoder.is_none() {
            match Encoder::new(self.settings.snaplen, self.settings.name.is_packed()) {
                Ok(encoder) => self.encoder = Some(encoder),
                Err(error) => self.fail("cannot begin", &error),
            }
        }
        self.encoder.as_mut()
    }

    /// Whether enough waits to be written, or the present file is full with it.
    fn is_due(&self) -> bool {
        let waiting = self.encoder.as_ref().map_or(0, Encoder::waiting);
        // What is packed becomes shorter: how much, nobody knows before.
        let is_full = !self.settings.name.is_packed() && self.files.len() + waiting as u64 >= self.most();
        let is_much = waiting as u64 >= self.most().min(FLUSHED as u64);
        is_full || is_much
    }

    fn most(&self) -> u64 {
        self.settings.rotation.map_or(MOST, |rotation| rotation.bytes)
    }

    /// Appends what waits to the file, and begins the next file where this one is full.
    fn flush(&mut self) {
        let Some(encoder) = self.encoder.as_mut().filter(|encoder| encoder.waiting() > 0) else { return };
        let frames = std::mem::take(&mut self.unwritten);
        match encoder.take().and_then(|bytes| self.append(&bytes)) {
            Ok(()) => {
                self.state.written.fetch_add(frames as u64, Ordering::Relaxed);
                self.state.files.store(u64::from(self.files.made()), Ordering::Relaxed);
                if self.settings.rotation.is_some() && self.files.len() >= self.most() {
                    // The next file is made when something is to go into it.
                    self.encoder = None;
                    self.files.close();
                }
            }
            Err(error) => {
                self.counts.lose(frames);
                self.encoder = None;
                self.fail("cannot write to", &error);
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.files.is_open() {
            self.files.rotate(self.now)?;
            self.path = self.files.path();
        }
        if self.settings.rotation.is_none() && self.files.len() >= MOST {
            return Err(io::Error::other("it has 1 GiB, and no other follows it: --write-bytes has others follow"));
        }
        self.files.append(bytes)
    }

    fn fail(&self, what: &str, error: &dyn Display) {
        let message = format!("--write: {what} {}: {error}", self.path.display());
        let mut trouble = self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert(message);
    }
}

/// Time of CLOCK_MONOTONIC: how long frames have waited.
fn monotonic() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
