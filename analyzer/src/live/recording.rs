//! Frames that AF_XDP sockets took, recorded: all, or those of flows that violate.
//!
//! Whether a flow violates is known only after its first frames. They come with the batch that counted them, are held until
//! the flow is judged, and are written or dropped then.

mod held;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use analyzer_ebpf::abi::FlowKey;
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use tokio::sync::broadcast;

use self::held::{Batch, Held};
use super::clock::Clock;
use super::config::Recorded;
use super::console::Console;
use crate::bpf::counted::Key;
use crate::cli::Only;
use crate::daemon::record::Record;
use crate::engine::finding::Finding;
use crate::engine::verdict::Verdict;
use crate::mirror::{Copied, FirstFrames};
use crate::output::comment::{comment, short};
use crate::recorder::{Frames, Recorder, RecorderError};
use crate::replay::{FIRST, Flow};

/// Flows of which it is known what was recorded. One that is forgotten is recorded anew if it goes on.
const MOST_KNOWN: usize = 16_384;
/// Frames of a violating flow that are recorded.
const MOST_FRAMES: usize = FIRST as usize;
/// How long the disk may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is recorded.
pub(super) struct Recording {
    recorder: Recorder,
    chosen: Option<Chosen>,
}

/// Flows whose frames are recorded, where not all are.
struct Chosen {
    /// Where flows are named of which more frames are to be copied.
    recall: broadcast::Sender<Flow>,
    /// First frames of flows that are not judged yet.
    held: Held,
    /// Flows that violate, and of which frames are missing.
    lacking: HashSet<Key>,
    known: HashMap<Key, Known>,
    /// Keys of these in the order in which they came.
    known_order: VecDeque<Key>,
    /// Frames that are missing of flows that are not known any more.
    missing: usize,
}

/// What was recorded of a violating flow.
struct Known {
    frames: usize,
    packets: u64,
    comment: Arc<str>,
}

