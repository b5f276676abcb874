//! A pcap file read by several workers.
//!
//! The records of a pcap file are a chain: only a record tells where the next one starts. So workers read chunks of the
//! file on their own, walk the chain through their chunks one after the other, and count the frames on their own again.
//! The walk is short, and it is where all that needs the order of the capture is done.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use analyzer_ebpf::parse::{parse, parse_common};

use super::chunk::{Chunk, Found};
use super::counter::{Counter, Record};
use super::hash::Seed;
use super::ordered::{Effect, Ordered};
use super::plain::is_plain;
use super::sink::OrderedSink;
use crate::capture::pcap::{GLOBAL_HEADER_LEN, GlobalHeader, RecordHeader};
use crate::engine::epoch::Epochs;

pub struct Job<'a> {
    pub file: &'a File,
    pub global: GlobalHeader,
    /// Length of the file; what is appended later is not read.
    pub len: u64,
    pub chunk_len: usize,
    pub threads: usize,
    pub max_flows: usize,
}

struct Shared<'a> {
    job: &'a Job<'a>,
    tickets: AtomicU64,
    turn: Mutex<Turn<'a>>,
    passed: Condvar,
}

/// The walk along the chain of records.
struct Turn<'a> {
    /// The chunk whose turn it is.
    chunk: u64,
    /// Offset of the next record.
    position: u64,
    end: Option<End>,
    ordered: Ordered<'a>,
}

#[derive(Debug)]
pub enum End { Cut(u64), Corrupt(u64, u32), Failed(u64, io::Error) }

pub fn count(job: &Job<'_>, epochs: Epochs, sink: &mut dyn OrderedSink) -> (Counter, Option<End>) {
    let seed = Seed::random();
    let ordered = Ordered::new(sink, epochs);
    let epochs = Arc::clone(&ordered.epochs);
    let shared = Shared {
        job,
        tickets: AtomicU64::new(0),
        turn: Mutex::new(Turn { chunk: 0, position: GLOBAL_HEADER_LEN as u64, end: None, ordered }),
        passed: Condvar::new(),
    };
    let counters = thread::scope(|scope| {
        let workers: Vec<_> = (0..job.threads).map(|_| {
            let counter = Counter::new(&seed, job.max_flows, Arc::clone(&epochs));
            scope.spawn(|| work(&shared, counter))
        }).collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect::<Vec<_>>()
    });
    let mut turn = shared.turn.into_inner().unwrap();
    let mut counters = counters.into_iter();
    let mut all = counters.next().unwrap();
    all.finish(turn.ordered.sink);
    for c in counters { all.merge(c, turn.ordered.sink); }
    (all, turn.end)
}

fn work(shared: &Shared<'_>, mut counter: Counter) -> Counter {
    let job = shared.job;
    let mut chunk = Chunk::new(job.chunk_len);
    let mut frames: Vec<u32> = Vec::new();
    loop {
        let ticket = shared.tickets.fetch_add(1, Ordering::Relaxed);
        let start = GLOBAL_HEADER_LEN as u64 + ticket * job.chunk_len as u64;
        if start >= job.len { break; }
        let read = chunk.read(job.file, start, job.len);
        let mut turn = shared.passed.wait_while(shared.turn.lock().unwrap(), |turn| turn.chunk != ticket).unwrap();
        if turn.end.is_none() {
            if let Err(e) = read { turn.end = Some(End::Failed(start, e)); }
            else { turn.walk(job, &mut chunk, start, &mut frames, &mut counter); }
        }
        turn.chunk += 1;
        counter.enter(&turn.ordered.epochs);
        drop(turn);
        shared.passed.notify_all();
        count_frames(job, &chunk, &frames, &mut counter);
        frames.clear();
        if counter.has_refused() { counter.settle(shared.turn.lock().unwrap().ordered.sink) }
    }
    counter
}

impl Turn<'_> {
    fn walk(&mut self, job: &Job<'_>, chunk: &mut Chunk, start: u64, frames: &mut Vec<u32>, counter: &mut Counter) {
        let chunk_end = (start + job.chunk_len as u64).min(job.len);
        counter.enter(&self.ordered.epochs);
        while self.position < chunk_end {
            let offset = (self.position - start) as usize;
            let header = match chunk.find(offset, &job.global, job.file, job.len) {
                Ok(Found::Record(header)) => header,
                Ok(Found::Cut) => { self.end = Some(End::Cut(self.position)); return }
                Ok(Found::Corrupt(h)) => { self.end = Some(End::Corrupt(self.position, h.incl_len)); return }
                Err(e) => { self.end = Some(End::Failed(self.position, e)); return }
            };
            self.position += 16 + job.global.record_extra_len as u64 + u64::from(header.incl_len);
            let data = chunk.frame(offset, &header, &job.global);
            if !parse_common(data).is_some_and(|f| f.control().is_none()) {
                let record = record(&header);
                let mut parsed = parse(data);
                match self.ordered.observe(data, &mut parsed, record) {
                    Effect::None => {}
                    Effect::EpochsChanged => {
                        count_frames(job, chunk, frames, counter);
                        frames.clear();
                        counter.enter(&self.ordered.epochs);
                    }
                    Effect::Attributed => { counter.count_parsed(&parsed, record); continue; }
                }
            }
            frames.push(offset as u32);
        }
    }
}

fn count_frames(job: &Job<'_>, chunk: &Chunk, frames: &[u32], counter: &mut Counter) {
    for &offset in frames {
        let header = chunk.header(offset as usize, &job.global);
        let data = chunk.frame(offset as usize, &header, &job.global);
        counter.count(data, record(&header));
    }
}

fn record(header: &RecordHeader) -> Record {
    Record { at: header.at, wire_len: header.orig_len, is_cut: header.incl_len < header.orig_len, nic: 0 }
}
