//! The rows of a database as they are now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::budget::{Budget, Share};
use super::plan::Plan;
use super::update::{RowUpdate, TableUpdate};
use crate::ovsdb::diff;
use crate::ovsdb::row::{Change, Datum, Row};

/// A change of a row that is not known: what the server holds is not what we hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{table} {uuid} changes, but is not known; the whole content will be asked for")]
pub struct UnknownRow {
    /// The table.
    pub table: Arc<str>,
    /// The row.
    pub uuid: Arc<str>,
}

/// Rows by table and UUID.
#[derive(Debug)]
pub(super) struct Cache {
    tables: BTreeMap<Arc<str>, HashMap<Arc<str>, Arc<Row>>>,
    memory: Share,
}

impl Cache {
    /// An empty one, whose rows are to find room in a budget.
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { tables: BTreeMap::new(), memory: Share::new(budget) }
    }

    /// What rows may still take, and may in all.
    pub(super) fn budget(&self) -> &Budget {
        self.memory.budget()
    }

    /// The row with a UUID.
    pub(super) fn row(&self, table: &str, uuid: &str) -> Option<&Arc<Row>> {
        self.tables.get(table)?.get(uuid)
    }

    /// The rows of a table, in no order.
    pub(super) fn rows(&self, table: &str) -> impl Iterator<Item = &Arc<Row>> {
        self.tables.get(table).into_iter().flat_map(HashMap::values)
    }

    /// Applies changes. Either all of them are, or none.
    pub(super) fn apply(&mut self, updates: Vec<TableUpdate>, plan: &Plan) -> Result<Vec<Change>, UnknownRow> {
        for TableUpdate { table, rows } in &updates {
            let known = self.tables.get(table);
            for row in rows {
                let (RowUpdate::Difference { uuid, .. } | RowUpdate::Gone(uuid)) = row else { continue };
                if !known.is_some_and(|known| known.contains_key(uuid)) {
                    return Err(UnknownRow { table: Arc::clone(table), uuid: Arc::clone(uuid) });
                }
            }
        }
        let mut changes = Vec::new();
        for TableUpdate { table, rows } in updates {
            let known = self.tables.entry(Arc::clone(&table)).or_default();
            for row in rows {
                let change = match row {
                    RowUpdate::Whole(row) => put(known, row),
                    RowUpdate::Same(_) => None,
                    RowUpdate::Difference { uuid, columns } => modify(known, &uuid, columns, plan, &table),
                    RowUpdate::Gone(uuid) => known.remove(&uuid).map(|old| (Some(old), None)),
                };
                changes.extend(change.map(|(old, new)| Change { table: Arc::clone(&table), old, new }));
            }
        }
        self.account(&changes);
        Ok(changes)
    }

    fn account(&mut self, changes: &[Change]) {
        let memory = |row: &Option<Arc<Row>>| row.as_ref().map_or(0, |row| row.memory());
        for Change { old, new, .. } in changes {
            self.memory.take(memory(new));
            self.memory.give_back(memory(old));
        }
    }

    /// Takes over a whole content and tells in what it differs from the present one. Rows that are the same stay the
    /// ones that were already handed out.
    pub(super) fn replace(&mut self, updates: Vec<TableUpdate>) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.tables);
        let mut changes = Vec::new();
        for TableUpdate { table, rows } in updates {
            let mut old = before.remove(&table).unwrap_or_default();
            let now = self.tables.entry(Arc::clone(&table)).or_default();
            now.reserve(rows.len());
            for row in rows {
                let (RowUpdate::Whole(Row { uuid, .. }) | RowUpdate::Same(uuid)) = &row else { continue };
                if let Some((uuid, known)) = old.remove_entry(uuid) {
                    now.insert(uuid, known);
                }
                let RowUpdate::Whole(row) = row else { continue };
                let change = put(now, row);
                changes.extend(change.map(|(old, new)| Change { table: Arc::clone(&table), old, new }));
            }
            before.insert(table, old);
        }
        let gone = before.into_iter().flat_map(|(table, rows)| {
            rows.into_values().map(move |row| Change { table: Arc::clone(&table), old: Some(row), new: None })
        });
        changes.extend(gone);
        self.account(&changes);
        changes
    }
}

type Versions = (Option<Arc<Row>>, Option<Arc<Row>>);

/// Makes `row` the current one; `None` where it is that already.
fn put(rows: &mut HashMap<Arc<str>, Arc<Row>>, row: Row) -> Option<Versions> {
    if rows.get(&row.uuid).is_some_and(|known| **known == row) {
        return None;
    }
    let new = Arc::new(row);
    let old = rows.insert(Arc::clone(&new.uuid), Arc::clone(&new));
    Some((old, Some(new)))
}

fn modify(
    rows: &mut HashMap<Arc<str>, Arc<Row>>,
    uuid: &str,
    columns: Vec<(Arc<str>, Datum)>,
    plan: &Plan,
    table: &str,
) -> Option<Versions> {
    let types = &plan.tables.get(table)?.columns;
    let mut row = Row::clone(rows.get(uuid)?);
    for (name, given) in columns {
        match row.columns.get_mut(&name) {
            // Only what can hold several elements is told as a difference.
            Some(value) if types.get(&name).is_some_and(|column_type| column_type.many) => diff::apply(value, given),
            Some(value) => *value = given,
            None => drop(row.columns.insert(name, given)),
        }
    }
    put(rows, row)
}
