//! Rows of OVN's databases and the text of `lr-route-list`.

use std::fmt::Write;

use super::node::{NODE, ROUTER, UPLINK, UPLINK_KEY};
use super::table::{NO_PAIRS, NONE, Table, Value, text};
use crate::frame::{Mac, Station, mac_text};

/// A UUID that a name stands for: the same on every run.
pub(super) fn uuid(name: &str) -> String {
    // FNV-1a with 128 bits.
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    // Names that differ at their end would look alike.
    let hash = (hash ^ hash >> 67).wrapping_mul(BASIS);
    let hash = (hash ^ hash >> 59).wrapping_mul(BASIS);
    // Version 4 and the variant of RFC 9562.
    let hash = hash & !(0xf << 76 | 0x3 << 62) | 4 << 76 | 2 << 62;
    let digits = format!("{hash:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// UUID of a router's or switch's datapath.
pub(super) fn datapath_uuid(name: &str) -> String {
    uuid(&format!("Datapath_Binding {name}"))
}

/// Which columns tables have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// OVN 20.12.
    V20,
    /// OVN 23.03 and its neighbours.
    V23,
}

/// A router's port.
#[derive(Clone)]
pub(super) struct RouterPort {
    pub(super) name: &'static str,
    pub(super) router: &'static str,
    pub(super) mac: Mac,
    /// Its addresses with their lengths, between blanks.
    pub(super) networks: &'static str,
    pub(super) key: u16,
}

/// The gateway router's uplink, as most cases have it.
pub(super) const UPLINK_PORT: RouterPort =
    RouterPort { name: UPLINK, router: ROUTER, mac: NODE.mac, networks: "192.0.2.13/24", key: UPLINK_KEY };

/// The gateway router's port to the join switch.
pub(super) const JOIN_PORT: RouterPort = RouterPort {
    name: "rtoj-GR_worker-3",
    router: ROUTER,
    mac: [0x0a, 0x58, 0x64, 0x40, 0x00, 0x05],
    networks: "100.64.0.5/16",
    key: 1,
};

/// `ovn-sbctl list Port_Binding` of router ports.
pub(super) fn port_bindings(schema: Schema, ports: &[RouterPort]) -> Table {
    // Name of the switch's port at the other end: rtoe-GR_worker-3 and etor-GR_worker-3.
    let peer = |name: &str| name.replacen("rtoe-", "etor-", 1).replacen("rtoj-", "jtor-", 1);
    let row = |port: &RouterPort| {
        let options = Value::Map(vec![("l3gateway-chassis", uuid("Chassis.name worker-3")), ("peer", peer(port.name))]);
        let mac = Value::Set(vec![text(format!("{} {}", mac_text(port.mac), port.networks))]);
        let row = Value::Uuid(uuid(&format!("Port_Binding {}", port.name)));
        let chassis = Value::Uuid(uuid("Chassis worker-3"));
        let datapath = Value::Uuid(datapath_uuid(port.router));
        let (name, key, kind) = (text(port.name), Value::Integer(port.key.into()), text("l3gateway"));
        match schema {
            #[rustfmt::skip]
            Schema::V20 => vec![
                row, chassis, datapath, NONE, NO_PAIRS, NONE, NONE, name, mac, NONE, options, NONE, NONE, key, kind, NONE,
            ],
            #[rustfmt::skip]
            Schema::V23 => vec![
                row, NONE, NONE, chassis, datapath, NONE, NO_PAIRS, NONE, NONE, name, mac, NONE, NONE, options, NONE,
                NONE, NONE, NONE, NONE, key, kind, Value::Boolean(true), NONE,
            ],
        }
    };
    #[rustfmt::skip]
    let columns: &[&str] = match schema {
        Schema::V20 => &[
            "_uuid", "chassis", "datapath", "encap", "external_ids", "gateway_chassis", "ha_chassis_group", "logical_port",
            "mac", "nat_addresses", "options", "parent_port", "tag", "tunnel_key", "type", "virtual_parent",
        ],
        Schema::V23 => &[
            "_uuid", "additional_chassis", "additional_encap", "chassis", "datapath", "encap", "external_ids",
            "gateway_chassis", "ha_chassis_group", "logical_port", "mac", "mirror_rules", "nat_addresses", "options",
            "parent_port", "port_security", "requested_additional_chassis", "requested_chassis", "tag", "tunnel_key",
            "type", "up", "virtual_parent",
        ],
    };
    Table { columns, rows: ports.iter().map(row).collect() }
}

/// `ovn-sbctl list Datapath_Binding` of routers.
pub(super) fn datapath_bindings(schema: Schema, routers: &[&str]) -> Table {
    let row = |(key, router): (i64, &&str)| {
        let mut external_ids = vec![
            ("logical-router", uuid(&format!("Logical_Router {router}"))),
            ("name", (*router).to_owned()),
            ("snat-ct-zone", "0".to_owned()),
        ];
        if schema == Schema::V23 {
            external_ids.insert(0, ("always_learn_from_arp_request", "false".to_owned()));
        }
        vec![Value::Uuid(datapath_uuid(router)), Value::Map(external_ids), NONE, Value::Integer(key)]
    };
    let columns = &["_uuid", "external_ids", "load_balancers", "tunnel_key"];
    Table { columns, rows: (3..).zip(routers).map(row).collect() }
}

/// A row of `MAC_Binding`: port, neighbour, and when it was confirmed, in milliseconds after the epoch.
pub(super) type Binding = (&'static str, Station, u64);

/// When most bindings were confirmed: 2026-03-02T08:58:20Z.
pub(super) const CONFIRMED: u64 = 1_772_441_900_000;

/// Bindings of neighbours on the uplink, confirmed at about the same time.
pub(super) fn on_uplink(neighbours: &[Station]) -> Vec<Binding> {
    (0..).zip(neighbours).map(|(number, &neighbour)| (UPLINK, neighbour, CONFIRMED + 1_237 * number)).collect()
}

/// `ovn-sbctl list MAC_Binding` of the node's gateway router.
pub(super) fn mac_bindings(schema: Schema, bindings: &[Binding]) -> Table {
    let row = |&(port, neighbour, confirmed): &Binding| {
        let mut row = vec![
            Value::Uuid(uuid(&format!("MAC_Binding {port} {}", neighbour.ip))),
            Value::Uuid(datapath_uuid(ROUTER)),
            text(neighbour.ip.to_string()),
            text(port),
            text(mac_text(neighbour.mac)),
        ];
        if schema == Schema::V23 {
            row.push(Value::Integer(confirmed.cast_signed()));
        }
        row
    };
    let columns: &[&str] = match schema {
        Schema::V20 => &["_uuid", "datapath", "ip", "logical_port", "mac"],
        Schema::V23 => &["_uuid", "datapath", "ip", "logical_port", "mac", "timestamp"],
    };
    Table { columns, rows: bindings.iter().map(row).collect() }
}

/// `ovn-nbctl list Static_MAC_Binding`: neighbours on the uplink, and whether each overrides what is learned.
pub(super) fn static_mac_bindings(bindings: &[(Station, bool)]) -> Table {
    let row = |&(neighbour, overrides): &(Station, bool)| {
        vec![
            Value::Uuid(uuid(&format!("Static_MAC_Binding {}", neighbour.ip))),
            text(neighbour.ip.to_string()),
            text(UPLINK),
            text(mac_text(neighbour.mac)),
            Value::Boolean(overrides),
        ]
    };
    let columns = &["_uuid", "ip", "logical_port", "mac", "override_dynamic_mac"];
    Table { columns, rows: bindings.iter().map(row).collect() }
}

/// `ovn-nbctl list BFD`: peers on the uplink and the states of their sessions.
pub(super) fn bfd(sessions: &[(Station, &'static str)]) -> Table {
    let row = |(peer, status): &(Station, &'static str)| {
        vec![
            Value::Uuid(uuid(&format!("BFD {}", peer.ip))),
            NONE,
            text(peer.ip.to_string()),
            NO_PAIRS,
            text(UPLINK),
            NONE,
            NONE,
            NO_PAIRS,
            text(*status),
        ]
    };
    #[rustfmt::skip]
    let columns = &[
        "_uuid", "detect_mult", "dst_ip", "external_ids", "logical_port", "min_rx", "min_tx", "options", "status",
    ];
    Table { columns, rows: sessions.iter().map(row).collect() }
}

/// A row of `Logical_Router_Static_Route`.
#[derive(Clone, Copy)]
pub(super) struct StaticRoute {
    pub(super) prefix: &'static str,
    pub(super) nexthop: &'static str,
    pub(super) port: Option<&'static str>,
    pub(super) is_by_source: bool,
    pub(super) is_symmetric: bool,
}

impl StaticRoute {
    /// A pod's route through a gateway: by source, with a symmetric reply.
    pub(super) const fn of_pod(prefix: &'static str, nexthop: &'static str, port: &'static str) -> Self {
        Self { prefix, nexthop, port: Some(port), is_by_source: true, is_symmetric: true }
    }

    /// A route by destination.
    pub(super) const fn by_destination(
        prefix: &'static str,
        nexthop: &'static str,
        port: Option<&'static str>,
    ) -> Self {
        Self { prefix, nexthop, port, is_by_source: false, is_symmetric: false }
    }
}

/// `ovn-nbctl list Logical_Router_Static_Route`.
pub(super) fn static_routes(routes: &[StaticRoute]) -> Table {
    let row = |route: &StaticRoute| {
        let options = if route.is_symmetric { vec![("ecmp_symmetric_reply", "true".to_owned())] } else { vec![] };
        vec![
            Value::Uuid(uuid(&format!("Logical_Router_Static_Route {} {}", route.prefix, route.nexthop))),
            NONE,
            NO_PAIRS,
            text(route.prefix),
            text(route.nexthop),
            Value::Map(options),
            route.port.map_or(NONE, text),
            if route.is_by_source { text("src-ip") } else { NONE },
            text(""),
        ]
    };
    #[rustfmt::skip]
    let columns = &[
        "_uuid", "bfd", "external_ids", "ip_prefix", "nexthop", "options", "output_port", "policy", "route_table",
    ];
    Table { columns, rows: routes.iter().map(row).collect() }
}

/// A row of `ovn-nbctl lr-route-list`: prefix, next hop, and the words behind.
pub(super) type RouteLine = (&'static str, &'static str, &'static str);

/// The words of a pod's route since 21.03, where it has no BFD session.
pub(super) const ECMP: &str = "src-ip rtoe-GR_worker-3 ecmp ecmp-symmetric-reply";
/// The same with a session.
pub(super) const ECMP_BFD: &str = "src-ip rtoe-GR_worker-3 ecmp ecmp-symmetric-reply bfd";
/// The routes that OVN-Kubernetes gives every gateway router.
pub(super) const INNER_ROUTE: RouteLine = ("10.128.0.0/14", "100.64.0.1", "dst-ip");
pub(super) const DEFAULT_ROUTE: RouteLine = ("0.0.0.0/0", "192.0.2.1", "dst-ip rtoe-GR_worker-3");

/// A listing of IPv4 routes since 21.12, when tables got headings.
pub(super) fn lr_route_list(routes: &[RouteLine]) -> String {
    format!("IPv4 Routes\nRoute Table <main>:\n{}", route_lines(routes))
}

/// The rows alone.
pub(super) fn route_lines(routes: &[RouteLine]) -> String {
    let mut out = String::new();
    for (prefix, nexthop, words) in routes {
        writeln!(out, "{prefix:>25} {nexthop:>25} {words}").expect("writing to a String cannot fail");
    }
    out
}

/// Zones as `ovn-appctl -t ovn-controller ct-zone-list` prints them.
pub(super) fn ct_zone_list(zones: &[(&str, u16)]) -> String {
    zones.iter().map(|(name, zone)| format!("{name} {zone}\n")).collect()
}

/// Zones as `ovs-vsctl list bridge br-int` prints them, in one of its columns.
pub(super) fn ct_zones(zones: &[(&str, u16)]) -> String {
    let mut pairs: Vec<String> = zones.iter().map(|(name, zone)| format!("ct-zone-{name}=\"{zone}\"")).collect();
    pairs.sort();
    pairs.push("ovn-nb-cfg=\"0\"".to_owned());
    format!("external_ids        : {{{}}}\n", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_uuids() {
        assert_ne!(uuid("a"), uuid("b"));
        assert_eq!(uuid("a").len(), 36);
        assert_eq!(&uuid("a")[14..15], "4");
    }

    #[test]
    fn rows_of_routes_are_those_of_ovn() {
        let listing = include_str!("../../../pcaps/ovn-22.03-nexthop-mac-change/lr-route-list.txt");
        let words = "src-ip rtoe-GR_worker-08 ecmp ecmp-symmetric-reply";
        let routes = [
            ("10.168.16.230", "198.19.3.15", words),
            ("10.168.16.230", "198.19.3.16", words),
            ("10.168.0.0/16", "100.64.0.1", "dst-ip"),
            ("0.0.0.0/0", "198.19.3.1", "dst-ip rtoe-GR_worker-08"),
        ];
        assert_eq!(lr_route_list(&routes), listing);
    }

    #[test]
    fn rows_have_as_many_values_as_columns() {
        for schema in [Schema::V20, Schema::V23] {
            let tables = [
                port_bindings(schema, &[UPLINK_PORT, JOIN_PORT]),
                mac_bindings(schema, &on_uplink(&[NODE])),
                datapath_bindings(schema, &[ROUTER]),
                static_mac_bindings(&[(NODE, true)]),
                bfd(&[(NODE, "up")]),
                static_routes(&[StaticRoute::of_pod("10.131.0.7", "192.0.2.21", UPLINK)]),
            ];
            for table in tables {
                assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{:?}", table.columns);
            }
        }
    }
}
