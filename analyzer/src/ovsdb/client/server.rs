//! What a server says of the database it serves: the `Database` table of its `_Server` database (ovsdb-server(5)).

use std::sync::Arc;

use serde_json::Value;

use super::cache::Cache;
use super::plan::{Method, Plan};
use super::update;
use super::{Budget, SessionError, TableRequest};
use crate::ovsdb::row::Row;
use crate::ovsdb::schema::Schema;

/// The database that describes the server. Servers before OVS 2.9 have none, and no clusters.
pub(super) const DATABASE: &str = "_Server";

/// The part of its schema that matters. All versions have it.
const SCHEMA: &str = r#"{"name":"_Server","tables":{"Database":{"columns":{
    "name":{"type":"string"},
    "model":{"type":"string"},
    "connected":{"type":"boolean"},
    "leader":{"type":"boolean"},
    "schema":{"type":{"key":"string","min":0}},
    "cid":{"type":{"key":"uuid","min":0}},
    "index":{"type":{"key":"integer","min":0}}}}}}"#;
const TABLE: &str = "Database";
/// Memory that the description may take. It holds the schemas of all databases of the server.
const MAX_DESCRIPTION: usize = 16 << 20;

/// How far the log of a cluster was seen. A member that is behind would lead back into the past.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// The cluster.
    cluster: Arc<str>,
    /// Index in its log.
    index: i64,
}

/// The server's description, as it is followed.
pub(super) struct ServerInfo {
    plan: Plan,
    cache: Cache,
    /// Schema of the database, for as long as the session has it.
    schema: Option<Arc<str>>,
}

impl ServerInfo {
    pub(super) fn new() -> Self {
        let wanted = TableRequest { table: TABLE.into(), columns: Vec::new(), conditions: Vec::new() };
        let schema = Schema::from_json(SCHEMA, &[TABLE.into()]).expect("the constant is a schema");
        Self {
            plan: Plan::new(&[wanted], &schema, &mut |_| {}),
            cache: Cache::new(Arc::new(Budget::new(MAX_DESCRIPTION))),
            schema: None,
        }
    }

    pub(super) fn requests(&self) -> Value {
        self.plan.requests(Method::Plain)
    }

    /// Takes in the first content or a change of it, and checks that the database can still be followed here.
    pub(super) fn update(
        &mut self,
        json: &str,
        database: &str,
        leader_only: bool,
        seen: &mut Option<Seen>,
    ) -> Result<(), SessionError> {
        let updates = update::read(json, Method::Plain, &self.plan, &self.cache)
            .map_err(|error| error.of(Method::Plain.notification()))?;
        self.cache.apply(updates, &self.plan)?;
        let row = self.cache.rows(TABLE).find(|row| row.text("name") == Some(database));
        let row = row.ok_or_else(|| SessionError::Undescribed { database: database.to_owned() })?;
        check_member(row, leader_only, seen)?;
        let schema: Option<Arc<str>> = row.text("schema").map(Arc::from);
        if self.schema.is_some() && self.schema != schema {
            return Err(SessionError::SchemaChanged);
        }
        self.schema = schema;
        Ok(())
    }
}

fn check_member(row: &Row, leader_only: bool, seen: &mut Option<Seen>) -> Result<(), SessionError> {
    let model = row.text("model").unwrap_or_default();
    if matches!(model, "clustered" | "relay") && row.boolean("connected") != Some(true) {
        return Err(SessionError::Disconnected);
    }
    if model != "clustered" {
        return Ok(());
    }
    if leader_only && row.boolean("leader") != Some(true) {
        return Err(SessionError::NotLeader);
    }
    let (Some(cluster), Some(index)) = (row.text("cid"), row.integer("index")) else { return Ok(()) };
    if let Some(seen) = seen
        && *seen.cluster == *cluster
        && index < seen.index
    {
        return Err(SessionError::Stale { index, seen: seen.index });
    }
    *seen = Some(Seen { cluster: cluster.into(), index });
    Ok(())
}
