//! `analyzer nexthops`: the set.

use super::nodes::{self, Node};
use super::printing::{frame, print};
use super::running::prepare_listing;
use super::{Status, warn};
use crate::cli::{Format, ListingArgs};
use crate::engine::fact::Scope;
use crate::engine::settings::Settings;
use crate::live::snapshot::Wanted;
use crate::output::{Report, json, listing, write_provenance};

pub(super) fn run(args: ListingArgs) -> anyhow::Result<Status> {
    let ListingArgs { inputs, at, output, sources, paths } = args;
    let nodes = nodes::of(inputs, &output.node, paths)?;
    let heading = nodes::Heading::new(&nodes);
    let mut listed = Vec::new();
    let status = nodes::each(nodes, |Node { name, inputs, paths }| {
        let wanted = &Wanted::Nexthops;
        let prepared = prepare_listing(&inputs, paths, sources.clone(), at, wanted, Settings::default())?;
        warn(&prepared.loaded.warnings);
        let report = Report { provenance: prepared.provenance(&[], &output), ..frame(name) };
        let at = prepared.time(at)?;
        let views = prepared.engine.nexthops(at);
        let gaps = prepared.engine.gaps(at).filter(|gap| bears(&gap.scope)).count();
        let status = if views.is_empty() || gaps > 0 { Status::Undetermined } else { Status::Fine };
        match output.format {
            Format::Text => print(|out| {
                heading.write(out, report.node.as_deref())?;
                listing::write_nexthops(out, &views, gaps)?;
                write_provenance(out, &report.provenance)
            })?,
            Format::Jsonl => print(|out| json::write_nexthops(out, &[(report, views)], true))?,
            Format::Json => listed.push((report, views)),
        }
        Ok(status)
    })?;
    if output.format == Format::Json {
        print(|out| json::write_nexthops(out, &listed, false))?;
    }
    Ok(status)
}

/// Whether what was lost may be a next hop, or tell of one.
fn bears(scope: &Scope) -> bool {
    match scope {
        Scope::Routes { .. }
        | Scope::Bindings { .. }
        | Scope::StaticBindings { .. }
        | Scope::Bfd { .. }
        | Scope::Ports => true,
        Scope::End { bears } => *bears,
        Scope::Policies | Scope::Connections(_) | Scope::Zones | Scope::Behaviour => false,
    }
}
