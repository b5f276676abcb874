//! Facts of the Southbound database (ovn-sb(5)).
//!
//! Which `Port_Binding` is a router's port? Where the dump holds the row's `Datapath_Binding`, one on a router's
//! datapath. Without it the row itself must show it: type `patch` or `l3gateway`, a peer in `options` (northd gives one
//! to every router port), and a `mac` of the form `52:54:00:c6:13:08 198.19.3.8/24`, with a length on every address.
//! The `mac` of a switch's port to a router is `router`, or addresses without lengths. Types and options that were
//! not printed are not held against the row. `chassisredirect` rows are left out: each repeats the addresses of a
//! router port that has a row of its own, and its tunnel key is in no label or mark. Any other row is a switch's port.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::columns::{self, BadColumn};
use super::history::History;
use super::rows::{RowReader, identified, versions};
use super::{Facts, lflows, northbound};
use crate::engine::fact::{
    BfdRef, Binding, BindingKind, Datapath, Fact, Ovn, OvnSays, Policy, Route, RouteOrigin, RouterPort, Scope, Source,
    SwitchPort,
};
use crate::ovsdb::file::Part;
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::types::{MacAddr, Position, Release, Timestamp, Validity};

/// Tables that facts come from.
pub const TABLES: &[&str] =
    &["Datapath_Binding", "Port_Binding", "Learned_Route", "BFD", "MAC_Binding", "Static_MAC_Binding"];

/// What facts come from of tables that are large, or that change all the time.
pub const PARTS: &[Part] = &[
    Part { table: "SB_Global", columns: &["options"], rows: None },
    Part { table: "Chassis", columns: &["name", "other_config"], rows: None },
    lflows::PARTS[0],
    lflows::PARTS[1],
];

/// The facts that Southbound tables tell. `file` names the source in warnings. Tables may be missing.
pub fn facts(tables: &Tables, file: &Arc<str>) -> Facts {
    let mut reader = RowReader::new(tables, file, TABLES);
    let datapaths = datapaths(tables);
    reader.facts.facts.extend(datapaths.spans().filter_map(|(uuid, owner, validity)| {
        let Owner { name, is_router } = owner.clone();
        Some(Fact::Datapath(Datapath { uuid: (*uuid).into(), name: name?, is_router: is_router?, validity }))
    }));
    reader.each("Port_Binding", |row, validity| port_binding(row, validity, &datapaths));
    let ports = ports(tables);
    reader.each("Learned_Route", |row, validity| learned_route(row, validity, &datapaths, &ports));
    reader.each("BFD", northbound::bfd);
    reader.each("MAC_Binding", mac_binding);
    reader.each("Static_MAC_Binding", northbound::static_mac_binding);
    reader.facts.facts.extend(release(tables, "SB_Global"));
    reader.facts.facts.extend(chassis(tables));
    let names_of = |uuid: &str, validity| {
        let owners = datapaths.held_within(&uuid, validity).into_iter();
        owners.map(|(owner, validity)| (owner.and_then(|owner| owner.name), validity)).collect()
    };
    reader.facts.facts.extend(lflows::facts(tables, names_of));
    reader.facts
}

/// The facts that texts of Southbound tables tell, which may be of several moments.
pub fn facts_of_texts(tables: &Tables, file: &Arc<str>) -> Facts {
    let mut facts = facts(tables, file);
    lose_contradictions(&mut facts, file);
    facts
}

/// northd's release, which it writes into the options of `SB_Global` and `NB_Global` (21.03 and later; 20.12 does so, too).
pub(super) fn release(tables: &Tables, table: &str) -> Vec<Fact> {
    let mut releases = History::default();
    for RowVersion { row, validity } in versions(tables, table) {
        let told = row.map_text("options", "northd_internal_version").and_then(Release::parse);
        told.into_iter().for_each(|release| releases.add((), release, *validity));
    }
    let says = |(_, &release, validity): (_, _, Validity)| Ovn { says: OvnSays::Northd(release), validity };
    releases.spans().map(says).map(Fact::Ovn).collect()
}

/// The key of `Chassis.other_config` by which a chassis says that it can do without masked labels.
pub(super) const NO_MASKED_LABEL: &str = "ct-no-masked-label";

