use super::*;
use crate::ovsdb::row::{Atom, Datum};

fn string(text: &str) -> Atom {
    Atom::String(text.into())
}

fn text(text: &str) -> Datum {
    Datum::Set(vec![string(text)])
}

fn map(pairs: &[(&str, &str)]) -> Datum {
    Datum::Map(pairs.iter().map(|(key, value)| (string(key), string(value))).collect())
}

fn refs(uuids: &[&str]) -> Datum {
    Datum::Set(uuids.iter().map(|uuid| Atom::Uuid((*uuid).into())).collect())
}

fn put(rows: &mut Rows, table: &str, uuid: &str, columns: Vec<(&str, Datum)>) {
    let columns = columns.into_iter().map(|(name, value)| (name.into(), value)).collect();
    rows.insert(table, Arc::new(Row { uuid: uuid.into(), columns }));
}

/// A database with bridges of interfaces: `(bridge, its external_ids, [(port, [(interface, type)])])`.
type Bridge<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a [(&'a str, &'a str)])]);

fn database(external_ids: &[(&str, &str)], bridges: &[Bridge<'_>]) -> Rows {
    let mut rows = Rows::default();
    put(&mut rows, "Open_vSwitch", "root", vec![("external_ids", map(external_ids))]);
    for (bridge, external_ids, ports) in bridges {
        let names: Vec<&str> = ports.iter().map(|(port, _)| *port).collect();
        let columns = vec![
            ("name", text(bridge)),
            ("external_ids", map(external_ids)),
            ("ports", refs(&names)),
            ("datapath_type", text("")),
        ];
        put(&mut rows, "Bridge", bridge, columns);
        for (port, interfaces) in *ports {
            let names: Vec<&str> = interfaces.iter().map(|(interface, _)| *interface).collect();
            put(&mut rows, "Port", port, vec![("name", text(port)), ("interfaces", refs(&names))]);
            for (interface, interface_type) in *interfaces {
                put(&mut rows, "Interface", interface, vec![("name", text(interface)), ("type", text(interface_type))]);
            }
        }
    }
    rows
}

const MAPPED: &[(&str, &str)] = &[("system-id", "w8"), ("ovn-bridge-mappings", "physnet:br-ex")];

/// Interfaces that every br-ex of OVN-Kubernetes has.
const INNER: (&str, &[(&str, &str)]) = ("inner", &[("br-ex", "internal"), ("patch-br-ex_w8-to-br-int", "patch")]);

fn uplinks(rows: &Rows, lower: &[(&str, &[&str])]) -> (Vec<String>, Vec<String>) {
    let below = |device: &str| {
        let known = lower.iter().find(|(upper, _)| *upper == device);
        known.into_iter().flat_map(|(_, below)| below.iter().map(|name| Arc::from(*name))).collect()
    };
    let Uplinks { nics, problems } = Node::read(rows, None).unwrap().uplinks(rows, below);
    (nics.iter().map(ToString::to_string).collect(), problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_nic_of_the_mapped_bridge() {
    let vlan_on_bond: &[(&str, &[&str])] = &[("bond0.7", &["bond0"]), ("bond0", &["ens1", "ens2"])];
    let circle: &[(&str, &[&str])] = &[("ens1", &["ens2"]), ("ens2", &["ens1"])];
    type Case<'a> = (&'a [(&'a str, &'a [(&'a str, &'a str)])], &'a [(&'a str, &'a [&'a str])], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (&[INNER, ("ens1", &[("ens1", "system")])], &[], &["ens1"]),
        (&[INNER, ("ens1", &[("ens1", "")])], &[], &["ens1"]),
        // A bond of Open vSwitch.
        (&[INNER, ("bond", &[("ens1", ""), ("ens2", "system")])], &[], &["ens1", "ens2"]),
        // Bonds of the kernel.
        (&[INNER, ("bond0", &[("bond0", "system")])], vlan_on_bond, &["ens1", "ens2"]),
        (&[INNER, ("bond0.7", &[("bond0.7", "system")])], vlan_on_bond, &["ens1", "ens2"]),
        // No such thing exists, but it must come to an end.
        (&[("ens1", &[("ens1", "")])], circle, &["ens1"]),
    ];
    for (ports, lower, expected) in cases {
        let rows = database(MAPPED, &[("br-ex", &[], ports), ("br-int", &[], &[("pod", &[("veth0", "")])])]);
        assert_eq!(uplinks(&rows, lower), (expected.iter().map(ToString::to_string).collect(), vec![]), "{ports:?}");
    }
}

