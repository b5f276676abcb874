//! Findings of a run, up to a bound.
//!
//! Where there is no room, what is no violation gives way to what is one. Among equals the MAC that has most findings gives
//! way to a MAC that has fewer, so that a flood to one MAC does not hide another; and of one MAC's findings one of fewer
//! packets gives way to one of more.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use analyzer_ebpf::abi::LinkTags;
use hashbrown::HashMap;

use super::finding::Finding;
use super::observation::Observation;
use super::verdict::Verdict;
use crate::types::{MacAddr, Tuple};

/// A flow: its NIC, its VLANs, its 5-tuple.
pub type Flow = (u8, LinkTags, Tuple);

/// The flow of an observation.
pub fn flow_of(seen: &Observation) -> Flow {
    (seen.nic, LinkTags(seen.tags.0 & LinkTags::FLOW.0), seen.tuple)
}

/// What a finding is counted under.
pub type FindingKey = (Flow, MacAddr, Verdict);

/// Findings that are kept, and how many are not.
#[derive(Debug, Default)]
pub struct BoundedFindings {
    kept: HashMap<FindingKey, Kept>,
    violating: Shares,
    others: Shares,
    omitted: u64,
}

/// A finding, and when it is its turn to give way among those of its MAC.
#[derive(Debug)]
struct Kept {
    finding: Finding,
    turn: u64,
}

/// Keys by MAC and turn, and MACs by the number of their keys.
#[derive(Debug, Default)]
struct Shares {
    by_mac: HashMap<MacAddr, BTreeMap<u64, FindingKey>>,
    by_size: BTreeSet<(usize, MacAddr)>,
    /// The next turn.
    next: u64,
}

impl BoundedFindings {
    /// Keeps a finding of so many packets under a key that has none, unless there are `most` already and none of them gives
    /// way. Returns whether it is kept.
    pub fn keep(&mut self, key: FindingKey, packets: u64, most: usize, finding: impl FnOnce() -> Finding) -> bool {
        if self.kept.len() >= most {
            // One of the two is not in the report.
            self.omitted += 1;
            let Some(given_up) = self.giving_way(&key, packets) else { return false };
            self.remove(&given_up);
        }
        let turn = self.shares(key.2).add(key);
        self.kept.insert(key, Kept { finding: finding(), turn });
        true
    }

    /// Takes a finding out: there is room for another one.
    pub fn remove(&mut self, key: &FindingKey) -> Option<Finding> {
        let Kept { finding, turn } = self.kept.remove(key)?;
        self.shares(key.2).remove(key.1, turn);
        Some(finding)
    }

    /// The finding under a key.
    pub fn get(&self, key: &FindingKey) -> Option<&Finding> {
        self.kept.get(key).map(|kept| &kept.finding)
    }

    /// The finding under a key.
    pub fn get_mut(&mut self, key: &FindingKey) -> Option<&mut Finding> {
        self.kept.get_mut(key).map(|kept| &mut kept.finding)
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.values().map(|kept| &kept.finding)
    }

    /// How many are not kept.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Those that are kept, in no order.
    pub fn into_vec(self) -> Vec<Finding> {
        self.kept.into_values().map(|kept| kept.finding).collect()
    }

    fn shares(&mut self, verdict: Verdict) -> &mut Shares {
        match verdict {
            Verdict::Violating(_) => &mut self.violating,
            _ => &mut self.others,
        }
    }

    fn giving_way(&mut self, (_, mac, verdict): &FindingKey, packets: u64) -> Option<FindingKey> {
        let is_violating = matches!(verdict, Verdict::Violating(_));
        if is_violating && let Some((_, most)) = self.others.largest() {
            return self.others.first(most);
        }
        let shares = if is_violating { &mut self.violating } else { &mut self.others };
        let (size, most) = shares.largest()?;
        if size > shares.size(*mac) + 1 {
            return shares.first(most);
        }
        // Of the same MAC a lighter one gives way; else it is another's turn the next time.
        let first = shares.first(*mac)?;
        let kept = self.kept.get_mut(&first)?;
        if kept.finding.packets < packets {
            return Some(first);
        }
        shares.remove(*mac, kept.turn);
        kept.turn = shares.add(first);
        None
    }
}

impl Shares {
    fn size(&self, mac: MacAddr) -> usize {
        self.by_mac.get(&mac).map_or(0, BTreeMap::len)
    }

    /// The MAC with most keys, and how many it has.
    fn largest(&self) -> Option<(usize, MacAddr)> {
        self.by_size.last().copied()
    }

    /// Adds a key and returns its turn.
    fn add(&mut self, key: FindingKey) -> u64 {
        let turn = self.next;
        self.next += 1;
        self.resized(key.1, |keys| {
            keys.insert(turn, key);
        });
        turn
    }

