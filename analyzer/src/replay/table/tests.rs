//! The table against the standard library's map.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use analyzer_ebpf::abi::FlowKey;
use proptest::prelude::*;

use super::*;
use crate::replay::key::{Words4, Words6};
use crate::types::Timestamp;

/// A key whose hash has few values, so that tags deceive and probe sequences are long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
struct Colliding(u64);

impl Words for Colliding {
    type Addr = Ipv4Addr;
    type Align = u64;
    const ZERO: Self = Self(0);

    fn pack(_: &FlowKey<Ipv4Addr>) -> Self {
        Self::ZERO
    }

    fn unpack(&self) -> FlowKey<Ipv4Addr> {
        unreachable!("no test asks for it")
    }

    fn flow(&self) -> Self {
        *self
    }

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn hash(&self, _: &Seed) -> u64 {
        ((self.0 % 3) << 50) | (self.0 % 7)
    }
}

fn counts(packets: u64, first: u64, last: u64) -> Counts {
    let (first, last) = (Timestamp::from_nanos(first), Timestamp::from_nanos(last));
    Counts { packets, bytes: packets * 100, first, last }
}

fn add<W: Words>(table: &mut FlowTable<W>, words: W, added: &Counts, limit: usize) -> Result<(), Full> {
    let hash = table.prefetch(&words);
    let candidate = table.candidate(hash);
    table.add(&words, hash, candidate, added, limit)
}

fn content<W: Words>(table: &FlowTable<W>) -> Vec<(W, Counts)> {
    table.entries().map(|entry| (entry.words, entry.counts)).collect()
}

#[test]
fn an_ipv4_entry_is_one_cache_line() {
    assert_eq!((size_of::<Entry<Words4>>(), align_of::<Entry<Words4>>()), (64, 64));
    assert_eq!(size_of::<Entry<Words6>>(), 96);
}

#[test]
fn growth_loses_nothing() {
    let mut table = FlowTable::new(Seed::random());
    for round in 0..2 {
        for flow in 0..20_000u64 {
            add(&mut table, [flow, 0, 0, flow], &counts(1, flow + round, flow + round), usize::MAX).unwrap();
        }
    }
    assert_eq!(table.len(), 20_000);
    for (index, (words, found)) in content(&table).into_iter().enumerate() {
        let flow = index as u64;
        assert_eq!((words, found), ([flow, 0, 0, flow], counts(2, flow, flow + 1)));
    }
}

#[test]
fn candidates_overtaken_by_an_insertion() {
    let mut table: FlowTable<Words4> = FlowTable::new(Seed::random());
    let words = [1, 2, 3, 4];
    let hash = table.prefetch(&words);
    let (first, second) = (table.candidate(hash), table.candidate(hash));
    table.add(&words, hash, first, &counts(1, 5, 5), 1).unwrap();
    table.add(&words, hash, second, &counts(1, 3, 3), 1).unwrap();
    assert_eq!(content(&table), [(words, counts(2, 3, 5))]);
}

#[derive(Clone, Debug)]
enum Op {
    Add { flow: u64, counts: Counts },
    Retain { modulus: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let add = (0..200u64, 1..9u64, 0..99u64, 0..99u64).prop_map(|(flow, packets, one, other)| Op::Add {
        flow,
        counts: counts(packets, one.min(other), one.max(other)),
    });
    prop_oneof![50 => add, 1 => (1..4u64).prop_map(|modulus| Op::Retain { modulus })]
}

proptest! {
    #[test]
    fn like_a_map(ops in proptest::collection::vec(op(), 0..2000), limit in 0..250usize) {
        let mut table = FlowTable::new(Seed::random());
        let mut model: HashMap<u64, Counts> = HashMap::new();
        for op in ops {
            match op {
                Op::Add { flow, counts } => {
                    let is_full = model.len() >= limit && !model.contains_key(&flow);
                    prop_assert_eq!(add(&mut table, Colliding(flow), &counts, limit).is_err(), is_full);
                    if !is_full {
                        let found = model.entry(flow).or_insert(Counts { packets: 0, bytes: 0, ..counts });
                        found.packets += counts.packets;
                        found.bytes += counts.bytes;
                        found.first = found.first.min(counts.first);
                        found.last = found.last.max(counts.last);
                    }
                }
                Op::Retain { modulus } => {
                    table.retain(|entry| entry.words.0.is_multiple_of(modulus));
                    model.retain(|flow, _| flow.is_multiple_of(modulus));
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let mut found = content(&table);
        found.sort_by_key(|&(words, _)| words);
        let mut expected: Vec<_> = model.into_iter().map(|(flow, counts)| (Colliding(flow), counts)).collect();
        expected.sort_by_key(|&(words, _)| words);
        prop_assert_eq!(found, expected);
    }
}
