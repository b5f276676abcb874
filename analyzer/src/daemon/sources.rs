//! The state of each source of facts: whether it is there, since when, and whether what it told is still believed.

use std::time::Duration;

use crate::types::Timestamp;

/// Index of a source in [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SourceId(usize);

/// All sources of a run.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    sources: Vec<Source>,
}

/// A source of facts.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What the source is, in the words of the command line: `nb`, `sb`, `ovs`, `kernel`, `nexthops.toml`.
    pub(crate) name: &'static str,
    /// Its address, or its path.
    pub(crate) place: String,
    /// Whether it is there.
    pub(crate) phase: Phase,
    /// Since when it is in this phase.
    pub(crate) since: Timestamp,
    /// When it last told something, or was last known to have nothing to tell.
    pub(crate) told: Option<Timestamp>,
    /// Why it is not there.
    pub(crate) error: Option<String>,
    /// Whether next hops are not known without it.
    is_needed: bool,
    /// Whether it was whole once.
    was_whole: bool,
}

/// Whether a source is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It has not told all it has yet.
    Connecting,
    /// All that it has is known, and changes are told.
    Synchronised,
    /// It is lost; what it told last is used for a while.
    Lost,
}

impl Phase {
    /// The phase's stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Synchronised => "synchronised",
            Self::Lost => "lost",
        }
    }
}

impl Source {
    /// Whether what it told is believed at `at`.
    fn is_known(&self, at: Timestamp, max_age: Duration) -> bool {
        self.was_whole && (self.phase == Phase::Synchronised || at.since(self.since) < max_age)
    }

    /// Whether it has told all that it has, once.
    pub(crate) fn is_whole(&self) -> bool {
        self.was_whole
    }

    /// Age of what it told, at `at`: nothing while it is there, as silence means that nothing has changed.
    pub(crate) fn age(&self, at: Timestamp) -> Option<Duration> {
        match self.phase {
            Phase::Synchronised => Some(Duration::ZERO),
            Phase::Lost => Some(at.since(self.since)),
            Phase::Connecting => None,
        }
    }
}

impl Sources {
    pub(crate) fn add(&mut self, name: &'static str, place: String, is_needed: bool, at: Timestamp) -> SourceId {
        self.sources.push(Source {
            name,
            place,
            phase: Phase::Connecting,
            since: at,
            told: None,
            error: None,
            is_needed,
            was_whole: false,
        });
        SourceId(self.sources.len() - 1)
    }

    /// Notes that the source is whole. Returns it where that is news.
    pub(crate) fn synchronised(&mut self, id: SourceId, at: Timestamp) -> Option<&Source> {
        let source = &mut self.sources[id.0];
        source.told = Some(at);
        source.error = None;
        source.was_whole = true;
        if source.phase == Phase::Synchronised {
            return None;
        }
        (source.phase, source.since) = (Phase::Synchronised, at);
        Some(source)
    }

    /// Whether all that the source has is known now.
    pub(crate) fn is_synchronised(&self, id: SourceId) -> bool {
        self.sources[id.0].phase == Phase::Synchronised
    }

    /// Whether the source has told all that it has, once.
    pub(crate) fn is_whole(&self, id: SourceId) -> bool {
        self.sources[id.0].is_whole()
    }

    /// Notes that the source told something.
    pub(crate) fn told(&mut self, id: SourceId, at: Timestamp) {
        self.sources[id.0].told = Some(at);
    }

    /// Notes that the source is lost, or still is for another reason. Returns it where that is news.
    pub(crate) fn lost(&mut self, id: SourceId, error: String, at: Timestamp) -> Option<&Source> {
        let source = &mut self.sources[id.0];
        let is_news = source.phase == Phase::Synchronised || source.error.as_ref() != Some(&error);
        if source.phase == Phase::Synchronised {
            (source.phase, source.since) = (Phase::Lost, at);
        }
        source.error = Some(error);
        is_news.then_some(source)
    }

    /// Whether all that the next hops need is known at `at`.
    pub(crate) fn are_known(&self, at: Timestamp, max_age: Duration) -> bool {
        let mut needed = self.sources.iter().filter(|source| source.is_needed).peekable();
        needed.peek().is_some() && needed.all(|source| source.is_known(at, max_age))
    }

    /// Whether each source is there and can be read now. That is what a change rests on: what a source told before it was
    /// lost may be over, and names of zones come from one that the next hops do not need.
    pub(crate) fn are_current(&self) -> bool {
        self.sources.iter().all(|source| source.phase == Phase::Synchronised && source.error.is_none())
    }

