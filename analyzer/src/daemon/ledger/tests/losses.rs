//! No packet vanishes, whatever happens to its key.

use analyzer_ebpf::abi::LinkTags;
use proptest::prelude::*;

use super::super::*;
use crate::engine::verdict::{Info, Undetermined, Violating};

const VERDICTS: [Verdict; 5] = [
    Verdict::Conforming,
    Verdict::Grace,
    Verdict::Info(Info::AsymmetricGateway),
    Verdict::Undetermined(Undetermined::NexthopUnresolved),
    Verdict::Violating(Violating::UnknownMac),
];

/// What happens to a key of the kernel.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The kernel counts packets under it.
    Packets(u64),
    /// It is judged.
    Judge(usize),
    /// What is new is booked.
    Book,
    /// It leaves the kernel's map.
    Leave,
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let step = prop_oneof![
        (1..9_u64).prop_map(Step::Packets),
        (0..VERDICTS.len()).prop_map(Step::Judge),
        Just(Step::Book),
        Just(Step::Leave),
    ];
    (0..4_u8, step)
}

fn seen(key: u8, packets: u64) -> Observation {
    Observation {
        nic: 0,
        tags: LinkTags::NONE,
        eth_src: MacAddr([4; 6]),
        eth_dst: MacAddr([2, 0, 0, 0, 0, key]),
        // Two keys count one flow, as those of two generations do.
        tuple: format!("udp 192.0.2.1:{} -> 198.51.100.7:53", key / 2).parse().expect("it is a tuple"),
        packets,
        bytes: packets * 60,
        first: Timestamp::default(),
        last: Timestamp::default(),
    }
}

fn assessment(verdict: Verdict) -> Assessment {
    Assessment { verdict, finding: None, legal_for: Vec::new() }
}

fn judged(ledger: &Ledger<u8>) -> u64 {
    Verdict::ALL.into_iter().map(|verdict| ledger.judged(verdict).packets).sum()
}

proptest! {
    /// Whatever happens in which order, each packet that the kernel counted is in one verdict, or it is lost.
    #[test]
    fn no_packet_vanishes(steps in prop::collection::vec(step(), 0..80), is_read_at_end in any::<bool>()) {
        let mut ledger: Ledger<u8> = Ledger::new(10, DefaultHashBuilder::default());
        let mut map: HashMap<u8, u64> = HashMap::new();
        let (mut counted, mut booked) = (0, 0);
        for (key, step) in steps {
            let Some(&packets) = map.get(&key) else {
                if let Step::Packets(packets) = step {
                    map.insert(key, packets);
                    counted += packets;
                }
                continue;
            };
            let seen = seen(key, packets);
            match step {
                Step::Packets(more) => {
                    map.insert(key, packets + more);
                    counted += more;
                }
                Step::Judge(verdict) => {
                    booked += ledger.judge(key, &seen, assessment(VERDICTS[verdict]), seen.last).booked.packets;
                }
                Step::Book => booked += ledger.count(&key, &seen).map_or(0, |booked| booked.packets),
                Step::Leave => {
                    booked += ledger.close(&key, &seen).map_or(0, |booked| booked.packets);
                    map.remove(&key);
                }
            }
            let pending: u64 = map
                .iter()
                .map(|(key, packets)| packets - ledger.entries.get(key).map_or(0, |entry| entry.packets))
                .sum();
            prop_assert_eq!(judged(&ledger) + ledger.unjudged() + pending, counted);
        }
        // At the end some are booked, and nobody may be able to read the rest.
        for (key, packets) in map.into_iter().filter(|_| is_read_at_end) {
            ledger.count(&key, &seen(key, packets));
        }
        prop_assert!(booked <= judged(&ledger));
        ledger.settle(counted);
        prop_assert_eq!(judged(&ledger) + ledger.unjudged(), counted);
        // To settle again changes nothing.
        let unjudged = ledger.unjudged();
        ledger.settle(counted);
        prop_assert_eq!(ledger.unjudged(), unjudged);
    }
}
