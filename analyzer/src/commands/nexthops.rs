//! `analyzer nexthops`: the set.

use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{Format, ListingArgs};
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::{json, listing};

pub(super) fn run(args: ListingArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let prepared = prepare_listing(&inputs, paths, sources, at, &Wanted::Nexthops, Settings::default())?;
    warn(&prepared.loaded.warnings);
    let views = prepared.engine.nexthops(prepared.time(at)?);
    let frame = frame(&output);
    print(|out| match output.format {
        Format::Text => listing::write_nexthops(out, &views),
        format => json::write_nexthops(out, &frame, &views, format == Format::Jsonl),
    })?;
    Ok(if views.is_empty() { Status::Undetermined } else { Status::Fine })
}
