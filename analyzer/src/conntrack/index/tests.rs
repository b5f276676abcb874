use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::types::tuple::proto;

const LABEL: u128 = 0x2ce73296639a400000000;

fn v4(number: u32) -> Connection {
    let [a, b, c, d] = number.to_be_bytes();
    let orig = Tuple {
        src: Ipv4Addr::new(172, a, b, c).into(),
        dst: Ipv4Addr::new(10, 244, c, d).into(),
        nw_proto: proto::UDP,
        tp_src: number as u16,
        tp_dst: 53,
    };
    let label = LABEL + (u128::from(number % 7) << 32);
    let (reply, id) = (orig.reversed(), Some(number));
    Connection { orig, reply, zone: 35, mark: 0, label, id, offloaded: false, dying: false }
}

fn v6(number: u32) -> Connection {
    let mut connection = v4(number);
    connection.orig.src = Ipv6Addr::from(0xfd00 << 112 | u128::from(number)).into();
    connection.orig.dst = Ipv6Addr::from(0xfd01 << 112 | u128::from(number >> 8)).into();
    connection.reply = connection.orig.reversed();
    connection
}

fn translated(mut connection: Connection) -> Connection {
    connection.reply.src = match connection.reply.src {
        std::net::IpAddr::V4(_) => Ipv4Addr::new(192, 168, 0, 9).into(),
        std::net::IpAddr::V6(_) => Ipv6Addr::from(0xfd02 << 112 | 9).into(),
    };
    connection.reply.tp_src = 5353;
    connection
}

#[test]
fn bytes_per_entry() {
    // 57,345 and 114,689 entries are the worst numbers: the hash table has just doubled.
    for count in [57_345, 100_000, 114_689] {
        for (form, make, budget) in [
            ("v4", &v4 as &dyn Fn(u32) -> Connection, 96),
            ("v6", &v6, 96),
            ("translated v4", &|number| translated(v4(number)), 96),
            ("translated v6", &|number| translated(v6(number)), 128),
            ("half v4, half v6", &|number| if number % 2 == 0 { v4(number) } else { v6(number) }, 96),
        ] {
            let mut index = LabelledIndex::new(usize::MAX);
            (0..count).for_each(|number| assert!(index.insert(&make(number))));
            assert_eq!(index.len(), count as usize);
            let per_entry = index.bytes().div_ceil(index.len());
            println!("{form:<18} {count:>7} entries: {per_entry} bytes each");
            assert!(per_entry <= budget, "{form}: {per_entry}");
        }
    }
}

#[test]
fn memory_goes_with_the_entries() {
    let mut index = LabelledIndex::new(usize::MAX);
    let entries: Vec<_> = (0..20_000).map(|number| translated(v4(number))).collect();
    entries.iter().for_each(|connection| assert!(index.insert(connection)));
    let full = index.bytes();
    for connection in &entries[100..] {
        assert!(index.remove(connection.orig, connection.zone, connection.id));
    }
    assert!(index.bytes() < full / 20, "{} of {full}", index.bytes());
    assert!(entries[..100].iter().all(|connection| index.of(connection.reply).eq([connection.clone()])));
}

#[test]
fn what_is_not_kept() {
    let mut index = LabelledIndex::new(2);
    let kept = v4(1);
    assert!(index.insert(&kept));
    for not_kept in [
        Connection { label: 0, ..v4(2) },
        // Bits beside the MAC's, as ACLs set them.
        Connection { label: 7 << 80 | 3, mark: 131_072, ..v4(2) },
        Connection { dying: true, ..v4(2) },
        // No such entry can be.
        Connection { reply: v6(2).reply, ..v4(2) },
    ] {
        assert!(!index.insert(&not_kept), "{not_kept:?}");
    }
    assert_eq!((index.iter().collect::<Vec<_>>(), index.refused()), (vec![kept.clone()], 0));
    // An entry that loses its label goes.
    assert!(!index.insert(&Connection { label: 0, ..kept }));
    assert!(index.is_empty());
    for (number, kept) in [(1, true), (2, true), (3, false), (2, true)] {
        assert_eq!(index.insert(&v4(number)), kept);
    }
    assert_eq!((index.len(), index.refused()), (2, 1));
}

