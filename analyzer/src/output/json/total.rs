//! The shape of what several nodes amount to.

use serde::Serialize;

use super::SCHEMA;
use super::view::{ReportView, Shown};
use crate::output::report::Report;
use crate::output::total::{NodeAnswer, NodeEnd};
use crate::types::MacAddr;

/// The document of several nodes.
#[derive(Serialize)]
pub(super) struct ReportsView<'a> {
    schema: u32,
    r#type: &'static str,
    reports: Vec<ReportView<'a>>,
    total: TotalView<'a>,
}

impl<'a> ReportsView<'a> {
    pub(super) fn new(reports: &'a [Report], ends: &'a [NodeEnd]) -> Self {
        let reports = reports.iter().map(ReportView::new).collect();
        Self { schema: SCHEMA, r#type: "reports", reports, total: TotalView::new(ends) }
    }
}

#[derive(Serialize)]
pub(super) struct TotalView<'a> {
    schema: u32,
    r#type: &'static str,
    packets: u64,
    flows: u64,
    violating_flows: u64,
    violating_packets: u64,
    undetermined_flows: u64,
    nodes: Vec<NodeView<'a>>,
}

impl<'a> TotalView<'a> {
    pub(super) fn new(ends: &'a [NodeEnd]) -> Self {
        let sum = |of: fn(&NodeAnswer) -> u64| ends.iter().filter_map(|end| end.result.as_ref().ok()).map(of).sum();
        Self {
            schema: SCHEMA,
            r#type: "total",
            packets: sum(|told| told.packets),
            flows: sum(|told| told.flows),
            violating_flows: sum(|told| told.violating_flows),
            violating_packets: sum(|told| told.violating_packets),
            undetermined_flows: sum(|told| told.undetermined_flows),
            nodes: ends.iter().map(NodeView::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct NodeView<'a> {
    node: &'a str,
    answer: Option<String>,
    error: Option<&'a str>,
    flows: Option<u64>,
    violating_flows: Option<u64>,
    violating_packets: Option<u64>,
    undetermined_flows: Option<u64>,
    macs: Vec<Shown<MacAddr>>,
    since: Option<String>,
}

impl<'a> NodeView<'a> {
    fn new(end: &'a NodeEnd) -> Self {
        let told = end.result.as_ref().ok();
        Self {
            node: &end.node,
            answer: told.map(|told| told.answer.name().to_lowercase()),
            error: end.result.as_ref().err().map(String::as_str),
            flows: told.map(|told| told.flows),
            violating_flows: told.map(|told| told.violating_flows),
            violating_packets: told.map(|told| told.violating_packets),
            undetermined_flows: told.map(|told| told.undetermined_flows),
            macs: told.map(|told| told.macs.iter().copied().map(Shown).collect()).unwrap_or_default(),
            since: told.and_then(|told| Some(told.since?.to_rfc3339(told.time_digits))),
        }
    }
}
