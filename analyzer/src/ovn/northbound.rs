//! Facts of the Northbound database (ovn-nb(5)).
//!
//! A row's fact holds as long as its version does, cut to the time during which the rows it is joined with held: a
//! route belongs to the `Logical_Router` that refers to it, and to the `BFD` row that it refers to. Columns that an
//! older schema lacks (`route_table` before 21.12, `bfd` before 21.03) are absent, which means their default.

use std::net::IpAddr;
use std::sync::Arc;

use super::columns::{self, BadColumn};
use super::history::History;
use super::rows::{RowReader, identified, versions};
use super::{Facts, southbound};
use crate::engine::fact::{
    Bfd, BfdRef, BfdStatus, Binding, BindingKind, Fact, Nat, ReroutePolicy, Route, RouteOrigin, Router, RouterPort,
    Source, SwitchPort,
};
use crate::ovsdb::file::Part;
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::types::Validity;

/// Tables that facts come from.
pub const TABLES: &[&str] = &[
    "Logical_Router",
    "Logical_Router_Static_Route",
    "Logical_Router_Port",
    "NAT",
    "Logical_Router_Policy",
    "Logical_Switch",
    "Logical_Switch_Port",
    "BFD",
    "Static_MAC_Binding",
];

/// What facts come from of a table that changes all the time.
pub const PARTS: &[Part] = &[Part { table: "NB_Global", columns: &["options"], rows: None }];

/// The facts that Northbound tables tell. `file` names the source in warnings.
///
/// Tables may be missing, as they are when only some were listed. Without `Logical_Router` no fact has a router;
/// without `BFD` the sessions of routes are known to exist only ([`BfdRef::Attached`]).
pub fn facts(tables: &Tables, file: &Arc<str>) -> Facts {
    let mut reader = RowReader::new(tables, file, TABLES);
    reader.facts.facts.extend(routers(tables));
    reader.facts.facts.extend(southbound::release(tables, "NB_Global"));
    let routers = holders(tables, "static_routes");
    let sessions = bfd_sessions(tables);
    reader.each("Logical_Router_Static_Route", |row, validity| {
        let route = static_route(row)?;
        let mut facts = Vec::new();
        for (router, validity) in routers.held_within(&&*row.uuid, validity) {
            for (bfd, validity) in bfd_refs(row, &sessions, validity) {
                facts.push(Fact::Route(Route { router: router.clone(), bfd, validity, ..route.clone() }));
            }
        }
        Ok(facts)
    });

    let routers = holders(tables, "ports");
    reader.each("Logical_Router_Port", |row, validity| {
        let port = router_port(row)?;
        let pieces = routers.held_within(&&*row.uuid, validity).into_iter();
        let fact = |(router, validity)| Fact::RouterPort(RouterPort { router, validity, ..port.clone() });
        Ok(pieces.map(fact).collect())
    });

    let routers = holders(tables, "nat");
    reader.each("NAT", |row, validity| {
        let nat = nat(row)?;
        let pieces = routers.held_within(&&*row.uuid, validity).into_iter();
        Ok(pieces.map(|(router, validity)| Fact::Nat(Nat { router, validity, ..nat.clone() })).collect())
    });

    let routers = holders(tables, "policies");
    reader.each("Logical_Router_Policy", |row, validity| {
        let Some(policy) = reroute_policy(row)? else { return Ok(Vec::new()) };
        let pieces = routers.held_within(&&*row.uuid, validity).into_iter();
        let fact = |(router, validity)| Fact::ReroutePolicy(ReroutePolicy { router, validity, ..policy.clone() });
        Ok(pieces.map(fact).collect())
    });

    let switches = switches(tables);
    reader.each("Logical_Switch_Port", |row, validity| {
        let Some(port) = switch_port(row) else { return Ok(Vec::new()) };
        let pieces = switches.held_within(&&*row.uuid, validity).into_iter();
        let fact = |(switch, validity)| Fact::SwitchPort(SwitchPort { switch, validity, ..port.clone() });
        Ok(pieces.map(fact).collect())
    });

    reader.each("BFD", bfd);
    reader.each("Static_MAC_Binding", static_mac_binding);
    reader.facts
}

/// Whether a static binding counts before what OVN learns.
const OVERRIDE: &str = "override_dynamic_mac";

