//! The ways of a packet through the maps.

use analyzer_ebpf::maps::{Counter, Outcome, RESERVE_PER_MAC, event_kind, mac_to_u64, mapped, name, program};
use aya::maps::{HashMap, PerCpuArray, RingBuf};

use crate::kernel::{GENERATION, Kernel, NIC};
use crate::netns;

const SOURCE: [u8; 4] = [10, 244, 0, 5];
const DESTINATION: [u8; 4] = [198, 51, 100, 7];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 0xc];

/// `class_flag::FINAL`.
const FINAL: u16 = 1;

/// A UDP packet of 46 bytes.
fn udp(eth_dst: [u8; 6], eth_src: [u8; 6], src: [u8; 4], dst: [u8; 4], tp_src: u16) -> Vec<u8> {
    let mut frame = [eth_dst, eth_src].concat();
    frame.extend([8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0]);
    frame.extend([src, dst].concat());
    frame.extend(tp_src.to_be_bytes());
    frame.extend([0x13, 0x88, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame
}

/// Makes a source known, in the generation of the tests and the one after it.
fn know(kernel: &mut Kernel, src: [u8; 4], class: u16, flags: u16) {
    let words = [class, class, flags, flags];
    let entry: [u8; 8] = words.map(u16::to_ne_bytes).concat().try_into().unwrap();
    let mut hosts =
        HashMap::<_, [u8; 4], [u8; 8]>::try_from(kernel.ebpf.map_mut(name::HOST_SOURCES4).unwrap()).unwrap();
    hosts.insert(src, entry, 0).unwrap();
}

/// Installs an outcome for packets between [`ROUTER`] and a MAC.
fn decide(kernel: &mut Kernel, generation: u32, classes: (u16, u16), eth_dst: [u8; 6], outcome: Outcome) {
    let mut key = generation.to_ne_bytes().to_vec();
    key.extend(classes.0.to_ne_bytes());
    key.extend(classes.1.to_ne_bytes());
    key.extend([ROUTER, eth_dst].concat());
    key.extend(1_u32.to_ne_bytes());
    let key: [u8; 24] = key.try_into().unwrap();
    let mut outcomes = HashMap::<_, [u8; 24], u32>::try_from(kernel.ebpf.map_mut(name::OUTCOMES).unwrap()).unwrap();
    outcomes.insert(key, outcome.0, 0).unwrap();
}

fn nexthop(kernel: &Kernel, index: u32) -> [u64; 2] {
    let counts = PerCpuArray::<_, [u64; 2]>::try_from(kernel.ebpf.map(name::NEXTHOPS).unwrap()).unwrap();
    let cpus = counts.get(&index, 0).unwrap();
    cpus.iter().fold([0; 2], |sum, cpu| [sum[0] + cpu[0], sum[1] + cpu[1]])
}

/// The keys of the events since the last call, by kind.
fn events(kernel: &mut Kernel) -> Vec<(u32, [u8; 56])> {
    let mut ring = RingBuf::try_from(kernel.ebpf.map_mut(name::EVENTS).unwrap()).unwrap();
    let mut events = Vec::new();
    while let Some(event) = ring.next() {
        events.push((u32::from_ne_bytes(event[8..12].try_into().unwrap()), event[16..72].try_into().unwrap()));
    }
    events
}

#[test]
fn outcome_holds_for_its_generation_and_macs() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        let generation = u32::from(GENERATION);
        know(&mut kernel, SOURCE, 9, FINAL);
        let legal = udp(GATEWAY, ROUTER, SOURCE, DESTINATION, 1);
        let judged = |kernel: &mut Kernel, frame: &[u8]| {
            let counters =
                [Counter::Conforming, Counter::NoRoute, Counter::OtherSender, Counter::OnLink, Counter::Inbound];
            let counters = [&counters[..], &[Counter::Suspect]].concat();
            let read = |kernel: &Kernel| -> Vec<u64> { counters.iter().map(|&of| kernel.counter(of)[0]).collect() };
            let before = read(kernel);
            kernel.run(program::EGRESS, frame);
            let after = read(kernel);
            let counted: Vec<Counter> = (0..counters.len())
                .filter(|&index| after[index] > before[index])
                .map(|index| counters[index])
                .collect();
            assert_eq!(counted.len(), 1, "{counted:?}");
            counted[0]
        };
        assert_eq!(judged(&mut kernel, &legal), Counter::Suspect);
        decide(&mut kernel, generation, (9, 0), GATEWAY, Outcome::conforming(3));
        // The second and third are remembered.
        for packet in 1..=3 {
            assert_eq!(judged(&mut kernel, &legal), Counter::Conforming);
            assert_eq!(nexthop(&kernel, 3), [packet, packet * legal.len() as u64]);
        }
        assert_eq!(judged(&mut kernel, &udp(STRANGER, ROUTER, SOURCE, DESTINATION, 1)), Counter::Suspect);
        assert_eq!(judged(&mut kernel, &udp(GATEWAY, STRANGER, SOURCE, DESTINATION, 1)), Counter::Suspect);
        // Of another source of the same class, which is known by its prefix only and not final.
        assert_eq!(judged(&mut kernel, &udp(GATEWAY, ROUTER, [10, 244, 0, 6], DESTINATION, 1)), Counter::Suspect);

        kernel.set_config(generation + 1, 0);
        assert_eq!(judged(&mut kernel, &legal), Counter::Suspect);
        decide(&mut kernel, generation + 1, (9, 0), GATEWAY, Outcome::NO_ROUTE);
        for _ in 0..3 {
            assert_eq!(judged(&mut kernel, &legal), Counter::NoRoute);
        }
        // Why no route decides is remembered with it.
        let reasons = [
            (Outcome::OTHER_SENDER, Counter::OtherSender),
            (Outcome::ON_LINK, Counter::OnLink),
            (Outcome::INBOUND, Counter::Inbound),
        ];
        for (later, (outcome, counter)) in (2..).zip(reasons) {
            kernel.set_config(generation + later, 0);
            decide(&mut kernel, generation + later, (9, 0), GATEWAY, outcome);
            for _ in 0..3 {
                assert_eq!(judged(&mut kernel, &legal), counter);
            }
        }
        kernel.set_config(generation, 0);
        assert_eq!(judged(&mut kernel, &legal), Counter::Conforming);
        Ok(())
    });
}

