//! A capture of chained records, read by several threads.
//!
//! Only a record tells where the next one starts. So threads read chunks of the capture, at the same time where it is a
//! file and one after the other where it is a stream; walk the chain through their chunks one after the other; and count
//! the frames of their chunks at the same time again. The walk is short, and it is where everything is done that needs the
//! order of the capture.

use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::{iter, thread};

use super::chunk::Chunk;
use super::chunks::Chunks;
use super::counted::Counted;
use super::counter::Counter;
use super::hash::Seed;
use super::ordered::Ordered;
use super::sink::OrderedSink;
use super::walk::{Unordered, Walk};
use super::{Options, cut_before_frames};
use crate::capture::{CaptureError, Chain, Chained, EarlyEnd, FileRead, Interruption, Progress, Records};
use crate::engine::epoch::Epochs;
use crate::types::Place;

/// Longest chunk. Offsets in a chunk, and in what is left of the chunk before, have 32 bits.
const MAX_CHUNK_LEN: NonZero<u32> = NonZero::new(1 << 30).expect("not zero");
/// Chunks of a file between two calls of the progress hook. A stream may be slow, and has one for each chunk.
const PROGRESS_INTERVAL: u64 = 16;

const NOT_POISONED: &str = "a thread that panics with the walk in its hands ends the run";

/// Counts a capture of chained records. `place` is the capture for the report.
///
/// One that is cut or damaged, or that fails while it is read, is counted up to there, and a warning says so.
///
/// # Errors
/// The capture cannot be used at all, and nothing has interrupted its reading.
pub(super) fn count_chained(
    capture: Chained,
    place: Place,
    epochs: Epochs,
    options: &Options<'_>,
    sink: &mut dyn OrderedSink,
) -> Result<Counted, CaptureError> {
    let Chained { stream, plain, records, meter } = capture;
    let start = stream.offset();
    let file_len = plain.as_ref().map(|plain| plain.len);
    let is_live = meter.progress().total.is_none();
    let chunks = Chunks::new(stream, plain, is_live, options.chunk_len.min(MAX_CHUNK_LEN));
    let progress = |position| match file_len {
        Some(len) => Progress { consumed: position, total: Some(len) },
        None => meter.progress(),
    };
    let tell = |position| {
        if let Some(tell) = options.progress {
            tell(progress(position));
        }
    };
    // A pipe is told of the interruption where it is read.
    let interruption = options.interruption.filter(|_| !is_live);
    // Where the capture ends early, nobody could wake another thread that waits for the writer.
    let threads = if is_live { NonZero::<usize>::MIN } else { options.threads };
    let interruption = interruption.map(Arc::as_ref);
    let shared = Shared { chunks, start, progress: &tell, interruption, threads, options };
    let mut counted = match records {
        Records::Pcap(records) => shared.count(records, epochs, sink)?,
        Records::Pcapng(blocks) => shared.count(blocks, epochs, sink)?,
    };
    let (frames, skipped) = (counted.totals.packets, counted.skipped_by_reader);
    counted.files = vec![FileRead { place, frames, skipped }];
    Ok(counted)
}

/// What threads share, whatever the format.
struct Shared<'a> {
    chunks: Chunks,
    /// Offset of the first record.
    start: u64,
    /// Told the offset of the walk now and then.
    progress: &'a (dyn Fn(u64) + Sync),
    interruption: Option<&'a Interruption>,
    threads: NonZero<usize>,
    options: &'a Options<'a>,
}

/// What the threads share.
struct Run<'a, C> {
    shared: &'a Shared<'a>,
    walk: Mutex<Walk<'a, C>>,
    /// The walk has come to another chunk, or its end.
    advanced: Condvar,
}

impl Shared<'_> {
    fn count<C: Chain>(&self, chain: C, epochs: Epochs, sink: &mut dyn OrderedSink) -> Result<Counted, CaptureError> {
        let options = self.options;
        let ordered = Ordered::new(sink, epochs);
        let epochs = Arc::clone(ordered.epochs());
        let walk = Mutex::new(Walk::new(chain, self.start, ordered));
        let run = Run { shared: self, walk, advanced: Condvar::new() };
        let seed = Seed::random();
        let threads = self.threads.get() as u64;
        let threads = self.chunks.count().map_or(threads, |chunks| chunks.get().min(threads));
        let counters = run.work_in_threads(threads, || Counter::new(&seed, options.max_flows, Arc::clone(&epochs)));
        drop(epochs);

        let Walk { mut chain, mut ordered, unusable, .. } = run.walk.into_inner().expect(NOT_POISONED);
        let all = counters.into_iter().reduce(|mut all, counter| {
            all.merge(counter, ordered.sink());
            all
        });
        let mut counted = ordered.finish(all.expect("the calling thread has counted"));
        match unusable.map_or_else(|| chain.finish(), Err) {
            Ok(()) => {}
            // Too little was read to see what it is.
            Err(error) if options.was_interrupted() => {
                counted.warnings.push(cut_before_frames("captures".into(), &error));
            }
            Err(error) => return Err(error),
        }
        counted.warnings.append(&mut chain.notes().take_warnings());
        counted.interfaces = chain.interfaces().to_vec();
        counted.skipped_by_reader = chain.skipped();
        Ok(counted)
    }
}

impl<'a, C: Chain> Run<'a, C> {
    /// Works in the calling thread and in `threads - 1` others, or fewer where the system refuses more.
    fn work_in_threads(&self, threads: u64, counter: impl Fn() -> Counter) -> Vec<Counter> {
        thread::scope(|scope| {
            let spawn = |_| {
                let counter = counter();
                thread::Builder::new().name("replay".into()).spawn_scoped(scope, || self.work(counter)).ok()
            };
            let others: Vec<_> = (1..threads).map_while(spawn).collect();
            let own = self.work(counter());
            let join = |other: thread::ScopedJoinHandle<'_, Counter>| {
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            iter::once(own).chain(others.into_iter().map(join)).collect()
        })
    }

    /// Takes chunk after chunk, until there is no more or the walk has ended.
    fn work(&self, mut counter: Counter) -> Counter {
        let Shared { chunks, progress, interruption, .. } = self.shared;
        let mut chunk = Chunk::new(chunks.most());
        let mut unordered = Unordered::default();
        while let Some(index) = chunks.read(&mut chunk) {
            let mut walk = self.await_turn(index);
            if walk.has_ended {
                break;
            }
            match interruption.and_then(Interruption::meet) {
                Some(why) => walk.stop(EarlyEnd::Interrupted(why).to_string()),
                None => walk.go(&mut chunk, &mut unordered, &mut counter),
            }
            walk.chunk += 1;
            if chunks.count().is_none() || index.is_multiple_of(PROGRESS_INTERVAL) {
                progress(walk.position);
            }
            drop(walk);
            self.advanced.notify_all();

            unordered.count(chunk.bytes(), &mut counter);
            if counter.has_refused() {
                counter.settle(self.walk.lock().expect(NOT_POISONED).ordered.sink());
            }
        }
        counter
    }

    /// Waits until the walk has come to a chunk, or has ended.
    fn await_turn(&self, index: u64) -> MutexGuard<'_, Walk<'a, C>> {
        let walk = self.walk.lock().expect(NOT_POISONED);
        self.advanced.wait_while(walk, |walk| walk.chunk != index && !walk.has_ended).expect(NOT_POISONED)
    }
}