/// A row of `Static_MAC_Binding`, which the Southbound database has too.
pub(super) fn static_mac_binding(row: &Row, validity: Validity) -> Result<Vec<Fact>, BadColumn> {
    let override_dynamic_mac = match row.boolean(OVERRIDE) {
        None if row.columns.contains_key(OVERRIDE) => return Err(BadColumn::new(OVERRIDE, "expected true or false")),
        told => told.unwrap_or(false),
    };
    Ok(vec![Fact::Binding(Binding {
        logical_port: columns::name(row, "logical_port"),
        ip: columns::ip(row, "ip")?,
        mac: Some(columns::mac(row, "mac")?),
        kind: BindingKind::StaticMacBinding { override_dynamic_mac },
        confirmed: None,
        validity,
    })])
}

/// A row of `BFD`, which both databases have. It tells nothing where the status was not printed.
///
/// A Northbound row gets its status from northd; until then the column is empty, and the session is in the state that
/// every session starts in.
pub(super) fn bfd(row: &Row, validity: Validity) -> Result<Vec<Fact>, BadColumn> {
    let status = match row.text("status") {
        Some(word) => columns::bfd_status(word).ok_or_else(|| {
            BadColumn::new("status", format_args!("{word:?} is none of up, init, down and admin_down"))
        })?,
        None if row.texts("status").next().is_some() => return Err(BadColumn::new("status", "it has several words")),
        None if row.columns.contains_key("status") => BfdStatus::AdminDown,
        None => return Ok(Vec::new()),
    };
    let logical_port = columns::text(row, "logical_port")?.into();
    Ok(vec![Fact::Bfd(Bfd { logical_port, dst_ip: columns::ip(row, "dst_ip")?, status, validity })])
}

/// The routers, where their options are told. A row changes with every route; what is told of it here hardly does.
fn routers(tables: &Tables) -> Vec<Fact> {
    let mut told = History::default();
    for RowVersion { row, validity } in versions(tables, "Logical_Router") {
        if let Some(name) = columns::name(row, "name").filter(|_| row.columns.contains_key("options")) {
            told.add((&*row.uuid, name), columns::flag(row, "options", "dynamic_neigh_routers"), *validity);
        }
    }
    let router = |((_, name), &learns_routers, validity): (&(&str, Arc<str>), &bool, Validity)| {
        Fact::Router(Router { name: name.clone(), learns_routers, validity })
    };
    told.spans().map(router).collect()
}

/// The UUIDs of the switches that refer to ports, by the ports' UUIDs.
fn switches(tables: &Tables) -> History<&str, Arc<str>> {
    let mut switches = History::default();
    for (uuid, RowVersion { row, validity }) in identified(tables, "Logical_Switch") {
        for port in row.texts("ports") {
            switches.add(port, uuid.into(), *validity);
        }
    }
    switches
}

/// The names of the routers that refer to rows in one of their columns, by the rows' UUIDs.
fn holders<'a>(tables: &'a Tables, column: &str) -> History<&'a str, Arc<str>> {
    let mut holders = History::default();
    for RowVersion { row, validity } in versions(tables, "Logical_Router") {
        let Some(router) = columns::name(row, "name") else { continue };
        for uuid in row.texts(column) {
            holders.add(uuid, Arc::clone(&router), *validity);
        }
    }
    holders
}

/// Port and peer of BFD sessions, by the UUIDs of their rows. What is wrong with a row is said where its status is
/// read.
fn bfd_sessions(tables: &Tables) -> History<&str, (Arc<str>, IpAddr)> {
    let mut sessions = History::default();
    for (uuid, RowVersion { row, validity }) in identified(tables, "BFD") {
        if let (Some(logical_port), Ok(dst_ip)) = (columns::name(row, "logical_port"), columns::ip(row, "dst_ip")) {
            sessions.add(uuid, (logical_port, dst_ip), *validity);
        }
    }
    sessions
}

/// What tells whether the next hop of a route is up, during `validity`.
fn bfd_refs(row: &Row, sessions: &History<&str, (Arc<str>, IpAddr)>, validity: Validity) -> Vec<(BfdRef, Validity)> {
    let Some(uuid) = row.text("bfd").filter(|uuid| !uuid.is_empty()) else { return vec![(BfdRef::None, validity)] };
    let session = |session: Option<(Arc<str>, IpAddr)>| match session {
        Some((logical_port, dst_ip)) => BfdRef::Session { logical_port, dst_ip },
        None => BfdRef::Attached,
    };
    sessions.within(&uuid, validity).into_iter().map(|(told, validity)| (session(told), validity)).collect()
}

