//! Labelled conntrack entries as text.

use std::io;

use super::columns::write_columns;
use super::or_dash;
use crate::engine::finding::{Assumes, CtDirection};
use crate::engine::view::ConnectionView;
use crate::output::escape::escaped;

/// Writes a line for each entry, under a heading.
///
/// # Errors
/// When `out` fails.
pub fn write_connections(out: &mut impl io::Write, views: &[ConnectionView]) -> io::Result<()> {
    if views.is_empty() {
        return writeln!(out, "No labelled conntrack entries.");
    }
    let heading = ["STANDING", "ZONE", "OWNER", "MAC", "PORT", "NEXT HOP", "FLOW THAT LEAVES"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(views.iter().map(row)).collect();
    write_columns(out, &rows)?;
    let stale = views.iter().filter(|view| view.standing.is_stale()).map(|view| &view.assumes);
    let all = stale.fold(Assumes::default(), |mut all, assumes| {
        all.insert_all(assumes);
        all
    });
    match all.is_empty() {
        true => Ok(()),
        false => {
            let codes: Vec<_> = all.codes().collect();
            writeln!(
                out,
                "What is stale takes for granted, as nothing tells it (docs/verdicts.md): {}.",
                codes.join(", ")
            )
        }
    }
}

fn row(view: &ConnectionView) -> [String; 7] {
    let entry = &view.connection;
    let nexthops: Vec<String> = view.standing.nexthops().iter().map(ToString::to_string).collect();
    let nexthop = match (&view.last_legal, nexthops.as_slice()) {
        (Some(last), []) => format!("{} until {}", last.nexthop, last.until),
        (None, []) => "-".to_owned(),
        (_, nexthops) => nexthops.join(","),
    };
    let leaving = match entry.direction {
        CtDirection::Orig => entry.orig,
        CtDirection::Reply => entry.reply,
    };
    [
        view.standing.name().to_owned(),
        entry.zone.to_string(),
        or_dash(entry.zone_name.as_deref().map(escaped)),
        entry.reply_eth.to_string(),
        entry.reply_port.to_string(),
        nexthop,
        leaving.to_string(),
    ]
}
