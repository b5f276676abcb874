//! First frames that came with batches, until it is known whether their flows violate.
//!
//! Nearly all flows conform, and nobody asks for their frames: those of a batch are put in order by flow only once one of
//! its flows may violate.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::mirror::FirstFrames;
use crate::recorder::Frames;
use crate::replay::{FIRST, Flow};

/// Bytes that are held at most. Then the oldest batch is dropped.
const MOST: usize = 32 << 20;
/// Ticks, of a second each, after which frames are dropped: by then their flows were judged.
const TICKS: u32 = 10;
/// Bytes up to which frames of later batches are put behind those of a batch: flows are looked for in few places.
const SMALL: usize = 1 << 20;

/// Frames of the last batches.
#[derive(Default)]
pub(super) struct Held {
    batches: VecDeque<Batch>,
    size: usize,
}

/// Frames of a batch.
pub(super) struct Batch {
    first: FirstFrames,
    places: Option<Places>,
    ticks: u32,
}

/// Where the frames of each flow are: its first, and behind each the next.
struct Places {
    first: HashMap<Flow, usize>,
    next: Vec<Option<usize>>,
}

impl Places {
    fn of(flows: &[Flow]) -> Self {
        let (mut first, mut next) = (HashMap::new(), vec![None; flows.len()]);
        for (place, flow) in flows.iter().enumerate().rev() {
            next[place] = first.insert(*flow, place);
        }
        Self { first, next }
    }

    /// Adds the next frame.
    fn add(&mut self, flow: Flow) {
        let place = self.next.len();
        self.next.push(None);
        match self.first.entry(flow) {
            Entry::Vacant(first) => _ = first.insert(place),
            Entry::Occupied(first) => {
                let mut last = *first.get();
                while let Some(next) = self.next[last] {
                    last = next;
                }
                self.next[last] = Some(place);
            }
        }
    }
}

impl Batch {
    pub(super) fn new(first: FirstFrames) -> Self {
        Self { first, places: None, ticks: 0 }
    }

    /// Flows of its frames, one for each.
    pub(super) fn flows(&self) -> &[Flow] {
        &self.first.flows
    }

    /// Puts what was not taken of another batch behind its own frames.
    fn append(&mut self, other: &Self) {
        let is_there = |flow: &Flow| other.places.as_ref().is_none_or(|places| places.first.contains_key(flow));
        for (flow, frame) in other.first.flows.iter().zip(other.first.frames.iter()) {
            if is_there(flow) {
                self.first.flows.push(*flow);
                self.first.frames.push(&frame);
                if let Some(places) = &mut self.places {
                    places.add(*flow);
                }
            }
        }
    }

    fn size(&self) -> usize {
        self.first.frames.size() + size_of_val(&self.first.flows[..])
    }

    /// Puts frames of a flow behind others, and drops those beyond `most`. They are given once.
    pub(super) fn take(&mut self, flow: &Flow, most: usize, taken: &mut Option<Frames>) {
        let FirstFrames { flows, frames } = &self.first;
        let Places { first, next } = self.places.get_or_insert_with(|| Places::of(flows));
        let mut place = first.remove(flow);
        while let Some(frame) = place.and_then(|place| frames.get(place)) {
            let taken = taken.get_or_insert_with(|| Frames::new(Arc::clone(frames.interface())));
            if taken.len() >= most {
                return;
            }
            taken.push(&frame);
            place = place.and_then(|place| next[place]);
        }
    }
}

impl Held {
    /// Holds frames.
    pub(super) fn push(&mut self, batch: Batch) {
        let is_small = |last: &&mut Batch| {
            last.ticks == 0
                && last.size() < SMALL
                && batch.size() < SMALL
                && last.first.frames.interface() == batch.first.frames.interface()
        };
        if let Some(last) = self.batches.back_mut().filter(is_small) {
            self.size -= last.size();
            last.append(&batch);
            self.size += last.size();
        } else {
            self.size += batch.size();
            self.batches.push_back(batch);
        }
        while self.size > MOST {
            self.drop_oldest();
        }
    }

    /// Takes the frames of a flow, up to `most`; others of it are dropped.
    pub(super) fn take(&mut self, flow: &Flow, most: usize) -> Option<Frames> {
        let mut taken = None;
        self.batches.iter_mut().for_each(|batch| batch.take(flow, most.min(usize::from(FIRST)), &mut taken));
        taken.filter(|frames| !frames.is_empty())
    }

    /// Lets a second pass.
    pub(super) fn tick(&mut self) {
        self.batches.iter_mut().for_each(|batch| batch.ticks += 1);
        while self.batches.front().is_some_and(|batch| batch.ticks > TICKS) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.size -= batch.size();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}
