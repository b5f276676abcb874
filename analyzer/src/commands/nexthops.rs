//! `analyzer nexthops`: the set.

use super::engine::prepare_dumps;
use super::printing::{frame, print};
use super::{Status, warn};
use crate::cli::{Format, ListingArgs};
use crate::output::{json, listing};

pub(super) fn run(args: ListingArgs) -> anyhow::Result<Status> {
    let prepared = prepare_dumps(&args.inputs, args.paths)?;
    warn(&prepared.loaded.warnings);
    let views = prepared.engine.nexthops(prepared.time(args.at)?);
    let frame = frame(&args.output);
    print(|out| match args.output.format {
        Format::Text => listing::write_nexthops(out, &views),
        format => json::write_nexthops(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(if views.is_empty() { Status::Undetermined } else { Status::Fine })
}