/// What each chassis can do. Those of other availability zones do not matter to northd.
fn chassis(tables: &Tables) -> Vec<Fact> {
    let mut abilities = History::default();
    for RowVersion { row, validity } in versions(tables, "Chassis") {
        let is_remote = columns::flag(row, "other_config", "is-remote");
        if let Some(name) = columns::name(row, "name")
            && row.columns.contains_key("other_config")
            && !is_remote
        {
            abilities.add(name, columns::flag(row, "other_config", NO_MASKED_LABEL), *validity);
        }
    }
    let says = |(name, &no_masked_label, validity): (&Arc<str>, _, Validity)| Ovn {
        says: OvnSays::Chassis { name: Arc::clone(name), no_masked_label },
        validity,
    };
    abilities.spans().map(says).map(Fact::Ovn).collect()
}

/// What a `Datapath_Binding` says of its datapath.
#[derive(Clone, PartialEq)]
struct Owner {
    name: Option<Arc<str>>,
    /// Whether it is a router's; `None` where the row does not tell.
    is_router: Option<bool>,
}

/// Whether a `Datapath_Binding` is a router's, or surely none.
fn kind(row: &Row) -> Option<bool> {
    // Since SB schema 21 the kind stands in a column of its own.
    let is_a = |kind| row.map_text("external_ids", kind).is_some() || row.text("type") == Some(kind);
    let (is_router, is_switch) = (is_a("logical-router"), is_a("logical-switch"));
    (is_router || is_switch).then_some(is_router)
}

/// Whether a `Datapath_Binding` is a router's.
pub(super) fn is_router(row: &Row) -> bool {
    kind(row) == Some(true)
}

fn owner(row: &Row) -> Owner {
    let name = row.map_text("external_ids", "name").filter(|name| !name.is_empty()).map(Arc::from);
    Owner { name, is_router: kind(row) }
}

fn datapaths(tables: &Tables) -> History<&str, Owner> {
    let mut datapaths = History::default();
    for (uuid, RowVersion { row, validity }) in identified(tables, "Datapath_Binding") {
        datapaths.add(uuid, owner(row), *validity);
    }
    datapaths
}

/// Names of ports by the UUIDs of their rows.
fn ports(tables: &Tables) -> History<&str, Arc<str>> {
    let mut ports = History::default();
    for (uuid, RowVersion { row, validity }) in identified(tables, "Port_Binding") {
        if let Some(name) = columns::name(row, "logical_port") {
            ports.add(uuid, name, *validity);
        }
    }
    ports
}

/// The facts of a row of `Port_Binding`.
fn port_binding(row: &Row, validity: Validity, datapaths: &History<&str, Owner>) -> Result<Vec<Fact>, BadColumn> {
    if row.text("type") == Some("chassisredirect") {
        return Ok(Vec::new());
    }
    if row.columns.contains_key("datapath") && row.text("datapath").is_none() {
        return Err(BadColumn::new("datapath", "it is no UUID"));
    }
    let mut facts = Vec::new();
    for (owner, validity) in datapaths.within(&row.text("datapath").unwrap_or_default(), validity) {
        let is_routers = owner.as_ref().and_then(|owner| owner.is_router);
        if is_routers.unwrap_or_else(|| looks_like_a_router_port(row)) {
            let router = owner.and_then(|owner| owner.name);
            facts.push(Fact::RouterPort(router_port(row, router, validity)?));
        } else {
            facts.extend(switch_port(row, validity).map(Fact::SwitchPort));
        }
    }
    Ok(facts)
}

/// The facts of a row of `Learned_Route` (25.03 and later): always a route of the main table by destination.
fn learned_route(
    row: &Row,
    validity: Validity,
    datapaths: &History<&str, Owner>,
    ports: &History<&str, Arc<str>>,
) -> Result<Vec<Fact>, BadColumn> {
    let route = Route {
        router: None,
        route_table: "".into(),
        policy: Policy::DstIp,
        prefix: columns::prefix(row, "ip_prefix")?,
        nexthop: Some(columns::ip(row, "nexthop")?),
        output_port: None,
        symmetric_reply: false,
        override_connected: false,
        origin: RouteOrigin::Learned,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity,
    };
    let mut facts = Vec::new();
    for (owner, validity) in datapaths.held_within(&row.text("datapath").unwrap_or_default(), validity) {
        let router = owner.and_then(|owner| owner.name);
        for (output_port, validity) in ports.held_within(&row.text("logical_port").unwrap_or_default(), validity) {
            facts.push(Fact::Route(Route { router: router.clone(), output_port, validity, ..route.clone() }));
        }
    }
    Ok(facts)
}

/// Characters of a MAC.
const MAC_LENGTH: usize = "02:00:00:00:00:01".len();

