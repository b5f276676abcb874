//! Versions of rows, as transactions make and end them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::datum::{self, DatumError};
use super::super::diff;
use super::super::row::{Datum, Lost, LostPart, Row, RowVersion, Tables};
use super::super::schema::{Column, ColumnType, Schema, TableSchema};
use super::super::warnings::Warnings;
use super::dates;
use super::torn;
use super::transaction::Transaction;
use super::wanted::{self, Part, Wanted};
use crate::types::{Position, Timestamp, Validity};

/// Disagreement of dates that is not worth a word: the members of a cluster date transactions by their own clocks.
const CLOCK_SKEW: Duration = Duration::from_secs(1);

/// Values held of all versions at most: half a GiB or so. Past it the older versions are forgotten, as a compaction does
/// too: a set of references with thousands of members is held whole by each of its versions.
const MAX_VALUES: usize = 16 << 20;

/// What becomes of rows that a transaction does not mention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// They stay: the usual transaction.
    Change,
    /// They go: the transaction is the whole content.
    Content,
}

/// The rows of a file and their past.
#[derive(Default)]
pub(super) struct History {
    tables: BTreeMap<Arc<str>, Table>,
    /// Tables of which a part is kept.
    parts: Vec<Part>,
    /// Date of each transaction, in the file's order.
    dates: Vec<Option<Timestamp>>,
    /// Number of the transaction before which all is forgotten.
    start: usize,
    /// Rows that could not be read: table, number of the transaction, and where it is.
    lost: Vec<(Arc<str>, usize, Position)>,
    torn: Option<Lost>,
}

#[derive(Default)]
struct Table {
    schema: TableSchema,
    versions: Vec<Version>,
    /// Place in `versions` of each row that exists.
    current: HashMap<Arc<str>, usize>,
    /// Number of values in `versions`.
    values: usize,
}

struct Version {
    row: Row,
    /// Number of the transaction that made it so.
    from: usize,
    /// Number of the one that ended it.
    until: Option<usize>,
}

impl History {
    pub(super) fn new(wanted: &Wanted) -> Self {
        Self { parts: wanted.parts().to_vec(), ..Self::default() }
    }

    /// Takes over a schema, for the next transaction and all after it. A table that it does not have is forgotten.
    pub(super) fn set_schema(&mut self, schema: Schema) {
        self.tables.retain(|name, _| schema.tables.contains_key(name));
        for (name, table_schema) in schema.tables {
            self.tables.entry(name).or_default().schema = table_schema;
        }
    }

    /// Makes the rows fit a new schema whose record has no content, as OVS 3.2 and later write it: rows lose the
    /// columns that it does not have and get the defaults of new ones. The record has no date.
    pub(super) fn convert(&mut self) {
        let number = self.dates.len();
        self.dates.push(None);
        for table in self.tables.values_mut() {
            for uuid in table.current.keys().cloned().collect::<Vec<_>>() {
                let mut converted = table.new_row(&uuid);
                let mut old = table.row(&uuid).map(|row| row.columns.clone()).unwrap_or_default();
                for (name, value) in &mut converted.columns {
                    old.remove(name).into_iter().for_each(|old| *value = old);
                }
                table.put(converted, number);
            }
        }
    }

    /// Applies the transaction whose record is at `position`.
    pub(super) fn apply(
        &mut self,
        transaction: &Transaction,
        scope: Scope,
        position: Position,
        warnings: &mut Warnings,
    ) {
        let number = self.dates.len();
        self.dates.push(transaction.date);
        if scope == Scope::Content {
            self.end_others(transaction, number);
        }
        for (name, rows) in &transaction.tables {
            let lost = &mut self.lost;
            let mut lose = || {
                // Of a file that is broken throughout, one row of a table stands for the others.
                if !lost.iter().any(|(table, ..)| table == name) {
                    lost.push((Arc::clone(name), number, position));
                }
            };
            let Some(table) = self.tables.get_mut(name) else {
                lose();
                warnings.push(position, format!("{name} is no table of the schema; its rows are passed over"));
                continue;
            };
            let Value::Object(rows) = rows else {
                lose();
                warnings.push(position, format!("{name}: expected an object with rows"));
                continue;
            };
            let part = wanted::part(&self.parts, name);
            for (uuid, change) in rows {
                let mut warn = |problem: String| warnings.push(position, format!("{name} {uuid}: {problem}"));
                let Some(uuid) = datum::uuid(uuid) else {
                    warn("expected a UUID; the row is passed over".to_owned());
                    lose();
                    continue;
                };
                let base = table.row(&uuid).filter(|_| scope == Scope::Change);
                if base.is_none() && part.is_some_and(|part| part.was_passed_over(change)) {
                    continue;
                }
                match change {
                    Value::Null if base.is_some() => table.end(&uuid, number),
                    Value::Null => warn("the row that is deleted does not exist".to_owned()),
                    Value::Object(columns) => {
                        // A new row is given by its values, whatever the transaction says of the others.
                        let is_diff = transaction.is_diff && base.is_some();
                        let row = base.cloned().unwrap_or_else(|| table.new_row(&uuid));
                        let (row, is_whole) = table.changed(row, columns, is_diff, &mut warn);
                        table.put(row, number);
                        if !is_whole {
                            lose();
                        }
                    }
                    _ => {
                        warn("expected an object with columns, or null; the row is passed over".to_owned());
                        lose();
                    }
                }
            }
        }
        self.bound(position, MAX_VALUES, warnings);
    }

