//! The shape of the listings: next hops, labelled entries, repairs, the story of one flow.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use super::SCHEMA;
use super::provenance::{ListProvenance, ProvenanceView};
use super::view::{
    ConntrackView, ExpectedView, FindingView, FlowView, KnownAsView, LastLegalView, LeftOut, RemedyView, RouteView,
    Shown,
};
use crate::engine::label::label_text;
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::engine::view::{BindingView, ConnectionView, Explanation, NewFlow, NexthopView, SetView, UnlabelledView};
use crate::output::commands::{Command, commands};
use crate::output::names;
use crate::output::remedy::Datapath;
use crate::output::repair::{Afterwards, RepairRow};
use crate::output::report::{Report, leaving};
use crate::types::{MacAddr, Timestamp};

/// A document that is a list.
#[derive(Serialize)]
pub(super) struct ListView<'a, T> {
    schema: u32,
    r#type: &'static str,
    entries: Vec<T>,
    provenance: Vec<ListProvenance<'a>>,
}

impl<'a, T> ListView<'a, T> {
    pub(super) fn new(r#type: &'static str, entries: Vec<T>, provenance: Vec<ListProvenance<'a>>) -> Self {
        Self { schema: SCHEMA, r#type, entries, provenance }
    }
}

#[derive(Serialize)]
pub(super) struct NexthopRow<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    route: RouteView<'a>,
    symmetric_reply: bool,
    nexthop: Option<IpAddr>,
    output_port: Option<&'a str>,
    port_key: Option<u16>,
    bfd: Option<&'static str>,
    source: &'static str,
    from: Option<String>,
    until: Option<String>,
    expected: Vec<ExpectedView>,
    evidence: Vec<BindingRow<'a>>,
}

impl<'a> NexthopRow<'a> {
    pub(super) fn new(report: &'a Report, view: &'a NexthopView) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_rfc3339(report.time_digits));
        Self {
            schema: SCHEMA,
            r#type: "nexthop",
            node: report.node.as_deref(),
            route: RouteView::new(&view.route),
            symmetric_reply: view.symmetric_reply,
            nexthop: view.nexthop,
            output_port: view.output_port.as_deref(),
            port_key: view.port_key,
            bfd: view.bfd,
            source: names::route_source(view.source),
            from: time(view.validity.from),
            until: time(view.validity.until),
            expected: view.expected.iter().map(ExpectedView::new).collect(),
            evidence: view.evidence.iter().map(|binding| BindingRow::new(report, binding)).collect(),
        }
    }
}

#[derive(Serialize)]
struct BindingRow<'a> {
    source: &'static str,
    lladdr: Option<Shown<MacAddr>>,
    logical_port: Option<&'a str>,
    confirmed: Option<String>,
    from: Option<String>,
    until: Option<String>,
}