#[test]
fn the_uplink_that_is_noted_counts() {
    let ports: &[(&str, &[(&str, &str)])] = &[INNER, ("p0", &[("p0", "")]), ("pf0hpf", &[("pf0hpf", "")])];
    for (noted, expected) in [("p0", &["p0"][..]), ("gone", &["p0", "pf0hpf"]), ("br-ex", &["p0", "pf0hpf"])] {
        let rows = database(MAPPED, &[("br-ex", &[("bridge-uplink", noted)], ports)]);
        assert_eq!(uplinks(&rows, &[]).0, expected, "{noted}");
    }
}

#[test]
fn what_cannot_be_watched_is_told() {
    let rows = database(&[], &[]);
    let advice = "name the egress NIC with -i";
    let expected = "Open_vSwitch external_ids:ovn-bridge-mappings names no bridge, so the egress NIC is not known; name \
                    it with -i";
    assert_eq!(uplinks(&rows, &[]).1, [expected]);
    let rows = database(MAPPED, &[]);
    let expected = format!("bridge br-ex of ovn-bridge-mappings does not exist; {advice}");
    assert_eq!(uplinks(&rows, &[]).1, [expected]);
    let rows = database(MAPPED, &[("br-ex", &[], &[INNER])]);
    let expected = format!("bridge br-ex of ovn-bridge-mappings has no physical port; {advice}");
    assert_eq!(uplinks(&rows, &[]).1, [expected]);
    let ports: &[(&str, &[(&str, &str)])] = &[("bond", &[("dpdk0", "dpdk"), ("ens2", "afxdp"), ("ens3", "")])];
    let rows = database(MAPPED, &[("br-ex", &[], ports)]);
    let (nics, problems) = uplinks(&rows, &[]);
    assert_eq!(nics, ["ens3"]);
    let told = |name: &str, of| {
        format!(
            "interface {name} of bridge br-ex is of type {of}: its packets pass the kernel's hooks by, so they cannot be \
             watched here"
        )
    };
    assert_eq!(problems, [told("dpdk0", "dpdk"), told("ens2", "afxdp")]);
}

#[test]
fn a_node() {
    let external_ids = [
        ("system-id", "w8"),
        ("hostname", "worker-08"),
        ("ovn-remote", "ssl:10.0.0.1:6642, ssl:10.0.0.2:6642,"),
        ("ovn-bridge-mappings", "physnet:br-ex,,half:,:other, net2:br-ex1"),
        ("ovn-bridge-mappings-dpu", "net3:br-dpu"),
        ("ovn-bridge-dpu", "br-int-dpu"),
    ];
    let mut rows = database(&external_ids, &[("br-int", &[], &[])]);
    let mapping = |network: &str, bridge: &str| Mapping { network: network.into(), bridge: bridge.into() };
    let node = Node {
        chassis: Some("w8".into()),
        hostname: Some("worker-08".into()),
        integration_bridge: "br-int".into(),
        datapath: DatapathType::System,
        hw_offload: false,
        southbound_remotes: vec!["ssl:10.0.0.1:6642".into(), "ssl:10.0.0.2:6642".into()],
        mappings: vec![mapping("physnet", "br-ex"), mapping("net2", "br-ex1")],
    };
    assert_eq!(Node::read(&rows, None), Some(node.clone()));
    let other = Node {
        chassis: Some("dpu".into()),
        integration_bridge: "br-int-dpu".into(),
        datapath: DatapathType::NoBridge,
        mappings: vec![mapping("net3", "br-dpu")],
        ..node
    };
    assert_eq!(Node::read(&rows, Some("dpu")), Some(other));

    for (word, expected) in [
        ("netdev", DatapathType::Netdev),
        ("system", DatapathType::System),
        ("ofproto-x", DatapathType::Other("ofproto-x".into())),
    ] {
        put(&mut rows, "Bridge", "br-int", vec![("name", text("br-int")), ("datapath_type", text(word))]);
        assert_eq!(Node::read(&rows, None).unwrap().datapath, expected);
    }
    for (value, expected) in [("true", true), ("TRUE", true), ("false", false), ("yes", false)] {
        put(&mut rows, "Open_vSwitch", "root", vec![("other_config", map(&[("hw-offload", value)]))]);
        let node = Node::read(&rows, None).unwrap();
        assert_eq!((node.hw_offload, node.chassis, node.mappings), (expected, None, vec![]));
    }
    assert_eq!(Node::read(&Rows::default(), None), None);
}
