//! Observations, flow by flow.

use super::Counted;
use super::counted::observation;
use super::hash::Seed;
use super::key::Words;
use super::table::FlowTable;
use crate::engine::Observations;
use crate::engine::observation::Observation;

/// All observations of a run in the order that the engine asks for: those of one flow one after another, by time.
///
/// Which flow comes when is not told, but it is the same in every run.
pub struct ByFlow<'a> {
    counted: &'a Counted,
    v4: Vec<u32>,
    v6: Vec<u32>,
}

impl Counted {
    /// Puts the observations in order, flow by flow.
    pub fn by_flow(&self) -> ByFlow<'_> {
        ByFlow { counted: self, v4: order(&self.tables.v4), v6: order(&self.tables.v6) }
    }
}

impl Observations for ByFlow<'_> {
    fn for_each(&self, visit: &mut dyn FnMut(&Observation)) {
        let tables = &self.counted.tables;
        self.v4.iter().for_each(|&index| visit(&observation(tables.v4.entry(index))));
        self.v6.iter().for_each(|&index| visit(&observation(tables.v6.entry(index))));
    }
}

/// Indices of the entries, flow by flow.
///
/// Sorting by a hash of the flow reads each entry once, where sorting by the flows themselves would read two for every
/// comparison. Few flows share their hash; those are sorted in full.
fn order<W: Words>(table: &FlowTable<W>) -> Vec<u32> {
    let seed = Seed::fixed();
    let mut hashes: Vec<(u64, u32)> = table.entries().map(|entry| entry.words.flow().hash(&seed)).zip(0..).collect();
    hashes.sort_unstable();
    for same_hash in hashes.chunk_by_mut(|(left, _), (right, _)| left == right) {
        if same_hash.len() > 1 {
            same_hash.sort_unstable_by_key(|&(_, index)| {
                let entry = table.entry(index);
                (entry.words.flow(), entry.counts.first, entry.words)
            });
        }
    }
    hashes.into_iter().map(|(_, index)| index).collect()
}
