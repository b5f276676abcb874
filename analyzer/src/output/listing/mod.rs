//! Listings as text: next hops, labelled conntrack entries, repairs, and the whole story of one flow.

mod columns;
mod connections;
mod explanation;
mod nexthops;
mod repairs;

pub(in crate::output) use self::columns::write_columns;
pub use self::connections::{EntryCounts, write_connections, write_stale};
pub use self::explanation::write_explanation;
pub use self::nexthops::write_nexthops;
pub use self::repairs::write_repairs;

use crate::types::Validity;

/// When something holds: ` since T`, ` until T`, both, or nothing where it holds without bound.
fn bounds(validity: Validity) -> String {
    let since = validity.from.map(|from| format!(" since {from}"));
    let until = validity.until.map(|until| format!(" until {until}"));
    since.into_iter().chain(until).collect()
}

/// A value, or a dash where it is not known.
fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