impl Recording {
    /// Makes the first file. Returns what queues are to copy, too.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn open(recorded: &Recorded, clock: Clock) -> Result<(Self, Copied), RecorderError> {
        let recorder = Recorder::open(&recorded.files, clock.offset(), clock.now())?;
        match recorded.only {
            Only::All => {
                let copied = Copied::All(recorder.inlet().clone());
                Ok((Self { recorder, chosen: None }, copied))
            }
            Only::Violating => {
                let (copied, recall) = Copied::first();
                Ok((Self { recorder, chosen: Some(Chosen::new(recall)) }, copied))
            }
        }
    }

    /// Writes from here on, with no more rights than there are by now.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(&mut self) -> Result<(), RecorderError> {
        self.recorder.start()
    }

    /// Records what came with a batch of flows that are known to violate, and holds the rest until it is judged.
    fn take(&mut self, first: FirstFrames) {
        let Some(chosen) = &mut self.chosen else { return };
        let mut batch = Batch::new(first);
        for key in chosen.lacking_of(&batch) {
            let most = chosen.most_of(&key);
            let mut frames = None;
            batch.take(&flow_of(key), most, &mut frames);
            if let Some(frames) = frames.and_then(|frames| chosen.release(key, frames)) {
                self.recorder.inlet().record(frames);
            }
        }
        chosen.held.push(batch);
    }

    /// Records the frames of a flow that violates, of which so many packets were counted. What was said of it before tells
    /// whether the frames that are held are from before.
    pub(super) fn judged(&mut self, key: Key, packets: u64, before: Option<Verdict>, now: (Verdict, Option<&Finding>)) {
        let Some(chosen) = &mut self.chosen else { return };
        let (verdict @ Verdict::Violating(_), finding) = now else {
            chosen.lacking.remove(&key);
            return;
        };
        if !matches!(before, None | Some(Verdict::Violating(_) | Verdict::Undetermined(_))) {
            chosen.held.take(&flow_of(key), 0);
        }
        chosen.note(key, packets, verdict, finding);
        let held = chosen.held.take(&flow_of(key), chosen.most_of(&key));
        if let Some(frames) = held.and_then(|frames| chosen.release(key, frames)) {
            self.recorder.inlet().record(frames);
        }
        chosen.await_more(key);
    }

    /// Notes that so many packets were counted of a flow. Of one that violates more frames may be missing now.
    pub(super) fn counted(&mut self, key: Key, packets: u64) {
        let Some(chosen) = &mut self.chosen else { return };
        let Some(known) = chosen.known.get_mut(&of_all_sets(key)).filter(|known| known.packets < packets) else {
            return;
        };
        known.packets = packets;
        if chosen.lacking.contains(&key) {
            chosen.await_more(key);
        }
    }

    /// Waits for no more frames of a flow that is not looked at any more.
    pub(super) fn close(&mut self, key: &Key) {
        if let Some(chosen) = &mut self.chosen {
            chosen.lacking.remove(key);
        }
    }

    /// Says what went wrong, each thing once.
    fn tell(&self, console: &mut Console) {
        if let Some(trouble) = self.recorder.take_trouble() {
            console.complain_once(&trouble);
        }
    }

    /// Ends, and says what came of it. Returns the number of frames that are in no file.
    fn end(self, console: &mut Console) -> u64 {
        self.tell(console);
        let Self { recorder, chosen } = self;
        let missing = chosen.as_ref().map_or(0, Chosen::missing) as u64;
        let written = recorder.close(PATIENCE);
        let lost = written.lost + missing;
        if let Some(trouble) = &written.trouble {
            console.complain_once(trouble);
        }
        let files = if written.files == 1 { "file" } else { "files" };
        console.say(&format!("wrote {} frames to {} {files} (--write)", written.frames, written.files));
        if lost > 0 {
            console.complain(&format!("{lost} frames that were to be written are in no file (--write)"));
        }
        if !written.is_complete {
            console
                .complain("the disk does not take what is to be written (--write), and is not waited for any longer");
        }
        lost
    }

    /// Frames that were to be recorded and are in no file.
    fn lost(&self) -> u64 {
        let missing = self.chosen.as_ref().map_or(0, Chosen::missing);
        self.recorder.lost() + missing as u64
    }
}

impl Chosen {
    fn new(recall: broadcast::Sender<Flow>) -> Self {
        Self {
            recall,
            held: Held::default(),
            lacking: HashSet::new(),
            known: HashMap::new(),
            known_order: VecDeque::new(),
            missing: 0,
        }
    }

    /// Notes that a flow violates.
    fn note(&mut self, key: Key, packets: u64, verdict: Verdict, finding: Option<&Finding>) {
        let known = match self.known.entry(of_all_sets(key)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(place) => {
                self.known_order.push_back(*place.key());
                place.insert(Known { frames: 0, packets: 0, comment: short(verdict).into() })
            }
        };
        if let Some(finding) = finding
            && known.frames < MOST_FRAMES
        {
            known.comment = comment(finding).into();
        }
        known.packets = known.packets.max(packets);
        if self.known.len() > MOST_KNOWN
            && let Some(oldest) = self.known_order.pop_front()
            && let Some(known) = self.known.remove(&oldest)
        {
            self.missing += known.missing();
        }
    }

    /// Frames of a flow that are still to be written.
    fn most_of(&self, key: &Key) -> usize {
        MOST_FRAMES - self.known.get(&of_all_sets(*key)).map_or(0, |known| known.frames)
    }

    /// Flows with frames in a batch that violate, and of which frames are missing.
    fn lacking_of(&self, batch: &Batch) -> HashSet<Key> {
        if self.lacking.is_empty() {
            return HashSet::new();
        }
        let keys = batch.flows().iter().map(|flow| match *flow {
            Flow::V4(key) => Key::V4(key),
            Flow::V6(key) => Key::V6(key),
        });
        keys.filter(|key| self.lacking.contains(key)).collect()
    }

