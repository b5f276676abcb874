use analyzer_ebpf::abi::{FlowKey, LinkTags};
use analyzer_ebpf::maps::FlowCounts;

use super::*;
use crate::engine::verdict::{Info, Violating};

const IDLE: Idle = Idle { silent_ns: 100, violating_ns: 1000, past_ns: 1900, harmless_ns: 2000 };
const NONE: [u16; 0] = [];
const INFO: Option<Verdict> = Some(Verdict::Info(Info::AsymmetricGateway));
const VIOLATING: Option<Verdict> = Some(Verdict::Violating(Violating::UnknownMac));

fn suspect(number: u16, mac: u8, last_ns: u64) -> Counted {
    let key = FlowKey {
        src: [192, 0, 2, 1],
        dst: [198, 51, 100, 7],
        eth_dst: [2, 0, 0, 0, 0, mac],
        eth_src: [4; 6],
        tags: LinkTags::NONE,
        tp_src: number,
        tp_dst: 53,
        epoch: 1,
        nw_proto: 17,
        nic: 0,
    };
    Counted { key: Key::V4(key), counts: FlowCounts { packets: 1, bytes: 60, first_ns: 1, last_ns } }
}

fn number(suspect: &Counted) -> u16 {
    match suspect.key {
        Key::V4(key) => key.tp_src,
        other => panic!("{other:?}"),
    }
}

fn held(number: u16, verdict: Option<Verdict>, last_ns: u64) -> Held {
    Held { suspect: suspect(number, 1, last_ns), verdict, is_past: false }
}

fn leaving(held: Vec<Held>, capacity: usize) -> Vec<u16> {
    leaving_of(held, capacity, &IDLE).iter().map(number).collect()
}

#[test]
fn a_new_mac_does_not_stand_behind_the_flood_of_another() {
    let waiting = |due, number, mac| Waiting { due, turn: 0, suspect: suspect(number, mac, 1) };
    let mut all: Vec<Waiting> = (0..1000).map(|number| waiting(Due::First, number, 1)).collect();
    all.extend((0..500).map(|number| waiting(Due::Again, number, 3)));
    all.extend((1000..1200).map(|number| waiting(Due::First, number, 2)));
    take_turns(&mut all);
    let of_new = |waiting: &&Waiting| waiting.suspect.key.eth_dst() == MacAddr([2, 0, 0, 0, 0, 2]);
    assert_eq!(all[..400].iter().filter(of_new).count(), 200);
    assert!(all[..1200].iter().all(|waiting| waiting.due == Due::First));
}

#[test]
fn what_nobody_judged_stays_however_full_the_map() {
    let all = (0..100).map(|number| held(number, None, 1)).collect();
    assert_eq!(leaving(all, 100), NONE);
}

#[test]
fn harmless_flows_give_way_the_most_idle_first_and_no_more_than_needed() {
    let mut all: Vec<Held> = (0..50).map(|number| held(number, INFO, 1500 + u64::from(number))).collect();
    all.extend((50..100).map(|number| held(number, VIOLATING, 1500)));
    assert_eq!(leaving(all.clone(), 100), (0..25).collect::<Vec<_>>());
    // With room for all they stay.
    assert_eq!(leaving(all.clone(), 125), NONE);
    // The reserve is emptied of what is harmless.
    assert_eq!(leaving(all, 0), (0..50).collect::<Vec<_>>());
}

#[test]
fn violating_flows_leave_only_when_they_are_silent() {
    let all = vec![
        held(1, VIOLATING, 999),
        held(2, VIOLATING, 1000),
        held(3, INFO, 2000),
        Held { is_past: true, ..held(4, VIOLATING, 1500) },
        Held { is_past: true, ..held(5, VIOLATING, 1950) },
        Held { is_past: true, ..held(6, None, 1500) },
    ];
    assert_eq!(leaving(all.clone(), 6), [1, 4]);
    assert_eq!(leaving(all, 100), NONE);
    assert_eq!(leaving(vec![held(7, VIOLATING, 99), held(8, INFO, 99), held(9, INFO, 100)], 100), [7, 8]);
}
