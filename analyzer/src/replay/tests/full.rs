//! The flow table when it is full.

use proptest::prelude::*;

use super::wire::{ethernet, ipv4, ipv6, udp};
use super::*;

const START: u64 = 1_654_814_908_000_000;

/// A packet of the flow with this number: odd ones by IPv6.
fn packet(micros: u64, flow: u16) -> Captured {
    let datagram = udp(1000, 5000 + flow, &[0; 10]);
    let frame = if flow % 2 == 1 {
        ethernet(&[], 0x86dd, &ipv6(1, 17, &datagram))
    } else {
        ethernet(&[], 0x0800, &ipv4(1, 17, 1, 0, &datagram))
    };
    Captured::new(START + micros, frame)
}

struct Full {
    observations: Vec<Observation>,
    retired: Vec<Observation>,
    totals: Totals,
}

fn count_bounded(frames: &[Captured], max_flows: usize, threads: usize, conforming_below: u16) -> Full {
    let file = TempFile::new(&pcap(frames));
    let options = Options { max_flows, ..options(threads, 2000) };
    let mut sink = Recorder { conforming_below, ..Recorder::default() };
    let counted = count(&[Input::from(&file.0)], &Default::default(), Epochs::new([]), &options, &mut sink).unwrap();
    let mut observations = Vec::new();
    counted.for_each_observation(|observation| observations.push(*observation));
    Full { observations, retired: sink.retired, totals: counted.totals }
}

fn packets(observations: &[Observation]) -> u64 {
    observations.iter().map(|observation| observation.packets).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_packet_is_accounted_for(
        flows in proptest::collection::vec(0..60u16, 0..1500),
        max_flows in 0..70usize,
        threads in 1..4usize,
        conforming in 0..=60u16,
    ) {
        let frames: Vec<_> = flows.iter().zip(0..).map(|(&flow, micros)| packet(micros, flow)).collect();
        let full = count_bounded(&frames, max_flows, threads, 5000 + conforming);
        prop_assert!(full.observations.len() <= max_flows);
        prop_assert_eq!(full.totals.packets, frames.len() as u64);
        prop_assert_eq!(
            packets(&full.observations) + packets(&full.retired) + full.totals.untracked_packets,
            frames.len() as u64
        );
        prop_assert_eq!(full.totals.retired_observations, full.retired.len() as u64);
        if max_flows >= 60 {
            prop_assert_eq!((full.retired.len(), full.totals.untracked_packets), (0, 0));
        }
        if conforming == 60 {
            // The sink takes over whatever the table refuses.
            prop_assert_eq!(full.totals.untracked_packets, 0);
        }
    }
}

#[test]
fn violating_flows_stay_and_conforming_ones_go() {
    // Twenty conforming flows fill the table before ten violating ones come.
    let conforming = (0..2000u64).map(|index| packet(index, (index % 20) as u16));
    let violating = (0..2000u64).map(|index| packet(10_000 + index, 20 + (index % 10) as u16));
    let frames: Vec<_> = conforming.chain(violating).collect();
    let full = count_bounded(&frames, 20, 1, 5020);
    assert_eq!(full.totals.untracked_packets, 0);
    assert_eq!((packets(&full.observations), packets(&full.retired)), (2000, 2000));
    assert_eq!(full.observations.len(), 10);
}

#[test]
fn nothing_is_lost_silently_when_all_flows_violate() {
    let frames: Vec<_> = (0..3000u64).map(|index| packet(index, (index % 30) as u16)).collect();
    let full = count_bounded(&frames, 10, 1, 0);
    assert_eq!((full.observations.len(), full.retired.len()), (10, 0));
    assert_eq!((packets(&full.observations), full.totals.untracked_packets), (1000, 2000));
}