impl<'a> BindingRow<'a> {
    fn new(report: &Report, binding: &'a BindingView) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_rfc3339(report.time_digits));
        Self {
            source: binding.source,
            lladdr: binding.mac.map(Shown),
            logical_port: binding.logical_port.as_deref(),
            confirmed: time(binding.confirmed),
            from: time(binding.validity.from),
            until: time(binding.validity.until),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ConnectionRow<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    standing: &'static str,
    reason: Option<&'static str>,
    flow: FlowView,
    nexthops: &'a [IpAddr],
    conntrack: ConntrackView<'a>,
    last_legal: Option<LastLegalView>,
    assumes: Vec<Cow<'static, str>>,
    known_as: Vec<KnownAsView<'a>>,
    remedy: Vec<RemedyView>,
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
}

impl<'a> ConnectionRow<'a> {
    pub(super) fn new(report: &'a Report, view: &'a ConnectionView) -> Self {
        let entry = &view.connection;
        Self {
            schema: SCHEMA,
            r#type: "connection",
            node: report.node.as_deref(),
            standing: view.standing.name(),
            reason: view.standing.reason(),
            flow: FlowView::new(leaving(entry), false),
            nexthops: view.standing.nexthops(),
            conntrack: ConntrackView::new(entry),
            last_legal: view.last_legal.as_ref().map(|legal| LastLegalView::new(report, legal)),
            assumes: view.assumes.codes().collect(),
            known_as: view.known_as.iter().map(|known| KnownAsView::new(report, known)).collect(),
            remedy: match view.standing.is_stale() {
                true => RemedyView::all(entry).collect(),
                false => Vec::new(),
            },
            left_out: LeftOut { known_as: view.known_as.left_out(), ..LeftOut::default() },
        }
    }
}

#[derive(Serialize)]
pub(super) struct RepairView<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    at: Option<String>,
    method: &'static str,
    datapath: Option<&'static str>,
    outcome: &'static str,
    reason: Option<&'static str>,
    message: &'a str,
    flow: FlowView,
    eth_dst: Shown<MacAddr>,
    id: Option<u32>,
    conntrack: ConntrackView<'a>,
    relabel: Option<RelabelView>,
    afterwards: Option<AfterwardsView>,
    assumes: &'a [Cow<'static, str>],
    expected: Vec<ExpectedView>,
    last_legal: Option<LastLegalView>,
    known_as: Vec<KnownAsView<'a>>,
    remedy: Vec<RemedyView>,
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
}

#[derive(Serialize)]
struct AfterwardsView {
    answer: &'static str,
    eth_dst: Option<Shown<MacAddr>>,
    verdict: Option<&'static str>,
    reason: Option<&'static str>,
}

impl AfterwardsView {
    fn new(afterwards: Afterwards) -> Self {
        let (eth_dst, verdict) = match afterwards {
            Afterwards::Seen { eth_dst, verdict } => (Some(eth_dst), Some(verdict)),
            Afterwards::NoPacket { .. } => (None, None),
        };
        Self {
            answer: afterwards.name(),
            eth_dst: eth_dst.map(Shown),
            verdict: verdict.map(Verdict::name),
            reason: verdict.and_then(Verdict::reason),
        }
    }
}

#[derive(Serialize)]
struct RelabelView {
    nexthop: IpAddr,
    lladdr: Shown<MacAddr>,
}

