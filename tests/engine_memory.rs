//! What findings take: each of them the same, however many rows, routers and entries there are to tell of.
//!
//! A test binary of its own, as it counts all that is allocated.

#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_engine::Engine;
use analyzer_engine::fact::{
    BfdRef, Binding, BindingKind, Connection, Fact, MacOwner, Policy, Route, RouteOrigin, Source,
};
use analyzer_engine::observation::Observation;
use analyzer_engine::settings::Settings;
use analyzer_engine::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};

/// Counts the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const NODE: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);
const GATEWAY: MacAddr = MacAddr([2, 0, 0, 0, 0, 15]);
const DEAD: MacAddr = MacAddr([2, 0, 0, 0, 0, 14]);

const FLOWS: u16 = 1000;
/// Most bytes that one finding may take.
const MAX_FINDING: usize = 1536;

fn at() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc612_0000 + number).into()
}

fn route(router: u32) -> Fact {
    Fact::Route(Route {
        router: Some(format!("GR_{router}").into()),
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: IpPrefix::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8).expect("a length up to 32"),
        nexthop: Some(address(router)),
        output_port: None,
        symmetric_reply: true,
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
        logical_port: None,
        ip,
        mac: Some(mac),
        kind: BindingKind::MacBinding,
        confirmed: None,
        validity: Validity::ALWAYS,
    })
}

fn tuple(port: u16) -> Tuple {
    let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(172, 27, 0, 13).into());
    Tuple { src, dst, nw_proto: 17, tp_src: port, tp_dst: 5005 }
}

fn packet(port: u16) -> Observation {
    Observation {
        nic: 0,
        tags: LinkTags::NONE.with_direction(Direction::Outbound),
        eth_src: NODE,
        eth_dst: DEAD,
        tuple: tuple(port),
        packets: 1,
        bytes: 94,
        first: at(),
        last: at(),
    }
}

/// Bytes that the answers to `ask` take, for each flow.
fn each<T>(ask: impl FnOnce() -> T) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    let answers = ask();
    let after = IN_USE.load(Ordering::Relaxed);
    drop(answers);
    after.saturating_sub(before) / usize::from(FLOWS)
}

fn check(what: &str, facts: impl IntoIterator<Item = Fact>) {
    let mut engine = Engine::new(Settings::default());
    facts.into_iter().for_each(|fact| engine.add(fact));
    let flows: Vec<Observation> = (0..FLOWS).map(packet).collect();
    let replay = each(|| {
        let findings = engine.conclude(flows.as_slice()).findings;
        assert_eq!(findings.len(), usize::from(FLOWS), "{what}");
        findings
    });
    let live = each(|| flows.iter().map(|seen| engine.assess(seen, &[])).collect::<Vec<_>>());
    println!("{what}: {replay} bytes a finding in replay, {live} live");
    assert!(replay <= MAX_FINDING && live <= MAX_FINDING, "{what}: {replay} bytes a finding in replay, {live} live");
}

#[test]
fn a_finding_takes_the_same_whatever_is_told() {
    let one = || [route(0), binding(address(0), GATEWAY)];
    let owner = |number: u32| {
        Fact::MacOwner(MacOwner {
            mac: DEAD,
            origin: "pods.json".into(),
            owner: format!("pod number {number}").into(),
            ips: vec![address(number)],
        })
    };
    check("10,000 owners of the MAC", one().into_iter().chain((0..10_000).map(owner)));
    check(
        "10,000 bindings of the MAC",
        one().into_iter().chain((1..10_000).map(|number| binding(address(number), DEAD))),
    );
    let routers = |count: u32| (0..count).flat_map(|number| [route(number), binding(address(number), GATEWAY)]);
    check("200 routers", routers(200));
    let entry = |zone: u16| {
        let (orig, reply) = (tuple(1).reversed(), tuple(1));
        let label = u128::from(DEAD.to_bits()) << 32 | 2 << 80;
        Fact::Connection(Connection { orig, reply, zone, mark: 0, label, id: None, offloaded: false, dying: false })
    };
    check("10,000 entries of one flow", one().into_iter().chain((0..10_000).map(entry)));
}
