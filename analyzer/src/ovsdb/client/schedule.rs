//! Which remote is tried next, and when.

use std::time::Duration;

use super::remote::Remote;
use crate::net::Backoff;
use crate::net::backoff::SplitMix64;

/// Goes through the remotes in rounds. The first retry comes at once; pauses between further rounds grow.
pub(super) struct Schedule {
    remotes: Vec<Remote>,
    at: usize,
    /// Failures since a connection last held.
    failures: u32,
    backoff: Backoff,
    random: SplitMix64,
}

impl Schedule {
    /// Starts with any of the remotes: were it always the first, all clients would load the same member of a cluster.
    pub(super) fn new(mut remotes: Vec<Remote>, backoff: Backoff, seed: u64) -> Self {
        let mut random = SplitMix64(seed);
        for last in (1..remotes.len()).rev() {
            remotes.swap(last, random.below(last as u64 + 1) as usize);
        }
        Self { remotes, at: 0, failures: 0, backoff, random }
    }

    /// The remote whose turn it is; `None` where there are no remotes.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.remotes.get(self.at)
    }

    /// The connection is lost, or there was none: goes on to the next remote and returns the pause before it.
    ///
    /// `held` is how long the content was in step; zero where it never was. A connection that held longer than the
    /// longest pause begins the count anew, so one that is lost over and over is not tried without a pause.
    pub(super) fn lost(&mut self, held: Duration) -> Duration {
        self.at = (self.at + 1) % self.remotes.len().max(1);
        if held >= self.backoff.max {
            self.failures = 0;
        }
        let in_a_round = u32::try_from(self.remotes.len()).unwrap_or(u32::MAX).max(1);
        let (rounds, is_new_round) = (self.failures / in_a_round, self.failures.is_multiple_of(in_a_round));
        self.failures = self.failures.saturating_add(1);
        self.backoff.pause(if is_new_round { rounds.saturating_add(1) } else { 1 }, &mut self.random)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::net::backoff::AT_ONCE;

    const BACKOFF: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(8) };

    fn schedule(remotes: usize, seed: u64) -> Schedule {
        let remotes = (0..remotes).map(|number| Remote::Unix(format!("/{number}").into())).collect();
        Schedule::new(remotes, BACKOFF, seed)
    }

    #[test]
    fn pauses_grow_up_to_the_bound_with_chance_in_them() {
        let mut schedule = schedule(1, 7);
        let pauses: Vec<Duration> = (0..40).map(|_| schedule.lost(Duration::ZERO)).collect();
        assert!(pauses[0] <= AT_ONCE);
        for (pause, whole) in pauses[1..].iter().zip([1, 2, 4].into_iter().chain([8; 36])) {
            let whole = Duration::from_secs(whole);
            assert!(*pause >= whole / 2 && *pause <= whole, "{pauses:?}");
        }
        assert!(pauses.iter().collect::<BTreeSet<_>>().len() > 30);
        assert!(schedule.lost(BACKOFF.max / 2) >= BACKOFF.max / 2, "a connection that soon broke is not trusted");
        assert!(schedule.lost(BACKOFF.max) <= AT_ONCE);
    }

    #[test]
    fn all_remotes_are_tried_before_a_pause() {
        let mut schedule = schedule(3, 1);
        let mut tried = BTreeSet::new();
        for number in 0..9 {
            tried.insert(schedule.remote().unwrap().to_string());
            let pause = schedule.lost(Duration::ZERO);
            assert_eq!(pause > AT_ONCE, number >= 3 && number % 3 == 0, "{number}: {pause:?}");
        }
        assert_eq!(tried.len(), 3);
    }

    #[test]
    fn the_seed_decides_which_is_first() {
        let first: BTreeSet<String> = (0..50).map(|seed| schedule(3, seed).remote().unwrap().to_string()).collect();
        assert_eq!(first.len(), 3);
        assert_eq!(schedule(3, 5).remote(), schedule(3, 5).remote());
        let mut none = schedule(0, 0);
        none.lost(Duration::ZERO);
        assert_eq!(none.remote(), None);
    }
}
