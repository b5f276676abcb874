//! Contents and changes as servers tell them, read without building what is not kept.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::SessionError;
use super::cache::Cache;
use super::plan::{Method, Plan, TablePlan};
use crate::ovsdb::datum;
use crate::ovsdb::row::{Datum, Row};

/// What became of the rows of a table.
#[derive(Debug)]
pub(super) struct TableUpdate {
    pub(super) table: Arc<str>,
    pub(super) rows: Vec<RowUpdate>,
}

/// What became of a row.
#[derive(Debug)]
pub(super) enum RowUpdate {
    /// It is now this.
    Whole(Row),
    /// It is told as a whole, and is what is known already.
    Same(Arc<str>),
    /// Columns of a row that is known, those of several elements as differences.
    Difference { uuid: Arc<str>, columns: Vec<(Arc<str>, Datum)> },
    /// It is gone.
    Gone(Arc<str>),
}

impl RowUpdate {
    /// Memory that it takes, roughly.
    fn memory(&self) -> usize {
        match self {
            Self::Whole(row) => row.memory(),
            Self::Difference { columns, .. } => columns.iter().map(|(_, datum)| datum.memory()).sum(),
            Self::Same(_) | Self::Gone(_) => 0,
        }
    }
}

/// Why rows were not read. None of them is taken then.
#[derive(Debug)]
pub(super) enum ReadError {
    /// They are none, or of what was not asked for.
    Json(serde_json::Error),
    /// They would take too much memory.
    TooMuch { table: Arc<str>, rows: usize, limit: usize },
}

impl ReadError {
    /// What it means for a session in which a method told them.
    pub(super) fn of(self, method: &'static str) -> SessionError {
        match self {
            Self::Json(source) => SessionError::Content { method, source },
            Self::TooMuch { table, rows, limit } => SessionError::TooMuch { table, rows, limit },
        }
    }
}

/// Reads the `<table-updates>` (RFC 7047 section 4.1.6) or `<table-updates2>` (ovsdb-server(7), 4.1.14) of a method.
///
/// # Errors
/// It is none, tells of what was not asked for, or of more than the cache has room for.
pub(super) fn read(json: &str, method: Method, plan: &Plan, cache: &Cache) -> Result<Vec<TableUpdate>, ReadError> {
    let room = Room { left: Cell::new(cache.budget().room()), exceeded: RefCell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let updates = deserializer.deserialize_map(Tables { method, plan, cache, room: &room });
    let read = updates.and_then(|updates| deserializer.end().map(|()| updates));
    match room.exceeded.into_inner() {
        Some((table, rows)) => Err(ReadError::TooMuch { table, rows, limit: cache.budget().limit() }),
        None => read.map_err(ReadError::Json),
    }
}

/// Memory that is left for rows, and where it ended.
struct Room {
    left: Cell<usize>,
    exceeded: RefCell<Option<(Arc<str>, usize)>>,
}

struct Tables<'a> {
    method: Method,
    plan: &'a Plan,
    cache: &'a Cache,
    room: &'a Room,
}

impl<'de> Visitor<'de> for Tables<'_> {
    type Value = Vec<TableUpdate>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut updates = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let Some((table, plan)) = self.plan.tables.get_key_value(name.as_str()) else {
                return Err(Error::custom(format_args!("rows of {name}, which was not asked for")));
            };
            let Self { method, cache, room, .. } = self;
            let rows = members.next_value_seed(Rows { method, table, plan, cache, room })?;
            updates.push(TableUpdate { table: Arc::clone(table), rows });
        }
        Ok(updates)
    }
}

struct Rows<'a> {
    method: Method,
    table: &'a Arc<str>,
    plan: &'a TablePlan,
    cache: &'a Cache,
    room: &'a Room,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Vec<RowUpdate>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Vec<RowUpdate>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some((uuid, update)) = members.next_entry::<String, Map<String, Value>>()? {
            let row = match datum::uuid(&uuid) {
                Some(uuid) => self.row(uuid, &update),
                None => Err("expected a UUID".to_owned()),
            };
            let row = row.map_err(|problem| Error::custom(format_args!("{} {uuid}: {problem}", self.table)))?;
            let Some(left) = self.room.left.get().checked_sub(row.memory()) else {
                *self.room.exceeded.borrow_mut() = Some((Arc::clone(self.table), rows.len() + 1));
                return Err(Error::custom("too many rows"));
            };
            self.room.left.set(left);
            rows.push(row);
        }
        Ok(rows)
    }
}

impl Rows<'_> {
    fn row(&self, uuid: Arc<str>, update: &Map<String, Value>) -> Result<RowUpdate, String> {
        if self.method == Method::Plain {
            return match (update.get("new"), update.get("old")) {
                (Some(new), _) => self.whole(uuid, new),
                (None, Some(_)) => Ok(RowUpdate::Gone(uuid)),
                (None, None) => Err("expected `old` or `new`".to_owned()),
            };
        }
        match update.iter().next().map(|(kind, value)| (kind.as_str(), value)) {
            Some(("initial" | "insert", row)) => self.whole(uuid, row),
            Some(("modify", row)) => {
                Ok(RowUpdate::Difference { uuid, columns: self.columns(row)?.collect::<Result<_, _>>()? })
            }
            Some(("delete", _)) => Ok(RowUpdate::Gone(uuid)),
            _ => Err("expected `initial`, `insert`, `modify` or `delete`".to_owned()),
        }
    }

    /// A row whose columns, but for those at their defaults, are all told.
    fn whole(&self, uuid: Arc<str>, row: &Value) -> Result<RowUpdate, String> {
        let mut columns: BTreeMap<Arc<str>, Datum> = self.columns(row)?.collect::<Result<_, _>>()?;
        for (name, column_type) in &self.plan.columns {
            if !columns.contains_key(name) {
                columns.insert(Arc::clone(name), datum::default_of(column_type));
            }
        }
        let row = Row { uuid, columns };
        Ok(match self.cache.row(self.table, &row.uuid) {
            // Not held twice, as after each reconnection to a server that sends everything again.
            Some(known) if **known == row => RowUpdate::Same(row.uuid),
            _ => RowUpdate::Whole(row),
        })
    }

    fn columns<'r>(
        &'r self,
        row: &'r Value,
    ) -> Result<impl Iterator<Item = Result<(Arc<str>, Datum), String>> + 'r, String> {
        let row = row.as_object().ok_or_else(|| "expected an object of columns".to_owned())?;
        Ok(row.iter().map(|(name, json)| {
            let (name, column_type) = self
                .plan
                .columns
                .get_key_value(name.as_str())
                .ok_or_else(|| format!("{name} is a column that was not asked for"))?;
            let value = datum::from_json(json).and_then(|value| datum::of_type(value, column_type));
            Ok((Arc::clone(name), value.map_err(|error| format!("{name}: {error}"))?))
        }))
    }
}