fn mac_binding(row: &Row, validity: Validity) -> Result<Vec<Fact>, BadColumn> {
    // The column came with 22.09. A row that an upgrade took over has 0 in it until it is refreshed.
    let timestamp = row.integer("timestamp").and_then(|millis| u64::try_from(millis).ok()).filter(|&millis| millis > 0);
    let mac = columns::mac(row, "mac")?;
    // ovn-controller writes two digits an octet; where a wrapped text lost one, the MAC is another.
    if columns::text(row, "mac")?.len() != MAC_LENGTH {
        return Err(BadColumn::new("mac", "it lacks digits"));
    }
    Ok(vec![Fact::Binding(Binding {
        logical_port: columns::name(row, "logical_port"),
        ip: columns::ip(row, "ip")?,
        mac: Some(mac),
        kind: BindingKind::MacBinding,
        confirmed: timestamp.map(Timestamp::from_millis),
        validity,
    })])
}

/// An address of a port has one row. Where texts of several moments tell several MACs of it, and no time which is the newest, it
/// is not known what the row says.
fn lose_contradictions(facts: &mut Facts, file: &Arc<str>) {
    let mut told: HashMap<(Option<Arc<str>>, IpAddr), Option<MacAddr>> = HashMap::new();
    let mut contradicted = BTreeSet::new();
    for fact in &facts.facts {
        if let Fact::Binding(Binding {
            logical_port,
            ip,
            mac,
            kind: BindingKind::MacBinding,
            confirmed: None,
            validity,
        }) = fact
            && *validity == Validity::ALWAYS
            && *told.entry((logical_port.clone(), *ip)).or_insert(*mac) != *mac
        {
            contradicted.insert(*ip);
        }
    }
    for ip in contradicted {
        let message = format!("MAC_Binding has several MACs of {ip}, and no timestamp that tells the newest");
        facts.lose(file, Position::Whole, Scope::Bindings { ip: Some(ip) }, message);
    }
}

fn looks_like_a_router_port(row: &Row) -> bool {
    let of_type = row.text("type").is_none_or(|port_type| matches!(port_type, "patch" | "l3gateway"));
    let has_peer = !row.columns.contains_key("options") || row.map_text("options", "peer").is_some();
    let text = columns::words(row, "mac").unwrap_or_default();
    let mut words = text.split_ascii_whitespace().skip(1).peekable();
    of_type && has_peer && words.peek().is_some() && words.all(|word| word.contains('/'))
}

/// `None` for a switch's port that bears on no router: neither leads to one, nor has addresses that are known.
fn switch_port(row: &Row, validity: Validity) -> Option<SwitchPort> {
    // A port of type `router` is bound as its peer is.
    let leads_to_router = row.text("type").is_none_or(|kind| matches!(kind, "" | "patch" | "l3gateway"));
    let router_port = row.map_text("options", "peer").filter(|_| leads_to_router).map(Arc::from);
    let addresses = if router_port.is_none() { columns::machines(row, "mac") } else { Vec::new() };
    (router_port.is_some() || !addresses.is_empty()).then_some(SwitchPort {
        switch: columns::name(row, "datapath"),
        name: columns::name(row, "logical_port")?,
        router_port,
        addresses,
        is_withheld: row.text("type") == Some("virtual"),
        validity,
    })
}

/// Reads `mac` in the form `52:54:00:c6:13:08 198.19.3.8/24 fd00::8/64`.
fn router_port(row: &Row, router: Option<Arc<str>>, validity: Validity) -> Result<RouterPort, BadColumn> {
    let text = columns::words(row, "mac")?;
    let mut words = text.split_ascii_whitespace();
    let mac = words.next().unwrap_or_default().parse().map_err(|error| BadColumn::new("mac", error))?;
    let own = words.map(|word| {
        columns::own_network(word).ok_or_else(|| BadColumn::new("mac", format_args!("{word:?} is no IP address")))
    });
    let (addresses, networks) = own.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let port_key = row.integer("tunnel_key").map(u16::try_from).transpose();
    Ok(RouterPort {
        router,
        datapath: columns::name(row, "datapath"),
        name: columns::text(row, "logical_port")?.into(),
        mac: Some(mac),
        addresses,
        networks,
        port_key: port_key.map_err(|_| BadColumn::new("tunnel_key", "it does not fit in 16 bits"))?,
        route_table: None,
        validity,
    })
}

#[cfg(test)]
mod tests;
