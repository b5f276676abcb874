//! `analyzer conntrack`: labelled entries.

use anyhow::bail;

use super::nodes::{self, Node};
use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format, ListingArgs};
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::listing::EntryCounts;
use crate::output::{Report, json, listing, write_provenance};

pub(super) fn run(ConntrackArgs { stale, allow_mac, listing: args }: ConntrackArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let settings = Settings { allowed: allow_mac, ..Settings::default() };
    let nodes = nodes::of(inputs, &output.node, paths)?;
    let heading = nodes::Heading::new(&nodes);
    let mut listed = Vec::new();
    let status = nodes::each(nodes, |Node { name, inputs, paths }| {
        let wanted = &Wanted::Connections;
        let prepared = prepare_listing(&inputs, paths, sources.clone(), at, wanted, settings.clone())?;
        warn(&prepared.loaded.warnings);
        if !prepared.tells_connections {
            bail!(
                "no conntrack entries: name a dump with --conntrack FILE, or see what `analyzer doctor` says of the table"
            );
        }
        let report = Report { provenance: prepared.provenance(&[], &output), ..frame(name) };
        let at = prepared.time(at)?;
        let mut views = prepared.engine.connections(at);
        let counts = EntryCounts::of(&views, prepared.engine.gaps(at).count());
        if stale {
            views.retain(|view| view.standing.is_stale());
        }
        match output.format {
            Format::Text => print(|out| {
                heading.write(out, report.node.as_deref())?;
                match stale {
                    true => listing::write_stale(out, &views, &counts)?,
                    false => listing::write_connections(out, &views)?,
                }
                write_provenance(out, &report.provenance)
            })?,
            Format::Jsonl => print(|out| json::write_connections(out, &[(report, views)], true))?,
            Format::Json => listed.push((report, views)),
        }
        Ok(counts.answer().into())
    })?;
    if output.format == Format::Json {
        print(|out| json::write_connections(out, &listed, false))?;
    }
    Ok(status)
}
