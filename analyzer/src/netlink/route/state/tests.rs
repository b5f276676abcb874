//! Messages are those that a kernel 6.18 sent upon the `ip` command above them; those of links are cut down to the
//! attributes that are read.

use super::*;
use crate::engine::fact::{BfdRef, BfdStatus, Delta};
use crate::netlink::link::LinkChange;
use crate::netlink::rtnetlink::messages;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

/// The octets that hexadecimal text tells.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The message with other octets in place of `from`, which it must have once.
fn but(hex: &str, from: &str, to: &str) -> String {
    let hex: String = hex.split_whitespace().collect();
    assert_eq!(hex.matches(from).count(), 1, "{from} in {hex}");
    hex.replace(from, to)
}

/// A state, and the facts that its deltas have left standing.
struct Follower {
    state: State,
    standing: Vec<Fact>,
}

impl Follower {
    /// Follows `devices`, and knows eth0 (index 3, 02:00:00:00:00:01), which is up and has 192.0.2.1/24.
    fn new(routes: bool, devices: Option<&[&str]>) -> Self {
        let devices = devices.map(|names| names.iter().map(|&name| name.into()).collect());
        let settings = Settings { routes, neighbours: true, tables: Vec::new(), devices };
        let mut follower = Self { state: State::new(settings), standing: Vec::new() };
        follower.tell(ETH0_UP);
        follower.tell(ADDRESS);
        follower
    }

    fn tell(&mut self, hex: &str) {
        self.tell_as(hex, Origin::Notification);
    }

    fn tell_as(&mut self, hex: &str, origin: Origin) {
        let bytes = bytes(hex);
        for message in messages(&bytes) {
            self.state.apply(&message.unwrap(), origin, NOW);
        }
        assert_eq!(self.state.losses, Losses::default(), "{hex}");
    }

    /// Takes the delta, which must end nothing that does not stand and begin nothing that does.
    fn settle(&mut self) -> Delta {
        let delta = self.state.delta();
        for fact in &delta.ended {
            let place = self.standing.iter().position(|standing| standing == fact);
            self.standing.remove(place.unwrap_or_else(|| panic!("{fact:?} does not stand")));
        }
        for fact in &delta.begun {
            assert!(!self.standing.contains(fact), "{fact:?} stands");
            self.standing.push(fact.clone());
        }
        assert_eq!(self.state.delta(), Delta::default(), "a delta was not whole");
        delta
    }

    /// Routes that stand, as `ip route` would print them.
    fn routes(&mut self) -> Vec<String> {
        self.settle();
        let word = |fact: &Fact| match fact {
            Fact::Route(route) => {
                assert_eq!(route.router.as_deref(), Some("kernel"));
                let mut word = route.prefix.to_string();
                let port = route.output_port.as_deref();
                word.extend(route.nexthop.map(|nexthop| format!(" via {nexthop}")));
                word.extend(port.map(|port| format!(" dev {port}")));
                match route.bfd {
                    BfdRef::None => {}
                    BfdRef::Status(BfdStatus::Down) => word.push_str(" dead"),
                    ref other => panic!("{other:?}"),
                }
                Some(word)
            }
            _ => None,
        };
        let mut words: Vec<String> = self.standing.iter().filter_map(word).collect();
        words.sort();
        words
    }

    fn bindings(&mut self) -> Vec<String> {
        self.settle();
        let word = |fact: &Fact| match fact {
            Fact::Binding(binding) => {
                let mac = binding.mac.map_or("-".to_owned(), |mac| mac.to_string());
                Some(format!("{} {mac} {}", binding.ip, binding.logical_port.as_deref().unwrap_or("-")))
            }
            _ => None,
        };
        let mut words: Vec<String> = self.standing.iter().filter_map(word).collect();
        words.sort();
        words
    }

    fn port(&mut self) -> Option<RouterPort> {
        self.settle();
        self.standing.iter().find_map(|fact| match fact {
            Fact::RouterPort(port) => Some(port.clone()),
            _ => None,
        })
    }
}

