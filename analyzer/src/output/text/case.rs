//! One flow in the text: what findings and latent entries have in common.

use std::fmt;
use std::io;

use super::layout::Page;
use super::words::{advice, count, grouped, latent_meaning, meaning};
use crate::engine::finding::{
    Assumes, CitedConnection, ExpectedNexthop, Finding, Heard, KnownAs, LastLegal, Latent, LatentState, Listed, RouteId,
};
use crate::engine::label::label_text;
use crate::engine::verdict::Verdict;
use crate::output::escape::escaped;
use crate::output::names;
use crate::output::report::{Report, leaving, to_heal};
use crate::types::tuple::proto_name;
use crate::types::{MacAddr, Timestamp, Tuple};

/// What is said of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    Finding(Verdict),
    Latent(LatentState),
}

/// Something that is told of a flow.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Finding(&'a Finding),
    Latent(&'a Latent),
}

/// One flow and all that is told of it.
pub(super) struct Case<'a> {
    item: Item<'a>,
    traffic: Option<Traffic>,
    pub(super) sender: Option<Sender<'a>>,
    pub(super) way: Way<'a>,
    pub(super) known_as: &'a Listed<KnownAs>,
    /// What is taken for granted here and not by the whole run.
    pub(super) assumes: Assumes,
    pub(super) evidence: &'a Listed<String>,
    tuple: &'a Tuple,
    later_fragments: bool,
    heard: Option<Heard>,
    conntrack: &'a [CitedConnection],
    /// Entries that are not shown.
    entries_left_out: u64,
}

/// What was seen of a flow.
#[derive(Clone, Copy)]
struct Traffic {
    packets: u64,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Who sent a flow's packets, and where.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Sender<'a> {
    eth_src: MacAddr,
    nic: Option<&'a str>,
    vlan: &'a [u16],
}

/// Which way a flow should go.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Way<'a> {
    routes: &'a Listed<RouteId>,
    expected: &'a Listed<ExpectedNexthop>,
    last_legal: Option<&'a LastLegal>,
}

impl Kind {
    /// `violating, stale-conntrack`
    pub(super) fn name(self) -> String {
        match self {
            Self::Finding(verdict) => match verdict.reason() {
                Some(reason) => format!("{}, {reason}", verdict.name()),
                None => verdict.name().to_owned(),
            },
            Self::Latent(state) => format!("latent, {}", state.name()),
        }
    }

    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Finding(verdict) => meaning(verdict),
            Self::Latent(state) => latent_meaning(state),
        }
    }

    pub(super) fn advice(self) -> Option<&'static str> {
        match self {
            Self::Finding(verdict) => advice(verdict),
            Self::Latent(_) => None,
        }
    }

    pub(super) fn is_wrong(self) -> bool {
        matches!(self, Self::Finding(Verdict::Violating(_)) | Self::Latent(LatentState::Armed))
    }

    /// Place among the groups, the worst first.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Finding(Verdict::Violating(_)) | Self::Latent(LatentState::Armed) => 0,
            Self::Finding(Verdict::Undetermined(_)) | Self::Latent(LatentState::Unused) => 1,
            Self::Finding(Verdict::Info(_)) => 2,
            Self::Finding(Verdict::Grace) => 3,
            Self::Finding(Verdict::Conforming) => 4,
            Self::Finding(Verdict::NotCovered(_)) => 5,
        }
    }
}

