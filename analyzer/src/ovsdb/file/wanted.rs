//! What is read of a file, and what is passed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::schema::Schema;

/// A table of which a part is kept: one that is large, or whose rows change all the time in columns that nobody reads.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Name of the table.
    pub table: &'static str,
    /// The columns that are kept.
    pub columns: &'static [&'static str],
    /// Which rows are kept; `None` where all are.
    pub rows: Option<Rows>,
}

/// Which rows of a table are kept, told by the values that they come with.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// A column that every new row has, and that changes of rows do not mention.
    pub sign: &'static str,
    /// Whether a new row is kept, by those of its values that are not at their defaults.
    pub keeps: fn(&Map<String, Value>) -> bool,
}

/// The tables that are wanted.
pub(super) struct Wanted {
    /// Names of all, in order.
    names: Vec<Arc<str>>,
    parts: Vec<Part>,
}

impl Wanted {
    pub(super) fn new(tables: &[&str], parts: &[Part]) -> Self {
        let names: BTreeSet<&str> = tables.iter().copied().chain(parts.iter().map(|part| part.table)).collect();
        Self { names: names.into_iter().map(Arc::from).collect(), parts: parts.to_vec() }
    }

    /// Reads a schema's JSON text and keeps what is wanted.
    pub(super) fn schema(&self, json: &str) -> Result<Schema, serde_json::Error> {
        let mut schema = Schema::from_json(json, &self.names)?;
        for part in &self.parts {
            if let Some(columns) = schema.tables.get_mut(part.table) {
                columns.retain(|name, _| part.columns.contains(&&**name));
            }
        }
        Ok(schema)
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A wanted table's name.
    pub(super) fn table(&self, name: &str) -> Option<&Arc<str>> {
        self.names.binary_search_by(|wanted| (**wanted).cmp(name)).ok().and_then(|at| self.names.get(at))
    }

    /// The part of a table that is kept; `None` where all of it is.
    pub(super) fn part(&self, table: &str) -> Option<&Part> {
        part(&self.parts, table)
    }
}

/// The part of a table that is kept; `None` where all of it is.
pub(super) fn part<'a>(parts: &'a [Part], table: &str) -> Option<&'a Part> {
    parts.iter().find(|part| part.table == table)
}

impl Part {
    /// A row of a transaction without what is not kept; `None` for a row of which nothing is.
    pub(super) fn cut(&self, mut row: Value) -> Option<Value> {
        if let Value::Object(columns) = &mut row {
            columns.retain(|name, _| self.columns.contains(&name.as_str()));
            let is_passed_over = |rows: Rows| columns.contains_key(rows.sign) && !(rows.keeps)(columns);
            if self.rows.is_some_and(is_passed_over) {
                return None;
            }
        }
        Some(row)
    }

    /// Whether a change of a row that is not known is one of a row that was passed over.
    pub(super) fn was_passed_over(&self, change: &Value) -> bool {
        self.rows.is_some_and(|rows| change.get(rows.sign).is_none())
    }
}