#[test]
fn removed_by_the_id_of_its_own() {
    let mut index = LabelledIndex::new(10);
    let connection = v6(7);
    index.insert(&connection);
    assert!(!index.remove(connection.orig, connection.zone, Some(8)));
    assert!(!index.remove(connection.orig, 36, Some(7)));
    assert!(!index.remove(connection.reply, connection.zone, Some(7)));
    assert!(index.remove(connection.orig, connection.zone, Some(7)));
    index.insert(&Connection { id: None, ..connection.clone() });
    assert!(index.remove(connection.orig, connection.zone, Some(7)));
    index.insert(&connection);
    assert!(index.remove(connection.orig, connection.zone, None));
}

#[test]
fn tags_stay_with_their_entries() {
    let mut index = LabelledIndex::new(1000);
    let made = |number| if number % 2 == 0 { v4(number) } else { v6(number) };
    (0..70).for_each(|number| assert!(index.insert(&made(number))));
    let mut shared = 0;
    index.tag(false, |entry, tag, is_shared| {
        assert_eq!(tag, UNTAGGED);
        shared += u32::from(is_shared);
        entry.id.unwrap()
    });
    assert_eq!(shared, 0, "each has a flow of its own");
    for number in 0..10 {
        let gone = made(number);
        assert!(index.remove(gone.orig, gone.zone, None));
    }
    let tagged = |index: &LabelledIndex, tag: u32| index.tagged(|known| known == tag).collect::<Vec<_>>();
    (0..10).for_each(|number| assert_eq!(tagged(&index, made(number).id.unwrap()), []));
    (10..70).for_each(|number| assert_eq!(tagged(&index, made(number).id.unwrap()), [made(number)]));

    // Another entry of a flow: both are to be tagged anew.
    let other = Connection { zone: 36, orig: made(12).reply, reply: made(12).orig, ..made(12) };
    assert!(index.insert(&other));
    let mut seen = Vec::new();
    index.tag(false, |entry, _, is_shared| {
        seen.push((entry.zone, is_shared));
        7
    });
    seen.sort_unstable();
    assert_eq!(seen, [(made(12).zone, true), (36, true)]);
    index.tag(true, |_, tag, _| if tag == 7 { 8 } else { tag });
    assert_eq!(tagged(&index, 8).len(), 2);
}

/// The hash is another one in each index, so a hundred of them meet what one meets by luck.
#[test]
fn an_entry_takes_the_tags_of_its_own_flow_alone() {
    for _ in 0..100 {
        let mut index = LabelledIndex::new(1000);
        let made = |number| if number % 2 == 0 { v4(number) } else { v6(number) };
        (0..200).for_each(|number| assert!(index.insert(&made(number))));
        index.tag(true, |_, _, _| 7);
        (200..300).for_each(|number| assert!(index.insert(&made(number))));
        assert_eq!(index.tagged(|tag| tag == 7).count(), 200);
    }
}

/// A table that is nothing but the rules.
#[derive(Default)]
struct Model(HashMap<(Tuple, u16), Connection>);

impl Model {
    fn insert(&mut self, connection: &Connection) {
        self.0.remove(&(connection.orig, connection.zone));
        if !connection.dying && label::decode(connection.label, connection.mark).is_some() {
            self.0.insert((connection.orig, connection.zone), connection.clone());
        }
    }

    fn remove(&mut self, orig: Tuple, zone: u16, id: Option<u32>) -> bool {
        let Some(known) = self.0.get(&(orig, zone)) else { return false };
        if id.is_some() && known.id.is_some() && id != known.id {
            return false;
        }
        self.0.remove(&(orig, zone)).is_some()
    }
}

