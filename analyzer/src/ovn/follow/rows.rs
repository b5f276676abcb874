//! The rows of a live database as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ovsdb::row::Row;

/// Rows by table and UUID. They are shared with whoever follows the database, so that a row is in memory once.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    tables: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Row>>>,
}

impl Rows {
    /// Puts a row in the place of the one with its UUID.
    pub fn insert(&mut self, table: &str, row: Arc<Row>) {
        let rows = match self.tables.get_mut(table) {
            Some(rows) => rows,
            None => self.tables.entry(table.into()).or_default(),
        };
        rows.insert(Arc::clone(&row.uuid), row);
    }

    /// Takes a row out.
    pub fn remove(&mut self, table: &str, uuid: &str) {
        if let Some(rows) = self.tables.get_mut(table) {
            rows.remove(uuid);
        }
    }

    /// The row with this UUID.
    pub fn get(&self, table: &str, uuid: &str) -> Option<&Arc<Row>> {
        self.tables.get(table)?.get(uuid)
    }

    /// The rows of a table by UUID.
    pub fn of(&self, table: &str) -> impl Iterator<Item = &Arc<Row>> {
        self.tables.get(table).into_iter().flat_map(BTreeMap::values)
    }

    /// The rows of a table that a column of `row` refers to.
    pub fn referred<'a>(&'a self, row: &'a Row, column: &str, table: &'a str) -> impl Iterator<Item = &'a Arc<Row>> {
        row.texts(column).filter_map(move |uuid| self.get(table, uuid))
    }
}
