//! Database files, with the history that they hold.
//!
//! A file is a log (ovsdb(5), "File Formats"): each transaction is appended with its date, so the file tells not only
//! what the rows are but what they were, back to the last compaction, which puts the whole content of that moment into
//! one transaction and drops the rest. Both kinds of file are read: the stand-alone one and that of a cluster's member.

use std::io::{self, BufRead};

use super::row::Tables;
use super::warnings::Warnings;
use crate::types::{Place, Position, Warning};

mod clustered;
mod dates;
mod history;
mod log;
mod standalone;
mod torn;
mod transaction;
mod wanted;

use self::wanted::Wanted;
pub use self::wanted::{Part, Rows};

/// What a database file says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DbInfo {
    /// Name of the database, as `OVN_Northbound`.
    pub name: String,
    /// Version of its schema; the last where it was converted. `None` where the file has no schema yet, as that of a
    /// server which has not joined its cluster.
    pub version: Option<String>,
    /// Whether the file is that of a member of a Raft cluster.
    pub clustered: bool,
}

/// A file of which nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The first record is broken, or this is no database file.
    #[error("{place}: {source}")]
    Record {
        /// Where.
        place: Place,
        /// Why.
        source: RecordError,
    },
    /// The first record is whole, but it is no schema and no cluster header.
    #[error("{place}: the first record is no {expected}: {source}")]
    Content {
        /// Where.
        place: Place,
        /// What it had to be.
        expected: &'static str,
        /// Why it is not.
        source: serde_json::Error,
    },
}

/// Why a record of the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// The file is empty.
    #[error("the file is empty; expected an OVSDB database file")]
    Empty,
    /// No record header, and so no database file where it is the first.
    #[error("expected the header of an OVSDB record, `OVSDB JSON` or `OVSDB CLUSTER`, a length and a SHA-1")]
    Header,
    /// A record of a stand-alone file in a clustered one, or the other way round.
    #[error("the record's kind is not that of the file")]
    Kind,
    /// The header gives a length that no record has.
    #[error("the record's length, {0} bytes, is beyond what is read")]
    Length(u64),
    /// The file ends in mid-record.
    #[error("the file ends in mid-record, after {found} of {expected} bytes")]
    Cut {
        /// Bytes of the record that are there.
        found: u64,
        /// Bytes that the header announces.
        expected: u64,
    },
    /// The record's content is not what was written.
    #[error("the record's SHA-1 does not match its content")]
    Checksum,
    /// Bytes that are no UTF-8.
    #[error("the record is no UTF-8 text")]
    Encoding,
}

/// Reads a database file and keeps all versions of the rows of `wanted_tables`.
///
/// A table that is not in the file's schema is absent from [`Tables::tables`]; one without rows is there and empty.
/// A column that is not in the schema, or that files do not hold (`ephemeral`), is absent from the rows. Columns at
/// their default, which files leave out, are filled in.
///
/// Transactions are taken in the file's order. Where a date is missing, or contradicts the majority of the others, the
/// transaction has the date of the next one. Rows of the first transaction of a compacted file are older than it, but
/// the file does not say by how much: their validity begins at [`Tables::since`]. Where no transaction has a date,
/// there is no history: the rows are those of the file's end, valid without bound.
///
/// Memory is that of the rows and of one record. A file that is cut or broken after the first record is used up to
/// there, with a warning, as ovsdb-server does.
///
/// # Errors
/// [`FileError`] where not even the first record, which holds the schema, can be read.
pub fn read(
    reader: impl BufRead,
    file_name: &str,
    wanted_tables: &[&str],
) -> Result<(Tables, DbInfo, Vec<Warning>), FileError> {
    read_with_parts(reader, file_name, wanted_tables, &[])
}

/// As [`read`], and of further tables only `parts`.
///
/// # Errors
/// As [`read`].
pub fn read_with_parts(
    reader: impl BufRead,
    file_name: &str,
    wanted_tables: &[&str],
    parts: &[Part],
) -> Result<(Tables, DbInfo, Vec<Warning>), FileError> {
    let wanted = Wanted::new(wanted_tables, parts);
    let mut warnings = Warnings::new(file_name);
    let mut records = log::Records::new(reader);
    let place = warnings.place(Position::Offset(0));
    let first = match records.next() {
        Ok(Some(first)) => first,
        Ok(None) => {
            return Err(FileError::Record { place: warnings.place(Position::Whole), source: RecordError::Empty });
        }
        Err(source) => return Err(FileError::Record { place, source }),
    };
    let content = |expected| move |source| FileError::Content { place, expected, source };
    let (history, info) = match first.kind {
        log::Kind::Standalone => {
            let schema = wanted.schema(first.json).map_err(content("database schema"))?;
            standalone::read(schema, &mut records, &wanted, &mut warnings)
        }
        log::Kind::Clustered => {
            let header = clustered::Header::from_json(first.json, &wanted).map_err(content("cluster header"))?;
            clustered::read(header, &mut records, &wanted, &mut warnings)
        }
    };
    Ok((history.finish(&mut warnings), info, warnings.finish()))
}

#[cfg(test)]
mod tests;
