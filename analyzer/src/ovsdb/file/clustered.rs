//! Files of a cluster's members: a header with a snapshot, then the records of the Raft log (ovsdb(5), "Clustered
//! Database Format").
//!
//! An entry of the log counts once it is known to be committed: a record `commit_index` reaches it. Until then a later
//! record with the same index may take its place, as happens when a leader falls before the others have its entries.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;

use super::super::schema::Schema;
use super::super::warnings::Warnings;
use super::DbInfo;
use super::history::{History, Scope};
use super::log::Records;
use super::standalone::{stop, warn_of_unknown_columns};
use super::transaction::Transaction;
use super::wanted::Wanted;
use crate::types::Position;

/// Schema and transaction, either of which may be null.
type Data<'a> = (Option<&'a RawValue>, Option<&'a RawValue>);

#[derive(Deserialize)]
struct HeaderJson<'a> {
    name: String,
    prev_index: Option<u64>,
    #[serde(borrow)]
    prev_data: Option<Data<'a>>,
    prev_servers: Option<BTreeMap<String, IgnoredAny>>,
}

/// The first record.
pub(super) struct Header {
    name: String,
    /// Index of the last entry in the snapshot; 0 while the server has not joined.
    index: u64,
    snapshot: Change,
    /// Number of the cluster's members; 0 where the header does not tell.
    members: usize,
}

/// Any record after the header. Those of no concern here (`vote`, `leader`, `note`, a mere `term`) have none of these.
#[derive(Deserialize)]
struct RecordJson<'a> {
    commit_index: Option<u64>,
    index: Option<u64>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    servers: Option<BTreeMap<String, IgnoredAny>>,
}

/// A record after the header.
enum LogRecord {
    /// All entries up to this index are committed.
    Commit(u64),
    Entry {
        index: u64,
        change: Change,
        /// Number of the cluster's members, where the entry changes them.
        members: Option<usize>,
    },
    Other,
}

/// A change of the database. Empty where an entry concerns the cluster alone.
#[derive(Default)]
struct Change {
    schema: Option<Schema>,
    transaction: Option<Transaction>,
}

/// An entry of the log that is not yet committed.
struct Entry {
    index: u64,
    position: Position,
    change: Change,
}

struct Cluster {
    history: History,
    info: DbInfo,
    /// Index of the last entry that is known to be committed.
    committed: u64,
    /// Whether the file has any `commit_index`.
    commits_recorded: bool,
    /// The entries after `committed`, without gaps.
    pending: VecDeque<Entry>,
    /// As in the header, or as the last entry that changes it says.
    members: usize,
}

/// Reads what follows the first record, `header`.
pub(super) fn read<R: BufRead>(
    header: Header,
    records: &mut Records<R>,
    wanted: &Wanted,
    warnings: &mut Warnings,
) -> (History, DbInfo) {
    let mut cluster = Cluster {
        history: History::new(wanted),
        info: DbInfo { name: header.name, version: None, clustered: true },
        committed: header.index,
        commits_recorded: false,
        pending: VecDeque::new(),
        members: header.members,
    };
    cluster.apply(header.snapshot, Position::Offset(0), warnings);
    loop {
        let record = records.next();
        let taken = match record.map(|record| record.map(|record| LogRecord::from_json(record.json, wanted))) {
            Ok(None) => break,
            Ok(Some(Ok(record))) => cluster.take(record, Position::Offset(records.offset()), warnings),
            Ok(Some(Err(error))) => Err(format!("the record is none of a cluster's log: {error}")),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = taken {
            stop(&reason, records, &mut cluster.history, warnings);
            break;
        }
    }
    cluster.settle_pending(warnings);
    (cluster.history, cluster.info)
}

impl Header {
    pub(super) fn from_json(json: &str, wanted: &Wanted) -> Result<Self, serde_json::Error> {
        let header: HeaderJson<'_> = serde_json::from_str(json)?;
        Ok(Self {
            name: header.name,
            index: header.prev_index.unwrap_or(0),
            snapshot: header.prev_data.map(|data| Change::from_json(data, wanted)).transpose()?.unwrap_or_default(),
            members: header.prev_servers.map_or(0, |servers| servers.len()),
        })
    }
}

impl LogRecord {
    fn from_json(json: &str, wanted: &Wanted) -> Result<Self, serde_json::Error> {
        let record: RecordJson<'_> = serde_json::from_str(json)?;
        Ok(match record {
            RecordJson { commit_index: Some(index), .. } => Self::Commit(index),
            RecordJson { index: Some(index), data, servers, .. } => Self::Entry {
                index,
                change: data.map(|data| Change::from_json(data, wanted)).transpose()?.unwrap_or_default(),
                members: servers.map(|servers| servers.len()),
            },
            _ => Self::Other,
        })
    }
}

impl Change {
    fn from_json((schema, transaction): Data<'_>, wanted: &Wanted) -> Result<Self, serde_json::Error> {
        Ok(Self {
            schema: schema.map(|json| wanted.schema(json.get())).transpose()?,
            transaction: transaction.map(|json| Transaction::from_json(json.get(), wanted)).transpose()?,
        })
    }
}

impl Cluster {
    /// Takes in a record, or tells why the log is broken at it.
    fn take(&mut self, record: LogRecord, position: Position, warnings: &mut Warnings) -> Result<(), String> {
        let end = self.committed.saturating_add(self.pending.len() as u64);
        match record {
            LogRecord::Other => {}
            LogRecord::Commit(index) if index > end => {
                return Err(format!("entry {index} is said to be committed, but the log ends with {end}"));
            }
            LogRecord::Commit(index) => {
                self.commits_recorded = true;
                while let Some(entry) = self.pending.pop_front_if(|entry| entry.index <= index) {
                    self.committed = entry.index;
                    self.apply(entry.change, entry.position, warnings);
                }
            }
            LogRecord::Entry { index, .. } if index <= self.committed => {
                return Err(format!("entry {index} comes again after entry {} was committed", self.committed));
            }
            LogRecord::Entry { index, .. } if index > end.saturating_add(1) => {
                return Err(format!("entry {index} comes after entry {end}; those between are missing"));
            }
            LogRecord::Entry { index, change, members } => {
                while self.pending.pop_back_if(|entry| entry.index >= index).is_some() {}
                self.pending.push_back(Entry { index, position, change });
                self.members = members.unwrap_or(self.members);
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: Change, position: Position, warnings: &mut Warnings) {
        let scope = if change.schema.is_some() { Scope::Content } else { Scope::Change };
        if let Some(schema) = change.schema {
            warn_of_unknown_columns(&schema, position, warnings);
            self.info.version.clone_from(&schema.version);
            self.history.set_schema(schema);
        }
        match change.transaction {
            Some(transaction) => self.history.apply(&transaction, scope, position, warnings),
            None if scope == Scope::Content => self.history.convert(),
            None => {}
        }
    }

    /// Decides on the entries that no `commit_index` reaches. The only member of a cluster commits what it writes, and
    /// a file without any `commit_index` does not tell; in any other the entries may yet be taken back.
    fn settle_pending(&mut self, warnings: &mut Warnings) {
        let Some(first) = self.pending.front() else {
            return;
        };
        if self.members != 1 {
            let what = if self.commits_recorded { "left out" } else { "used all the same" };
            let message =
                format!("{} entries of the log are not known to be committed; they are {what}", self.pending.len());
            warnings.push(first.position, message);
            if self.commits_recorded {
                return;
            }
        }
        for entry in std::mem::take(&mut self.pending) {
            self.apply(entry.change, entry.position, warnings);
        }
    }
}