/// `ip link set eth0 up`
const ETH0_UP: &str =
    "50000000100000000000000000000000000001000300000043100100000000000900030065746830000000000a00010002000000
    00010000100012000900010076657468000000000800050002000000";
/// `ip link set eth0 down`
const ETH0_DOWN: &str =
    "50000000100000000000000000000000000001000300000002100000000000000900030065746830000000000a00010002000000
    00010000100012000900010076657468000000000800050002000000";
/// `ip link set eth0 name eth9`
const ETH0_RENAMED: &str =
    "50000000100000000000000000000000000001000300000043100100000000000900030065746839000000000a00010002000000
    00010000100012000900010076657468000000000800050002000000";
/// `ip link del eth9`
const ETH9_DELETED: &str =
    "50000000110000000000000000000000000001000300000002100000ffffffff0900030065746839000000000a00010002000000
    00010000100012000900010076657468000000000800050002000000";
/// `ip link set eth1 up`, with index 4.
const ETH1: &str =
    "50000000100000000000000000000000000001000400000043100100000000000900030065746831000000000a00010002000000
    00020000100012000900010076657468000000000800050000000000";
/// `ip address add 192.0.2.1/24 dev eth0`
const ADDRESS: &str = "50000000140000009833036b28100000021880000300000008000100c000020108000200c00002010900030065746830
    00000000080008008000000014000600ffffffffffffffffea131400ea131400";
/// The connected route that comes with it.
const CONNECTED: &str = "3c00000018000006000000000000000002180000fe02fd010000000008000f00fe00000008000100c0000200
    08000700c00002010800040003000000";
/// `ip route add 198.51.100.0/24 via 192.0.2.2`
const ROUTE: &str = "3c000000180000069833036b2d10000002180000fe0300010000000008000f00fe00000008000100c6336400
    08000500c00002020800040003000000";
/// `ip route replace 198.51.100.0/24 via 192.0.2.3`
const REPLACED: &str = "3c000000180000019833036b3110000002180000fe0300010000000008000f00fe00000008000100c6336400
    08000500c00002030800040003000000";
/// `ip route append 198.51.100.0/24 via 192.0.2.4`
const APPENDED: &str = "3c0000001800000c9833036b3310000002180000fe0300010000000008000f00fe00000008000100c6336400
    08000500c00002040800040003000000";
/// `ip route del 198.51.100.0/24 via 192.0.2.4`
const APPENDED_DELETED: &str = "3c000000190000009933036b4310000002180000fe0300010000000008000f00fe00000008000100
    c633640008000500c00002040800040003000000";
/// `ip route add 203.0.113.0/24 nexthop via 192.0.2.2 nexthop via 192.0.2.3 weight 2`
const MULTIPATH: &str = "50000000180000069833036b2f10000002180000fe0300010000000008000f00fe00000008000100cb007100
    24000900100000000300000008000500c0000202100000010300000008000500c0000203";
/// `ip nexthop add id 1 via 192.0.2.2 dev eth0`
const NEXTHOP_1: &str =
    "30000000680005069a33036b4d10000002fd0000000000000800010001000000080005000300000008000600c0000202";
/// `ip nexthop add id 2 via 192.0.2.3 dev eth0`
const NEXTHOP_2: &str =
    "30000000680005069a33036b4f10000002fd0000000000000800010002000000080005000300000008000600c0000203";
/// `ip nexthop add id 10 group 1/2,3`
const GROUP: &str = "44000000680005069a33036b511000000000000000000000080001000a000000060003000000000014000200
    0100000000000000020000000200000008000e0000000080";
/// `ip route add 198.51.104.0/24 nhid 10`
const BY_GROUP: &str = "58000000180000069a33036b5310000002180000fe0300010000000008000f00fe00000008000100c6336800
    08001e000a00000024000900100000000300000008000500c0000202100000020300000008000500c0000203";
