//! `analyzer conntrack`: labelled entries.

use anyhow::bail;

use super::engine::prepare_dumps;
use super::printing::{frame, print};
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format};
use crate::engine::view::Standing;
use crate::output::{json, listing};

pub(super) fn run(ConntrackArgs { stale, listing: args }: ConntrackArgs) -> anyhow::Result<Status> {
    let prepared = prepare_dumps(&args.inputs, args.paths)?;
    if !prepared.tells_connections {
        bail!("no conntrack dump given: name it with --conntrack FILE");
    }
    warn(&prepared.loaded.warnings);
    let mut views = prepared.engine.connections(prepared.time(args.at)?);
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
    let frame = frame(&args.output);
    print(|out| match args.output.format {
        Format::Text => listing::write_connections(out, &views),
        format => json::write_connections(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(status)
}