    /// Notes that the file is of no use from the record at `position` on, of which these bytes are there.
    pub(super) fn tear(&mut self, position: Position, bytes: &[u8]) {
        let part = LostPart::End { tables: torn::tables(bytes) };
        self.torn = Some(Lost { part, position, from: torn::date(bytes) });
    }

    /// Forgets the past where the versions hold too much. The rows of now stay.
    fn bound(&mut self, position: Position, max_values: usize, warnings: &mut Warnings) {
        if self.tables.values().map(|table| table.values).sum::<usize>() <= max_values {
            return;
        }
        self.start = self.dates.len();
        self.tables.values_mut().for_each(Table::forget);
        warnings.push(position, "the history up to here is too large to be kept; it starts here".to_owned());
    }

    /// Ends the rows that a transaction does not mention.
    fn end_others(&mut self, transaction: &Transaction, number: usize) {
        for (name, table) in &mut self.tables {
            let rows = transaction.tables.iter().find(|(mentioned, _)| mentioned == name).map(|(_, rows)| rows);
            let gone = |uuid: &&Arc<str>| rows.and_then(|rows| rows.get(&***uuid)).is_none();
            for uuid in table.current.keys().filter(gone).cloned().collect::<Vec<_>>() {
                table.end(&uuid, number);
            }
        }
    }

    /// The tables with their versions' times.
    pub(super) fn finish(self, warnings: &mut Warnings) -> Tables {
        let settled = dates::settle(&self.dates);
        if settled.worst > CLOCK_SKEW {
            let message = format!(
                "the dates of {} of {} transactions contradict their order, by up to {} s; each of them is taken to \
                 be as old as the one after it",
                settled.wrong,
                settled.dates.len(),
                settled.worst.as_secs()
            );
            warnings.push(Position::Whole, message);
        }
        let start = self.start;
        let since = settled.dates.get(start).or(settled.dates.last()).copied().flatten();
        let last = settled.dates.last().copied().flatten();
        let date = |number: usize| settled.dates.get(number).copied().flatten().or(last);
        let row = |(table, number, position)| Lost { part: LostPart::Row(table), position, from: date(number) };
        let torn = self.torn.map(|torn| Lost { from: torn.from.max(last), ..torn });
        let lost = self.lost.into_iter().map(row).chain(torn).collect();
        let version = |version: Version| RowVersion {
            row: version.row,
            validity: Validity { from: date(version.from.max(start)), until: version.until.and_then(date) },
        };
        let tables = self.tables.into_iter().map(|(name, table)| {
            // Without dates it is not known when a version ended, only that it did.
            let known = |version: &Version| since.is_some() || version.until.is_none();
            (name, table.versions.into_iter().filter(known).map(version).collect())
        });
        Tables { tables: tables.collect(), since, last, lost }
    }
}

impl Table {
    /// A row as it is now.
    fn row(&self, uuid: &str) -> Option<&Row> {
        self.versions.get(*self.current.get(uuid)?).map(|version| &version.row)
    }

    /// A row with all columns at their defaults.
    fn new_row(&self, uuid: &Arc<str>) -> Row {
        let persistent = self.schema.iter().filter(|(_, column)| column.persistent);
        let default = |(name, column): (&Arc<str>, &Column)| {
            Some((Arc::clone(name), datum::default_of(column.column_type.as_ref()?)))
        };
        Row { uuid: Arc::clone(uuid), columns: persistent.filter_map(default).collect() }
    }

