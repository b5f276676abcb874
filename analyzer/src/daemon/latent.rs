//! Latent entries: which reading of the conntrack table tells of them.
//!
//! A reading that is older than a change of the set holds entries that were healed because of it. So entries are told
//! only from a reading that began after their MAC had been outside the set for the grace period.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::around::Around;
use super::effect::Effect;
use super::event::Begun;
use super::evidence::Evidence;
use super::ledger::Cited;
use super::suspects::Suspects;
use crate::engine::Engine;
use crate::engine::fact::Connection;
use crate::engine::finding::{Latent, LatentState};
use crate::types::{MacAddr, Timestamp, Tuple};

/// Latent entries that are looked at, at most.
const MAX_LATENT: usize = 10_000;

/// MACs that left the set, and when.
#[derive(Debug, Default)]
struct Departures {
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

/// Latent entries, as the last look found them.
#[derive(Debug, Default)]
pub(crate) struct Latents {
    departures: Departures,
    entries: Vec<Latent>,
    looked_at: Timestamp,
    /// Tuples under which they were told to the engine.
    told: Vec<Tuple>,
    /// Those of the look before.
    known: HashSet<(u16, Tuple, MacAddr, LatentState)>,
}

impl Latents {
    /// The entries.
    pub(crate) fn entries(&self) -> &[Latent] {
        &self.entries
    }

    /// The entries, at the end of the run.
    pub(crate) fn into_entries(self) -> Vec<Latent> {
        self.entries
    }

    /// How many are in this state.
    pub(crate) fn count(&self, state: LatentState) -> u64 {
        self.entries.iter().filter(|latent| latent.state == state).count() as u64
    }

    /// Takes note of the MACs that are legal from `at` on. Returns whether one is no longer. Those that left the grace period
    /// before the last reading, which began at `read`, need not be known any more.
    fn note(&mut self, legal: HashSet<MacAddr>, read: Timestamp, grace: Duration, at: Timestamp) -> bool {
        self.departures.forget(read.saturating_sub(grace));
        self.departures.note(legal, at)
    }

    /// Tells the engine the entries of the last reading that may be latent, and no others. Returns whether there are any.
    fn tell(&mut self, evidence: &mut Evidence, engine: &mut Engine, grace: Duration, at: Timestamp) -> bool {
        for tuple in std::mem::take(&mut self.told) {
            engine.set_connections(tuple, Vec::new());
        }
        let settled = evidence.read().last().saturating_sub(grace);
        let recent = self.departures.after(settled).collect();
        self.told = evidence.tell_outside(&recent, MAX_LATENT, engine, at);
        !self.told.is_empty()
    }

    /// Takes over what the engine finds latent, but for what is not settled by the reading, which began at `read`.
    fn take(&mut self, mut found: Vec<Latent>, read: &Begun, grace: Duration, at: Timestamp) {
        found.retain(|latent| self.is_settled(latent, read.of(latent.connection.zone), grace));
        (self.entries, self.looked_at) = (found, at);
    }

    /// Whether an entry that was asked for at `read` may be told: its MAC had been outside the set for the grace period.
    fn is_settled(&self, latent: &Latent, read: Timestamp, grace: Duration) -> bool {
        let own = latent.last_legal.as_ref().map(|last| last.until);
        let left = self.departures.of(latent.connection.reply_eth).max(own);
        left.is_none_or(|left| left.saturating_add(grace) <= read)
    }

    /// Takes note of MACs that left the set at `at`, of the node or of a flow, and asks for the reading that will tell of entries
    /// that hold them: whoever heals them, OVN itself first of all, has the grace period to do so. The next hops are known
    /// since `sighted`.
    pub(super) fn note_departures(&mut self, around: &mut Around<'_>, sighted: Timestamp, grace: Duration) {
        let Around { now: at, engine, evidence, connections, .. } = around;
        let read = evidence.read().first;
        // A MAC may leave the set of some flows alone.
        let has_left = evidence.watch(engine, *at);
        if self.note(engine.legal_macs(*at), read, grace, *at) || has_left {
            connections.want_from(at.saturating_add(grace));
        }
        if read < sighted {
            connections.want_from(sighted);
        }
    }

    /// Looks in the last reading for labelled entries whose MAC is outside the set, and tells of those that are new. Of a
    /// reading from before the next hops were known, which they are since `sighted`, nothing is told.
    pub(super) fn look(&mut self, suspects: &Suspects, around: &mut Around<'_>, sighted: Timestamp, grace: Duration) {
        let Around { now: at, kernel, engine, evidence, alerting, voice, .. } = around;
        let read = evidence.read().clone();
        if read.first < sighted {
            return;
        }
        let is_any = self.tell(evidence, engine, grace, *at);
        let conforming = if is_any { suspects.conforming_now(kernel, voice) } else { Vec::new() };
        self.take(engine.latent(*at, conforming), &read, grace, *at);
        let cited = suspects.books().cited();
        self.leave_out_cited(&cited);
        alerting.latent(self.entries(), &cited, *at);
        for latent in self.news() {
            voice.ask(Effect::Latent(Box::new(latent.clone())));
        }
    }