    /// Has frames of a flow that violates written.
    fn release(&mut self, key: Key, frames: Frames) -> Option<Frames> {
        let known = self.known.get_mut(&of_all_sets(key))?;
        known.frames += frames.len();
        if known.frames >= MOST_FRAMES {
            self.lacking.remove(&key);
        }
        Some(frames.commented(Arc::clone(&known.comment)))
    }

    /// Waits for more frames of a flow. Where its first came before it violated, or found no room, they are asked for.
    fn await_more(&mut self, key: Key) {
        let Some(known) = self.known.get(&of_all_sets(key)) else { return };
        if known.frames >= MOST_FRAMES {
            return;
        }
        if known.missing() > 0 {
            // Where no queue reads, nobody listens.
            let _ = self.recall.send(flow_of(key));
        }
        if self.lacking.len() >= MOST_KNOWN {
            // Of those that go on more is heard when they are judged again.
            self.lacking.clear();
        }
        self.lacking.insert(key);
    }

    /// Frames of violating flows that are among their first and are not there.
    fn missing(&self) -> usize {
        self.missing + self.known.values().map(Known::missing).sum::<usize>()
    }
}

impl Known {
    fn missing(&self) -> usize {
        let packets = usize::try_from(self.packets).unwrap_or(usize::MAX);
        packets.min(MOST_FRAMES).saturating_sub(self.frames)
    }
}

/// The flow as queues name it.
fn flow_of(key: Key) -> Flow {
    match key {
        Key::V4(key) | Key::Reserve4(key) => Flow::V4(key),
        Key::V6(key) | Key::Reserve6(key) => Flow::V6(key),
    }
}

/// The key of a flow in whichever set it was judged by.
fn of_all_sets(key: Key) -> Key {
    match key {
        Key::V4(key) | Key::Reserve4(key) => Key::V4(FlowKey { epoch: 0, ..key }),
        Key::V6(key) | Key::Reserve6(key) => Key::V6(FlowKey { epoch: 0, ..key }),
    }
}

/// The recording, as both the daemon and whoever drives it have it.
#[derive(Clone)]
pub(super) struct Recordings(Rc<RefCell<Option<Recording>>>);

impl Record for Recordings {
    fn judged(&mut self, key: Key, packets: u64, before: Option<Verdict>, now: (Verdict, Option<&Finding>)) {
        if let Some(recording) = &mut *self.0.borrow_mut() {
            recording.judged(key, packets, before, now);
        }
    }

    fn counted(&mut self, key: Key, packets: u64) {
        if let Some(recording) = &mut *self.0.borrow_mut() {
            recording.counted(key, packets);
        }
    }

    fn close(&mut self, key: &Key) {
        if let Some(recording) = &mut *self.0.borrow_mut() {
            recording.close(key);
        }
    }
}

impl Recordings {
    pub(super) fn new(recording: Recording) -> Self {
        Self(Rc::new(RefCell::new(Some(recording))))
    }

    /// Records or holds the first frames that came with a batch.
    pub(super) fn take_first(&self, first: Option<Box<FirstFrames>>) {
        if let (Some(recording), Some(first)) = (&mut *self.0.borrow_mut(), first) {
            recording.take(*first);
        }
    }

    /// Each second: drops frames that nobody asked for, and says what went wrong, each thing once.
    pub(super) fn tick(&self, console: &mut Console) {
        if let Some(recording) = &mut *self.0.borrow_mut() {
            if let Some(chosen) = &mut recording.chosen {
                chosen.held.tick();
            }
            recording.tell(console);
        }
    }

    /// Frames that were to be recorded and are in no file.
    pub(super) fn lost(&self) -> u64 {
        self.0.borrow().as_ref().map_or(0, Recording::lost)
    }

    /// Ends the recording, and says what came of it. Returns the number of frames that are in no file.
    pub(super) fn end(&self, console: &mut Console) -> u64 {
        self.0.borrow_mut().take().map_or(0, |recording| recording.end(console))
    }

    /// Ends the recording of a run that could not begin.
    pub(super) fn discard(&self) {
        if let Some(Recording { recorder, .. }) = self.0.borrow_mut().take() {
            recorder.discard(PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests;
