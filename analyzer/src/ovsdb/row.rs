//! Rows and their values (RFC 7047 section 5.1), whatever they were read from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::{Position, Timestamp, Validity};

/// A scalar value.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub enum Atom {
    /// `integer`.
    Integer(i64),
    /// `real`.
    Real(f64),
    /// `boolean`.
    Boolean(bool),
    /// `string`. Text dumps do not tell strings from UUIDs; both come as strings there.
    String(Arc<str>),
    /// `uuid`.
    Uuid(Arc<str>),
}

/// A column's value. A scalar column is a set of one.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// A set, as ordered in its source.
    Set(Vec<Atom>),
    /// A map.
    Map(Vec<(Atom, Atom)>),
}

/// A row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// `_uuid`; empty where the source does not print it.
    pub uuid: Arc<str>,
    /// Columns by name. A column that the source does not tell is absent.
    pub columns: BTreeMap<Arc<str>, Datum>,
}

/// A row as it was during some time.
#[derive(Clone, PartialEq, Debug)]
pub struct RowVersion {
    /// The row.
    pub row: Row,
    /// From the transaction that made it so to the one that changed or deleted it.
    pub validity: Validity,
}

/// A row that a live database changed. `old` is `None` for one that came, `new` for one that went.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The table.
    pub table: Arc<str>,
    /// The row before.
    pub old: Option<Arc<Row>>,
    /// The row now.
    pub new: Option<Arc<Row>>,
}

/// Tables with all the versions of their rows that the source tells.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tables {
    /// Start of the history: the date of the first transaction. `None` where the source has no history, as a text.
    pub since: Option<Timestamp>,
    /// Date of the last transaction.
    pub last: Option<Timestamp>,
    /// Row versions by table name, as `Logical_Router_Static_Route`.
    pub tables: BTreeMap<Arc<str>, Vec<RowVersion>>,
    /// What of them could not be read.
    pub lost: Vec<Lost>,
}

/// A part of a source that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// What it is.
    pub part: LostPart,
    /// Where it is.
    pub position: Position,
    /// From when on it told something; `None` where the source has no history.
    pub from: Option<Timestamp>,
}

/// What could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LostPart {
    /// A row of this table, or a column of it.
    Row(Arc<str>),
    /// All that follows: the file ends in the middle of a record, or is broken.
    End {
        /// Tables that the torn record names, as far as it is there; none where that cannot be told.
        tables: Vec<String>,
    },
}

impl Atom {
    /// The text of a string or UUID.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Uuid(text) => Some(text),
            _ => None,
        }
    }
}

impl Datum {
    /// Memory that it takes beside itself, roughly: what it holds, and what the allocator adds.
    pub fn memory(&self) -> usize {
        const EACH: usize = 48;
        let text = |atom: &Atom| atom.as_str().map_or(0, |text| text.len() + 32);
        match self {
            Self::Set(atoms) => 16 + atoms.iter().map(|atom| EACH + text(atom)).sum::<usize>(),
            Self::Map(pairs) => 16 + pairs.iter().map(|(key, value)| 2 * EACH + text(key) + text(value)).sum::<usize>(),
        }
    }
}

impl Row {
    /// Memory that it takes, roughly: what it holds, and what the allocator and those who keep it add.
    pub fn memory(&self) -> usize {
        // A node of the tree has room for so many columns.
        const IN_A_NODE: usize = 8;
        const NODE: usize = 560;
        const ROW: usize = 192;
        let nodes = self.columns.len().div_ceil(IN_A_NODE).max(1) * NODE;
        ROW + nodes + self.columns.values().map(Datum::memory).sum::<usize>()
    }

    /// The only value of a column; `None` where it is absent, empty, a map, or holds several values.
    pub fn scalar(&self, column: &str) -> Option<&Atom> {
        match self.columns.get(column)? {
            Datum::Set(atoms) if atoms.len() == 1 => atoms.first(),
            _ => None,
        }
    }

    /// The only value of a column as text.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.scalar(column)?.as_str()
    }

    /// The only value of a column as a number.
    pub fn integer(&self, column: &str) -> Option<i64> {
        match self.scalar(column)? {
            Atom::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The only value of a column as a truth value.
    pub fn boolean(&self, column: &str) -> Option<bool> {
        match self.scalar(column)? {
            Atom::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The texts of a set.
    pub fn texts(&self, column: &str) -> impl Iterator<Item = &str> {
        let atoms = match self.columns.get(column) {
            Some(Datum::Set(atoms)) => atoms.as_slice(),
            _ => &[],
        };
        atoms.iter().filter_map(Atom::as_str)
    }

    /// The text that a map holds under a key.
    pub fn map_text(&self, column: &str, key: &str) -> Option<&str> {
        self.map_texts(column).find(|&(name, _)| name == key).map(|(_, value)| value)
    }

    /// The pairs of a map from text to text.
    pub fn map_texts(&self, column: &str) -> impl Iterator<Item = (&str, &str)> {
        let pairs = match self.columns.get(column) {
            Some(Datum::Map(pairs)) => pairs.as_slice(),
            _ => &[],
        };
        pairs.iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)))
    }
}
