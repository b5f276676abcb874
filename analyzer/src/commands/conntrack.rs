//! `analyzer conntrack`: labelled entries.

use anyhow::bail;

use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format, ListingArgs};
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::{json, listing};

pub(super) fn run(ConntrackArgs { stale, allow_mac, listing: args }: ConntrackArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let settings = Settings { allowed: allow_mac, ..Settings::default() };
    let prepared = prepare_listing(&inputs, paths, sources, at, &Wanted::Connections, settings)?;
    warn(&prepared.loaded.warnings);
    if !prepared.tells_connections {
        bail!(
            "no conntrack entries: name a dump with --conntrack FILE, or see what `analyzer doctor` says of the table"
        );
    }
    let at = prepared.time(at)?;
    let mut views = prepared.engine.connections(at);
    let is_whole = prepared.engine.gaps(at).next().is_none();
    let status = if views.iter().any(|view| view.standing.is_stale()) {
        Status::Violation
    } else if !is_whole || views.iter().any(|view| view.standing.is_undetermined()) || views.is_empty() {
        Status::Undetermined
    } else {
        Status::Fine
    };
    if stale {
        views.retain(|view| view.standing.is_stale());
    }
    let frame = frame(&output);
    print(|out| match output.format {
        Format::Text => listing::write_connections(out, &views),
        format => json::write_connections(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(status)
}
