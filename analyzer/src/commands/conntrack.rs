//! `analyzer conntrack`: labelled entries.

use super::engine::prepare_dumps;
use super::printing::print;
use super::{Status, warn};
use crate::cli::{ConntrackArgs, Format};
use crate::engine::view::Standing;
use crate::output::listing;
use crate::types::Timestamp;

pub(super) fn run(args: ConntrackArgs) -> anyhow::Result<Status> {
    let prepared = prepare_dumps(&args.inputs, args.paths)?;
    warn(&prepared.loaded.warnings);
    let mut views = prepared.engine.connections(args.at.unwrap_or(Timestamp::MAX));
    let has = |standing| views.iter().any(|view| view.standing == standing);
    let status = if has(Standing::Stale) {
        Status::Violation
    } else if has(Standing::Undetermined) || views.is_empty() {
        Status::Undetermined
    } else {
        Status::Fine
    };
    if args.stale {
        views.retain(|view| view.standing == Standing::Stale);
    }
    print(|out| match args.output.format {
        Format::Text => listing::write_connections(out, &views),
        Format::Json | Format::Jsonl => {
            listing::write_connections_json(out, &views, args.output.format == Format::Json)
        }
    })?;
    Ok(status)
}
