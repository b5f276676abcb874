//! Why an input cannot be read at all.

use std::io;
use std::sync::Arc;

use super::MAX_TEXT;
use crate::capture::CaptureError;
use crate::ovsdb::file::FileError;
use crate::ovsdb::text::TextError;
use crate::types::Place;
use crate::{conntrack, ovn};

/// An input that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] CaptureError),
    /// Reading failed.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than a dump can sensibly be.
    #[error("{file} is longer than {} MiB: is it the right file?", MAX_TEXT >> 20)]
    TooLong {
        /// The file.
        file: Arc<str>,
    },
    /// A database file of which nothing can be read.
    #[error(transparent)]
    Database(#[from] FileError),
    /// A database file where text is expected.
    #[error("{file} is a database file: give it with --nb-db, --sb-db or --ovs-db")]
    IsDatabase {
        /// The file.
        file: Arc<str>,
    },
    /// Rows of another table than this one.
    #[error("{file} holds no rows of {table}; list that table with all its columns")]
    OtherTable {
        /// The file.
        file: Arc<str>,
        /// The table that was expected.
        table: &'static str,
    },
    /// A database of another schema than this one.
    #[error("{file} is a database named {name}: expected {expected}")]
    WrongDatabase {
        /// The file.
        file: Arc<str>,
        /// What it is.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Text of a table of which nothing can be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Syntax as a whole is broken.
    #[error(transparent)]
    Unreadable(#[from] ovn::Unreadable),
    /// A conntrack dump that cannot be read on.
    #[error(transparent)]
    Conntrack(#[from] conntrack::reader::ReadError),
    /// A text that should be UTF-8 and is not.
    #[error("{place}: no UTF-8 text")]
    NotUtf8 {
        /// The first byte that is wrong.
        place: Place,
    },
    /// A file that told nothing.
    #[error("{file}: nothing in it could be read as {expected}{first}")]
    Nothing {
        /// The file.
        file: Arc<str>,
        /// What was expected.
        expected: &'static str,
        /// The first warning, behind a colon.
        first: String,
    },
}
