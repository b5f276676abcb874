//! `analyzer nexthops`: the set.

use super::engine::prepare_dumps;
use super::printing::print;
use super::{Status, warn};
use crate::cli::{Format, NexthopsArgs};
use crate::output::listing;
use crate::types::Timestamp;

pub(super) fn run(args: NexthopsArgs) -> anyhow::Result<Status> {
    let prepared = prepare_dumps(&args.inputs, args.paths)?;
    warn(&prepared.loaded.warnings);
    let views = prepared.engine.nexthops(args.at.unwrap_or(Timestamp::MAX));
    print(|out| match args.output.format {
        Format::Text => listing::write_nexthops(out, &views),
        Format::Json | Format::Jsonl => listing::write_nexthops_json(out, &views, args.output.format == Format::Json),
    })?;
    Ok(if views.is_empty() { Status::Undetermined } else { Status::Fine })
}
