//! `analyzer conntrack`: labelled entries.

use anyhow::bail;

use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format, ListingArgs};
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::listing::EntryCounts;
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
    let counts = EntryCounts::of(&views, prepared.engine.gaps(at).count());
    if stale {
        views.retain(|view| view.standing.is_stale());
    }
    let frame = frame(&output);
    print(|out| match output.format {
        Format::Text if stale => listing::write_stale(out, &views, &counts),
        Format::Text => listing::write_connections(out, &views),
        format => json::write_connections(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(counts.answer().into())
}
