//! The shape of the JSON, key by key in the order of output. The engine's types know nothing of it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::SCHEMA;
use super::provenance::ProvenanceView;
use super::status::StatusView;
use crate::engine::fact::Gap;
use crate::engine::finding::{
    CitedConnection, ExpectedNexthop, Finding, KnownAs, LastLegal, Latent, LatentState, NexthopCount, RouteId, Summary,
};
use crate::engine::label::label_text;
use crate::output::names;
use crate::output::remedy::{Datapath, Remedy, remedies_in};
use crate::output::report::{Report, Skipped, leaving, to_heal};
use crate::types::tuple::proto_name;
use crate::types::{IpPrefix, MacAddr, Position, Timestamp, Tuple, Warning};

/// A value that is written as the text it shows itself as.
pub(super) struct Shown<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Members of a list that are made one by one, so that a long list is never held twice.
struct Each<'a, T, F> {
    report: &'a Report,
    members: &'a [T],
    view: F,
}

impl<'a, T, V: Serialize, F: Fn(&'a Report, &'a T) -> V> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.members.iter().map(|member| (self.view)(self.report, member)))
    }
}

/// The whole document.
#[derive(Serialize)]
pub(super) struct ReportView<'a> {
    schema: u32,
    r#type: &'static str,
    findings: FindingList<'a>,
    latent: LatentList<'a>,
    status: Option<StatusView<'a>>,
    summary: SummaryView<'a>,
}

type FindingList<'a> = Each<'a, Finding, fn(&'a Report, &'a Finding) -> FindingView<'a>>;
type LatentList<'a> = Each<'a, Latent, fn(&'a Report, &'a Latent) -> LatentView<'a>>;

impl<'a> ReportView<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        Self {
            schema: SCHEMA,
            r#type: "report",
            findings: Each { report, members: &report.findings, view: FindingView::new },
            latent: Each { report, members: &report.latent, view: LatentView::new },
            status: report.status.as_ref().map(|status| StatusView::new(report, status)),
            summary: SummaryView::new(report),
        }
    }
}

#[derive(Serialize)]
pub(super) struct FindingView<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    nic: Option<&'a str>,
    verdict: &'static str,
    reason: Option<&'static str>,
    flow: FlowView,
    vlan: &'a [u16],
    eth_src: Shown<MacAddr>,
    eth_dst: Option<Shown<MacAddr>>,
    packets: u64,
    bytes: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    estimated: bool,
    route: Option<RouteView<'a>>,
    routes: Vec<RouteView<'a>>,
    expected: Vec<ExpectedView>,
    conntrack: Vec<ConntrackView<'a>>,
    last_legal: Option<LastLegalView>,
    heard: Option<HeardView>,
    assumes: Vec<Cow<'static, str>>,
    known_as: Vec<KnownAsView<'a>>,
    later_fragments: bool,
    evidence: &'a [String],
    remedy: Vec<RemedyView>,
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
}