    fn remove(&mut self, mac: MacAddr, turn: u64) {
        self.resized(mac, |keys| {
            keys.remove(&turn);
        });
    }

    /// The key of the MAC whose turn it is.
    fn first(&self, mac: MacAddr) -> Option<FindingKey> {
        self.by_mac.get(&mac)?.first_key_value().map(|(_, key)| *key)
    }

    fn resized(&mut self, mac: MacAddr, change: impl FnOnce(&mut BTreeMap<u64, FindingKey>)) {
        let keys = self.by_mac.entry(mac).or_default();
        self.by_size.remove(&(keys.len(), mac));
        change(keys);
        let size = keys.len();
        if size == 0 {
            self.by_mac.remove(&mac);
        } else {
            self.by_size.insert((size, mac));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::listed::Listed;
    use crate::types::Timestamp;
    use crate::verdict::{Info, Violating};

    const MOST: usize = 8;

    fn key(port: u16, mac: u8, verdict: Verdict) -> FindingKey {
        let tuple = format!("udp 192.0.2.1:{port} -> 198.51.100.7:53").parse().expect("it is a tuple");
        ((0, LinkTags::NONE, tuple), MacAddr([2, 0, 0, 0, 0, mac]), verdict)
    }

    fn keep(findings: &mut BoundedFindings, key: FindingKey, packets: u64) -> bool {
        findings.keep(key, packets, MOST, || Finding {
            verdict: key.2,
            nic: 0,
            tuple: key.0.2,
            later_fragments: false,
            vlan: Vec::new(),
            eth_src: MacAddr([2; 6]),
            eth_dst: Some(key.1),
            packets,
            bytes: 0,
            estimated: false,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            routes: Listed::default(),
            expected: Listed::default(),
            conntrack: Listed::default(),
            last_legal: None,
            heard: None,
            assumes: Default::default(),
            known_as: Listed::default(),
            evidence: Listed::default(),
        })
    }

    const INFO: Verdict = Verdict::Info(Info::AsymmetricGateway);
    const VIOLATING: Verdict = Verdict::Violating(Violating::UnknownMac);

    #[test]
    fn a_new_mac_gets_room_among_a_flood_to_another() {
        let mut findings = BoundedFindings::default();
        for port in 0..100 {
            assert_eq!(keep(&mut findings, key(port, 1, VIOLATING), 1), usize::from(port) < MOST);
        }
        for port in 0..3 {
            assert!(keep(&mut findings, key(port, 2, VIOLATING), 1));
        }
        let of = |mac| findings.iter().filter(|finding| finding.eth_dst == Some(MacAddr([2, 0, 0, 0, 0, mac]))).count();
        assert_eq!((of(1), of(2), findings.omitted()), (5, 3, 95));
    }

    #[test]
    fn a_heavy_flow_gets_room_among_light_ones_of_its_mac() {
        let mut findings = BoundedFindings::default();
        for port in 0..100 {
            keep(&mut findings, key(port, 1, VIOLATING), 1);
        }
        for port in 100..104 {
            assert!(keep(&mut findings, key(port, 1, VIOLATING), 777));
        }
        assert!(!keep(&mut findings, key(104, 1, VIOLATING), 1));
        assert_eq!(findings.iter().filter(|finding| finding.packets == 777).count(), 4);
    }

    proptest! {
        #[test]
        fn violations_are_kept_first_and_every_finding_is_kept_or_counted(
            all in prop::collection::vec((0..4_u8, any::<bool>(), 1..5_u64), 0..60),
        ) {
            let mut findings = BoundedFindings::default();
            for (port, &(mac, is_violating, packets)) in (0..).zip(&all) {
                keep(&mut findings, key(port, mac, if is_violating { VIOLATING } else { INFO }), packets);
            }
            prop_assert_eq!(findings.kept.len(), all.len().min(MOST));
            prop_assert_eq!(findings.kept.len() + findings.omitted() as usize, all.len());
            let violating = all.iter().filter(|(_, is_violating, _)| *is_violating);
            let macs: BTreeSet<u8> = violating.clone().map(|(mac, ..)| *mac).collect();
            let kept: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == VIOLATING).collect();
            let kept_macs: BTreeSet<Option<MacAddr>> = kept.iter().map(|finding| finding.eth_dst).collect();
            prop_assert_eq!(kept.len(), violating.count().min(MOST));
            prop_assert_eq!(kept_macs.len(), macs.len());
            let held: usize = [&findings.violating, &findings.others]
                .iter()
                .flat_map(|shares| shares.by_mac.values())
                .map(BTreeMap::len)
                .sum();
            prop_assert_eq!(held, findings.kept.len());
        }
    }
}
