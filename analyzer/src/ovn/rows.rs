//! The walk over the row versions of tables.

use std::collections::HashSet;
use std::sync::Arc;

use super::Facts;
use super::columns::BadColumn;
use super::gaps;
use crate::engine::fact::Fact;
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::types::{Position, Validity};

/// The versions of a table's rows in the order of their starts; none where the source lacks the table.
pub(super) fn versions<'a>(tables: &'a Tables, table: &str) -> Vec<&'a RowVersion> {
    let mut versions: Vec<_> = tables.tables.get(table).into_iter().flatten().collect();
    versions.sort_by_key(|version| version.validity.from);
    versions
}

/// As [`versions`], with the UUIDs of the rows, for joins. Rows whose UUID was not printed are left out.
pub(super) fn identified<'a>(tables: &'a Tables, table: &str) -> impl Iterator<Item = (&'a str, &'a RowVersion)> {
    let versions = versions(tables, table).into_iter().map(|version| (&*version.row.uuid, version));
    versions.filter(|(uuid, _)| !uuid.is_empty())
}

/// Turns row versions into facts.
pub(super) struct RowReader<'a> {
    tables: &'a Tables,
    file: &'a Arc<str>,
    warned: HashSet<String>,
    pub(super) facts: Facts,
}

impl<'a> RowReader<'a> {
    /// Reads tables, of which those in `bearing` bear on next hops.
    pub(super) fn new(tables: &'a Tables, file: &'a Arc<str>, bearing: &[&str]) -> Self {
        let gaps = gaps::of_tables(tables, file, bearing);
        let facts = Facts { since: tables.since, gaps, ..Facts::default() };
        Self { tables, file, warned: HashSet::new(), facts }
    }

    /// Turns each row version of a table into facts. One that cannot be read is passed over with a warning; what many
    /// versions of a row have in common is said once.
    pub(super) fn each(
        &mut self,
        table: &str,
        mut read: impl FnMut(&'a Row, Validity) -> Result<Vec<Fact>, BadColumn>,
    ) {
        for (index, RowVersion { row, validity }) in versions(self.tables, table).into_iter().enumerate() {
            match read(row, *validity) {
                Ok(facts) => self.facts.facts.extend(facts),
                Err(problem) => {
                    self.warn(table, row, &problem);
                    self.facts.unreadable.push((table.to_owned(), index));
                    if let Some(scope) = gaps::scope_of(table, row) {
                        self.facts.lose_during(self.file, Position::Whole, scope, *validity);
                    }
                }
            }
        }
    }

    /// Rows have no place in their file; table and UUID name them.
    fn warn(&mut self, table: &str, row: &Row, problem: &BadColumn) {
        let message = match &*row.uuid {
            "" => format!("a row of {table}: {problem}"),
            uuid => format!("row {uuid} of {table}: {problem}"),
        };
        if self.warned.insert(message.clone()) {
            self.facts.warn(self.file, Position::Whole, message);
        }
    }
}