/// `ip nexthop replace id 2 via 192.0.2.5 dev eth0`
const NEXTHOP_2_REPLACED: &str = "30000000680005059a33036b5510000002fd00000000000008000100020000000800050003000000
    08000600c0000205";
/// `ip nexthop del id 2`
const NEXTHOP_2_DELETED: &str =
    "30000000690005009b33036b5710000002fd0000000000000800010002000000080005000300000008000600
    c0000205";
/// `ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:22 dev eth0 nud reachable`
const NEIGHBOUR: &str = "4c0000001c000000000000005910000002000000030000000200000108000100c00002020a00020002000000
    0022000008000400000000001400030000000000000000000000000002000000";
/// `ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:23 dev eth0 nud stale`: confirmed 60 s ago.
const NEIGHBOUR_MOVED: &str = "4c0000001c000000000000005b10000002000000030000000400000108000100c00002020a000200
    020000000023000008000400000000001400030070170000 0f0000000000000001000000";
/// `ip neigh del 192.0.2.2 dev eth0`, which first makes it fail.
const NEIGHBOUR_FAILED: &str = "400000001c000000000000005f10000002000000030000002000000108000100c000020208000400
    00000000140003008f1700002e0000001f00000001000000";
const NEIGHBOUR_DELETED: &str = "400000001d000000000000000000000002000000030000002000000108000100c000020208000400
    00000000140003008f1700002e0000001f00000000000000";