    /// Notes that what the source tells now cannot be used; what it told last goes on to hold.
    pub(crate) fn unusable(&mut self, id: SourceId, error: String, at: Timestamp) {
        let source = &mut self.sources[id.0];
        (source.told, source.error) = (Some(at), Some(error));
    }

    /// Whether all sources that the next hops need have this name, and there is one.
    pub(crate) fn are_all_needed(&self, name: &str) -> bool {
        let mut needed = self.sources.iter().filter(|source| source.is_needed).peekable();
        needed.peek().is_some() && needed.all(|source| source.name == name)
    }

    /// When the facts of a lost source will be too old.
    pub(crate) fn next_expiry(&self, max_age: Duration) -> Option<Timestamp> {
        let lost = self.sources.iter().filter(|source| source.is_needed && source.phase == Phase::Lost);
        lost.map(|source| source.since.saturating_add(max_age)).min()
    }

    /// Whether each source has told all that it has, or that it cannot.
    pub(crate) fn are_settled(&self) -> bool {
        self.sources.iter().all(|source| source.was_whole || source.error.is_some())
    }

    pub(crate) fn all(&self) -> &[Source] {
        &self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(300);

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn facts_are_believed_until_their_source_is_lost_for_too_long() {
        let mut sources = Sources::default();
        assert!(!sources.are_known(seconds(0), MAX_AGE), "no source tells no next hops");
        let nb = sources.add("nb", "unix:nb".to_owned(), true, seconds(0));
        let ovs = sources.add("ovs", "unix:ovs".to_owned(), false, seconds(0));
        assert!(!sources.are_known(seconds(1), MAX_AGE));
        assert!(sources.synchronised(nb, seconds(2)).is_some());
        assert!(sources.synchronised(nb, seconds(3)).is_none(), "told once");
        assert!(sources.are_known(seconds(3), MAX_AGE));
        assert!(sources.lost(ovs, "refused".to_owned(), seconds(4)).is_some());
        assert!(sources.are_known(seconds(1_000_000), MAX_AGE), "it is not needed, and silence is no loss");
        assert!(sources.lost(nb, "refused".to_owned(), seconds(10)).is_some());
        assert!(sources.lost(nb, "refused".to_owned(), seconds(11)).is_none(), "told once");
        assert_eq!(sources.next_expiry(MAX_AGE), Some(seconds(310)));
        assert!(sources.are_known(seconds(309), MAX_AGE));
        assert!(!sources.are_known(seconds(310), MAX_AGE));
        assert!(sources.synchronised(nb, seconds(400)).is_some());
        assert!(sources.are_known(seconds(400), MAX_AGE));
    }

    #[test]
    fn a_change_rests_on_sources_that_are_there_now() {
        let mut sources = Sources::default();
        let file = sources.add("nexthops.toml", "n.toml".to_owned(), true, seconds(0));
        let ovs = sources.add("ovs", "unix:ovs".to_owned(), false, seconds(0));
        sources.synchronised(file, seconds(1));
        assert!(!sources.are_current(), "zones have no names yet");
        sources.synchronised(ovs, seconds(2));
        assert!(sources.are_current());
        sources.unusable(file, "line 3: no address".to_owned(), seconds(3));
        assert!(sources.are_known(seconds(1000), MAX_AGE), "verdicts go on by what was told last");
        assert!(!sources.are_current());
        assert!(sources.synchronised(file, seconds(4)).is_none());
        assert!(sources.are_current());
        sources.lost(ovs, "refused".to_owned(), seconds(5));
        assert!(sources.are_known(seconds(5), MAX_AGE) && !sources.are_current());
        sources.synchronised(ovs, seconds(6));
        sources.lost(file, "refused".to_owned(), seconds(7));
        assert!(sources.are_known(seconds(8), MAX_AGE) && !sources.are_current(), "not even a second old");
    }

    #[test]
    fn a_source_that_never_was_whole_is_not_known_however_young() {
        let mut sources = Sources::default();
        let nb = sources.add("nb", "unix:nb".to_owned(), true, seconds(0));
        sources.lost(nb, "refused".to_owned(), seconds(1));
        assert!(!sources.are_known(seconds(1), MAX_AGE));
        assert_eq!(sources.next_expiry(MAX_AGE), None);
    }
}
