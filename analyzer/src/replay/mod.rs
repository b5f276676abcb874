//! Captures into observations: every frame is counted under its flow, MACs and epoch.
//!
//! One capture of chained records, pcap or pcapng, is read by several threads (`parallel.rs`), be it a file, packed or a pipe;
//! text and several captures at once come through the readers of [`crate::capture`] (`serial.rs`). Both hand their frames
//! to the same code, so what is counted depends neither on the reader nor on the number of threads.

mod by_flow;
mod chunk;
mod chunks;
mod counted;
mod counter;
mod fragment;
mod hash;
mod intake;
mod key;
mod lane;
mod link;
mod newcomers;
mod ordered;
mod parallel;
mod pipeline;
mod prefetch;
mod serial;
mod short;
mod sink;
mod table;
mod walk;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::sync::Arc;

pub use self::by_flow::ByFlow;
pub use self::counted::{Counted, Skipped, Totals};
pub use self::intake::{Batch, Flow, Intake};
pub use self::newcomers::{FIRST, Newcomers};
use self::parallel::count_chained;
pub use self::serial::count_reader;
pub use self::sink::OrderedSink;
use crate::capture::{self, CaptureError, Input, Interruption, Merge, Opened, Progress};
use crate::engine::epoch::Epochs;
use crate::types::{Place, Position, Warning};

/// Threads beyond this gain nothing: one of them at a time walks the chain of records.
const MAX_DEFAULT_THREADS: usize = 8;

/// How captures are counted.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Threads that read one capture.
    pub threads: NonZero<usize>,
    /// Flow entries kept at most. Each thread keeps as many while it reads.
    pub max_flows: usize,
    /// Bytes of a capture that a thread reads at a time.
    pub chunk_len: NonZero<u32>,
    /// Told now and then how far the captures have been read.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// What may end the counting early.
    pub interruption: Option<&'a Arc<Interruption>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_DEFAULT_THREADS);
        Self {
            threads: NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN),
            max_flows: 2_000_000,
            chunk_len: const { NonZero::new(512 * 1024).expect("not zero") },
            progress: None,
            interruption: None,
        }
    }
}

/// Counts captures; several are taken as one, in the order of time. `-` is standard input.
///
/// # Errors
/// A capture cannot be used at all. One that is cut or damaged can: it is counted up to there, and a warning says so. So it
/// is where reading was interrupted, also before there was a frame.
pub fn count(
    captures: &[Input],
    capture_options: &capture::Options,
    epochs: Epochs,
    options: &Options<'_>,
    sink: &mut dyn OrderedSink,
) -> Result<Counted, CaptureError> {
    let capture_options = capture::Options { interruption: options.interruption.cloned(), ..capture_options.clone() };
    let mut readers = Vec::with_capacity(captures.len());
    let mut unread = Vec::new();
    for capture in captures {
        let place = capture.place();
        let opened = match captures {
            [_] => capture.open_alone(&capture_options),
            _ => capture.open(&capture_options).map(Opened::Other),
        };
        match opened {
            Ok(Opened::Chained(chained)) => return count_chained(*chained, place, epochs, options, sink),
            Ok(Opened::Other(reader)) => readers.push((place, reader)),
            Err(error) if options.was_interrupted() => unread.push(cut_before_frames(place.file, &error)),
            Err(error) => return Err(error),
        }
    }
    let mut merge = Merge::new(readers);
    let mut counted = count_reader(&mut merge, epochs, options, sink)?;
    counted.files = merge.files();
    counted.warnings.append(&mut unread);
    Ok(counted)
}

/// Of a capture of which too little was read to see a frame in it, because reading was interrupted.
fn cut_before_frames(file: Arc<str>, error: &CaptureError) -> Warning {
    let message = format!("reading was interrupted before its first frame: {error}");
    Warning { place: Place { file, position: Position::Whole }, message }
}

impl Options<'_> {
    /// Whether reading was interrupted.
    fn was_interrupted(&self) -> bool {
        self.interruption.is_some_and(|interruption| interruption.was_met())
    }
}
