//! What the kernel of a simulated node does with packets; that it is what a real one does, `tests/kernel_differential.rs`
//! says.

use analyzer::bpf::counted::{Counted, Event, Key};
use analyzer::bpf::sizes::Sizes;
use analyzer::daemon::packets::Packets;
use analyzer::engine::classes::{Classes, Combination, SourceClass};
use analyzer::types::{IpPrefix, MacAddr};
use analyzer_ebpf::maps::{Counter, Outcome, RESERVE_PER_MAC};
use hashbrown::{HashMap, HashSet};

use crate::kernel::{Kernel, Rates};

const SOURCE: [u8; 4] = [10, 244, 0, 5];
const DESTINATION: [u8; 4] = [198, 51, 100, 7];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 0xc];
const IFINDEX: u32 = 3;
/// Its index in the table of NICs, and the one that stands for interfaces that are not there.
const NIC: u8 = 4;
const UNKNOWN_NIC: u8 = 0xff;

/// An IPv4 packet of UDP, 46 bytes.
fn udp(eth_dst: [u8; 6], eth_src: [u8; 6], src: [u8; 4], dst: [u8; 4], tp_src: u16) -> Vec<u8> {
    let mut frame = [eth_dst, eth_src].concat();
    frame.extend([8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0]);
    frame.extend([src, dst].concat());
    frame.extend(tp_src.to_be_bytes());
    frame.extend([0x13, 0x88, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame
}

/// A packet of the source to a MAC.
fn sent_to(eth_dst: [u8; 6], tp_src: u16) -> Vec<u8> {
    udp(eth_dst, ROUTER, SOURCE, DESTINATION, tp_src)
}

fn kernel(sizes: Sizes) -> Kernel {
    let kernel = Kernel::new(&sizes, Rates { sample_every: 0, events_per_second: 1000 }, 1);
    kernel.set_nic(IFINDEX, NIC);
    kernel.set_clock(1_000_000_000);
    kernel
}

fn send(kernel: &Kernel, frame: &[u8]) {
    kernel.egress(IFINDEX, frame, 1, frame.len() as u64);
}

fn packets(kernel: &Kernel, counter: Counter) -> u64 {
    kernel.counters().expect("they can be read")[counter as usize].packets
}

/// The set in which the source has a route of its own by one gateway.
fn install(kernel: &mut Kernel, gateway: [u8; 6], outcome: Outcome) -> u32 {
    let class = SourceClass { id: 9, is_final: true, is_routed: true };
    let sources = [(IpPrefix::host(SOURCE.into()), class)].into_iter().collect();
    let classes = Classes { sources, ..Classes::default() };
    let macs: HashSet<MacAddr> = [MacAddr(gateway)].into_iter().collect();
    kernel.install(&classes, vec![(combination(gateway), outcome)], &macs).expect("there is room")
}

fn combination(gateway: [u8; 6]) -> Combination {
    let (eth_src, eth_dst) = (MacAddr(ROUTER), MacAddr(gateway));
    Combination { source: 9, destination: 0, eth_src, eth_dst, is_ipv4: true }
}

#[test]
fn without_a_set_nothing_is_judged() {
    let mut kernel = kernel(Sizes::default());
    kernel.set_rates(Rates { sample_every: 1, events_per_second: 1000 });
    send(&kernel, &sent_to(GATEWAY, 1));
    assert_eq!((packets(&kernel, Counter::Seen), packets(&kernel, Counter::Unloaded)), (1, 1));
    assert_eq!(kernel.samples().unwrap().len(), 1);
    assert_eq!(install(&mut kernel, GATEWAY, Outcome::conforming(3)), 1);
    send(&kernel, &sent_to(GATEWAY, 1));
    kernel.unload().unwrap();
    send(&kernel, &sent_to(STRANGER, 1));
    assert_eq!((packets(&kernel, Counter::Unloaded), packets(&kernel, Counter::Conforming)), (2, 1));
    assert_eq!(kernel.suspects().unwrap(), []);
}

#[test]
fn what_conforms_is_counted_by_next_hop() {
    let mut kernel = kernel(Sizes::default());
    install(&mut kernel, GATEWAY, Outcome::conforming(3));
    // Two packets, and one that is cut into ten on the wire.
    send(&kernel, &sent_to(GATEWAY, 1));
    send(&kernel, &sent_to(GATEWAY, 2));
    kernel.egress(IFINDEX, &sent_to(GATEWAY, 2), 10, 9920);
    let nexthops = kernel.nexthops(5).unwrap();
    assert_eq!((nexthops.len(), nexthops[3].packets, nexthops[3].bytes), (5, 12, 2 * 46 + 9920));
    assert_eq!(packets(&kernel, Counter::Seen), 12);
}

#[test]
fn a_suspect_is_counted_and_told_once() {
    let mut kernel = kernel(Sizes::default());
    install(&mut kernel, GATEWAY, Outcome::conforming(0));
    send(&kernel, &sent_to(STRANGER, 7));
    kernel.set_clock(1_000_000_500);
    send(&kernel, &sent_to(STRANGER, 7));
    let [Event::Suspect { key, at_ns: 1_000_000_000 }] = kernel.take_events(10)[..] else { panic!("one event") };
    let Key::V4(flow) = key else { panic!("it is IPv4") };
    assert_eq!((flow.eth_dst, flow.tp_src, flow.nic, flow.epoch), (STRANGER, 7, NIC, 1));
    let counts = kernel.suspect(&key).unwrap().expect("it is there");
    assert_eq!((counts.packets, counts.bytes), (2, 92));
    assert_eq!((counts.first_ns, counts.last_ns), (1_000_000_000, 1_000_000_500));
    // A packet that came since it was read keeps it there.
    kernel.set_clock(1_000_000_900);
    send(&kernel, &sent_to(STRANGER, 7));
    assert_eq!(kernel.remove(&[Counted { key, counts }]), (Vec::new(), Ok(())));
    let read = kernel.suspects().unwrap();
    assert_eq!(kernel.remove(&read), (read, Ok(())));
    assert_eq!(kernel.suspect(&key), Ok(None));
    // The outcome is learned: it is suspect no more.
    kernel.add_outcome(&combination(STRANGER), Outcome::ON_LINK).unwrap();
    send(&kernel, &sent_to(STRANGER, 7));
    assert_eq!((packets(&kernel, Counter::Suspect), packets(&kernel, Counter::OnLink)), (3, 1));
}

#[test]
fn a_nic_that_is_not_in_the_table_is_told_as_unknown() {
    let mut kernel = kernel(Sizes::default());
    install(&mut kernel, GATEWAY, Outcome::conforming(0));
    send(&kernel, &sent_to(STRANGER, 7));
    kernel.forget_nic(IFINDEX);
    send(&kernel, &sent_to(STRANGER, 7));
    let nics: Vec<u8> = kernel.suspects().unwrap().iter().map(|counted| nic(&counted.key)).collect();
    assert_eq!(nics, [NIC, UNKNOWN_NIC]);
}

fn nic(key: &Key) -> u8 {
    match key {
        Key::V4(key) | Key::Reserve4(key) => key.nic,
        Key::V6(key) | Key::Reserve6(key) => key.nic,
    }
}

#[test]
fn suspects_without_room_go_to_the_reserve() {
    let mut kernel = kernel(Sizes { suspects: 100, ..Sizes::default() });
    install(&mut kernel, GATEWAY, Outcome::conforming(0));
    let per_mac = u16::try_from(RESERVE_PER_MAC).unwrap();
    for tp_src in 0..100 + per_mac + 10 {
        send(&kernel, &sent_to(STRANGER, tp_src));
    }
    send(&kernel, &sent_to(ROUTER, 1));
    assert_eq!(packets(&kernel, Counter::SuspectsFull), 10);
    let suspects = kernel.suspects().unwrap();
    let in_reserve = suspects.iter().filter(|counted| counted.key.is_in_reserve()).count();
    assert_eq!((suspects.len(), in_reserve), (100 + 256 + 1, 256 + 1));
    // Room is made, and told.
    let (removed, result) = kernel.remove(&suspects[100..]);
    assert_eq!((removed.len(), result), (257, Ok(())));
    send(&kernel, &sent_to(STRANGER, 1000));
    assert_eq!(packets(&kernel, Counter::SuspectsFull), 11);
    kernel.clear_reserve(&HashMap::new()).unwrap();
    send(&kernel, &sent_to(STRANGER, 1000));
    assert_eq!(packets(&kernel, Counter::SuspectsFull), 11);
}

#[test]
fn one_generation_follows_the_other() {
    let mut kernel = kernel(Sizes::default());
    assert_eq!(kernel.generation(), 0);
    for generation in 1..=6 {
        let [gateway, other] = if generation % 2 == 0 { [GATEWAY, STRANGER] } else { [STRANGER, GATEWAY] };
        assert_eq!(install(&mut kernel, gateway, Outcome::conforming(generation)), generation);
        send(&kernel, &sent_to(gateway, 1));
        send(&kernel, &sent_to(other, 1));
        assert_eq!(kernel.nexthops(10).unwrap()[generation as usize].packets, 1);
    }
    assert_eq!((packets(&kernel, Counter::Conforming), packets(&kernel, Counter::Suspect)), (6, 6));
    let epochs: HashSet<u16> = kernel.suspects().unwrap().iter().map(|counted| counted.key.epoch()).collect();
    assert_eq!(epochs, (1..=6).collect());
}

#[test]
fn a_set_that_does_not_fit_leaves_the_present_one_in_force() {
    let mut kernel = kernel(Sizes { nexthops: 8, ..Sizes::default() });
    install(&mut kernel, GATEWAY, Outcome::conforming(1));
    let classes = Classes::default();
    let outcomes = vec![(combination(STRANGER), Outcome::conforming(8))];
    let refused = kernel.install(&classes, outcomes, &HashSet::new()).expect_err("there is no next hop 8");
    assert_eq!(refused.to_string().split(';').next(), Some("the next hop number 8 is beyond the map NEXTHOPS of 8"));
    assert_eq!(kernel.generation(), 1);
    send(&kernel, &sent_to(GATEWAY, 1));
    assert_eq!(kernel.nexthops(2).unwrap()[1].packets, 1);
}

#[test]
fn wherever_the_writing_ends_packets_find_the_present_set() {
    let sources = [(IpPrefix::host(SOURCE.into()), SourceClass { id: 7, is_final: false, is_routed: false })];
    let classes = Classes { sources: sources.into_iter().collect(), ..Classes::default() };
    let macs = [MacAddr(STRANGER)].into_iter().collect();
    let outcomes = vec![(combination(STRANGER), Outcome::conforming(2))];
    // The source, its outcome, its MAC, and the word that brings them into force.
    for writes in 0..4 {
        let mut kernel = kernel(Sizes::default());
        install(&mut kernel, GATEWAY, Outcome::conforming(1));
        kernel.refuse_writes_after(writes);
        kernel.install(&classes, outcomes.clone(), &macs).expect_err("it is refused");
        send(&kernel, &sent_to(GATEWAY, 1));
        assert_eq!((kernel.generation(), kernel.nexthops(2).unwrap()[1].packets), (1, 1), "{writes}");
        kernel.refuse_installs(false);
        let generation = install(&mut kernel, STRANGER, Outcome::conforming(2));
        assert!(generation > 1 && generation.is_multiple_of(2), "{generation}");
        send(&kernel, &sent_to(STRANGER, 1));
        assert_eq!(kernel.nexthops(3).unwrap()[2].packets, 1, "{writes}");
    }
}

#[test]
fn what_was_used_least_lately_is_forgotten() {
    let mut kernel = kernel(Sizes { requests: 3, ..Sizes::default() });
    install(&mut kernel, GATEWAY, Outcome::conforming(0));
    for tp_src in [1, 2, 3, 1, 4] {
        let frame = udp(ROUTER, STRANGER, DESTINATION, SOURCE, tp_src);
        kernel.ingress(IFINDEX, &frame, 1, frame.len() as u64);
    }
    let noted: Vec<_> = kernel.requests().unwrap().iter().map(|request| request.tuple.tp_src).collect();
    assert_eq!(noted, [3, 1, 4]);
    assert_eq!(packets(&kernel, Counter::RequestsNew), 4);
    let found = kernel.requests().unwrap()[1];
    assert_eq!(kernel.request(&found.tuple, found.eth_src).unwrap().map(|counts| counts.packets), Some(2));
}

#[test]
fn events_are_limited_and_a_full_ring_loses_them() {
    let mut kernel = kernel(Sizes { event_bytes: 4096, ..Sizes::default() });
    install(&mut kernel, GATEWAY, Outcome::conforming(0));
    for tp_src in 0..60 {
        send(&kernel, &sent_to(STRANGER, tp_src));
    }
    assert_eq!(packets(&kernel, Counter::EventsLost), 9);
    assert_eq!((kernel.take_events(50).len(), kernel.take_events(50).len()), (50, 1));
    kernel.set_rates(Rates { sample_every: 0, events_per_second: 10 });
    kernel.set_clock(5_000_000_000);
    for tp_src in 100..120 {
        send(&kernel, &sent_to(STRANGER, tp_src));
    }
    assert_eq!((kernel.take_events(50).len(), packets(&kernel, Counter::EventsLimited)), (10, 10));
}

#[test]
fn a_neighbour_is_heard() {
    let kernel = kernel(Sizes::default());
    let mut reply = [ROUTER, GATEWAY].concat();
    reply.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    reply.extend(GATEWAY);
    reply.extend(DESTINATION);
    reply.extend(ROUTER);
    reply.extend(SOURCE);
    kernel.ingress(IFINDEX, &reply, 1, reply.len() as u64);
    let heard = kernel.heard().unwrap();
    assert_eq!((heard.len(), heard[0].ip, heard[0].mac), (1, DESTINATION.into(), MacAddr(GATEWAY)));
    assert_eq!(kernel.take_events(5), [Event::Heard(heard[0])]);
}

#[test]
fn reads_can_be_refused() {
    let kernel = kernel(Sizes::default());
    kernel.refuse_reads(true);
    assert!(kernel.counters().is_err() && kernel.suspects().is_err() && kernel.heard().is_err());
    kernel.refuse_reads(false);
    assert!(kernel.counters().is_ok());
}

/// One in so many is sampled, the same ones from the same seed.
#[test]
fn samples_follow_from_the_seed() {
    let sampled = |seed| {
        let mut kernel = Kernel::new(&Sizes::default(), Rates { sample_every: 10, events_per_second: 0 }, seed);
        install(&mut kernel, GATEWAY, Outcome::conforming(0));
        (0..2000).for_each(|tp_src| send(&kernel, &sent_to(GATEWAY, tp_src)));
        let Ok(samples) = kernel.samples() else { panic!("they can be read") };
        samples.into_iter().map(|counted| counted.key).collect::<Vec<_>>()
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
    assert!((150..250).contains(&sampled(3).len()), "{}", sampled(3).len());
}
