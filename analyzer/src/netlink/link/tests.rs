use super::*;
use crate::netlink::rtnetlink::{Message, kind, messages};

/// The octets that hexadecimal text tells.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn parse(hex: &str) -> Option<Link> {
    let bytes = bytes(hex);
    let message: Message<'_> = messages(&bytes).next().unwrap().unwrap();
    assert!(matches!(message.kind, kind::NEW_LINK | kind::DEL_LINK));
    Link::parse(message.payload).unwrap()
}

/// `ip link set eth0 up`, for `ip link add eth0 type veth peer name eth1`; attributes that are not read left out.
const VETH: &str =
    "50000000100000000000000000000000000001000300000043100100000000000900030065746830000000000a00010002000000
    00010000100012000900010076657468000000000800050002000000";

/// `ip link add mv0 link eth0 type macvlan`, likewise.
const MACVLAN: &str =
    "4c000000100000000000000000000000000001000500000002100000ffffffff080003006d7630000a000100025f0605ed810000
    100012000c0001006d6163766c616e000800050003000000";

#[test]
fn veth_is_not_on_its_peer() {
    let link = parse(VETH).unwrap();
    let expected = Link {
        ifindex: 3,
        name: "eth0".into(),
        alt_names: Vec::new(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        kind: Some("veth".into()),
        master: None,
        lower: None,
        is_up: true,
        has_carrier: true,
        is_loopback: false,
    };
    assert_eq!(link, expected);
}

#[test]
fn macvlan_is_on_its_link() {
    let link = parse(MACVLAN).unwrap();
    assert_eq!((&*link.name, link.kind.as_deref(), link.lower), ("mv0", Some("macvlan"), Some(3)));
    assert!(!link.can_carry());
    // IFLA_LINK_NETNSID: the number is that of a link in another namespace.
    let elsewhere = MACVLAN.replace("4c00000010", "5400000010") + "0800250001000000";
    assert_eq!(parse(&elsewhere).unwrap().lower, None);
}

/// `ip link set eth1 master br0` tells the port twice: as a link, and, of family `AF_BRIDGE`, as a port. When it leaves
/// the bridge the latter is "deleted", which must not be taken for the link's end.
#[test]
fn ports_of_bridges_are_no_links() {
    let port =
        "580000001100000000000000000000000700010002000000021000000000000009000300657468310000000008000a0004000000
        08000400dc05000005001000020000000a0001005a741375f1f500000800050000000000";
    assert_eq!(parse(port), None);
}

/// `ip link property add dev eth0 altname enp1s0f0np0`, the names alone.
#[test]
fn other_names_count() {
    let link =
        "64000000100000000000000000000000000001000300000043100100000000000900030065746830000000000a00010002000000
        000100001000120009000100766574680000000008000500020000001400348010003500656e7031733066306e703000";
    let link = parse(link).unwrap();
    assert!(link.is_called("enp1s0f0np0") && link.is_called("eth0") && !link.is_called("eth1"));
}

#[test]
fn what_is_no_link_is_malformed() {
    assert_eq!(Link::parse(&[0; 15]), Err(Malformed));
    assert_eq!(Link::parse(&[0; 16]), Err(Malformed));
}

fn link(ifindex: u32, name: &str, kind: Option<&str>) -> Link {
    Link { ifindex, name: name.into(), kind: kind.map(Into::into), lower: None, ..parse(VETH).unwrap() }
}

#[test]
fn links_above_and_below() {
    let mut links = Links::default();
    for link in [
        Link { is_loopback: true, ..link(1, "lo", None) },
        Link { master: Some(4), ..link(2, "ens1f0", None) },
        Link { master: Some(4), ..link(3, "ens1f1", None) },
        Link { master: Some(6), ..link(4, "bond0", Some("bond")) },
        Link { lower: Some(4), ..link(5, "bond0.7", Some("vlan")) },
        link(6, "br0", Some("bridge")),
        Link { lower: Some(6), ..link(7, "br0.9", Some("vlan")) },
        link(8, "veth9", Some("veth")),
        Link { lower: Some(10), master: Some(9), ..link(9, "knot", Some("vlan")) },
        Link { lower: Some(9), ..link(10, "knot2", Some("vlan")) },
    ] {
        links.insert(link);
    }
    let over = |names: &[&str]| {
        let names: HashSet<Arc<str>> = names.iter().map(|&name| name.into()).collect();
        let mut found: Vec<u32> = links.over(Some(&names)).into_iter().collect();
        found.sort_unstable();
        found
    };
    assert_eq!(over(&["ens1f0"]), [2, 4, 5, 6, 7]);
    assert_eq!(over(&["br0"]), [6, 7]);
    assert_eq!(over(&["knot"]), [9, 10]);
    assert!(over(&["none"]).is_empty());
    assert_eq!(links.over(None).len(), 9);
    let lowest = |ifindex| links.lowest(ifindex).iter().map(|link| &*link.name).collect::<Vec<_>>();
    assert_eq!(lowest(5), ["ens1f0", "ens1f1"]);
    assert_eq!(lowest(7), ["br0"]);
    assert_eq!(lowest(2), ["ens1f0"]);
    assert_eq!(lowest(9), [""; 0]);
    assert_eq!(lowest(99), [""; 0]);
}