/// A few tuples, so that entries meet.
fn any_tuple() -> impl Strategy<Value = Tuple> {
    let protos = prop::sample::select(vec![proto::UDP, proto::TCP, proto::ICMP, proto::ICMPV6, proto::GRE]);
    (any::<bool>(), 0..4_u8, 0..4_u8, protos, 0..3_u16, prop::sample::select(vec![0, 1, 2, 2048, 32768, 33024]))
        .prop_map(|(is_v4, src, dst, nw_proto, tp_src, tp_dst)| {
            let address = |last: u8| match is_v4 {
                true => Ipv4Addr::new(10, 0, 0, last).into(),
                false => Ipv6Addr::from(u128::from(last)).into(),
            };
            Tuple { src: address(src), dst: address(dst), nw_proto, tp_src, tp_dst }
        })
}

fn any_connection() -> impl Strategy<Value = Connection> {
    let labels = prop::sample::select(vec![0, LABEL, LABEL + (1 << 32), u128::MAX]);
    let rest = (0..3_u16, prop::sample::select(vec![0, 131_072]), labels, prop::option::of(0..3_u32), 0..16_u8);
    (any_tuple(), any_tuple(), any::<bool>(), rest).prop_map(|(orig, other, is_translated, rest)| {
        let (zone, mark, label, id, flags) = rest;
        let is_like = other.src.is_ipv4() == orig.src.is_ipv4();
        let reply = match is_translated && is_like {
            true => Tuple { nw_proto: orig.nw_proto, ..other },
            false => orig.reversed(),
        };
        Connection { orig, reply, zone, mark, label, id, offloaded: flags & 1 == 1, dying: flags == 14 }
    })
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Connection),
    Remove(Tuple, u16, Option<u32>),
    /// Removes what the model holds at this place.
    RemoveKnown(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => any_connection().prop_map(Step::Insert),
        1 => (any_tuple(), 0..3_u16, prop::option::of(0..3_u32)).prop_map(|(orig, zone, id)| Step::Remove(orig, zone, id)),
        3 => any::<usize>().prop_map(Step::RemoveKnown),
    ]
}

fn words(entries: impl Iterator<Item = Connection>) -> Vec<String> {
    let mut words: Vec<_> = entries.map(|connection| format!("{connection:?}")).collect();
    words.sort_unstable();
    words
}

proptest! {
    #[test]
    fn like_the_model(steps in prop::collection::vec(any_step(), 1..300)) {
        let (mut index, mut model) = (LabelledIndex::new(usize::MAX), Model::default());
        let mut tuples = BTreeSet::new();
        for step in steps {
            match step {
                Step::Insert(connection) => {
                    tuples.extend([connection.orig, connection.reply, connection.orig.reversed(), connection.reply.reversed()]);
                    index.insert(&connection);
                    model.insert(&connection);
                }
                Step::Remove(orig, zone, id) => {
                    prop_assert_eq!(index.remove(orig, zone, id), model.remove(orig, zone, id));
                }
                Step::RemoveKnown(at) => {
                    let mut keys: Vec<_> = model.0.keys().copied().collect();
                    keys.sort_unstable();
                    if !keys.is_empty() {
                        let (orig, zone) = keys[at % keys.len()];
                        prop_assert!(index.remove(orig, zone, None));
                        model.remove(orig, zone, None);
                    }
                }
            }
            prop_assert_eq!(index.len(), model.0.len());
        }
        prop_assert_eq!(words(index.iter()), words(model.0.values().cloned()));
        for zone in 0..3 {
            let expected = model.0.values().filter(|connection| connection.zone == zone).cloned();
            prop_assert_eq!(words(index.by_zone(zone)), words(expected));
        }
        for tuple in tuples {
            let is_it = |connection: &&Connection| connection.orig == tuple || connection.reply == tuple;
            prop_assert_eq!(words(index.of(tuple)), words(model.0.values().filter(is_it).cloned()), "{}", tuple);
        }
    }
}