fn static_route(row: &Row) -> Result<Route, BadColumn> {
    let policy = columns::policy(row)?;
    let nexthop = match row.text("nexthop") {
        Some("" | "discard") => None,
        None if row.columns.contains_key("nexthop") => None,
        _ => Some(columns::ip(row, "nexthop")?),
    };
    let learned = row.map_text("external_ids", "ic-learned-route").is_some();
    Ok(Route {
        router: None,
        route_table: columns::words(row, "route_table").unwrap_or_default().into(),
        policy,
        prefix: columns::prefix(row, "ip_prefix")?,
        nexthop,
        output_port: columns::name(row, "output_port"),
        symmetric_reply: columns::flag(row, "options", "ecmp_symmetric_reply"),
        override_connected: columns::flag(row, "options", "override_connected"),
        origin: if learned { RouteOrigin::Learned } else { RouteOrigin::Static },
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    })
}

fn router_port(row: &Row) -> Result<RouterPort, BadColumn> {
    let mut addresses = Vec::new();
    let mut networks = Vec::new();
    for text in row.texts("networks") {
        let own = columns::own_network(text);
        let (address, network) =
            own.ok_or_else(|| BadColumn::new("networks", format_args!("{text:?} is no address with a length")))?;
        addresses.push(address);
        networks.push(network);
    }
    let route_table =
        row.columns.contains_key("options").then(|| row.map_text("options", "route_table").unwrap_or_default().into());
    Ok(RouterPort {
        router: None,
        datapath: None,
        name: columns::text(row, "name")?.into(),
        mac: row.text("mac").and_then(|mac| mac.parse().ok()),
        addresses,
        networks,
        port_key: None,
        route_table,
        validity: Validity::ALWAYS,
    })
}

/// `None` for a port that bears on no router: neither leads to one, nor has addresses that are known, nor is withheld.
fn switch_port(row: &Row) -> Option<SwitchPort> {
    let is_withheld = row.boolean("enabled") == Some(false) || row.text("type") == Some("virtual");
    let router_port = row.map_text("options", "router-port").filter(|_| row.text("type") == Some("router"));
    let mut addresses = Vec::new();
    if router_port.is_none() {
        addresses.extend(columns::machines(row, "addresses"));
        addresses.extend(columns::machines(row, "dynamic_addresses"));
    }
    (is_withheld || router_port.is_some() || !addresses.is_empty()).then_some(SwitchPort {
        switch: None,
        name: columns::name(row, "name")?,
        router_port: router_port.map(Arc::from),
        addresses,
        is_withheld,
        validity: Validity::ALWAYS,
    })
}

fn nat(row: &Row) -> Result<Nat, BadColumn> {
    Ok(Nat {
        router: None,
        external_ip: columns::ip(row, "external_ip")?,
        logical_ip: columns::prefix(row, "logical_ip")?,
        translates_source: matches!(columns::text(row, "type")?, "snat" | "dnat_and_snat"),
        validity: Validity::ALWAYS,
    })
}

/// `None` for a policy that does not reroute.
fn reroute_policy(row: &Row) -> Result<Option<ReroutePolicy>, BadColumn> {
    if row.text("action") != Some("reroute") {
        return Ok(None);
    }
    // `nexthop` is the only column before 21.03, and is empty where `nexthops` is set.
    let texts = row.texts("nexthop").map(|text| ("nexthop", text));
    let texts = texts.chain(row.texts("nexthops").map(|text| ("nexthops", text))).filter(|(_, text)| !text.is_empty());
    let mut nexthops = Vec::new();
    for (column, text) in texts {
        let ip = columns::parse_ip(text);
        nexthops.push(ip.ok_or_else(|| BadColumn::new(column, format_args!("{text:?} is no IP address")))?);
    }
    Ok(Some(ReroutePolicy {
        router: None,
        priority: row.integer("priority").unwrap_or(0),
        expression: columns::words(row, "match")?.into(),
        nexthops,
        validity: Validity::ALWAYS,
    }))
}

#[cfg(test)]
mod tests;
