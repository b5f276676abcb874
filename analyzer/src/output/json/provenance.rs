//! The shape of where a report comes from.

use serde::Serialize;

use super::SCHEMA;
use super::view::Shown;
use crate::output::provenance::{Provenance, Run, Source};
use crate::output::report::Report;
use crate::types::Place;

/// What a report rests on.
#[derive(Serialize)]
pub(super) struct ProvenanceView<'a> {
    sources: Vec<SourceView<'a>>,
    passed_over: &'a [String],
    run: Option<RunView<'a>>,
}

impl<'a> ProvenanceView<'a> {
    pub(super) fn new(provenance: &'a Provenance) -> Self {
        let Provenance { sources, passed_over, run } = provenance;
        Self {
            sources: sources.iter().map(SourceView::new).collect(),
            passed_over,
            run: run.as_ref().map(|run| RunView::new(run, sources)),
        }
    }
}

/// The same beside a listing, whose lines are the entries of one or several nodes.
#[derive(Serialize)]
pub(super) struct ListProvenance<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    provenance: ProvenanceView<'a>,
}

impl<'a> ListProvenance<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let provenance = ProvenanceView::new(&report.provenance);
        Self { schema: SCHEMA, r#type: "provenance", node: report.node.as_deref(), provenance }
    }
}

#[derive(Serialize)]
struct SourceView<'a> {
    source: Shown<&'a Place>,
    taken_for: &'static str,
    size: Option<u64>,
    rows: Option<u64>,
    lost: Option<u64>,
}

impl<'a> SourceView<'a> {
    fn new(source: &'a Source) -> Self {
        let Source { place, taken_for, size, rows, lost, .. } = source;
        Self { source: Shown(place), taken_for, size: *size, rows: *rows, lost: *lost }
    }
}

#[derive(Serialize)]
struct RunView<'a> {
    version: &'static str,
    commit: &'static str,
    command: &'a [String],
    host: &'a str,
    directory: Option<&'a str>,
    at: String,
    modified: Vec<ModifiedView<'a>>,
}

impl<'a> RunView<'a> {
    fn new(run: &'a Run, sources: &'a [Source]) -> Self {
        let modified = |source: &'a Source| {
            let at = source.modified.map(|at| at.to_string())?;
            Some(ModifiedView { source: Shown(&source.place), at })
        };
        Self {
            version: run.version,
            commit: run.commit,
            command: &run.command,
            host: &run.host,
            directory: run.directory.as_deref(),
            at: run.at.to_string(),
            modified: sources.iter().filter_map(modified).collect(),
        }
    }
}

#[derive(Serialize)]
struct ModifiedView<'a> {
    source: Shown<&'a Place>,
    at: String,
}
