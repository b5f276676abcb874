//! The engine on a large node: 20,000 routes by source, 100,000 bindings. Prints how long each step takes; how long that
//! may be depends on the machine, so it is not asserted.

#![expect(clippy::disallowed_methods, reason = "prints how long things take")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_engine::Engine;
use analyzer_engine::classes::Classifier;
use analyzer_engine::fact::{BfdRef, Binding, BindingKind, Fact, Policy, Route, RouteOrigin, RouterPort, Source};
use analyzer_engine::observation::Observation;
use analyzer_engine::settings::Settings;
use analyzer_engine::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};
use analyzer_engine::verdict::Verdict;

const PODS: u32 = 10_000;
const BINDINGS: u32 = 100_000;
const PORT: &str = "rtoe-GR_worker";
const NODE: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);
const OLD: MacAddr = MacAddr([2, 0, 0, 0, 0, 14]);
const NEW: MacAddr = MacAddr([2, 0, 0, 0, 0, 15]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 16]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + seconds * 1000)
}

fn pod(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a80_0000 + number).into()
}

fn nexthop(last: u8) -> IpAddr {
    Ipv4Addr::new(198, 19, 3, last).into()
}

fn route(policy: Policy, prefix: IpPrefix, last: u8) -> Fact {
    Fact::Route(Route {
        router: Some("GR_worker".into()),
        route_table: "".into(),
        policy,
        prefix,
        nexthop: Some(nexthop(last)),
        output_port: Some(PORT.into()),
        symmetric_reply: policy == Policy::SrcIp,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    })
}

fn binding(ip: IpAddr, mac: MacAddr) -> Fact {
    Fact::Binding(Binding {
        logical_port: Some(PORT.into()),
        ip,
        mac: Some(mac),
        kind: BindingKind::MacBinding,
        confirmed: None,
        validity: Validity::ALWAYS,
    })
}

fn port() -> Fact {
    Fact::RouterPort(RouterPort {
        router: Some("GR_worker".into()),
        datapath: None,
        name: PORT.into(),
        mac: Some(NODE),
        addresses: vec![nexthop(8)],
        networks: vec![IpPrefix::new(nexthop(0), 24).expect("a length up to 32")],
        port_key: Some(2),
        route_table: None,
        validity: Validity::ALWAYS,
    })
}

/// Packets of a pod to a MAC, a minute after the start.
fn packets(eth_dst: MacAddr) -> Observation {
    Observation {
        nic: 0,
        tags: LinkTags::NONE.with_direction(Direction::Outbound),
        eth_src: NODE,
        eth_dst,
        tuple: Tuple { src: pod(9), dst: Ipv4Addr::new(172, 27, 0, 13).into(), nw_proto: 17, tp_src: 1, tp_dst: 2 },
        packets: 1,
        bytes: 94,
        first: at(60),
        last: at(60),
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what:>40}: {:?}", start.elapsed());
    result
}

#[test]
fn a_large_node() {
    let everywhere = IpPrefix::new(Ipv4Addr::UNSPECIFIED.into(), 0).expect("a length up to 32");
    let mut facts = vec![port(), route(Policy::DstIp, everywhere, 1)];
    for number in 0..PODS {
        // Rows come in any order.
        let (first, second) = if number % 2 == 0 { (15, 16) } else { (16, 15) };
        facts.extend([first, second].map(|last| route(Policy::SrcIp, IpPrefix::host(pod(number)), last)));
    }
    let gateways = [(15, OLD), (16, OTHER), (1, OTHER)].map(|(last, mac)| binding(nexthop(last), mac));
    let others = (0..BINDINGS).map(|number| binding(Ipv4Addr::from_bits(0x0b00_0000 + number).into(), OTHER));
    let bindings: Vec<Fact> = gateways.into_iter().chain(others).collect();

    let mut engine = Engine::new(Settings::default());
    let mut classifier = Classifier::default();
    timed("20,000 routes begin", || facts.iter().for_each(|fact| engine.begin(fact.clone(), None)));
    timed("100,000 bindings begin", || bindings.into_iter().for_each(|fact| engine.begin(fact, None)));
    timed("epochs", || drop(engine.epochs().clone()));
    let change = timed("all classes", || engine.classify(&mut classifier, at(0)));
    assert_eq!((change.sources.len() as u32, classifier.count()), (PODS + 1, (2, 2)));

    assert!(timed("a route ends", || engine.end(&facts[5], at(10))));
    let change = timed("its class", || engine.classify(&mut classifier, at(10)));
    assert_eq!(change.sources.len(), 1);
    assert!(timed("a binding ends", || engine.end(&binding(nexthop(15), OLD), at(20))));
    timed("another begins", || engine.begin(binding(nexthop(15), NEW), at(20)));
    assert!(timed("classes after that", || engine.classify(&mut classifier, at(20))).is_empty());
    assert_eq!(timed("legal MACs", || engine.legal_macs(at(20))).len(), 2);

    assert_eq!(timed("a plain verdict", || engine.plain_verdict(&packets(NEW))), Some(Verdict::Conforming));
    assert!(timed("a flow that conforms", || engine.judge_flow(&[packets(NEW)])).is_empty());
    assert_eq!(timed("a flow that does not", || engine.judge_flow(&[packets(OLD)])).len(), 1);
    assert_eq!(timed("another such flow", || engine.judge_flow(&[packets(OLD)])).len(), 1);

    timed("forget", || engine.forget(at(1_000_000), 0));
    assert!(timed("all classes again", || engine.classify(&mut classifier, at(70))).is_empty());
}
