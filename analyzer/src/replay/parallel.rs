//! A pcap file read by several threads.
//!
//! The records of a pcap file are a chain: only a record tells where the next one starts. So threads read chunks of the
//! file at the same time, walk the chain through their chunks one after the other, and count the frames of their chunks
//! at the same time again. The walk is short, and it is where everything is done that needs the order of the capture.

use std::fs::File;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::{iter, thread};

use super::Options;
use super::chunk::{Chunk, Records};
use super::counted::Counted;
use super::counter::Counter;
use super::hash::Seed;
use super::ordered::Ordered;
use super::sink::OrderedSink;
use super::walk::{Unordered, Walk};
use crate::capture::pcap::{GLOBAL_HEADER_LEN, GlobalHeader};
use crate::capture::{EarlyEnd, FileRead, Interface, Interruption, LinkType, Progress};
use crate::engine::epoch::Epochs;
use crate::types::{Place, Position, Warning};

/// Longest chunk. Offsets in a chunk have 32 bits.
const MAX_CHUNK_LEN: u32 = 1 << 30;
/// Chunks between two calls of the progress hook.
const PROGRESS_INTERVAL: u64 = 16;

const NOT_POISONED: &str = "a thread that panics with the walk in its hands ends the run";

/// An uncompressed pcap file of Ethernet frames.
pub struct PcapFile {
    name: Arc<str>,
    file: File,
    header: GlobalHeader,
    len: u64,
}

impl PcapFile {
    /// Opens a file. `None` where it is anything else, or cannot be opened: [`crate::capture::open`] tells more.
    pub fn open(path: &Path) -> Option<Self> {
        // A pipe is opened once, by whoever reads it: its writer would see a reader come and go.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let mut header = [0; GLOBAL_HEADER_LEN];
        if !metadata.is_file() || file.read_exact_at(&mut header, 0).is_err() {
            return None;
        }
        let header = GlobalHeader::parse(&header).ok()?;
        let is_ethernet = LinkType::from_number(header.link_type) == Ok(LinkType::Ethernet);
        let name = path.to_string_lossy().into();
        (is_ethernet && header.record_extra_len == 0).then(|| Self { name, file, header, len: metadata.len() })
    }
}

/// Counts a pcap file.
///
/// A file that is cut or damaged, or that fails while it is read, is counted up to there, and a warning says so.
pub fn count_pcap(pcap: &PcapFile, epochs: Epochs, options: &Options<'_>, sink: &mut dyn OrderedSink) -> Counted {
    let ordered = Ordered::new(sink, epochs);
    let epochs = Arc::clone(ordered.epochs());
    let chunk_len = options.chunk_len.get().min(MAX_CHUNK_LEN);
    let run = Run {
        records: Records { file: &pcap.file, header: pcap.header, len: pcap.len },
        chunk_len,
        progress: options.progress,
        interruption: options.interruption.map(Arc::as_ref),
        untaken: AtomicU64::new(0),
        walk: Mutex::new(Walk::new(ordered)),
        advanced: Condvar::new(),
    };
    let seed = Seed::random();
    let threads = NonZero::new(run.chunks()).map_or(1, |chunks| chunks.get().min(options.threads.get() as u64));
    let counters = run.work_in_threads(threads, || Counter::new(&seed, options.max_flows, Arc::clone(&epochs)));
    drop(epochs);

    let Walk { position, mut ordered, stopped, .. } = run.walk.into_inner().expect(NOT_POISONED);
    let all = counters.into_iter().reduce(|mut all, counter| {
        all.merge(counter, ordered.sink());
        all
    });
    let mut counted = ordered.finish(all.expect("the calling thread has counted"));
    counted.interfaces = vec![Interface::default()];
    counted.skipped_by_reader.ends = u64::from(stopped.is_some());
    let (frames, skipped) = (counted.totals.packets, counted.skipped_by_reader);
    let place = |position| Place { file: Arc::clone(&pcap.name), position };
    counted.files = vec![FileRead { place: place(Position::Whole), frames, skipped }];
    counted.warnings.extend(stopped.map(|message| Warning { place: place(Position::Offset(position)), message }));
    counted
}

/// What the threads share.
struct Run<'a> {
    records: Records<'a>,
    chunk_len: u32,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    interruption: Option<&'a Interruption>,
    /// The first chunk that no thread has taken.
    untaken: AtomicU64,
    walk: Mutex<Walk<'a>>,
    /// The walk has come to another chunk, or its end.
    advanced: Condvar,
}

impl<'a> Run<'a> {
    /// Number of chunks in the file.
    fn chunks(&self) -> u64 {
        self.records.len.saturating_sub(GLOBAL_HEADER_LEN as u64).div_ceil(u64::from(self.chunk_len))
    }

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

    /// Takes chunk after chunk, until there is no more or the walk has stopped.
    fn work(&self, mut counter: Counter) -> Counter {
        let file_len = usize::try_from(self.records.len).unwrap_or(usize::MAX);
        let mut chunk = Chunk::new(file_len.min(self.chunk_len as usize));
        let mut unordered = Unordered::default();
        loop {
            let index = self.untaken.fetch_add(1, Ordering::Relaxed);
            if index >= self.chunks() {
                break;
            }
            let start = GLOBAL_HEADER_LEN as u64 + index * u64::from(self.chunk_len);
            let end = self.records.len.min(start + u64::from(self.chunk_len));
            let read = chunk.read(&self.records, start);

            let mut walk = self.await_turn(index);
            if walk.stopped.is_some() {
                break;
            }
            let interrupted = self.interruption.and_then(Interruption::meet);
            match (interrupted, read) {
                (Some(why), _) => walk.stop(&EarlyEnd::Interrupted(why)),
                (None, Ok(())) => walk.go(&self.records, &mut chunk, (start, end), &mut unordered, &mut counter),
                (None, Err(error)) => walk.stop(&EarlyEnd::Failed(&error)),
            }
            walk.chunk += 1;
            if let Some(progress) = self.progress.filter(|_| index.is_multiple_of(PROGRESS_INTERVAL)) {
                progress(Progress { consumed: walk.position, total: Some(self.records.len) });
            }
            drop(walk);
            self.advanced.notify_all();

            unordered.count(&self.records, &chunk, &mut counter);
            if counter.has_refused() {
                counter.settle(self.walk.lock().expect(NOT_POISONED).ordered.sink());
            }
        }
        counter
    }

    /// Waits until the walk has come to a chunk, or has stopped.
    fn await_turn(&self, index: u64) -> MutexGuard<'_, Walk<'a>> {
        let walk = self.walk.lock().expect(NOT_POISONED);
        self.advanced.wait_while(walk, |walk| walk.chunk != index && walk.stopped.is_none()).expect(NOT_POISONED)
    }
}
