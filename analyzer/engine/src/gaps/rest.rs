//! Gaps that are too many to be kept apart.

use alloc::vec::Vec;
use core::mem::{self, Discriminant};

use crate::fact::{Gap, Scope};
use crate::types::{Place, Position, Timestamp, Validity};

/// What kind of thing was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind(Discriminant<Scope>);

impl Kind {
    pub(super) fn of(gap: &Gap) -> Self {
        Self(mem::discriminant(&gap.scope))
    }
}

/// Gaps that stand for others: of each kind and file one for those without end, and one for those that ended.
#[derive(Debug, Default)]
pub(super) struct Rest {
    heaps: Vec<Heap>,
}

/// What stands for several gaps of one kind and file: it says the least and holds at all times of theirs.
#[derive(Debug)]
struct Heap {
    gap: Gap,
    count: usize,
}

impl Rest {
    pub(super) fn join(&mut self, gap: &Gap) {
        let is_ended = gap.validity.until.is_some();
        if let Some(index) = self.find(gap, is_ended) {
            let Heap { gap: Gap { validity, .. }, count } = &mut self.heaps[index];
            *validity =
                Validity { from: validity.from.min(gap.validity.from), until: validity.until.max(gap.validity.until) };
            *count += 1;
            return;
        }
        let place = Place { position: Position::Whole, ..gap.place.clone() };
        let gap = Gap { scope: gap.scope.widest(), place, validity: gap.validity };
        self.heaps.push(Heap { gap, count: 1 });
    }

    /// Ends one of the gaps without end; `None` where nothing stands for it. Returns what stood for it where it was the last.
    pub(super) fn end(&mut self, gap: &Gap, at: Timestamp) -> Option<Option<Gap>> {
        let index = self.find(gap, false)?;
        self.heaps[index].count -= 1;
        if self.heaps[index].count > 0 {
            return Some(None);
        }
        let gap = self.heaps.swap_remove(index).gap;
        let validity = Validity { until: Some(at), ..gap.validity };
        let has_held = validity.from.is_none_or(|from| from < at);
        Some(has_held.then_some(Gap { validity, ..gap }))
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        self.heaps.retain(|heap| !is_forgotten(heap.gap.validity));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Gap> {
        self.heaps.iter().map(|heap| &heap.gap)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heaps.is_empty()
    }

    fn find(&self, gap: &Gap, is_ended: bool) -> Option<usize> {
        let is_its = |told: &Gap| {
            Kind::of(told) == Kind::of(gap)
                && told.place.file == gap.place.file
                && told.validity.until.is_some() == is_ended
        };
        self.heaps.iter().position(|heap| is_its(&heap.gap))
    }
}
