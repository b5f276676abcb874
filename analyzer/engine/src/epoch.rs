//! Epochs: the intervals between two moments at which a verdict may change.
//!
//! All packets of one flow to one MAC within one epoch share their verdict, so they can be counted in one entry. An
//! epoch keeps its id for good; splitting one gives its later part a new id.

use alloc::vec;
use alloc::vec::Vec;

use crate::types::Timestamp;

/// The epochs of a run.
#[derive(Clone, Debug)]
pub struct Epochs {
    /// Start and id of each epoch, by start. The first starts at 0.
    starts: Vec<(Timestamp, u16)>,
    /// Ids of epochs that were forgotten.
    free: Vec<u16>,
    /// Ids given out so far: 0 and those that follow.
    given: u32,
    /// Splits that no id was left for.
    unsplit: u64,
}

impl Default for Epochs {
    /// One epoch, for what is asked about one moment.
    fn default() -> Self {
        Self::new([])
    }
}

/// One epoch: `start <= t < end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch {
    /// Its id.
    pub id: u16,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment of the next; [`Timestamp::MAX`] for the last, which includes it.
    pub end: Timestamp,
}

impl Epochs {
    /// Epochs that meet at the given moments.
    pub fn new(boundaries: impl IntoIterator<Item = Timestamp>) -> Self {
        let starts = vec![(Timestamp::default(), 0)];
        let mut epochs = Self { starts, free: Vec::new(), given: 1, unsplit: 0 };
        let mut boundaries: Vec<_> = boundaries.into_iter().collect();
        boundaries.sort_unstable();
        for boundary in boundaries {
            epochs.split(boundary);
        }
        epochs
    }

    /// One epoch with this id, for what is counted as it comes.
    pub fn single(id: u16) -> Self {
        Self { starts: vec![(Timestamp::default(), id)], free: Vec::new(), given: u32::from(id) + 1, unsplit: 0 }
    }

    /// Starts a new epoch at `at`. Does nothing where one starts there; counts the split where ids have run out.
    pub fn split(&mut self, at: Timestamp) {
        let index = self.starts.partition_point(|&(start, _)| start <= at);
        if self.starts[index - 1].0 == at {
            return;
        }
        match self.free_id() {
            Some(id) => self.starts.insert(index, (at, id)),
            None => self.unsplit += 1,
        }
    }

    /// An id that no epoch has, one that has never been given out before one that was.
    fn free_id(&mut self) -> Option<u16> {
        match u16::try_from(self.given) {
            Ok(id) => {
                self.given += 1;
                Some(id)
            }
            Err(_) => self.free.pop(),
        }
    }

    /// Puts all epochs that ended by `before` into the one in which it lies. Their ids are given out again some day.
    pub fn forget(&mut self, before: Timestamp) {
        let index = self.starts.partition_point(|&(start, _)| start <= before) - 1;
        self.drop_first(index);
    }

    /// Forgets the oldest epochs beyond `keep`, but never the last.
    pub fn keep_latest(&mut self, keep: usize) {
        self.drop_first(self.starts.len().saturating_sub(keep.max(1)));
    }

    fn drop_first(&mut self, count: usize) {
        self.free.extend(self.starts.drain(..count).map(|(_, id)| id));
        // The first epoch goes back to the beginning of time.
        self.starts[0].0 = Timestamp::default();
    }

    /// Number of epochs.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The epoch that `at` lies in.
    pub fn at(&self, at: Timestamp) -> Epoch {
        let index = self.starts.partition_point(|&(start, _)| start <= at);
        let (start, id) = self.starts[index - 1];
        let end = self.starts.get(index).map_or(Timestamp::MAX, |&(start, _)| start);
        Epoch { id, start, end }
    }

    /// Number of moments at which a verdict may change but no epoch starts, because there are too many.
    pub fn unsplit(&self) -> u64 {
        self.unsplit
    }
}

impl Epoch {
    /// Whether `at` lies in the epoch.
    #[inline(always)]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_split_keeps_the_ids_of_earlier_epochs() {
        let mut epochs = Epochs::new([nanos(20), nanos(10), nanos(10)]);
        assert_eq!(epochs.at(nanos(9)), Epoch { id: 0, start: nanos(0), end: nanos(10) });
        assert_eq!(epochs.at(nanos(10)), Epoch { id: 1, start: nanos(10), end: nanos(20) });
        epochs.split(nanos(15));
        assert_eq!(epochs.at(nanos(14)).id, 1);
        assert_eq!(epochs.at(nanos(15)), Epoch { id: 3, start: nanos(15), end: nanos(20) });
        assert_eq!(epochs.at(nanos(20)).id, 2);
        assert!(epochs.at(Timestamp::MAX).start == nanos(20));
    }

    #[test]
    fn ids_run_out() {
        let epochs = Epochs::new((0..70_000).map(nanos));
        assert_eq!(epochs.unsplit(), 70_000 - 65_536);
        assert_eq!(epochs.at(nanos(69_999)).id, u16::MAX);
    }
    #[test]
    fn forgotten_epochs_give_their_ids_back() {
        let mut epochs = Epochs::new((0..65_536).map(nanos));
        epochs.forget(nanos(65_530));
        assert_eq!(epochs.at(nanos(3)), Epoch { id: 65_530, start: nanos(0), end: nanos(65_531) });
        let ids = |epochs: &Epochs| {
            let mut ids: Vec<u16> = epochs.starts.iter().map(|&(_, id)| id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.len()
        };
        (65_536..131_066).for_each(|at| epochs.split(nanos(at)));
        assert_eq!((epochs.unsplit(), epochs.count(), ids(&epochs)), (0, 65_536, 65_536));
        epochs.keep_latest(2);
        assert_eq!((epochs.count(), epochs.at(nanos(131_064)).end), (2, nanos(131_065)));
        epochs.keep_latest(0);
        epochs.forget(Timestamp::MAX);
        assert_eq!(epochs.count(), 1);
    }
}