impl<'a> Item<'a> {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Finding(finding) => Kind::Finding(finding.verdict),
            Self::Latent(latent) => Kind::Latent(latent.state),
        }
    }

    /// The MAC that it is about; `None` where the capture holds none.
    pub(super) fn eth_dst(self) -> Option<MacAddr> {
        match self {
            Self::Finding(finding) => finding.eth_dst,
            Self::Latent(latent) => Some(latent.connection.reply_eth),
        }
    }

    /// Packets and bytes seen.
    pub(super) fn counts(self) -> (u64, u64) {
        match self {
            Self::Finding(finding) => (finding.packets, finding.bytes),
            Self::Latent(_) => (0, 0),
        }
    }

    /// Entries of it that are not told.
    pub(super) fn entries_left_out(self) -> u64 {
        match self {
            Self::Finding(finding) => finding.conntrack.left_out(),
            Self::Latent(_) => 0,
        }
    }

    /// Entries that a command is shown for.
    pub(super) fn heal(self) -> impl Iterator<Item = &'a CitedConnection> {
        let (finding, latent) = match self {
            Self::Finding(finding) => (Some(finding), None),
            Self::Latent(latent) => (None, Some(latent)),
        };
        let armed = latent.filter(|latent| latent.state == LatentState::Armed);
        finding.into_iter().flat_map(to_heal).chain(armed.map(|latent| &latent.connection))
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(report: &'a Report, item: Item<'a>, common: &Assumes) -> Self {
        match item {
            Item::Finding(finding) => Self::of_finding(report, item, finding, common),
            Item::Latent(latent) => Self::of_latent(item, latent, common),
        }
    }

    fn of_finding(report: &'a Report, item: Item<'a>, finding: &'a Finding, common: &Assumes) -> Self {
        let Finding { packets, bytes, first_seen: first, last_seen: last, .. } = *finding;
        let nic = report.nic_name(finding.nic);
        Self {
            item,
            traffic: Some(Traffic { packets, bytes, first, last }),
            sender: Some(Sender { eth_src: finding.eth_src, nic, vlan: &finding.vlan }),
            way: Way { routes: &finding.routes, expected: &finding.expected, last_legal: finding.last_legal.as_ref() },
            known_as: &finding.known_as,
            assumes: finding.assumes.beside(common),
            evidence: &finding.evidence,
            tuple: &finding.tuple,
            later_fragments: finding.later_fragments,
            heard: finding.heard,
            conntrack: &finding.conntrack,
            entries_left_out: finding.conntrack.left_out(),
        }
    }

    fn of_latent(item: Item<'a>, latent: &'a Latent, common: &Assumes) -> Self {
        Self {
            item,
            traffic: None,
            sender: None,
            way: Way { routes: &latent.routes, expected: &latent.expected, last_legal: latent.last_legal.as_ref() },
            known_as: &latent.known_as,
            assumes: latent.assumes.beside(common),
            evidence: &latent.evidence,
            tuple: leaving(&latent.connection),
            later_fragments: false,
            heard: None,
            conntrack: std::slice::from_ref(&latent.connection),
            entries_left_out: 0,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.item.kind()
    }

    /// What only this flow has.
    pub(super) fn write(&self, page: &mut Page<'_>, report: &Report) -> io::Result<()> {
        page.line(2, &self.flow())?;
        if let Some(Traffic { packets, bytes, first, last }) = self.traffic {
            let when = match (report.packet_time(first), report.packet_time(last)) {
                (Some(first), Some(last)) if first == last => format!("at {first}"),
                (Some(first), Some(last)) => format!("{first} to {last}"),
                _ => "at a time that is not known".to_owned(),
            };
            page.line(4, &format!("{}, {}, {when}", count(packets, "packet"), count(bytes, "byte")))?;
        }
        for entry in self.conntrack {
            write_entry(page, entry)?;
        }
        write_left_out(page, 4, self.entries_left_out)?;
        if let Some(Heard { last, packets }) = self.heard {
            let last = report.packet_time(last).map_or(String::new(), |last| format!(", the last at {last}"));
            let packets = count(packets, "packet");
            page.labelled(4, "heard", &format!("{packets} of the other direction from this MAC{last}"))?;
        }
        Ok(())
    }

    fn flow(&self) -> String {
        let Tuple { src, dst, nw_proto, .. } = self.tuple;
        if self.later_fragments {
            format!("{} {src} -> {dst} (later fragments, flow not known)", proto_name(*nw_proto))
        } else {
            self.tuple.to_string()
        }
    }
}

fn write_entry(page: &mut Page<'_>, entry: &CitedConnection) -> io::Result<()> {
    let CitedConnection { zone, zone_name, direction, label, mark, reply_eth, reply_port, .. } = entry;
    let owner = zone_name.as_deref().map_or_else(|| "owner not known".to_owned(), escaped);
    let text = format!(
        "zone {zone} ({owner}), {} tuple, mark {mark}, label {}",
        names::direction(*direction),
        label_text(*label)
    );
    page.labelled(4, "conntrack", &text)?;
    page.labelled(4, "", &format!("which says: reply to {reply_eth} by port {reply_port}"))
}

