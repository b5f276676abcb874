//! Which logical flows of this chassis' routers are asked for, and what they say.
//!
//! A cluster has millions of logical flows, and most change with every pod, so they are never monitored. Of the gateway
//! routers of this chassis those are asked for that bear on symmetric replies ([`lflows`]), by stage and priority. Stages are
//! told by name, as their numbers change from release to release. Flows that several datapaths share name a group of
//! datapaths; these are few, and whether a router is in a group is asked in a second round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Follower, conditions};
use crate::engine::fact::Fact;
use crate::ovn::{lflows, southbound};
use crate::ovsdb::client::select::Select;
use crate::ovsdb::row::{Atom, Datum, Row, RowVersion, Tables};
use crate::types::Validity;

/// The flows that are asked for: stage and priority (northd.c, `add_ecmp_symmetric_reply_flows` and
/// `build_arp_resolve_flows_for_lrouter`). Routes had priority 100 until 20.12.
const WANTED: [(&str, i64); 4] =
    [(lflows::RESOLVES, 200), (lflows::RESOLVES, 0), (lflows::ROUTES, 10300), (lflows::ROUTES, 100)];

/// Names of routers by the UUIDs of their datapaths.
pub type Routers = BTreeMap<Arc<str>, Arc<str>>;

/// The gateway routers of the chassis of these names; of any chassis where no name is known.
pub fn routers(names: &BTreeSet<Arc<str>>, southbound: &Follower) -> Routers {
    let is_ours =
        |row: &&Arc<Row>| conditions::gateway_chassis(row).is_some_and(|name| names.is_empty() || names.contains(name));
    let ports = southbound.rows().of("Port_Binding").filter(is_ours);
    let datapaths: BTreeSet<&str> = ports.filter_map(|row| row.text("datapath")).collect();
    let router = |uuid: &str| {
        let row = southbound.rows().get("Datapath_Binding", uuid).filter(|row| southbound::is_router(row))?;
        Some((Arc::clone(&row.uuid), Arc::from(row.map_text("external_ids", "name")?)))
    };
    datapaths.into_iter().filter_map(router).collect()
}

/// The flows of the routers alone.
pub fn own(routers: &Routers) -> Vec<Select> {
    const COLUMNS: &[&str] = &["external_ids", "logical_datapath", "match", "priority"];
    let of = |uuid: &Arc<str>| select(COLUMNS, json!(["uuid", &**uuid]));
    routers.keys().flat_map(of).collect()
}

/// The flows that any datapaths share.
pub fn shared() -> Vec<Select> {
    const COLUMNS: &[&str] = &["external_ids", "logical_dp_group", "match", "priority"];
    select(COLUMNS, json!(["set", []])).collect()
}

fn select(columns: &'static [&'static str], datapath: Value) -> impl Iterator<Item = Select> {
    WANTED.into_iter().map(move |(stage, priority)| Select {
        table: "Logical_Flow",
        columns,
        conditions: vec![
            json!(["logical_datapath", "==", datapath]),
            json!(["priority", "==", priority]),
            json!(["pipeline", "==", "ingress"]),
            json!(["external_ids", "includes", ["map", [["stage-name", stage]]]]),
        ],
    })
}

/// A group of datapaths that shared flows name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    uuid: Arc<str>,
    /// Those of the routers that are in it.
    members: Vec<Arc<str>>,
}

impl Group {
    /// Those that flows in `shared` name.
    pub fn of(shared: &[Row]) -> Vec<Self> {
        let uuids: BTreeSet<&str> = shared.iter().filter_map(|row| row.text("logical_dp_group")).collect();
        uuids.into_iter().map(|uuid| Self { uuid: uuid.into(), members: Vec::new() }).collect()
    }

    /// Asks whether there is the group, and then of each router whether it is in it. The datapaths of a group are all those of
    /// a cluster, so they are not asked for.
    pub fn selects(&self, routers: &Routers) -> Vec<Select> {
        let is_it = json!(["_uuid", "==", ["uuid", &*self.uuid]]);
        let holds = |uuid: &Arc<str>| vec![is_it.clone(), json!(["datapaths", "includes", ["uuid", &**uuid]])];
        let conditions = std::iter::once(vec![is_it.clone()]).chain(routers.keys().map(holds));
        conditions.map(|conditions| Select { table: "Logical_DP_Group", columns: &["_uuid"], conditions }).collect()
    }

    /// Takes over what came of these; `None` where there is no such group any more: northd makes new ones in their place.
    #[must_use]
    pub fn answered(mut self, routers: &Routers, told: &[Vec<Row>]) -> Option<Self> {
        let (there, holds) = told.split_first()?;
        let members = routers.keys().zip(holds).filter(|(_, rows)| !rows.is_empty());
        self.members = members.map(|(uuid, _)| Arc::clone(uuid)).collect();
        (!there.is_empty()).then_some(self)
    }
}

/// What the flows say of the routers.
pub fn facts(flows: Vec<Row>, groups: &[Group], routers: &Routers) -> Vec<Fact> {
    let version = |row| RowVersion { row, validity: Validity::ALWAYS };
    let group = |group: &Group| {
        let members = group.members.iter().map(|uuid| Atom::Uuid(Arc::clone(uuid)));
        Row {
            uuid: Arc::clone(&group.uuid),
            columns: BTreeMap::from([("datapaths".into(), Datum::Set(members.collect()))]),
        }
    };
    let mut tables = Tables::default();
    tables.tables.insert("Logical_DP_Group".into(), groups.iter().map(group).map(version).collect());
    tables.tables.insert("Logical_Flow".into(), flows.into_iter().map(version).collect());
    lflows::facts(&tables, |uuid, validity| {
        routers.get(uuid).map(|name| (Some(Arc::clone(name)), validity)).into_iter().collect()
    })
}

#[cfg(test)]
mod tests;
