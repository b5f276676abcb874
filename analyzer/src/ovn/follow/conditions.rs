//! Which rows of a central database concern this node.
//!
//! One that every node of a cluster talks to, over tcp or TLS, holds the rows of all of them, and must not have to send
//! each node everything. These functions give the `where` clauses (ovsdb-server(7) section 4.1.12, "Monitor_cond") for
//! what is known so far; rows that come in make more known, so they are asked again after each batch, and clauses that
//! changed are given to the server (`monitor_cond_change`). After at most five rounds nothing changes any more. A
//! database of the node's own, on a unix socket, needs none of this but [`everywhere`].
//!
//! What concerns a node are its gateway routers: a Northbound `Logical_Router` names its chassis in
//! `options:chassis`, and northd copies the name to `options:l3gateway-chassis` of the bindings of all its ports. A next
//! hop may be a port of OVN's own on the switch by which such a router leaves the cluster. That switch is asked for as a
//! whole, with the ports of other routers that lead to it; those inside the cluster, which span all nodes, are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::Follower;
use crate::engine::fact::is_inner_port;
use crate::ovn::southbound::{self, NO_MASKED_LABEL};
use crate::ovsdb::row::Row;

/// Who this node is in OVN.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chassis {
    /// Name of the chassis, where this node's own configuration tells it
    /// ([`Node::chassis`](crate::ovn::local::Node::chassis)).
    pub name: Option<Arc<str>>,
    /// Name of the host, by which the `Chassis` row is found that has another name.
    pub hostname: Option<Arc<str>>,
}

/// Rows of a table that are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Name of the table.
    pub table: &'static str,
    /// Clauses of which a row has to meet one. Without any no row is wanted.
    pub clauses: BTreeSet<Clause>,
}

