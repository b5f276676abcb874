//! Latent entries: which reading of the conntrack table tells of them.
//!
//! A reading that is older than a change of the set holds entries that were healed because of it. So entries are told
//! only from a reading that began after their MAC had been outside the set for the grace period.

use hashbrown::{HashMap, HashSet};

use super::daemon::Daemon;
use super::ledger::Cited;
use crate::engine::finding::{Latent, LatentState};
use crate::types::{MacAddr, Timestamp, Tuple};

/// Latent entries that are looked at, at most.
const MAX_LATENT: usize = 10_000;

/// MACs that left the set, and when.
#[derive(Debug, Default)]
pub(super) struct Departures {
    legal: HashSet<MacAddr>,
    left: HashMap<MacAddr, Timestamp>,
}

impl Departures {
    /// Takes note of the MACs that are legal from `at` on. Returns whether one is no longer.
    fn note(&mut self, legal: HashSet<MacAddr>, at: Timestamp) -> bool {
        let before = std::mem::replace(&mut self.legal, legal);
        self.left.retain(|mac, _| !self.legal.contains(mac));
        let kept = self.left.len();
        self.left.extend(before.difference(&self.legal).map(|&mac| (mac, at)));
        self.left.len() > kept
    }

    /// When a MAC left.
    fn of(&self, mac: MacAddr) -> Option<Timestamp> {
        self.left.get(&mac).copied()
    }

    /// MACs that left after `at`.
    fn after(&self, at: Timestamp) -> impl Iterator<Item = MacAddr> {
        self.left.iter().filter(move |&(_, &left)| left > at).map(|(&mac, _)| mac)
    }

    /// Forgets MACs that left by `before`.
    fn forget(&mut self, before: Timestamp) {
        self.left.retain(|_, left| *left > before);
    }
}

impl Daemon {
    /// Takes note of MACs that left the set at `at`, of the node or of a flow, and asks for the reading that will tell of entries
    /// that hold them: whoever heals them, OVN itself first of all, has the grace period to do so.
    pub(super) fn note_departures(&mut self, at: Timestamp) {
        let read = self.evidence.read().first;
        let grace = self.config.judging.grace;
        self.departures.forget(read.saturating_sub(grace));
        // A MAC may leave the set of some flows alone.
        let has_left = self.evidence.watch(&self.engine, at);
        if self.departures.note(self.engine.legal_macs(at), at) || has_left {
            self.connections.want_from(at.saturating_add(grace));
        }
        if read < self.sighted {
            self.connections.want_from(self.sighted);
        }
    }

    /// Looks in the last reading for labelled entries whose MAC is outside the set, and tells of those that are new. Of a
    /// reading from before the next hops were known nothing is told.
    pub(super) fn look_for_latent(&mut self, at: Timestamp) {
        let read = self.evidence.read().clone();
        if !self.is_sighted || read.first < self.sighted {
            return;
        }
        for tuple in std::mem::take(&mut self.latent_tuples) {
            self.engine.set_connections(tuple, Vec::new());
        }
        let settled = read.last().saturating_sub(self.config.judging.grace);
        let recent = self.departures.after(settled).collect();
        self.latent_tuples = self.evidence.tell_outside(&recent, MAX_LATENT, &mut self.engine, at);
        let conforming = if self.latent_tuples.is_empty() { Vec::new() } else { self.conforming_now() };
        let mut latent = self.engine.latent(at, conforming);
        latent.retain(|latent| self.is_settled(latent, read.of(latent.connection.zone)));
        self.latent = latent;
        self.latent_at = at;
        let cited = self.ledger.cited();
        self.leave_out_cited(&cited);
        self.alerting.latent(&self.latent, &cited, at);
        let known = std::mem::take(&mut self.known_latent);
        for latent in &self.latent {
            let entry = &latent.connection;
            let key = (entry.zone, entry.orig, entry.reply_eth, latent.state);
            if !known.contains(&key) {
                self.news.latent(latent);
            }
            self.known_latent.insert(key);
        }
    }

    /// Whether an entry that was asked for at `read` may be told: its MAC had been outside the set for the grace period.
    fn is_settled(&self, latent: &Latent, read: Timestamp) -> bool {
        let own = latent.last_legal.as_ref().map(|last| last.until);
        let left = self.departures.of(latent.connection.reply_eth).max(own);
        left.is_none_or(|left| left.saturating_add(self.config.judging.grace) <= read)
    }

    /// Flows that left to a legal next hop since the set is what it is, and not to another MAC since, as far as samples
    /// and what was suspect at first show it. A label whose MAC is outside the set is older than they are.
    pub(super) fn conforming_now(&mut self) -> Vec<(Tuple, Timestamp, MacAddr)> {
        let conforming = self.conforming();
        let violations = self.ledger.last_violations();
        let present = conforming.iter().filter(|seen| self.is_present(&seen.key)).map(|seen| self.observation(seen));
        present
            .filter(|seen| violations.get(&seen.tuple).is_none_or(|&last| last < seen.last))
            .map(|seen| (seen.tuple, seen.last, seen.eth_dst))
            .collect()
    }

    /// Leaves out latent entries whose flow was seen to follow them: these are findings. That it follows one no longer is
    /// told all the same.
    pub(super) fn leave_out_cited(&mut self, cited: &Cited) {
        let looked_at = self.latent_at;
        self.latent.retain(|latent| {
            let entry = &latent.connection;
            let last = cited.get(&(entry.orig, entry.zone, entry.reply_eth));
            last.is_none_or(|&last| latent.state == LatentState::Unused && last <= looked_at)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_are_kept_until_a_reading_is_past_them() {
        let at = Timestamp::from_nanos;
        let [a, b, c] = [1, 2, 3].map(|last| MacAddr([2, 0, 0, 0, 1, last]));
        let mut departures = Departures::default();
        assert!(!departures.note(HashSet::from([a, b]), at(1)));
        assert!(departures.note(HashSet::from([a, c]), at(2)));
        assert!(departures.note(HashSet::from([c]), at(3)));
        assert!(!departures.note(HashSet::from([c]), at(4)));
        assert_eq!([a, b, c].map(|mac| departures.of(mac)), [Some(at(3)), Some(at(2)), None]);
        assert_eq!(departures.after(at(2)).collect::<Vec<_>>(), [a]);
        // One that comes back is outside no more, and leaves anew.
        assert!(!departures.note(HashSet::from([a, c]), at(5)));
        assert_eq!(departures.of(a), None);
        assert!(departures.note(HashSet::from([c]), at(6)));
        departures.forget(at(2));
        assert_eq!([a, b].map(|mac| departures.of(mac)), [Some(at(6)), None]);
    }
}
