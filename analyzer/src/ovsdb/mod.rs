//! OVSDB: rows, database files, and the text that the `list` command of the clients prints.

pub mod row;

pub mod client;
pub mod file;
pub mod text;

mod datum;
mod diff;
mod schema;
mod warnings;

pub use self::datum::is_uuid;
