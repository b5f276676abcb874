//! Stand-alone files: the schema, then transactions.

use std::io::BufRead;

use super::super::schema::Schema;
use super::super::warnings::Warnings;
use super::DbInfo;
use super::history::{History, Scope};
use super::log::Records;
use super::transaction::Transaction;
use super::wanted::Wanted;
use crate::types::Position;

/// Reads what follows the first record, `schema`.
pub(super) fn read<R: BufRead>(
    schema: Schema,
    records: &mut Records<R>,
    wanted: &Wanted,
    warnings: &mut Warnings,
) -> (History, DbInfo) {
    let info = DbInfo { name: schema.name.clone(), version: schema.version.clone(), clustered: false };
    let mut history = History::new(wanted);
    warn_of_unknown_columns(&schema, Position::Offset(0), warnings);
    history.set_schema(schema);
    loop {
        let record = records.next();
        match record.map(|record| record.map(|record| Transaction::from_json(record.json, wanted))) {
            Ok(None) => break,
            Ok(Some(Ok(transaction))) => {
                history.apply(&transaction, Scope::Change, Position::Offset(records.offset()), warnings);
            }
            // What follows may be differences to what this one made.
            Ok(Some(Err(error))) => {
                stop(&format!("the record is no transaction: {error}"), records, &mut history, warnings);
                break;
            }
            Err(error) => {
                stop(&error.to_string(), records, &mut history, warnings);
                break;
            }
        }
    }
    (history, info)
}

/// Warns that the rest of the file is not used, and notes what is lost with it.
pub(super) fn stop<R: BufRead>(reason: &str, records: &Records<R>, history: &mut History, warnings: &mut Warnings) {
    history.tear(Position::Offset(records.offset()), records.torn());
    warnings.push(Position::Offset(records.offset()), format!("{reason}; the file is used up to here"));
}

/// Warns of columns whose values will be passed over.
pub(super) fn warn_of_unknown_columns(schema: &Schema, position: Position, warnings: &mut Warnings) {
    for (table, column) in schema.unknown_columns() {
        warnings.push(position, format!("{table}: column {column} has a type that is not known; it is passed over"));
    }
}
