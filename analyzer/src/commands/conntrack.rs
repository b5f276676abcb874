//! `analyzer conntrack`: labelled entries.

use anyhow::bail;

use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format, ListingArgs};
use crate::engine::view::Standing;
use crate::live::snapshot::Wanted;
use crate::output::{json, listing};

pub(super) fn run(ConntrackArgs { stale, listing: args }: ConntrackArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let prepared = prepare_listing(&inputs, paths, sources, at, &Wanted::Connections)?;
    warn(&prepared.loaded.warnings);
    if !prepared.tells_connections {
        bail!(
            "no conntrack entries: name a dump with --conntrack FILE, or see what `analyzer doctor` says of the table"
        );
    }
    let mut views = prepared.engine.connections(prepared.time(at)?);
    let has = |standing| views.iter().any(|view| view.standing == standing);
    let status = if has(Standing::Stale) {
        Status::Violation
    } else if has(Standing::Undetermined) || views.is_empty() {
        Status::Undetermined
    } else {
        Status::Fine
    };
    if stale {
        views.retain(|view| view.standing == Standing::Stale);
    }
    let frame = frame(&output);
    print(|out| match output.format {
        Format::Text => listing::write_connections(out, &views),
        format => json::write_connections(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(status)
}