impl<'a> RepairView<'a> {
    pub(super) fn new(report: &'a Report, row: &'a RepairRow) -> Self {
        let entry = &row.connection;
        Self {
            schema: SCHEMA,
            r#type: "repair",
            node: report.node.as_deref(),
            at: row.at.map(|at| at.to_rfc3339(report.time_digits)),
            method: row.method,
            datapath: row.datapath.map(Datapath::name),
            outcome: row.outcome,
            reason: row.reason,
            message: &row.message,
            flow: FlowView::new(leaving(entry), false),
            eth_dst: Shown(entry.reply_eth),
            id: row.id,
            conntrack: ConntrackView::new(entry),
            relabel: row.relabel.map(|(nexthop, lladdr)| RelabelView { nexthop, lladdr: Shown(lladdr) }),
            afterwards: row.afterwards.map(AfterwardsView::new),
            assumes: &row.assumes,
            expected: row.expected.iter().map(ExpectedView::new).collect(),
            last_legal: row.last_legal.as_ref().map(|legal| LastLegalView::new(report, legal)),
            known_as: row.known_as.iter().map(|known| KnownAsView::new(report, known)).collect(),
            remedy: match row.has_remedy() {
                true => RemedyView::of(entry, row.datapath).collect(),
                false => Vec::new(),
            },
            left_out: LeftOut {
                expected: row.expected.left_out(),
                known_as: row.known_as.left_out(),
                ..LeftOut::default()
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct ExplanationView<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    flow: FlowView,
    seen: Vec<FindingView<'a>>,
    requests: Vec<RequestRow>,
    connections: Vec<ConnectionRow<'a>>,
    at: Option<String>,
    routes: Vec<RouteView<'a>>,
    expected: Vec<ExpectedView>,
    unlabelled: Vec<UnlabelledRow<'a>>,
    sets: Vec<SetRow<'a>>,
    new_flow: NewFlowView<'a>,
    commands: Vec<CommandRow>,
    interrupted: bool,
    provenance: ProvenanceView<'a>,
}

impl<'a> ExplanationView<'a> {
    pub(super) fn new(report: &'a Report, explanation: &'a Explanation) -> Self {
        Self {
            schema: SCHEMA,
            r#type: "explanation",
            node: report.node.as_deref(),
            flow: FlowView::new(&explanation.tuple, false),
            seen: explanation.seen.iter().map(|finding| FindingView::new(report, finding)).collect(),
            requests: explanation.requests.iter().map(|run| RequestRow::new(report, run)).collect(),
            connections: explanation.connections.iter().map(|view| ConnectionRow::new(report, view)).collect(),
            at: explanation.at.map(|at| at.to_rfc3339(report.time_digits)),
            routes: explanation.routes.iter().map(RouteView::new).collect(),
            expected: explanation.expected.iter().map(ExpectedView::new).collect(),
            unlabelled: explanation.unlabelled.iter().map(UnlabelledRow::new).collect(),
            sets: explanation.sets.iter().map(|set| SetRow::new(report, set)).collect(),
            new_flow: NewFlowView::new(&explanation.new_flow),
            commands: commands(explanation).into_iter().map(CommandRow::new).collect(),
            interrupted: report.interrupted,
            provenance: ProvenanceView::new(&report.provenance),
        }
    }
}

/// An entry without a MAC: the keys of one with, but for these.
#[derive(Serialize)]
struct UnlabelledRow<'a> {
    zone: u16,
    zone_name: Option<&'a str>,
    direction: &'static str,
    label: String,
    mark: u32,
    orig: FlowView,
    reply: FlowView,
}

impl<'a> UnlabelledRow<'a> {
    fn new(view: &'a UnlabelledView) -> Self {
        Self {
            zone: view.zone,
            zone_name: view.zone_name.as_deref(),
            direction: names::direction(view.direction),
            label: label_text(view.label),
            mark: view.mark,
            orig: FlowView::new(&view.orig, false),
            reply: FlowView::new(&view.reply, false),
        }
    }
}

#[derive(Serialize)]
struct SetRow<'a> {
    from: Option<String>,
    until: Option<String>,
    routes: Vec<RouteView<'a>>,
    expected: Vec<ExpectedView>,
}

impl<'a> SetRow<'a> {
    fn new(report: &Report, view: &'a SetView) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_rfc3339(report.time_digits));
        Self {
            from: time(view.from),
            until: time(view.until),
            routes: view.routes.iter().map(RouteView::new).collect(),
            expected: view.expected.iter().map(ExpectedView::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct NewFlowView<'a> {
    nexthops: Vec<ExpectedView>,
    reasons: &'a [String],
}

impl<'a> NewFlowView<'a> {
    fn new(view: &'a NewFlow) -> Self {
        Self { nexthops: view.nexthops.iter().map(ExpectedView::new).collect(), reasons: &view.reasons }
    }
}

#[derive(Serialize)]
struct CommandRow {
    purpose: &'static str,
    command: String,
}

impl CommandRow {
    fn new(Command { purpose, command }: Command) -> Self {
        Self { purpose: purpose.name(), command }
    }
}

#[derive(Serialize)]
struct RequestRow {
    eth_src: Shown<MacAddr>,
    packets: u64,
    bytes: u64,
    first_seen: String,
    last_seen: String,
}

impl RequestRow {
    fn new(report: &Report, run: &Observation) -> Self {
        Self {
            eth_src: Shown(run.eth_src),
            packets: run.packets,
            bytes: run.bytes,
            first_seen: run.first.to_rfc3339(report.time_digits),
            last_seen: run.last.to_rfc3339(report.time_digits),
        }
    }
}