#[test]
fn tunnels_of_sources_without_route_are_not_judged() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        know(&mut kernel, SOURCE, 9, FINAL);
        let mut geneve = udp(GATEWAY, ROUTER, SOURCE, DESTINATION, 1);
        geneve[36..38].copy_from_slice(&6081_u16.to_be_bytes());
        kernel.run(program::EGRESS, &geneve);
        assert_eq!(kernel.counter(Counter::Tunnel), [1, geneve.len() as u64]);
        decide(&mut kernel, GENERATION.into(), (9, 0), GATEWAY, Outcome::conforming(0));
        // An outcome for the same source and MACs is remembered, and no reason to judge the tunnel.
        kernel.run(program::EGRESS, &udp(GATEWAY, ROUTER, SOURCE, DESTINATION, 1));
        kernel.run(program::EGRESS, &geneve);
        assert_eq!(kernel.counter(Counter::Tunnel)[0], 2);
        assert_eq!(kernel.suspects(), []);
        Ok(())
    });
}

#[test]
fn new_suspects_raise_events_up_to_the_limit() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        // More than a second's worth of one CPU, and no more than the map of suspects holds.
        for tp_src in 0..1010 {
            let frame = udp(GATEWAY, ROUTER, SOURCE, DESTINATION, tp_src);
            kernel.run(program::EGRESS, &frame);
            kernel.run(program::EGRESS, &frame);
        }
        let raised = events(&mut kernel);
        assert!(raised.iter().all(|(kind, _)| *kind == event_kind::SUSPECT4));
        let keys: std::collections::HashSet<_> = raised.iter().map(|(_, key)| key).collect();
        assert_eq!(keys.len(), raised.len(), "one event for each flow");
        let [limited, _] = kernel.counter(Counter::EventsLimited);
        assert_eq!(raised.len() as u64 + limited, 1010);
        let suspects = kernel.suspects();
        assert_eq!(suspects.len(), 1010);
        for (key, [packets, ..]) in suspects {
            assert_eq!((packets, key[31]), (2, NIC));
            assert!(keys.iter().filter(|raised| raised[..32] == key).count() <= 1);
        }
        Ok(())
    });
}

