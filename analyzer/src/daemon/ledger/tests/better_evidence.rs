//! Each packet is in one verdict.

use analyzer_ebpf::abi::LinkTags;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use crate::engine::finding::Assumes;
use crate::engine::finding::{CitedConnection, CtDirection, Listed};

const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 1, 3]);
const FORMER: Verdict = Verdict::Violating(Violating::FormerNexthop);
const STALE: Verdict = Verdict::Violating(Violating::StaleConntrack);

fn tuple() -> Tuple {
    "udp 10.244.0.5:4000 -> 198.51.100.7:53".parse().unwrap()
}

fn seen(packets: u64) -> Observation {
    let at = Timestamp::from_millis(1_000_000_000_000 + packets);
    Observation {
        nic: 0,
        tags: LinkTags::NONE,
        eth_src: MacAddr([2, 0, 0, 0, 0, 0x0a]),
        eth_dst: GATEWAY,
        tuple: tuple(),
        packets,
        bytes: 60 * packets,
        first: Timestamp::from_millis(1_000_000_000_001),
        last: at,
    }
}

fn assessment(verdict: Verdict, seen: &Observation) -> Assessment {
    let entry = CitedConnection {
        orig: tuple().reversed(),
        reply: tuple(),
        zone: 35,
        zone_name: None,
        direction: CtDirection::Reply,
        label: 0,
        mark: 0,
        reply_eth: GATEWAY,
        reply_port: 2,
    };
    let finding = Finding {
        verdict,
        nic: 0,
        tuple: seen.tuple,
        estimated: false,
        later_fragments: false,
        vlan: Vec::new(),
        eth_src: seen.eth_src,
        eth_dst: Some(seen.eth_dst),
        packets: seen.packets,
        bytes: seen.bytes,
        first_seen: seen.first,
        last_seen: seen.last,
        routes: Listed::default(),
        expected: Listed::default(),
        conntrack: Listed::of(if verdict == STALE { vec![entry] } else { Vec::new() }, 0),
        last_legal: None,
        heard: None,
        assumes: Assumes::default(),
        known_as: Listed::default(),
        evidence: Listed::default(),
    };
    let is_finding = matches!(verdict, Verdict::Info(_) | Verdict::Undetermined(_) | Verdict::Violating(_));
    Assessment { verdict, finding: is_finding.then_some(finding), legal_for: Vec::new() }
}

#[test]
fn packets_go_with_the_finding_that_cites_their_entry() {
    let mut ledger = Ledger::new(10, DefaultHashBuilder::default());
    let now = Timestamp::from_millis(1_000_000_010_000);
    for (key, packets) in [(1, 3), (2, 4)] {
        ledger.judge(key, &seen(packets), assessment(FORMER, &seen(packets)), now);
    }
    assert_eq!(ledger.uncited().count(), 2);
    let better = assessment(STALE, &seen(3));
    assert!(ledger.is_better(&1, &better, now) && !ledger.is_better(&1, &assessment(FORMER, &seen(3)), now));
    let told = ledger.judge(1, &seen(3), better, now);
    assert_eq!((told.booked.packets, told.news.map(|finding| finding.packets)), (0, Some(3)));
    assert!(told.withdrawn.is_none(), "four are left in it");
    // One more has come before the second is judged again.
    let told = ledger.judge(2, &seen(5), assessment(STALE, &seen(5)), now);
    assert_eq!((told.booked.packets, told.withdrawn.map(|finding| finding.packets)), (1, Some(0)));
    assert_eq!(ledger.uncited().count(), 0);
    assert_eq!([FORMER, STALE].map(|verdict| ledger.judged(verdict).packets), [0, 8]);
    assert_eq!([FORMER, STALE].map(|verdict| ledger.judged(verdict).flows), [0, 1]);
    let (findings, summary) = ledger.close_all();
    assert_eq!(findings.iter().map(|finding| (finding.verdict, finding.packets)).collect::<Vec<_>>(), [(STALE, 8)]);
    assert_eq!((summary.violating_packets, summary.violating_flows), (8, 1));
}

#[test]
fn what_was_said_before_an_entry_came_to_nothing_stays() {
    let mut ledger = Ledger::new(10, DefaultHashBuilder::default());
    let now = Timestamp::from_millis(1_000_000_010_000);
    ledger.judge(1, &seen(3), assessment(STALE, &seen(3)), now);
    ledger.judge(1, &seen(5), assessment(FORMER, &seen(5)), now);
    assert_eq!([STALE, FORMER].map(|verdict| ledger.judged(verdict).packets), [3, 2]);
    // What moves is what the last verdict was said of.
    ledger.judge(1, &seen(6), assessment(STALE, &seen(6)), now);
    assert_eq!([STALE, FORMER].map(|verdict| ledger.judged(verdict).packets), [6, 0]);
}

proptest! {
    /// Whatever is said of keys in turn, each packet is in one verdict, in the books and in the findings.
    #[test]
    fn each_packet_is_in_one_verdict(
        steps in proptest::collection::vec((0_u8..4, 0_u64..5, select(Verdict::ALL.to_vec()), any::<bool>()), 0..60),
    ) {
        let mut ledger = Ledger::new(100, DefaultHashBuilder::default());
        let now = Timestamp::from_millis(1_000_000_010_000);
        let mut counted = [0_u64; 4];
        for (key, more, verdict, is_judged) in steps {
            let packets = &mut counted[usize::from(key)];
            *packets += more + u64::from(*packets == 0);
            let seen = seen(*packets);
            let assessment = assessment(verdict, &seen);
            match ledger.known(&key, *packets) {
                Known::More(..) if !is_judged => drop(ledger.count(&key, &seen)),
                Known::Unchanged if !ledger.is_better(&key, &assessment, now) => {}
                _ => drop(ledger.judge(key, &seen, assessment, now)),
            }
        }
        let all: u64 = counted.iter().sum();
        let judged: u64 = Verdict::ALL.iter().map(|&verdict| ledger.judged(verdict).packets).sum();
        prop_assert_eq!(judged, all);
        let found = |verdict: &Verdict| !matches!(verdict, Verdict::NotCovered(_) | Verdict::Grace | Verdict::Conforming);
        let expected: u64 = Verdict::ALL.iter().filter(|verdict| found(verdict)).map(|&of| ledger.judged(of).packets).sum();
        let (findings, _) = ledger.close_all();
        prop_assert_eq!(findings.iter().map(|finding| finding.packets).sum::<u64>(), expected);
    }
}