impl<'a> FindingView<'a> {
    pub(super) fn new(report: &'a Report, finding: &'a Finding) -> Self {
        let time = |at: Timestamp| report.packet_time(at);
        Self {
            schema: SCHEMA,
            r#type: "finding",
            node: report.node.as_deref(),
            nic: report.nic_name(finding.nic),
            verdict: finding.verdict.name(),
            reason: finding.verdict.reason(),
            flow: FlowView::new(&finding.tuple, finding.later_fragments),
            vlan: &finding.vlan,
            eth_src: Shown(finding.eth_src),
            eth_dst: finding.eth_dst.map(Shown),
            packets: finding.packets,
            bytes: finding.bytes,
            first_seen: time(finding.first_seen),
            last_seen: time(finding.last_seen),
            estimated: finding.estimated,
            route: finding.routes.first().map(RouteView::new),
            routes: finding.routes.iter().map(RouteView::new).collect(),
            expected: finding.expected.iter().map(ExpectedView::new).collect(),
            conntrack: finding.conntrack.iter().map(ConntrackView::new).collect(),
            last_legal: finding.last_legal.as_ref().map(|legal| LastLegalView::new(report, legal)),
            heard: finding.heard.map(|heard| HeardView { last: time(heard.last), packets: heard.packets }),
            assumes: finding.assumes.codes().collect(),
            known_as: finding.known_as.iter().map(|known| KnownAsView::new(report, known)).collect(),
            later_fragments: finding.later_fragments,
            evidence: &finding.evidence,
            remedy: to_heal(finding).flat_map(RemedyView::all).collect(),
            left_out: LeftOut {
                routes: finding.routes.left_out(),
                expected: finding.expected.left_out(),
                conntrack: finding.conntrack.left_out(),
                known_as: finding.known_as.left_out(),
                evidence: finding.evidence.left_out(),
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct LatentView<'a> {
    schema: u32,
    r#type: &'static str,
    node: Option<&'a str>,
    state: &'static str,
    flow: FlowView,
    eth_dst: Shown<MacAddr>,
    route: Option<RouteView<'a>>,
    routes: Vec<RouteView<'a>>,
    expected: Vec<ExpectedView>,
    conntrack: [ConntrackView<'a>; 1],
    last_legal: Option<LastLegalView>,
    assumes: Vec<Cow<'static, str>>,
    known_as: Vec<KnownAsView<'a>>,
    evidence: &'a [String],
    remedy: Vec<RemedyView>,
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
}

impl<'a> LatentView<'a> {
    pub(super) fn new(report: &'a Report, latent: &'a Latent) -> Self {
        let entry = &latent.connection;
        Self {
            schema: SCHEMA,
            r#type: "latent",
            node: report.node.as_deref(),
            state: latent.state.name(),
            flow: FlowView::new(leaving(entry), false),
            eth_dst: Shown(entry.reply_eth),
            route: latent.routes.first().map(RouteView::new),
            routes: latent.routes.iter().map(RouteView::new).collect(),
            expected: latent.expected.iter().map(ExpectedView::new).collect(),
            conntrack: [ConntrackView::new(entry)],
            last_legal: latent.last_legal.as_ref().map(|legal| LastLegalView::new(report, legal)),
            assumes: latent.assumes.codes().collect(),
            known_as: latent.known_as.iter().map(|known| KnownAsView::new(report, known)).collect(),
            evidence: &latent.evidence,
            remedy: match latent.state {
                LatentState::Armed => RemedyView::all(entry).collect(),
                LatentState::Unused => Vec::new(),
            },
            left_out: LeftOut {
                routes: latent.routes.left_out(),
                expected: latent.expected.left_out(),
                known_as: latent.known_as.left_out(),
                evidence: latent.evidence.left_out(),
                ..LeftOut::default()
            },
        }
    }
}

/// How many members of its lists an object does not show, because they are too many.
#[derive(PartialEq, Eq, Default, Serialize)]
pub(super) struct LeftOut {
    pub(super) routes: u64,
    pub(super) expected: u64,
    pub(super) conntrack: u64,
    pub(super) known_as: u64,
    pub(super) evidence: u64,
}

impl LeftOut {
    /// Whether all are shown.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize)]
pub(super) struct FlowView {
    proto: String,
    src: IpAddr,
    sport: Option<u16>,
    dst: IpAddr,
    dport: Option<u16>,
    icmp: Option<IcmpView>,
}

#[derive(Serialize)]
struct IcmpView {
    r#type: u8,
    code: u8,
    id: u16,
}

impl FlowView {
    /// Later fragments show neither ports nor an ICMP header.
    pub(super) fn new(tuple: &Tuple, later_fragments: bool) -> Self {
        let has_ports = tuple.has_ports() && !later_fragments;
        Self {
            proto: proto_name(tuple.nw_proto),
            src: tuple.src,
            sport: has_ports.then_some(tuple.tp_src),
            dst: tuple.dst,
            dport: has_ports.then_some(tuple.tp_dst),
            icmp: tuple.icmp_type_code().filter(|_| !later_fragments).map(|(r#type, code)| IcmpView {
                r#type,
                code,
                id: tuple.tp_src,
            }),
        }
    }
}

#[derive(Serialize)]
pub(super) struct RouteView<'a> {
    router: Option<&'a str>,
    route_table: &'a str,
    policy: &'static str,
    prefix: Shown<IpPrefix>,
}

impl<'a> RouteView<'a> {
    pub(super) fn new(route: &'a RouteId) -> Self {
        Self {
            router: route.router.as_deref(),
            route_table: &route.route_table,
            policy: names::policy(route.policy),
            prefix: Shown(route.prefix),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ExpectedView {
    nexthop: IpAddr,
    lladdr: Option<Shown<MacAddr>>,
    state: &'static str,
}

impl ExpectedView {
    pub(super) fn new(expected: &ExpectedNexthop) -> Self {
        Self { nexthop: expected.nexthop, lladdr: expected.lladdr.map(Shown), state: expected.state.name() }
    }
}

#[derive(Serialize)]
pub(super) struct ConntrackView<'a> {
    zone: u16,
    zone_name: Option<&'a str>,
    direction: &'static str,
    label: String,
    mark: u32,
    reply_eth: Shown<MacAddr>,
    reply_port: u16,
    orig: FlowView,
    reply: FlowView,
}

impl<'a> ConntrackView<'a> {
    pub(super) fn new(entry: &'a CitedConnection) -> Self {
        Self {
            zone: entry.zone,
            zone_name: entry.zone_name.as_deref(),
            direction: names::direction(entry.direction),
            label: label_text(entry.label),
            mark: entry.mark,
            reply_eth: Shown(entry.reply_eth),
            reply_port: entry.reply_port,
            orig: FlowView::new(&entry.orig, false),
            reply: FlowView::new(&entry.reply, false),
        }
    }
}

#[derive(Serialize)]
pub(super) struct LastLegalView {
    at: Option<String>,
    nexthop: IpAddr,
}

impl LastLegalView {
    pub(super) fn new(report: &Report, legal: &LastLegal) -> Self {
        Self { at: report.packet_time(legal.until), nexthop: legal.nexthop }
    }
}

#[derive(Serialize)]
struct HeardView {
    last: Option<String>,
    packets: u64,
}

#[derive(Serialize)]
pub(super) struct KnownAsView<'a> {
    source: &'a str,
    ip: Option<IpAddr>,
    logical_port: Option<&'a str>,
    owner: Option<&'a str>,
    from: Option<String>,
    until: Option<String>,
}

impl<'a> KnownAsView<'a> {
    pub(super) fn new(report: &Report, known: &'a KnownAs) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_rfc3339(report.time_digits));
        let (from, until) = known.validity.unwrap_or_default();
        Self {
            source: &known.source,
            ip: known.ip,
            logical_port: known.logical_port.as_deref(),
            owner: known.owner.as_deref(),
            from: time(from),
            until: time(until),
        }
    }
}

#[derive(Serialize)]
pub(super) struct RemedyView {
    datapath: &'static str,
    command: String,
}

impl RemedyView {
    pub(super) fn all(entry: &CitedConnection) -> impl Iterator<Item = Self> {
        Self::of(entry, None)
    }

    /// Those for the datapath that the entry is in; for both where nothing tells which that is.
    pub(super) fn of(entry: &CitedConnection, own: Option<Datapath>) -> impl Iterator<Item = Self> {
        remedies_in(entry, own)
            .flatten()
            .map(|Remedy { datapath, command }| Self { datapath: datapath.name(), command })
    }
}

#[derive(Serialize)]
pub(super) struct SummaryView<'a> {
    schema: u32,
    r#type: &'static str,
    packets: u64,
    bytes: u64,
    flows: u64,
    covered_flows: u64,
    conforming_flows: u64,
    violating_flows: u64,
    violating_packets: u64,
    grace_packets: u64,
    undetermined_flows: u64,
    info_flows: u64,
    uncovered_packets: u64,
    latent: LatentCounts,
    nexthops: Vec<NexthopView<'a>>,
    skipped: SkippedView,
    interrupted: bool,
    history: String,
    estimated: bool,
    first_seen: Option<String>,
    last_seen: Option<String>,
    evicted_flows: u64,
    untracked_packets: u64,
    omitted_findings: u64,
    unattributed_fragments: u64,
    ignored_neighbours: u64,
    unsplit_epochs: u64,
    gaps: Vec<GapView>,
    conforming_in_gaps: u64,
    node: Option<&'a str>,
    files: &'a [String],
    warnings: Vec<WarningView<'a>>,
    provenance: ProvenanceView<'a>,
}

impl<'a> SummaryView<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let time = |at: Timestamp| at.to_rfc3339(report.time_digits);
        let summary: &Summary = &report.summary;
        let Skipped { truncated, not_ip, unparsed, lines, ends } = report.skipped;
        Self {
            schema: SCHEMA,
            r#type: "summary",
            packets: summary.packets,
            bytes: summary.bytes,
            flows: summary.flows,
            covered_flows: summary.covered_flows,
            conforming_flows: summary.conforming_flows,
            violating_flows: summary.violating_flows,
            violating_packets: summary.violating_packets,
            grace_packets: summary.grace_packets,
            undetermined_flows: summary.undetermined_flows,
            info_flows: summary.info_flows,
            uncovered_packets: summary.uncovered_packets,
            latent: LatentCounts { armed: summary.latent_armed, unused: summary.latent_unused },
            nexthops: summary.nexthops.iter().map(NexthopView::new).collect(),
            skipped: SkippedView { truncated, not_ip, unparsed, lines, ends },
            interrupted: report.interrupted,
            history: summary.history.map_or_else(|| "none".to_owned(), time),
            estimated: summary.estimated,
            first_seen: summary.first_seen.map(time),
            last_seen: summary.last_seen.map(time),
            evicted_flows: summary.evicted_flows,
            untracked_packets: summary.untracked_packets,
            omitted_findings: summary.omitted_findings,
            unattributed_fragments: summary.unattributed_fragments,
            ignored_neighbours: summary.ignored_neighbours,
            unsplit_epochs: summary.unsplit_epochs,
            gaps: summary.gaps.iter().map(GapView::new).collect(),
            conforming_in_gaps: summary.conforming_in_gaps,
            node: report.node.as_deref(),
            files: &report.files,
            warnings: report.warnings.iter().map(WarningView::new).collect(),
            provenance: ProvenanceView::new(&report.provenance),
        }
    }
}

#[derive(Serialize)]
struct GapView {
    code: String,
    of: &'static str,
}

impl GapView {
    fn new(gap: &Gap) -> Self {
        Self { code: Gap::code(&gap.place), of: gap.scope.name() }
    }
}

#[derive(Serialize)]
struct LatentCounts {
    armed: u64,
    unused: u64,
}

#[derive(Serialize)]
struct NexthopView<'a> {
    lladdr: Shown<MacAddr>,
    nexthops: &'a [IpAddr],
    packets: u64,
    bytes: u64,
}

impl<'a> NexthopView<'a> {
    fn new(count: &'a NexthopCount) -> Self {
        let NexthopCount { lladdr, nexthops, packets, bytes } = count;
        Self { lladdr: Shown(*lladdr), nexthops, packets: *packets, bytes: *bytes }
    }
}

#[derive(Serialize)]
struct SkippedView {
    truncated: u64,
    not_ip: u64,
    unparsed: u64,
    lines: u64,
    ends: u64,
}

#[derive(Serialize)]
struct WarningView<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    offset: Option<u64>,
    message: &'a str,
}

impl<'a> WarningView<'a> {
    fn new(warning: &'a Warning) -> Self {
        let (line, column, offset) = match warning.place.position {
            Position::Whole => (None, None, None),
            Position::Line(line) | Position::Lines(line, _) => (Some(line), None, None),
            Position::LineColumn(line, column) => (Some(line), Some(column), None),
            Position::Offset(offset) => (None, None, Some(offset)),
        };
        Self { file: &warning.place.file, line, column, offset, message: &warning.message }
    }
}