    /// The row after a change of `columns`, and whether all of it could be read. A column whose value cannot be read is absent
    /// from it: it did change.
    fn changed(
        &self,
        mut row: Row,
        columns: &Map<String, Value>,
        is_diff: bool,
        warn: &mut impl FnMut(String),
    ) -> (Row, bool) {
        let mut is_whole = true;
        for (name, json) in columns {
            let Some((name, column)) = self.schema.get_key_value(name.as_str()) else {
                warn(format!("{name} is no column of the schema; it is passed over"));
                continue;
            };
            let Some(column_type) = &column.column_type else {
                continue;
            };
            let value = datum::from_json(json).and_then(|value| datum::of_type(value, column_type));
            let old = row.columns.remove(name);
            match new_value(old, value, column_type, is_diff) {
                Ok(Some(value)) => drop(row.columns.insert(Arc::clone(name), value)),
                Ok(None) => {}
                Err(error) => {
                    warn(format!("{name}: {error}; the column is passed over"));
                    is_whole = false;
                }
            }
        }
        (row, is_whole)
    }

    /// Makes `row` the current version of itself, unless it is that already.
    fn put(&mut self, row: Row, number: usize) {
        if self.row(&row.uuid) == Some(&row) {
            return;
        }
        self.end(&row.uuid, number);
        self.values += values_of(&row);
        self.current.insert(Arc::clone(&row.uuid), self.versions.len());
        self.versions.push(Version { row, from: number, until: None });
    }

    /// Keeps the versions that stand, and no others.
    fn forget(&mut self) {
        self.versions.retain(|version| version.until.is_none());
        let place = |(at, version): (usize, &Version)| (Arc::clone(&version.row.uuid), at);
        self.current = self.versions.iter().enumerate().map(place).collect();
        self.values = self.versions.iter().map(|version| values_of(&version.row)).sum();
    }

    /// Ends the current version of a row.
    fn end(&mut self, uuid: &str, number: usize) {
        if let Some(version) = self.current.remove(uuid).and_then(|at| self.versions.get_mut(at)) {
            version.until = Some(number);
        }
    }
}

/// Number of values that a row holds.
fn values_of(row: &Row) -> usize {
    let values = |datum: &Datum| match datum {
        Datum::Set(atoms) => atoms.len(),
        Datum::Map(pairs) => 2 * pairs.len(),
    };
    row.columns.values().map(values).sum()
}

/// A column's new value; `None` where only the difference to a value is known that is not.
///
/// Columns of at most one element are given whole even by a difference. So is one that was at its default: that is how
/// ovsdb-server 3.1 reads its files, and it matters where the default is not empty.
fn new_value(
    old: Option<Datum>,
    given: Result<Datum, DatumError>,
    column_type: &ColumnType,
    is_diff: bool,
) -> Result<Option<Datum>, DatumError> {
    let given = given?;
    if !is_diff || !column_type.many {
        return Ok(Some(given));
    }
    Ok(match old {
        Some(old) if old == datum::default_of(column_type) => Some(given),
        Some(mut value) => {
            diff::apply(&mut value, given);
            Some(value)
        }
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_history_that_is_too_large_starts_later() {
        let schema = json!({"name": "OVN_Northbound", "version": "7.0.0", "tables": {"T": {"columns": {"refs": {
            "type": {"key": "string", "min": 0, "max": "unlimited"}
        }}}}});
        let mut warnings = Warnings::new("t.db");
        let mut history = History::default();
        history.set_schema(Schema::from_json(&schema.to_string(), &["T".into()]).unwrap());
        let uuid = "00000000-0000-0000-0000-000000000001";
        for number in 0..4_u64 {
            let rows = json!({uuid: {"refs": ["set", (0..=number).map(|i| format!("r{i}")).collect::<Vec<_>>()]}});
            let transaction = Transaction {
                date: Some(Timestamp::from_millis(2_000_000_000_000 + number)),
                is_diff: false,
                tables: vec![("T".into(), rows)],
            };
            history.apply(&transaction, Scope::Change, Position::Whole, &mut warnings);
            history.bound(Position::Whole, 5, &mut warnings);
        }
        let tables = history.finish(&mut warnings);
        assert_eq!(tables.tables["T"].len(), 1);
        assert_eq!(tables.tables["T"][0].row.texts("refs").count(), 4);
        assert_eq!(tables.tables["T"][0].validity.from, tables.since);
        assert_eq!(warnings.finish().len(), 2);
    }
}
