//! Labels are written and read by the rules of the release.

use std::net::Ipv4Addr;

use analyzer::types::tuple::proto;

use super::super::conntrack::{Key, Table};
use super::super::parts::Era;
use super::*;

const ZONE: u16 = 35;
const START: Ns = 1_000 * SECOND;
const OLD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
const NEW: MacAddr = MacAddr([0x76, 0x9c, 0x19, 0x34, 0x50, 0x26]);

fn key(nw_proto: u8) -> Key {
    let [src, dst] = [Ipv4Addr::new(10, 244, 1, 10), Ipv4Addr::new(172, 27, 0, 13)].map(IpAddr::from);
    let tp_dst = if nw_proto == proto::ICMP { 0 } else { 5005 };
    Key { tuple: Tuple { src, dst, nw_proto, tp_src: 59_943, tp_dst }, zone: ZONE }
}

/// The MAC that a packet of the pod's is forced to.
fn pinned(table: &Table, version: Version, nw_proto: u8, at: Ns) -> Option<MacAddr> {
    table.pin(version, key(nw_proto), at).map(|(mac, _)| mac)
}

/// A table in which a packet of the client's came in from a MAC.
fn opened(version: Version, nw_proto: u8) -> Table {
    let mut table = Table::default();
    table.request(version, key(nw_proto), OLD, 1, START);
    table
}

#[test]
fn the_first_packet_of_the_client_labels() {
    for version in Version::ALL {
        let table = opened(version, proto::UDP);
        assert_eq!(pinned(&table, version, proto::UDP, START), Some(OLD), "{version:?}");
        let entry = table.get(key(proto::UDP).tuple, ZONE).expect("an entry").clone();
        let reply = label::decode(entry.label, entry.mark).expect("a MAC");
        assert_eq!((reply.eth, reply.port), (OLD, 2));
        assert_eq!(entry.orig, key(proto::UDP).tuple.reversed(), "the client's direction");
    }
}

#[test]
fn a_later_packet_by_another_way_heals_but_in_the_first_era() {
    for version in Version::ALL {
        let mut table = opened(version, proto::UDP);
        let event = table.request(version, key(proto::UDP), NEW, 2, START + SECOND);
        let stays = version.era == Era::A;
        assert_eq!(event.is_none(), stays, "{version:?}");
        let expected = if stays { OLD } else { NEW };
        assert_eq!(pinned(&table, version, proto::UDP, START + SECOND), Some(expected), "{version:?}");
        assert_eq!(table.request(version, key(proto::UDP), NEW, 3, START + 2 * SECOND), None, "nothing new to tell");
    }
}

#[test]
fn a_learned_flow_lives_for_half_a_minute() {
    for version in Version::ALL {
        let mut table = opened(version, proto::UDP);
        for seconds in (5..=60).step_by(5) {
            let at = START + seconds * SECOND;
            let is_honoured = version.era != Era::B || seconds < 30;
            assert_eq!(pinned(&table, version, proto::UDP, at).is_some(), is_honoured, "{version:?} after {seconds} s");
            table.reply(version, key(proto::UDP), OLD, 2, at);
        }
    }
}

#[test]
fn some_releases_label_no_icmp() {
    for version in Version::ALL {
        let is_labelled = !matches!(version.era, Era::B | Era::C);
        let table = opened(version, proto::ICMP);
        assert_eq!(pinned(&table, version, proto::ICMP, START).is_some(), is_labelled, "{version:?}");
    }
}

#[test]
fn pods_open_flows() {
    for version in Version::ALL {
        let mut table = Table::default();
        table.reply(version, key(proto::UDP), NEW, 1, START);
        let by_own_packet = (version.era == Era::F).then_some(NEW);
        assert_eq!(pinned(&table, version, proto::UDP, START), by_own_packet, "{version:?}");
        assert_eq!(table.get(key(proto::UDP).tuple, ZONE).is_some(), version.era >= Era::E, "{version:?}");
        // The answer, by another box, labels in every era: the first ones do not track what a pod sends.
        table.request(version, key(proto::UDP), OLD, 2, START);
        assert_eq!(pinned(&table, version, proto::UDP, START), Some(OLD), "{version:?}");
        let orig = table.get(key(proto::UDP).tuple, ZONE).expect("an entry").orig;
        assert_eq!(orig == key(proto::UDP).tuple, version.era >= Era::E, "{version:?}");
    }
}

#[test]
fn packets_go_where_the_label_says() {
    let mut eras = BTreeSet::new();
    for seed in 0..40 {
        let mut node = Node::new(seed);
        let mut by_label = 0;
        for (_, happening) in happenings(&mut node, HOUR / 6) {
            if let Happening::Out(Out { eth_dst, tuple, by_label: Some(entry), .. }) = happening {
                assert_eq!(label::decode(entry.label, entry.mark).map(|reply| reply.eth), Some(eth_dst));
                assert!(entry.orig == tuple || entry.reply == tuple);
                by_label += 1;
            }
        }
        // A release that leaves lone routes alone may have nothing else.
        if by_label > 0 {
            eras.insert(node.version().era);
        }
    }
    assert_eq!(eras, BTreeSet::from([Era::A, Era::B, Era::C, Era::D, Era::E, Era::F]));
}
