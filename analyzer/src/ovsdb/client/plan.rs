//! What is asked of a server: the tables and columns that are wanted and that it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::TableRequest;
use crate::ovsdb::schema::{ColumnType, Schema, TableSchema};

/// Methods that begin to monitor, the newest first. A server that does not know one says so, and gets the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    /// OVS 2.12 and later: tells only what was missed, where the server still knows it.
    CondSince,
    /// OVS 2.6 and later: conditions, and differences of rows.
    Cond,
    /// RFC 7047 section 4.1.5: whole tables, whole rows.
    Plain,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CondSince => "monitor_cond_since",
            Self::Cond => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    /// The method of the notifications that follow.
    pub(super) fn notification(self) -> &'static str {
        match self {
            Self::CondSince => "update3",
            Self::Cond => "update2",
            Self::Plain => "update",
        }
    }

    /// What to try where the server does not know this one.
    pub(super) fn older(self) -> Option<Self> {
        match self {
            Self::CondSince => Some(Self::Cond),
            Self::Cond => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// The tables that are monitored.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Plan {
    pub(super) tables: BTreeMap<Arc<str>, TablePlan>,
}

/// One table of a plan.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct TablePlan {
    /// Columns by name, with their types.
    pub(super) columns: BTreeMap<Arc<str>, ColumnType>,
    /// Rows that match one of these are told; all where there are none.
    pub(super) conditions: Vec<Value>,
}

impl Plan {
    /// Chooses from the schema what is wanted. What it lacks is told to `warn`.
    pub(super) fn new(requests: &[TableRequest], schema: &Schema, warn: &mut impl FnMut(String)) -> Self {
        let version = schema.version.as_deref().unwrap_or("without a version");
        let of = format!("of the server's {} (schema {version})", schema.name);
        let mut tables = BTreeMap::new();
        for request in requests {
            let Some(table) = schema.tables.get(&request.table) else {
                warn(format!("{} is no table {of}; nothing is known of it", request.table));
                continue;
            };
            let mut missing = |column: &str, why: &str| {
                warn(format!("{}.{column} {why} {of}; it is absent from the rows", request.table));
            };
            let columns = columns_of(request, table, &mut missing);
            let knows = |condition: &Value| condition_column(condition).is_none_or(|column| table.contains_key(column));
            let conditions = if request.conditions.iter().all(knows) {
                request.conditions.clone()
            } else {
                warn(format!(
                    "a condition on {} names a column that is none {of}; all rows are asked for",
                    request.table
                ));
                Vec::new()
            };
            if !columns.is_empty() {
                tables.insert(Arc::clone(&request.table), TablePlan { columns, conditions });
            }
        }
        Self { tables }
    }

    /// The `<monitor-requests>` of a method.
    pub(super) fn requests(&self, method: Method) -> Value {
        let request = |(name, table): (&Arc<str>, &TablePlan)| {
            let mut request = Map::new();
            request.insert("columns".to_owned(), table.columns.keys().map(|column| json!(**column)).collect());
            if method != Method::Plain && !table.conditions.is_empty() {
                request.insert("where".to_owned(), Value::Array(table.conditions.clone()));
            }
            (name.to_string(), json!([request]))
        };
        Value::Object(self.tables.iter().map(request).collect())
    }

    /// The `<monitor-cond-update-requests>` that lead from this plan's conditions to those of another.
    pub(super) fn condition_changes(&self, wanted: &Self) -> Option<Value> {
        let changed = |(name, table): (&Arc<str>, &TablePlan)| {
            let conditions = &wanted.tables.get(name)?.conditions;
            // A change to an empty array would leave the table as it is.
            let all = [json!(true)];
            let clauses = if conditions.is_empty() { &all } else { conditions.as_slice() };
            (*conditions != table.conditions).then(|| (name.to_string(), json!([{ "where": clauses }])))
        };
        let changes: Map<String, Value> = self.tables.iter().filter_map(changed).collect();
        (!changes.is_empty()).then_some(Value::Object(changes))
    }
}

fn columns_of(
    request: &TableRequest,
    table: &TableSchema,
    missing: &mut impl FnMut(&str, &str),
) -> BTreeMap<Arc<str>, ColumnType> {
    let all: Vec<Arc<str>> = table.keys().cloned().collect();
    let wanted = if request.columns.is_empty() { &all } else { &request.columns };
    let mut columns = BTreeMap::new();
    for name in wanted {
        match table.get(name).map(|column| column.column_type) {
            Some(Some(column_type)) => drop(columns.insert(Arc::clone(name), column_type)),
            Some(None) => missing(name, "has a type that is not known in the schema"),
            None => missing(name, "is no column"),
        }
    }
    columns
}

/// The column that a `<condition>` is about; `None` for a truth value. Every row has `_uuid`.
fn condition_column(condition: &Value) -> Option<&str> {
    condition.get(0)?.as_str().filter(|&column| column != "_uuid")
}
