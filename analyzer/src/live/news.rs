//! What the daemon tells on standard output while it runs: findings as they come up.
//!
//! A thread of its own writes them, so that a reader that does not read holds up nothing but itself. What does not fit
//! into the queue is counted.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hashbrown::HashMap;

use crate::cli::Format;
use crate::engine::finding::{Finding, Latent};
use crate::engine::verdict::Verdict;
use crate::output::status::Status;
use crate::output::text::{write_finding_line, write_latent_line};
use crate::output::{Report, json};
use crate::types::MacAddr;

/// How often, in hundredths of a second, it is waited for the last news to be written.
const PATIENCE: u32 = 500;
/// News that wait to be written, at most.
const QUEUE: usize = 16_384;
/// Findings of one MAC that may take the last quarter of the queue: a flood to one must not keep another from being named.
const FIRST: u32 = 256;
/// MACs whose findings are counted for this at most.
const MAX_MACS: usize = 4096;

/// Where news go.
#[derive(Debug)]
pub(super) struct News {
    queue: Option<SyncSender<Item>>,
    /// News in the queue.
    waiting: Arc<AtomicUsize>,
    /// Violations told, by MAC.
    told: HashMap<MacAddr, u32>,
    writer: Option<JoinHandle<io::Result<()>>>,
    omitted: u64,
    has_failed: Arc<AtomicBool>,
    format: Format,
}

/// Something to write.
#[derive(Debug)]
enum Item {
    Finding(Box<Finding>),
    Latent(Box<Latent>),
    Status(Box<Status>),
    Nics(Vec<Option<String>>),
}

impl News {
    /// Starts the writer. `frame` tells the node and how times look.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(super) fn start(format: Format, frame: Report) -> io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE);
        let has_failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&has_failed);
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&waiting);
        let writer = std::thread::Builder::new().name("news".to_owned()).spawn(move || {
            let ended = write(&items, &taken, format, frame);
            failure.store(ended.is_err(), Ordering::Relaxed);
            ended
        })?;
        let told = HashMap::new();
        Ok(Self { queue: Some(queue), waiting, told, writer: Some(writer), omitted: 0, has_failed, format })
    }

    /// Tells a finding for the first time.
    pub(super) fn finding(&mut self, finding: &Finding) {
        let most = self.room_for(finding);
        self.send_if_fewer(most, || Item::Finding(Box::new(finding.clone())));
    }

    /// News that may wait before a finding finds no room: what does not violate leaves room to what does, and what many
    /// were told of like it to what is new.
    fn room_for(&mut self, finding: &Finding) -> usize {
        let (Verdict::Violating(_), Some(mac)) = (finding.verdict, finding.eth_dst) else { return QUEUE / 2 };
        if self.told.len() >= MAX_MACS && !self.told.contains_key(&mac) {
            return QUEUE;
        }
        let told = self.told.entry(mac).or_default();
        *told = told.saturating_add(1);
        if *told <= FIRST { QUEUE } else { QUEUE / 4 * 3 }
    }

    /// Tells programs that a finding holds no packets any more: another took its place.
    pub(super) fn withdrawn(&mut self, finding: &Finding) {
        if self.format == Format::Jsonl {
            self.finding(finding);
        }
    }

    /// Tells a latent entry for the first time.
    pub(super) fn latent(&mut self, latent: &Latent) {
        self.send(Item::Latent(Box::new(latent.clone())));
    }

    /// Tells how the daemon is doing, to programs; people get messages.
    pub(super) fn status(&mut self, status: Status) {
        if self.format == Format::Jsonl {
            self.send(Item::Status(Box::new(status)));
        }
    }

    /// Tells the names of NICs by their index, for what is told from now on.
    pub(super) fn nics(&mut self, names: Vec<Option<String>>) {
        self.send(Item::Nics(names));
    }

    /// News that found no room in the queue.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Whether standard output takes nothing any more.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Writes what is queued and ends.
    ///
    /// # Errors
    /// When standard output failed.
    pub(super) fn end(mut self) -> io::Result<()> {
        drop(self.queue.take());
        let is_writing = |writer: &Option<JoinHandle<_>>| writer.as_ref().is_some_and(|writer| !writer.is_finished());
        for _ in 0..PATIENCE {
            if !is_writing(&self.writer) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        if is_writing(&self.writer) {
            return Err(io::Error::other("nobody reads standard output; what was queued for it is lost"));
        }
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the writer of news ended early")),
            None => Ok(()),
        }
    }

    fn send(&mut self, item: Item) {
        self.send_if_fewer(QUEUE, || item);
    }

    fn send_if_fewer(&mut self, most: usize, item: impl FnOnce() -> Item) {
        // One document tells everything at its end.
        if self.format == Format::Json {
            return;
        }
        // It counts before it is there, as the writer may take it at once.
        let has_room = self.waiting.fetch_add(1, Ordering::Relaxed) < most;
        let is_sent = has_room && self.queue.as_ref().is_some_and(|queue| queue.try_send(item()).is_ok());
        self.waiting.fetch_sub(usize::from(!is_sent), Ordering::Relaxed);
        self.omitted += u64::from(!is_sent);
    }
}

fn write(items: &Receiver<Item>, waiting: &AtomicUsize, format: Format, mut frame: Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        while let Some(item) = next {
            waiting.fetch_sub(1, Ordering::Relaxed);
            write_item(&mut out, format, &mut frame, item)?;
            next = items.try_recv().ok();
        }
        // Somebody waits for it.
        out.flush()?;
    }
    Ok(())
}

fn write_item(out: &mut impl Write, format: Format, frame: &mut Report, item: Item) -> io::Result<()> {
    match (item, format) {
        (Item::Nics(names), _) => {
            frame.nic_names = names;
            Ok(())
        }
        (Item::Finding(finding), Format::Text) => write_finding_line(out, frame, &finding),
        (Item::Latent(latent), Format::Text) => write_latent_line(out, frame, &latent),
        (Item::Status(_), Format::Text) => Ok(()),
        (Item::Finding(finding), _) => json::write_finding(out, frame, &finding),
        (Item::Latent(latent), _) => json::write_latent(out, frame, &latent),
        (Item::Status(status), _) => json::write_status(out, frame, &status),
    }
}