#[test]
fn full_map_of_suspects_is_told() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        let per_mac = u16::try_from(RESERVE_PER_MAC).unwrap();
        let counted =
            |kernel: &Kernel| [Counter::Suspect, Counter::SuspectsFull].map(|counter| kernel.counter(counter)[0]);
        for tp_src in 0..1024 + per_mac + 100 {
            kernel.run(program::EGRESS, &udp(GATEWAY, ROUTER, SOURCE, DESTINATION, tp_src));
        }
        assert_eq!(counted(&kernel), [1024 + RESERVE_PER_MAC, 100]);
        assert_eq!(kernel.suspects().len(), 1024);
        // One that is in the reserve goes on there, and another MAC has room of its own.
        kernel.run(program::EGRESS, &udp(GATEWAY, ROUTER, SOURCE, DESTINATION, 1024));
        for tp_src in [1, 2, 3, 3] {
            kernel.run(program::EGRESS, &udp(STRANGER, ROUTER, SOURCE, DESTINATION, tp_src));
        }
        assert_eq!(counted(&kernel), [1024 + RESERVE_PER_MAC + 5, 100]);
        let packets: Vec<u64> = kernel.reserve4().into_iter().map(|(_, [packets, ..])| packets).collect();
        assert_eq!((packets.len() as u64, packets.iter().sum()), (RESERVE_PER_MAC + 3, RESERVE_PER_MAC + 5));
        assert_eq!(kernel.reserved(GATEWAY), Some(RESERVE_PER_MAC));
        assert_eq!(kernel.reserved(STRANGER), Some(3));
        // Where there is room again, it is used, and what the reserve has counted stays there.
        let (key, _) = kernel.suspects().into_iter().next().unwrap();
        kernel.take(&key).unwrap();
        kernel.run(program::EGRESS, &udp(STRANGER, ROUTER, SOURCE, DESTINATION, 3));
        assert_eq!(kernel.suspects().len(), 1024);
        assert_eq!(kernel.reserve4().len() as u64, RESERVE_PER_MAC + 3);
        assert_eq!(counted(&kernel), [1024 + RESERVE_PER_MAC + 6, 100]);
        Ok(())
    });
}

#[test]
fn requests_from_others_than_next_hops_are_noted() {
    netns::run(|| {
        for program in [program::INGRESS, program::INGRESS_XDP] {
            let mut kernel = Kernel::new()?;
            let mut macs = HashMap::<_, u64, u32>::try_from(kernel.ebpf.map_mut(name::LEGAL_MACS).unwrap()).unwrap();
            macs.insert(mac_to_u64(GATEWAY), 1, 0).unwrap();
            for (eth_src, tp_src) in [(GATEWAY, 1), (STRANGER, 2), (STRANGER, 2)] {
                kernel.run(program, &udp(ROUTER, eth_src, DESTINATION, SOURCE, tp_src));
            }
            assert_eq!(kernel.counter(Counter::Received), [3, 3 * 46]);
            let requests = kernel.ebpf.map(name::REQUESTS).unwrap();
            let requests = HashMap::<_, [u8; 44], [u64; 4]>::try_from(requests).unwrap();
            let noted: Vec<_> = requests.iter().map(|entry| entry.unwrap()).collect();
            let mut key = [mapped(DESTINATION), mapped(SOURCE)].concat();
            key.extend(STRANGER);
            key.extend([2_u16, 5000].map(u16::to_ne_bytes).concat());
            key.extend([17, 0]);
            assert_eq!(noted.len(), 1, "{program}");
            assert_eq!((&noted[0].0[..], &noted[0].1[..2]), (&key[..], &[2, 92][..]), "{program}");
        }
        Ok(())
    });
}

#[test]
fn neighbours_are_heard_once_each() {
    netns::run(|| {
        for program in [program::INGRESS, program::INGRESS_XDP] {
            let mut kernel = Kernel::new()?;
            let reply = |mac: [u8; 6]| {
                let mut frame = [ROUTER, mac].concat();
                frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
                frame.extend(mac);
                frame.extend(DESTINATION);
                frame.extend(ROUTER);
                frame.extend(SOURCE);
                frame
            };
            for mac in [GATEWAY, GATEWAY, STRANGER] {
                kernel.run(program, &reply(mac));
            }
            let heard: Vec<_> = events(&mut kernel)
                .into_iter()
                .map(|(kind, key)| {
                    assert_eq!((kind, &key[..16]), (event_kind::HEARD, &mapped(DESTINATION)[..]));
                    key[16..22].to_vec()
                })
                .collect();
            assert_eq!(heard, [GATEWAY, STRANGER], "{program}");
            let map = kernel.ebpf.map(name::HEARD).unwrap();
            let map = HashMap::<_, [u8; 24], [u64; 2]>::try_from(map).unwrap();
            let times: Vec<_> = map.iter().map(|entry| entry.unwrap().1).collect();
            assert_eq!(times.len(), 2);
            assert!(times.iter().all(|[first, last]| first <= last));
            assert_eq!(times.iter().filter(|[first, last]| first < last).count(), 1, "{times:?}");
        }
        Ok(())
    });
}