/// A `<condition>` on rows (RFC 7047 section 5.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Clause {
    /// A text column holds this text.
    Text(&'static str, Arc<str>),
    /// A column, which may be `_uuid`, holds this UUID.
    Uuid(&'static str, Arc<str>),
    /// A map holds this text under this key.
    Pair(&'static str, &'static str, Arc<str>),
    /// A column holds this truth value.
    Flag(&'static str, bool),
    /// A map does not hold this text under this key.
    Lacks(&'static str, &'static str, &'static str),
    /// Whatever it holds.
    Any,
}

impl Clause {
    fn json(&self) -> Value {
        match self {
            Self::Text(column, text) => json!([column, "==", &**text]),
            Self::Uuid(column, uuid) => json!([column, "==", ["uuid", &**uuid]]),
            Self::Pair(column, key, value) => json!([column, "includes", ["map", [[key, &**value]]]]),
            Self::Flag(column, value) => json!([column, "==", value]),
            Self::Lacks(column, key, value) => json!([column, "excludes", ["map", [[key, value]]]]),
            Self::Any => Value::Bool(true),
        }
    }
}

impl Condition {
    /// The member `where` of a `monitor_cond` request.
    pub fn json(&self) -> Vec<Value> {
        match self.clauses.is_empty() {
            // No clause at all would stand for every row.
            true => vec![Value::Bool(false)],
            false => self.clauses.iter().map(Clause::json).collect(),
        }
    }
}

fn condition(table: &'static str, clauses: impl IntoIterator<Item = Clause>) -> Condition {
    Condition { table, clauses: clauses.into_iter().collect() }
}

/// The rows of a table that are wanted of any database, also of the node's own: of all switch ports those that are
/// disabled. `None` where all are.
pub fn everywhere(table: &str) -> Option<Condition> {
    (table == "Logical_Switch_Port").then(|| condition("Logical_Switch_Port", [Clause::Flag("enabled", false)]))
}

/// The names under which this node may be known as a chassis: its own, and those that `Chassis` rows of its host have.
pub fn names(chassis: &Chassis, southbound: Option<&Follower>) -> BTreeSet<Arc<str>> {
    let rows = southbound.into_iter().flat_map(|southbound| southbound.rows().of("Chassis"));
    let of_host = rows.filter(|row| chassis.hostname.is_some() && row.text("hostname") == chassis.hostname.as_deref());
    let names = of_host.filter_map(|row| row.text("name")).map(Arc::from);
    names.chain(chassis.name.clone()).filter(|name| !name.is_empty()).collect()
}

/// The rows of a central Southbound database that concern this node.
pub fn southbound(chassis: &Chassis, follower: &Follower) -> Vec<Condition> {
    let names = names(chassis, Some(follower));
    let rows = follower.rows();
    let ports: Vec<&Arc<Row>> =
        rows.of("Port_Binding").filter(|row| gateway_chassis(row).is_some_and(|name| names.contains(name))).collect();
    // A gateway router's ports are bound together with the switch ports at their other ends, so the datapaths are those
    // of switches too, of which one spans all nodes. Only the rows of the datapaths tell them apart.
    let datapaths: BTreeSet<Arc<str>> = ports.iter().filter_map(|row| row.text("datapath")).map(Arc::from).collect();
    let is_router = |uuid: &&Arc<str>| rows.get("Datapath_Binding", uuid).is_some_and(|row| southbound::is_router(row));
    let routers: Vec<&Arc<str>> = datapaths.iter().filter(is_router).collect();
    let of_routers = || routers.iter().map(|uuid| Clause::Uuid("datapath", Arc::clone(uuid)));
    let router_ports = ports
        .iter()
        .filter(|row| row.text("datapath").is_some_and(|uuid| routers.iter().any(|router| &***router == uuid)));
    let switches = outer_switches(&ports, follower);
    let of_switches = || switches.iter().map(|uuid| Clause::Uuid("datapath", Arc::clone(uuid)));
    let neighbours = neighbours(&switches, follower);
    let neighbour_ports = neighbours.keys().map(|name| Clause::Text("logical_port", Arc::clone(name)));
    let neighbour_routers = neighbours.values().flatten();
    let chassis_rows = names.iter().map(|name| Clause::Text("name", Arc::clone(name)));
    let host = chassis.hostname.iter().map(|name| Clause::Text("hostname", Arc::clone(name)));
    let conditions = [
        // northd puts ports into the mark where all chassis can do without masked labels. Those that cannot are few, or all
        // of an old cluster; where none is told, all can.
        condition("Chassis", chassis_rows.chain(host).chain([Clause::Lacks("other_config", NO_MASKED_LABEL, "true")])),
        condition("SB_Global", [Clause::Any]),
        condition(
            "Port_Binding",
            names
                .iter()
                .map(|name| Clause::Pair("options", "l3gateway-chassis", Arc::clone(name)))
                .chain(of_switches())
                .chain(neighbour_ports),
        ),
        condition(
            "Datapath_Binding",
            datapaths.iter().chain(neighbour_routers).map(|uuid| Clause::Uuid("_uuid", Arc::clone(uuid))),
        ),
        condition("Learned_Route", of_routers()),
        condition("MAC_Binding", of_routers()),
        condition("Static_MAC_Binding", of_routers()),
        condition("BFD", texts("logical_port", router_ports.copied(), "logical_port")),
    ];
    let monitored = follower.database().monitored();
    conditions.into_iter().filter(|asked| monitored.iter().any(|read| read.table == asked.table)).collect()
}

/// The chassis of the gateway router whose port a `Port_Binding` is, or to which it leads.
pub(super) fn gateway_chassis(row: &Row) -> Option<&str> {
    row.map_text("options", "l3gateway-chassis")
}

/// Datapaths of the switches by which the routers of this chassis leave the cluster: those at the other ends of `ports`.
fn outer_switches(ports: &[&Arc<Row>], follower: &Follower) -> BTreeSet<Arc<str>> {
    let is_switch = |uuid: &&str| {
        follower.rows().get("Datapath_Binding", &Arc::from(*uuid)).is_some_and(|row| !southbound::is_router(row))
    };
    let leads_out = |row: &&&Arc<Row>| row.map_text("options", "peer").is_some_and(|peer| !is_inner_port(peer));
    ports.iter().filter(leads_out).filter_map(|row| row.text("datapath")).filter(is_switch).map(Arc::from).collect()
}

/// Names of the router ports that lead to these switches, and the datapaths of those that have come.
fn neighbours(switches: &BTreeSet<Arc<str>>, follower: &Follower) -> BTreeMap<Arc<str>, Option<Arc<str>>> {
    if switches.is_empty() {
        return BTreeMap::new();
    }
    let ports = || follower.rows().of("Port_Binding");
    let is_on_one = |row: &&Arc<Row>| row.text("datapath").is_some_and(|uuid| switches.contains(uuid));
    let peers = ports().filter(is_on_one).filter_map(|row| row.map_text("options", "peer"));
    let mut neighbours: BTreeMap<Arc<str>, Option<Arc<str>>> = peers.map(|peer| (Arc::from(peer), None)).collect();
    for row in ports() {
        if let Some(datapath) = row.text("logical_port").and_then(|name| neighbours.get_mut(name)) {
            *datapath = row.text("datapath").map(Arc::from);
        }
    }
    neighbours
}

/// The rows of a central Northbound database that concern this node. `names` are those of [`names`].
///
/// Rows of a router are asked for by their UUIDs. A router of 20,000 routes makes that a request of 1.2 MB, sent anew
/// with every batch of routes, so batches are best waited for a moment.
pub fn northbound(names: &BTreeSet<Arc<str>>, follower: &Follower) -> Vec<Condition> {
    let rows = follower.rows();
    let routers: Vec<&Arc<Row>> = rows
        .of("Logical_Router")
        .filter(|row| row.map_text("options", "chassis").is_some_and(|name| names.contains(name)))
        .collect();
    let held = |table, column| condition(table, routers.iter().flat_map(|row| uuids(row, column)));
    let of_routers = |column, table| routers.iter().flat_map(move |row| rows.referred(row, column, table));
    let sessions = of_routers("static_routes", "Logical_Router_Static_Route").flat_map(|row| uuids(row, "bfd"));
    vec![
        condition("Logical_Router", names.iter().map(|name| Clause::Pair("options", "chassis", Arc::clone(name)))),
        held("Logical_Router_Static_Route", "static_routes"),
        held("Logical_Router_Port", "ports"),
        held("NAT", "nat"),
        held("Logical_Router_Policy", "policies"),
        condition("Logical_Switch_Port", [Clause::Flag("enabled", false)]),
        condition("BFD", sessions),
        condition("Static_MAC_Binding", texts("logical_port", of_routers("ports", "Logical_Router_Port"), "name")),
    ]
}

fn uuids(row: &Row, column: &str) -> impl Iterator<Item = Clause> {
    super::references::uuids(row, column).map(|uuid| Clause::Uuid("_uuid", Arc::clone(uuid)))
}

/// Clauses that a column holds one of the texts that a column of other rows holds.
fn texts<'a>(
    column: &'static str,
    rows: impl Iterator<Item = &'a Arc<Row>>,
    told_in: &'static str,
) -> impl Iterator<Item = Clause> {
    rows.filter_map(move |row| Some(Clause::Text(column, row.text(told_in)?.into())))
}

#[cfg(test)]
mod tests;