impl Sender<'_> {
    pub(super) fn write(&self, page: &mut Page<'_>, indent: usize) -> io::Result<()> {
        let nic = self.nic.map(|nic| format!(" on {}", escaped(nic))).unwrap_or_default();
        let ids: Vec<_> = self.vlan.iter().map(ToString::to_string).collect();
        let vlan = if ids.is_empty() { String::new() } else { format!(" in VLAN {}", ids.join(".")) };
        page.labelled(indent, "sent by", &format!("{}{nic}{vlan}", self.eth_src))
    }
}

impl Way<'_> {
    pub(super) fn write(&self, page: &mut Page<'_>, report: &Report, indent: usize, kind: Kind) -> io::Result<()> {
        let routes: Vec<_> = self.routes.iter().map(|route| [shown_route(route)]).collect();
        page.labelled_table(indent, "route", &routes)?;
        write_left_out(page, indent, self.routes.left_out())?;
        let expected: Vec<_> = self.expected.iter().map(shown_nexthop).collect();
        page.labelled_table(indent, "next hops", &expected)?;
        write_left_out(page, indent, self.expected.left_out())?;
        match self.last_legal {
            Some(LastLegal { until, nexthop }) => {
                let until = report.packet_time(*until).unwrap_or_else(|| "a time that is not known".to_owned());
                page.labelled(indent, "last legal", &format!("until {until}, as {nexthop}"))
            }
            None if kind.is_wrong() => page.labelled(indent, "last legal", "not known"),
            None => Ok(()),
        }
    }
}

fn shown_route(route: &RouteId) -> String {
    let RouteId { router, route_table, policy, prefix } = route;
    let mut text = format!("{prefix} {}", names::policy(*policy));
    if let Some(router) = router {
        text += &format!(" of {}", escaped(router));
    }
    if !route_table.is_empty() {
        text += &format!(" in table {}", escaped(route_table));
    }
    text
}

fn shown_nexthop(expected: &ExpectedNexthop) -> [String; 3] {
    let ExpectedNexthop { nexthop, lladdr, state } = expected;
    let lladdr = lladdr.map_or_else(|| "MAC not known".to_owned(), |lladdr| lladdr.to_string());
    [nexthop.to_string(), lladdr, state.name().to_owned()]
}

/// One line per thing that knows the MAC.
pub(super) fn write_known_as(
    page: &mut Page<'_>,
    report: &Report,
    indent: usize,
    known_as: &Listed<KnownAs>,
) -> io::Result<()> {
    for (index, known) in known_as.iter().enumerate() {
        let label = if index == 0 { "known as" } else { "" };
        page.labelled(indent, label, &shown_known_as(report, known))?;
    }
    write_left_out(page, indent, known_as.left_out())
}

/// Says under a list how many members it does not show.
pub(super) fn write_left_out(page: &mut Page<'_>, indent: usize, left_out: u64) -> io::Result<()> {
    match left_out {
        0 => Ok(()),
        more => page.labelled(indent, "", &format!("and {} more", grouped(more))),
    }
}

fn shown_known_as(report: &Report, known: &KnownAs) -> String {
    let KnownAs { source, ip, logical_port, owner, validity } = known;
    let mut text = format!("{}:", escaped(source));
    let mut add = |what: &str, value: &dyn fmt::Display| text += &format!("{what} {value}");
    if let Some(owner) = owner {
        add("", &escaped(owner));
    }
    if let Some(ip) = ip {
        add("", ip);
    }
    if let Some(port) = logical_port {
        add(" on", &escaped(port));
    }
    let (from, until) = validity.unwrap_or_default();
    if let Some(from) = from {
        add(" from", &from.to_rfc3339(report.time_digits));
    }
    if let Some(until) = until {
        add(" until", &until.to_rfc3339(report.time_digits));
    }
    text
}
