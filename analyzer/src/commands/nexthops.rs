//! `analyzer nexthops`: the set.

use super::nodes::{self, Node};
use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{Format, ListingArgs};
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::{json, listing};

pub(super) fn run(args: ListingArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let nodes = nodes::of(inputs, &output.node, paths)?;
    let heading = nodes::Heading::new(&nodes);
    let mut listed = Vec::new();
    let status = nodes::each(nodes, |Node { name, inputs, paths }| {
        let wanted = &Wanted::Nexthops;
        let prepared = prepare_listing(&inputs, paths, sources.clone(), at, wanted, Settings::default())?;
        warn(&prepared.loaded.warnings);
        let views = prepared.engine.nexthops(prepared.time(at)?);
        let status = if views.is_empty() { Status::Undetermined } else { Status::Fine };
        match output.format {
            Format::Text => print(|out| {
                heading.write(out, name.as_deref())?;
                listing::write_nexthops(out, &views)
            })?,
            Format::Jsonl => print(|out| json::write_nexthops(out, &[(frame(name), views)], true))?,
            Format::Json => listed.push((frame(name), views)),
        }
        Ok(status)
    })?;
    if output.format == Format::Json {
        print(|out| json::write_nexthops(out, &listed, false))?;
    }
    Ok(status)
}
