//! Sets: classes of a few addresses, outcomes of some of their combinations.

use std::net::{Ipv4Addr, Ipv6Addr};

use analyzer::engine::classes::{Classes, Combination, SourceClass};
use analyzer::types::{IpPrefix, MacAddr};
use analyzer_ebpf::maps::Outcome;
use hashbrown::HashSet;

use crate::SIZES;
use crate::frames::{ADDRS4, ADDRS6, Dice, STATIONS};

/// Ids of classes: of sources, and of destinations. 0 is that of unknown addresses.
const SOURCES: u16 = 5;
const DESTINATIONS: u16 = 3;

/// A set, and what can be learned while it is in force.
pub(crate) struct Set {
    pub(crate) classes: Classes,
    pub(crate) outcomes: Vec<(Combination, Outcome)>,
    pub(crate) legal_macs: HashSet<MacAddr>,
    unknown: Vec<Combination>,
}

impl Set {
    /// An outcome for a combination that has none.
    pub(crate) fn learn(&mut self, dice: &mut Dice) -> Option<(Combination, Outcome)> {
        let combination = self.unknown.pop()?;
        Some((combination, outcome(dice)))
    }
}

/// Some set. One in some dozens cannot be installed.
pub(crate) fn next_set(dice: &mut Dice) -> Set {
    let mut classes = Classes::default();
    for _ in 0..dice.below(14) {
        let class = SourceClass {
            id: 1 + dice.below(SOURCES.into()) as u16,
            is_final: dice.one_in(2),
            is_routed: dice.one_in(2),
        };
        classes.sources.insert(prefix(dice), class);
    }
    // Sometimes no trie has entries, so that its bit is not set.
    if !dice.one_in(3) {
        for _ in 0..dice.below(8) {
            classes.destinations.insert(prefix(dice), 1 + dice.below(DESTINATIONS.into()) as u16);
        }
    }
    let (mut outcomes, mut unknown) = (Vec::new(), Vec::new());
    for combination in combinations() {
        match dice.one_in(3) {
            true => unknown.push(combination),
            false => outcomes.push((combination, outcome(dice))),
        }
    }
    if dice.one_in(30)
        && let Some((_, outcome)) = outcomes.first_mut()
    {
        *outcome = Outcome::conforming(SIZES.nexthops);
    }
    let legal_macs = STATIONS.into_iter().filter(|_| dice.one_in(2)).map(MacAddr).collect();
    // Those that come last are learned first.
    let from = dice.below(unknown.len().max(1));
    unknown.rotate_left(from);
    Set { classes, outcomes, legal_macs, unknown }
}

fn combinations() -> impl Iterator<Item = Combination> {
    let classes = (0..=SOURCES).flat_map(|source| (0..=DESTINATIONS).map(move |destination| (source, destination)));
    let macs = STATIONS.into_iter().flat_map(|src| STATIONS.into_iter().map(move |dst| (src, dst)));
    let macs: Vec<_> = macs.flat_map(|macs| [true, false].map(|is_ipv4| (macs, is_ipv4))).collect();
    classes.flat_map(move |(source, destination)| {
        macs.clone().into_iter().map(move |((src, dst), is_ipv4)| {
            let (eth_src, eth_dst) = (MacAddr(src), MacAddr(dst));
            Combination { source, destination, eth_src, eth_dst, is_ipv4 }
        })
    })
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.below(8) {
        0 => Outcome::NO_ROUTE,
        1 => Outcome::OTHER_SENDER,
        2 => Outcome::ON_LINK,
        3 => Outcome::INBOUND,
        _ => Outcome::conforming(dice.below(SIZES.nexthops as usize) as u32),
    }
}

/// A prefix that holds one of the addresses.
fn prefix(dice: &mut Dice) -> IpPrefix {
    if dice.one_in(3) {
        let addr = Ipv6Addr::from(*dice.pick(&ADDRS6));
        let len = *dice.pick(&[0, 32, 64, 127, 128, 128, 128]);
        return IpPrefix::new(addr.into(), len).expect("it is no longer than the address");
    }
    let addr = Ipv4Addr::from(*dice.pick(&ADDRS4));
    let len = *dice.pick(&[0, 8, 16, 24, 31, 32, 32, 32]);
    IpPrefix::new(addr.into(), len).expect("it is no longer than the address")
}