    /// Leaves out entries whose flow was seen to follow them: these are findings. That it follows one no longer is told all the
    /// same.
    pub(crate) fn leave_out_cited(&mut self, cited: &Cited) {
        let looked_at = self.looked_at;
        self.entries.retain(|latent| {
            let entry = &latent.connection;
            let last = cited.get(&(entry.orig, entry.zone, entry.reply_eth));
            last.is_none_or(|&last| latent.state == LatentState::Unused && last <= looked_at)
        });
    }

    /// Leaves out an entry that was healed: until the next look it would be found stale.
    pub(crate) fn leave_out_healed(&mut self, healed: &Connection) {
        self.entries.retain(|latent| (latent.connection.zone, latent.connection.orig) != (healed.zone, healed.orig));
    }

    /// Those that were not there when this was asked last.
    fn news(&mut self) -> Vec<&Latent> {
        let known = std::mem::take(&mut self.known);
        let key = |latent: &Latent| {
            let entry = &latent.connection;
            (entry.zone, entry.orig, entry.reply_eth, latent.state)
        };
        self.known = self.entries.iter().map(key).collect();
        self.entries.iter().filter(|latent| !known.contains(&key(latent))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assumes::Assumes;
    use crate::engine::finding::{CitedConnection, CtDirection, Listed};

    const GRACE: Duration = Duration::from_nanos(10);
    const DEAD: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn latent(port: u16, state: LatentState) -> Latent {
        let orig: Tuple = format!("udp 10.0.0.5:{port} -> 198.51.100.7:53").parse().unwrap();
        let (direction, label) = (CtDirection::Reply, 0);
        let (reply, zone_name, mark) = (orig.reversed(), None, 0);
        let connection = CitedConnection {
            orig,
            reply,
            zone: 35,
            zone_name,
            direction,
            label,
            mark,
            reply_eth: DEAD,
            reply_port: 2,
        };
        Latent {
            state,
            connection,
            routes: Listed::default(),
            expected: Listed::default(),
            last_legal: None,
            assumes: Assumes::default(),
            known_as: Listed::default(),
            evidence: Listed::default(),
        }
    }

    #[test]
    fn entries_are_told_by_a_reading_from_after_the_grace_period() {
        let mut latents = Latents::default();
        latents.note(HashSet::from([DEAD]), at(0), GRACE, at(1));
        assert!(latents.note(HashSet::new(), at(0), GRACE, at(100)));
        for (read, told) in [(99, 0), (109, 0), (110, 1)] {
            latents.take(vec![latent(1, LatentState::Armed)], &Begun::from(at(read)), GRACE, at(read));
            assert_eq!(latents.entries().len(), told, "read at {read}");
        }
    }

    #[test]
    fn each_is_news_once_as_long_as_it_is_there() {
        let mut latents = Latents::default();
        let mut told = |entries: &[(u16, LatentState)]| {
            let entries = entries.iter().map(|&(port, state)| latent(port, state)).collect();
            latents.take(entries, &Begun::from(at(1)), GRACE, at(1));
            latents.news().iter().map(|latent| latent.connection.orig.tp_src).collect::<Vec<_>>()
        };
        assert_eq!(told(&[(1, LatentState::Armed), (2, LatentState::Armed)]), [1, 2]);
        assert_eq!(told(&[(1, LatentState::Armed), (2, LatentState::Unused)]), [2]);
        assert_eq!(told(&[(2, LatentState::Unused)]), [0_u16; 0]);
        assert_eq!(told(&[(1, LatentState::Armed)]), [1]);
    }

    #[test]
    fn what_findings_cite_or_was_healed_is_left_out() {
        let mut latents = Latents::default();
        let entries = || [1, 2, 3].map(|port| latent(port, LatentState::Armed)).into();
        latents.take(entries(), &Begun::from(at(5)), GRACE, at(5));
        let entry = latents.entries()[0].connection.clone();
        latents.leave_out_cited(&Cited::from_iter([((entry.orig, 35, DEAD), at(4))]));
        assert_eq!(latents.count(LatentState::Armed), 2);
        // It followed the label before the look that found it unused: that it does so no longer is told.
        latents.take(vec![latent(1, LatentState::Unused)], &Begun::from(at(6)), GRACE, at(6));
        for (last, left) in [(6, 1), (7, 0)] {
            latents.leave_out_cited(&Cited::from_iter([((entry.orig, 35, DEAD), at(last))]));
            assert_eq!(latents.count(LatentState::Unused), left, "followed at {last}");
        }
        latents.take(entries(), &Begun::from(at(8)), GRACE, at(8));
        let CitedConnection { orig, reply, zone, mark, label, .. } = entry;
        latents.leave_out_healed(&Connection {
            orig,
            reply,
            zone,
            mark,
            label,
            id: None,
            offloaded: false,
            dying: false,
        });
        assert_eq!(latents.entries().len(), 2);
    }

    #[test]
    fn departures_are_kept_until_a_reading_is_past_them() {
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