#[test]
fn port_has_networks_that_are_on_link() {
    let mut follower = Follower::new(true, None);
    let port = follower.port().unwrap();
    assert_eq!((&*port.name, port.networks.len()), ("eth0", 0), "noprefixroute, or the route is not there yet");
    follower.tell(CONNECTED);
    let port = follower.port().unwrap();
    assert_eq!(port.mac, Some("02:00:00:00:00:01".parse().unwrap()));
    assert_eq!(port.addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(port.networks, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(follower.routes(), ["192.0.2.0/24 dev eth0"]);
}

#[test]
fn routes_are_replaced_appended_and_deleted() {
    let mut follower = Follower::new(true, None);
    follower.tell(ROUTE);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0"]);
    follower.tell(ROUTE);
    assert_eq!(follower.settle(), Delta::default(), "told twice");
    follower.tell(REPLACED);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.3 dev eth0"]);
    // The kernel uses the first of two with one metric.
    follower.tell(APPENDED);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.3 dev eth0"]);
    // ip route prepend
    follower.tell(ROUTE);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0"]);
    assert!(!follower.state.is_stale());
    follower.tell(REPLACED);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.3 dev eth0"]);
    assert_eq!(follower.state.take_stale().into_iter().collect::<Vec<_>>(), [Dump::Ipv4Routes], "which was replaced?");
    follower.tell(APPENDED_DELETED);
    assert!(!follower.state.is_stale());
    follower.tell(APPENDED_DELETED);
    assert!(follower.state.is_stale(), "what is deleted is not known");
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.3 dev eth0"]);
}

#[test]
fn all_next_hops_of_a_multipath_route() {
    let mut follower = Follower::new(true, None);
    follower.tell(MULTIPATH);
    assert_eq!(follower.routes(), ["203.0.113.0/24 via 192.0.2.2 dev eth0", "203.0.113.0/24 via 192.0.2.3 dev eth0"]);
    // RTNH_F_DEAD | RTNH_F_LINKDOWN of the second, as in a dump after its link went down.
    let dead = but(MULTIPATH, "10000001", "10001101");
    follower.tell_as(&dead, Origin::Dump);
    assert_eq!(
        follower.routes(),
        ["203.0.113.0/24 via 192.0.2.2 dev eth0", "203.0.113.0/24 via 192.0.2.3 dev eth0 dead"]
    );
}

#[test]
fn gateways_of_the_other_family_and_on_link() {
    let mut follower = Follower::new(true, None);
    // ip route add 198.51.101.0/24 via inet6 fe80::9 dev eth0
    follower.tell(
        "4c000000180000069833036b3510000002180000fe0300010000000008000f00fe00000008000100c633650016001200
        0a00fe80000000000000000000000000000900000800040003000000",
    );
    // ip route add 198.51.102.0/24 via 10.9.9.9 dev eth0 onlink
    follower.tell(
        "3c000000180000069933036b3710000002180000fe0300010400000008000f00fe00000008000100c6336600
        080005000a0909090800040003000000",
    );
    // ip route add blackhole 198.51.103.0/24
    follower.tell("2c000000180000069933036b3910000002180000fe0300060000000008000f00fe00000008000100c6336700");
    // ip route add 198.51.105.0/24 via 192.0.2.2 table 1000
    follower.tell(
        "3c000000180000069c33036b6510000002180000fc0300010000000008000f00e803000008000100c6336900
        08000500c00002020800040003000000",
    );
    assert_eq!(
        follower.routes(),
        ["198.51.101.0/24 via fe80::9 dev eth0", "198.51.102.0/24 via 10.9.9.9 dev eth0", "198.51.103.0/24"]
    );
}

#[test]
fn next_hops_of_ipv6_come_and_go_one_by_one() {
    let mut follower = Follower::new(true, None);
    // ip -6 route add 2001:db8:1::/48 via fe80::9 dev eth0
    follower.tell(
        "88000000180000069933036b451000000a300000fe0300010000000008000f00fe0000001400010020010db8000100000000000000000000
        080006000004000014000500fe800000000000000000000000000009080004000300000024000c0000000000000000000000000000000000
        000000000000000000000000000000000500140000000000",
    );
    // ip -6 route append 2001:db8:1::/48 via fe80::a dev eth0
    follower.tell(
        "a80000001800000c9933036b471000000a300000fe0300010000000008000f00fe0000001400010020010db8000100000000000000000000
        08000600000400003c0009001c0000000300000014000500fe80000000000000000000000000000a1c0000000300000014000500
        fe80000000000000000000000000000924000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
    );
    let both = ["2001:db8:1::/48 via fe80::9 dev eth0", "2001:db8:1::/48 via fe80::a dev eth0"];
    assert_eq!(follower.routes(), both);
    // ip -6 route del 2001:db8:1::/48 via fe80::9 dev eth0
    follower.tell(
        "88000000190000009933036b491000000a300000fe0300010000000008000f00fe0000001400010020010db8000100000000000000000000
        080006000004000014000500fe800000000000000000000000000009080004000300000024000c0000000000000000000000000000000000
        000000000000000000000000000000000500140000000000",
    );
    assert_eq!(follower.routes(), both[1..]);
    // ip -6 route replace 2001:db8:1::/48 nexthop via fe80::b dev eth0 nexthop via fe80::c dev eth0
    follower.tell(
        "a8000000180000019a33036b4b1000000a300000fe0300010000000008000f00fe0000001400010020010db8000100000000000000000000
        08000600000400003c0009001c0000000300000014000500fe80000000000000000000000000000b1c0000000300000014000500
        fe80000000000000000000000000000c24000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
    );
    assert_eq!(follower.routes(), ["2001:db8:1::/48 via fe80::b dev eth0", "2001:db8:1::/48 via fe80::c dev eth0"]);
    assert!(!follower.state.is_stale());
}

#[test]
fn nexthop_objects_move_routes() {
    let mut follower = Follower::new(true, None);
    for message in [NEXTHOP_1, NEXTHOP_2, GROUP, BY_GROUP] {
        follower.tell(message);
    }
    let both = ["198.51.104.0/24 via 192.0.2.2 dev eth0", "198.51.104.0/24 via 192.0.2.3 dev eth0"];
    assert_eq!(follower.routes(), both);
    follower.tell(NEXTHOP_2_REPLACED);
    assert_eq!(follower.routes(), [both[0], "198.51.104.0/24 via 192.0.2.5 dev eth0"]);
    follower.tell(NEXTHOP_2_DELETED);
    assert_eq!(follower.routes(), [both[0]]);
    assert!(follower.state.take_stale().contains(&Dump::Ipv4Routes), "routes go silently with their nexthop object");
}

/// What the message tells of the next hops counts until the object itself is told.
#[test]
fn route_by_an_object_that_is_not_known() {
    let mut follower = Follower::new(true, None);
    follower.tell(BY_GROUP);
    assert_eq!(follower.routes().len(), 2);
    follower.tell(NEXTHOP_1);
    follower.tell(GROUP);
    assert_eq!(follower.routes(), ["198.51.104.0/24 via 192.0.2.2 dev eth0"]);
}

#[test]
fn neighbours_change_and_fail() {
    let mut follower = Follower::new(true, None);
    follower.tell(NEIGHBOUR);
    assert_eq!(follower.bindings(), ["192.0.2.2 02:00:00:00:00:22 eth0"]);
    follower.tell(NEIGHBOUR_MOVED);
    let delta = follower.settle();
    let [Fact::Binding(begun)] = &delta.begun[..] else { panic!("{delta:?}") };
    assert_eq!(begun.mac, Some("02:00:00:00:00:23".parse().unwrap()));
    assert_eq!(begun.confirmed, Some(Timestamp::from_millis(940_000)));
    assert_eq!(delta.ended.len(), 1);
    // To be confirmed alone, now by state reachable and without age, is no news; what ends later is what was told.
    follower.tell(&but(&but(NEIGHBOUR_MOVED, "70170000", "00000000"), "0300000004000001", "0300000002000001"));
    assert_eq!(follower.settle(), Delta::default());
    follower.tell(NEIGHBOUR_FAILED);
    assert_eq!(follower.bindings(), ["192.0.2.2 - eth0"]);
    follower.tell(NEIGHBOUR_DELETED);
    assert_eq!(follower.bindings(), [""; 0]);
}

/// A neighbour that flaps between two deltas leaves nothing but its last state.
#[test]
fn changes_between_deltas_are_one() {
    let mut follower = Follower::new(true, None);
    follower.tell(NEIGHBOUR);
    follower.settle();
    follower.state.take_link_changes();
    for _ in 0..1000 {
        follower.tell(NEIGHBOUR_FAILED);
        follower.tell(NEIGHBOUR_MOVED);
        follower.tell(NEIGHBOUR);
    }
    assert_eq!(follower.state.pending(), 1);
    assert_eq!(follower.settle(), Delta::default());
}

#[test]
fn what_is_no_neighbour() {
    let mut follower = Follower::new(true, None);
    // ip link del eth9: ff02::2 of the link goes. Multicast has no neighbours.
    let multicast =
        "580000001c00000000000000000000000a000000030000004000000514000100ff0200000000000000000000000000020a000200
        3333000000020000080004000000000014000300d8180000680100006801000000000000";
    follower.tell(multicast);
    // ip link add br0 type bridge: its own entry of the forwarding table.
    follower.tell(
        "4c0000001c00000000000000000000000700000003000000800000000a000200260306c2a9f80000080009000400000008000f00000000
        001400030000000000000000000000000000000000",
    );
    // NTF_PROXY: we answer for the address.
    follower.tell(&but(NEIGHBOUR, "0300000002000001", "0300000080000801"));
    assert_eq!(follower.bindings(), [""; 0]);
}

/// Beside OVN, whose ports have other names, neighbours count on any port.
#[test]
fn neighbours_without_routes() {
    let mut follower = Follower::new(false, Some(&["eth0", "eth1"]));
    follower.tell(ETH1);
    follower.tell(ROUTE);
    follower.tell(NEIGHBOUR);
    assert_eq!(follower.bindings(), ["192.0.2.2 02:00:00:00:00:22 -"]);
    let on_eth1 = |hex: &str| but(hex, "0200000003000000", "0200000004000000");
    follower.tell(&on_eth1(NEIGHBOUR));
    assert_eq!(follower.settle(), Delta::default(), "the same, by another device");
    follower.tell(&on_eth1(NEIGHBOUR_FAILED));
    assert_eq!(follower.settle(), Delta::default(), "eth0 knows it still");
    follower.tell(NEIGHBOUR_DELETED);
    assert_eq!(follower.bindings(), ["192.0.2.2 - -"]);
    assert_eq!((follower.routes(), follower.port()), (Vec::new(), None));
    // A link-local address on two links is two neighbours.
    let link_local = but(NEIGHBOUR, "c0000202", "a9fe0102");
    follower.tell(&link_local);
    assert_eq!(follower.bindings(), ["169.254.1.2 02:00:00:00:00:22 -", "192.0.2.2 - -"]);
    follower.tell(&on_eth1(&link_local));
    assert_eq!(follower.bindings(), ["192.0.2.2 - -"]);
}

#[test]
fn link_down_renamed_and_deleted() {
    let mut follower = Follower::new(true, None);
    follower.tell(ROUTE);
    follower.tell(NEIGHBOUR);
    follower.settle();
    follower.tell(ETH0_DOWN);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0 dead"]);
    assert_eq!(
        follower.state.take_stale().into_iter().collect::<Vec<_>>(),
        [Dump::Nexthops, Dump::Ipv4Routes, Dump::Ipv6Routes]
    );
    follower.tell(ETH0_UP);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0"]);
    follower.tell(ETH0_RENAMED);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth9"]);
    assert_eq!(follower.bindings(), ["192.0.2.2 02:00:00:00:00:22 eth9"]);
    assert_eq!(&*follower.port().unwrap().name, "eth9");
    let [LinkChange::Present(link)] = &follower.state.take_link_changes()[..] else { panic!() };
    assert_eq!(&*link.name, "eth9");
    follower.tell(ETH9_DELETED);
    assert_eq!(follower.state.take_link_changes(), [LinkChange::Gone { ifindex: 3 }]);
    assert_eq!(follower.bindings(), [""; 0]);
    assert_eq!(follower.port(), None);
    // Until the dump that is asked for, the route stands; by no device that is watched.
    assert_eq!(follower.routes(), ["198.51.100.0/24"]);
}

#[test]
fn other_devices_are_elsewhere() {
    let mut follower = Follower::new(true, Some(&["eth1"]));
    follower.tell(ETH1);
    follower.tell(ROUTE);
    follower.tell(NEIGHBOUR);
    // Both next hops by eth0, and the second by eth1.
    follower.tell(&but(MULTIPATH, "1000000103000000", "1000000104000000"));
    assert_eq!(follower.routes(), ["198.51.100.0/24", "203.0.113.0/24 via 192.0.2.3 dev eth1"]);
    assert_eq!((follower.bindings(), follower.port()), (Vec::new(), None));
    follower.state.watch(Some(HashSet::from(["eth0".into()])));
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0", "203.0.113.0/24 via 192.0.2.2 dev eth0"]);
    assert_eq!(follower.bindings(), ["192.0.2.2 02:00:00:00:00:22 eth0"]);
    assert!(follower.port().is_some());
}

/// With a metric: `RTA_PRIORITY` in place of an attribute that is not read.
fn with_metric(hex: &str, metric: u8) -> String {
    but(hex, "08000f00fe000000", &format!("08000600{metric:02x}000000"))
}

#[test]
fn lowest_metric_that_lives_decides() {
    let mut follower = Follower::new(true, None);
    follower.tell(ETH1);
    let by_eth1 = with_metric(&but(REPLACED, "18000001", "18000006"), 20);
    follower.tell(&but(&by_eth1, "0800040003000000", "0800040004000000"));
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.3 dev eth1"]);
    follower.tell(&with_metric(ROUTE, 10));
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0"]);
    follower.tell(ETH0_DOWN);
    assert_eq!(
        follower.routes(),
        ["198.51.100.0/24 via 192.0.2.2 dev eth0 dead", "198.51.100.0/24 via 192.0.2.3 dev eth1"]
    );
}

#[test]
fn dump_takes_away_what_it_does_not_list() {
    let mut follower = Follower::new(true, None);
    for message in [ROUTE, MULTIPATH, NEXTHOP_1, NEXTHOP_2, GROUP, BY_GROUP, NEIGHBOUR] {
        follower.tell(message);
    }
    let all = follower.routes();
    assert_eq!(all.len(), 5);
    follower.state.dump_begins(Dump::Ipv4Routes);
    follower.tell_as(MULTIPATH, Origin::Dump);
    assert_eq!(follower.settle(), Delta::default(), "nothing is missed before the end");
    // Told by a notification meanwhile.
    follower.tell(ROUTE);
    follower.state.dump_ends(Dump::Ipv4Routes, true);
    assert_eq!(
        follower.routes(),
        [
            "198.51.100.0/24 via 192.0.2.2 dev eth0",
            "203.0.113.0/24 via 192.0.2.2 dev eth0",
            "203.0.113.0/24 via 192.0.2.3 dev eth0"
        ]
    );
    for dump in [Dump::Ipv4Routes, Dump::Neighbours] {
        follower.state.dump_begins(dump);
        follower.state.dump_ends(dump, false);
    }
    assert_eq!(follower.settle(), Delta::default(), "a dump that was interrupted takes nothing away");
    for dump in Dump::ALL {
        follower.state.dump_begins(dump);
        follower.state.dump_ends(dump, true);
    }
    follower.settle();
    assert_eq!(follower.standing, []);
}

/// A dump lists routes that differ in nothing but their next hop in the order in which they are tried.
#[test]
fn dump_tells_the_order() {
    let mut follower = Follower::new(true, None);
    follower.tell(ROUTE);
    follower.tell(APPENDED);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.2 dev eth0"]);
    follower.state.dump_begins(Dump::Ipv4Routes);
    follower.tell_as(APPENDED, Origin::Dump);
    follower.tell_as(ROUTE, Origin::Dump);
    follower.state.dump_ends(Dump::Ipv4Routes, true);
    assert_eq!(follower.routes(), ["198.51.100.0/24 via 192.0.2.4 dev eth0"]);
}

#[test]
fn policy_rules_are_told_to_the_user() {
    let mut follower = Follower::new(true, None);
    // ip rule add from 10.0.0.0/8 lookup 7 pref 100
    let rule =
        "44000000200000009c33036b6310000002000800070000010000000008000f000700000008000e00ffffffff05001500000000000800
        060064000000080002000a000000";
    follower.tell(rule);
    follower.tell(rule);
    let warnings = follower.state.take_warnings();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("IPv4 policy rule of priority 100 leads to table 7"), "{warning}");
    // The kernel's own rule for table main.
    follower.tell(&but(
        &but(&but(rule, "0200080007", "02000000fe"), "08000f0007", "08000f00fe"),
        "64000000",
        "fe7f0000",
    ));
    assert_eq!(follower.state.take_warnings(), [""; 0]);
}

#[test]
fn broken_messages_are_counted_and_change_nothing() {
    let mut follower = Follower::new(true, None);
    follower.settle();
    let mut count = 0;
    for whole in [ETH0_UP, ADDRESS, ROUTE, MULTIPATH, NEXTHOP_1, GROUP, BY_GROUP, NEIGHBOUR] {
        let bytes = bytes(whole);
        let message = messages(&bytes).next().unwrap().unwrap();
        // The fixed part of each has 8 octets at least.
        for length in 0..8 {
            let cut = Message { payload: &message.payload[..length], ..message };
            follower.state.apply(&cut, Origin::Notification, NOW);
            count += 1;
        }
        let mut over = message.payload.to_vec();
        over.extend([200, 0, 1, 0]);
        follower.state.apply(&Message { payload: &over, ..message }, Origin::Notification, NOW);
        count += 1;
    }
    assert_eq!(follower.state.losses.malformed, count);
    assert_eq!(follower.state.delta(), Delta::default());
}
