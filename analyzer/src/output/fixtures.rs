//! Reports that the tests of JSON and text share.

use std::sync::Arc;
use std::time::Duration;

use analyzer_ebpf::abi::LinkTags;

use crate::engine::fact::{Policy, Source};
use crate::engine::finding::*;
use crate::engine::observation::Observation;
use crate::engine::verdict::{Info, Undetermined, Verdict, Violating};
use crate::engine::view::{
    BindingView, ConnectionView, Explanation, NewFlow, NexthopView, SetView, Standing, UnlabelledView,
};
use crate::output::provenance::{self, Provenance, Run};
use crate::output::remedy::Datapath;
use crate::output::repair::{Afterwards, RepairRow};
use crate::output::report::{Report, Skipped};
use crate::output::status::{Loss, MapStatus, NicStatus, SourceStatus, Status};
use crate::types::tuple::proto;
use crate::types::{MacAddr, Place, Position, Timestamp, Tuple, Validity, Warning};

fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tuple(nw_proto: u8, src: &str, tp_src: u16, dst: &str, tp_dst: u16) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), nw_proto, tp_src, tp_dst }
}

fn route(prefix: &str) -> RouteId {
    RouteId { router: None, route_table: "".into(), policy: Policy::SrcIp, prefix: prefix.parse().unwrap() }
}

fn nexthop(nexthop: &str, lladdr: Option<&str>, state: NexthopState) -> ExpectedNexthop {
    ExpectedNexthop { nexthop: nexthop.parse().unwrap(), lladdr: lladdr.map(mac), state }
}

/// The entry that pins a flow of the incident.
pub(super) fn pinned(sport: u16) -> CitedConnection {
    let reply = tuple(proto::UDP, "192.168.16.230", sport, "172.27.0.13", 5005);
    CitedConnection {
        orig: reply.reversed(),
        reply,
        zone: 35,
        zone_name: None,
        direction: CtDirection::Reply,
        label: 0x2ce73296639a400000000,
        mark: 0,
        reply_eth: mac("ce:73:29:66:39:a4"),
        reply_port: 2,
    }
}

fn incident_finding(sport: u16, packets: u64, bytes: u64, first: &str, last: &str) -> Finding {
    Finding {
        verdict: Verdict::Violating(Violating::StaleConntrack),
        nic: 0,
        tuple: tuple(proto::UDP, "192.168.16.230", sport, "172.27.0.13", 5005),
        estimated: false,
        later_fragments: false,
        vlan: vec![],
        eth_src: mac("94:42:c9:c3:f7:92"),
        eth_dst: Some(mac("ce:73:29:66:39:a4")),
        packets,
        bytes,
        first_seen: time(first),
        last_seen: time(last),
        routes: vec![route("192.168.16.230/32")].into(),
        expected: vec![
            nexthop("198.19.3.15", Some("ee:8d:82:db:f9:c4"), NexthopState::Active),
            nexthop("198.19.3.16", Some("76:9c:19:34:50:26"), NexthopState::Active),
        ]
        .into(),
        conntrack: vec![pinned(sport)].into(),
        last_legal: None,
        heard: None,
        assumes: incident_assumes(),
        known_as: vec![KnownAs {
            source: "MAC_Binding".into(),
            ip: Some("fe80::cc73:29ff:fe6b:39a4".parse().unwrap()),
            logical_port: Some("rtoe-GR_worker-08".into()),
            owner: None,
            validity: None,
        }]
        .into(),
        evidence: vec!["No dump names the owner of zone 35.".to_owned()].into(),
    }
}

fn incident_assumes() -> Assumes {
    use Assumption::{NoHistory, NoPolicies, NoStaticBindings, NoZoneOwners, OneDirection};
    [NoHistory, NoPolicies, NoStaticBindings, NoZoneOwners, OneDirection].into_iter().collect()
}

/// The incident (bug 2095444).
pub(super) fn incident() -> Report {
    let count = |lladdr, nexthop: &str, packets, bytes| NexthopCount {
        lladdr: mac(lladdr),
        nexthops: vec![nexthop.parse().unwrap()],
        packets,
        bytes,
    };
    Report {
        findings: vec![
            incident_finding(59943, 3, 321, "2022-06-09T22:48:28.272315Z", "2022-06-09T22:48:30.028992Z"),
            incident_finding(42788, 2, 188, "2022-06-09T22:48:29.073221Z", "2022-06-09T22:48:30.074011Z"),
        ],
        latent: vec![],
        summary: Summary {
            packets: 19,
            bytes: 1825,
            flows: 10,
            covered_flows: 10,
            conforming_flows: 8,
            violating_flows: 2,
            violating_packets: 5,
            nexthops: vec![
                count("ee:8d:82:db:f9:c4", "198.19.3.15", 4, 376),
                count("76:9c:19:34:50:26", "198.19.3.16", 10, 940),
            ],
            first_seen: Some(time("2022-06-09T22:48:28.272309Z")),
            last_seen: Some(time("2022-06-09T22:48:30.074033Z")),
            ..Summary::default()
        },
        tells_nexthops: true,
        files: vec!["pcaps/bz2095444/capture.pcap".to_owned()],
        nic_names: vec![None],
        time_digits: 6,
        ..Report::default()
    }
}

/// A run that found nothing wrong.
pub(super) fn nothing_found() -> Report {
    let mut report = incident();
    report.findings.clear();
    report.summary.conforming_flows = 10;
    report.summary.violating_flows = 0;
    report.summary.violating_packets = 0;
    report.summary.history = Some(time("2022-06-01T00:00:00Z"));
    report
}

/// A run that could not judge two flows: IPv6 and ICMPv6, a hop without MAC, a file that was cut.
pub(super) fn undetermined() -> Report {
    let mut finding = incident_finding(1, 1, 118, "2022-06-09T22:48:28.272315001Z", "2022-06-09T22:48:28.272315001Z");
    finding.verdict = Verdict::Undetermined(Undetermined::NexthopUnresolved);
    finding.tuple = tuple(proto::ICMPV6, "fd00::230", 77, "fd00::13", 128 << 8);
    finding.routes =
        vec![RouteId { router: Some("GR_worker-08".into()), route_table: "rtb-1".into(), ..route("fd00::230/128") }]
            .into();
    finding.expected = vec![
        nexthop("fe80::15", None, NexthopState::Unresolved),
        nexthop("fe80::16", Some("76:9c:19:34:50:26"), NexthopState::Aged),
    ]
    .into();
    finding.conntrack = Listed::default();
    finding.assumes = Assumes::default();
    finding.known_as = Listed::default();
    finding.evidence = Listed::default();
    finding.vlan = vec![100, 7];
    let mut fragments = finding.clone();
    fragments.tuple = tuple(proto::UDP, "fd00::230", 0, "fd00::13", 0);
    fragments.later_fragments = true;
    Report {
        findings: vec![finding, fragments],
        summary: Summary {
            packets: 12_345,
            bytes: 1_234_567,
            flows: 2,
            covered_flows: 2,
            undetermined_flows: 2,
            uncovered_packets: 1,
            untracked_packets: 3,
            evicted_flows: 4,
            ..Summary::default()
        },
        tells_nexthops: true,
        skipped: Skipped { truncated: 1, not_ip: 2, unparsed: 0, lines: 1, ends: 0 },
        warnings: vec![Warning {
            place: Place { file: "conntrack.txt".into(), position: Position::LineColumn(7, 14) },
            message: "\"172.27.xxx.13\" is no IP address".to_owned(),
        }],
        nic_names: vec![Some("ens5f1".to_owned())],
        time_digits: 9,
        node: Some("worker-08".to_owned()),
        ..Report::default()
    }
}

/// Strings that would take over a terminal, in each place that a foreign string can come to; all optional parts set.
pub(super) fn hostile() -> Report {
    let evil: Arc<str> = "\x1b[2J\u{202e}evil\u{9b}1m\n\"".into();
    let mut finding = incident().findings.remove(0);
    let first = RouteId { router: Some(evil.clone()), route_table: evil.clone(), ..route("::/0") };
    finding.routes = vec![first, RouteId { policy: Policy::DstIp, ..route("172.27.0.0/16") }].into();
    let entry = CitedConnection { zone_name: Some(evil.clone()), ..finding.conntrack[0].clone() };
    finding.conntrack = vec![entry].into();
    finding.last_legal =
        Some(LastLegal { until: time("2022-06-07T20:13:55Z"), nexthop: "198.19.3.15".parse().unwrap() });
    finding.heard = Some(Heard { last: time("2022-06-07T20:13:54Z"), packets: 1 });
    finding.known_as = vec![KnownAs {
        source: evil.clone(),
        ip: None,
        logical_port: Some(evil.clone()),
        owner: Some(evil.clone()),
        validity: Some((Some(time("2022-06-01T00:00:00Z")), Some(time("2022-06-07T20:13:55Z")))),
    }]
    .into();
    finding.evidence = vec![evil.to_string()].into();
    let mut info = finding.clone();
    info.verdict = Verdict::Info(Info::AsymmetricGateway);
    let latent = Latent {
        state: LatentState::Armed,
        connection: finding.conntrack[0].clone(),
        routes: finding.routes.clone(),
        expected: finding.expected.clone(),
        last_legal: finding.last_legal.clone(),
        assumes: finding.assumes.clone(),
        known_as: finding.known_as.clone(),
        evidence: finding.evidence.clone(),
    };
    let unused = Latent { state: LatentState::Unused, ..latent.clone() };
    let warning = Warning { place: Place { file: evil.clone(), position: Position::Whole }, message: evil.to_string() };
    Report {
        status: Some(status(&evil)),
        findings: vec![finding, info],
        latent: vec![latent, unused],
        warnings: vec![warning],
        files: vec![evil.to_string()],
        nic_names: vec![Some(evil.to_string())],
        node: Some(evil.to_string()),
        provenance: comes_from(&evil),
        ..incident()
    }
}

/// A capture, a database that was asked, a file that was not read, and a run.
fn comes_from(evil: &Arc<str>) -> Provenance {
    let place = Place { file: evil.clone(), position: Position::Whole };
    let asked = provenance::Source { place, taken_for: "nb", size: None, rows: None, lost: None, modified: None };
    let capture = provenance::Source {
        taken_for: "capture",
        size: Some(1825),
        rows: Some(19),
        lost: Some(1),
        modified: Some(time("2022-06-10T07:00:00Z")),
        ..asked.clone()
    };
    let run = Run {
        version: "0.1.0",
        commit: "0dd3caf2c5a1",
        command: vec!["analyzer".to_owned(), evil.to_string()],
        host: "worker-08".to_owned(),
        directory: Some(evil.to_string()),
        at: time("2022-06-10T08:00:00Z"),
    };
    Provenance { sources: vec![capture, asked], passed_over: vec![evil.to_string()], run: Some(run) }
}

/// Everything that a status can hold.
fn status(evil: &str) -> Status {
    Status {
        at: time("2022-06-09T22:48:30Z"),
        nexthops_known: false,
        sources: vec![SourceStatus {
            name: "nb",
            place: evil.to_owned(),
            state: "lost",
            since: time("2022-06-09T22:48:29Z"),
            age: Some(Duration::from_millis(1500)),
            error: Some(evil.to_owned()),
        }],
        nics: vec![NicStatus { name: evil.to_owned(), egress: Some("tcx"), ingress: None }],
        losses: vec![Loss { name: "events_lost", count: 7 }],
        maps: vec![MapStatus { name: "SUSPECTS4".to_owned(), capacity: 1024, bytes: 65_536 }],
    }
}

/// Next hops for a listing: one with all that can be known, and a route that discards.
pub(super) fn nexthops() -> Vec<NexthopView> {
    let finding = hostile().findings.remove(0);
    let validity = Validity { from: Some(time("2022-06-01T00:00:00Z")), until: Some(time("2022-06-07T20:13:55Z")) };
    let evidence = BindingView {
        source: "MAC_Binding",
        mac: Some(mac("ce:73:29:66:39:a4")),
        logical_port: finding.routes[0].router.clone(),
        confirmed: validity.from,
        validity,
    };
    let unresolved = BindingView {
        source: "nexthops.toml",
        mac: None,
        logical_port: None,
        confirmed: None,
        validity: Validity::ALWAYS,
    };
    let full = NexthopView {
        route: finding.routes[0].clone(),
        symmetric_reply: true,
        nexthop: Some("198.19.3.15".parse().unwrap()),
        output_port: finding.routes[0].router.clone(),
        port_key: Some(2),
        bfd: Some("admin_down"),
        source: Source::Ovn,
        validity,
        expected: finding.expected.to_vec(),
        evidence: vec![evidence, unresolved],
    };
    let discards = NexthopView {
        route: route("10.0.0.0/8"),
        symmetric_reply: false,
        nexthop: None,
        output_port: None,
        port_key: None,
        bfd: None,
        source: Source::LrRouteList,
        validity: Validity::ALWAYS,
        expected: vec![],
        evidence: vec![],
    };
    vec![full, discards]
}

/// Labelled entries for a listing, one of each standing; the first is stale.
pub(super) fn connections() -> Vec<ConnectionView> {
    let finding = hostile().findings.remove(0);
    let standings = [
        Standing::Stale,
        Standing::Undetermined("nothing tells routes"),
        Standing::Unused("no route with symmetric reply applies to the flow"),
        Standing::NotHonoured,
        Standing::Allowed,
        Standing::VirtualRouter,
        Standing::Nexthop(vec!["198.19.3.15".parse().unwrap()]),
    ];
    let view = |standing: Standing| ConnectionView {
        connection: finding.conntrack[0].clone(),
        last_legal: if standing.is_stale() { finding.last_legal.clone() } else { None },
        assumes: if standing.is_stale() { incident_assumes() } else { Assumes::default() },
        standing,
        known_as: finding.known_as.clone(),
    };
    standings.into_iter().map(view).collect()
}

/// Repairs of each outcome; the message of the first is hostile.
pub(super) fn repairs() -> Vec<RepairRow> {
    let finding = hostile().findings.remove(0);
    let row = |outcome, reason, message: &str| RepairRow {
        assumes: vec!["gap:\u{1b}.txt:1".into()],
        at: Some(finding.last_seen),
        method: "delete",
        datapath: Some(Datapath::Kernel),
        outcome,
        reason,
        message: message.to_owned(),
        connection: finding.conntrack[0].clone(),
        id: Some(7),
        relabel: None,
        afterwards: None,
        expected: finding.expected.clone(),
        last_legal: finding.last_legal.clone(),
        known_as: finding.known_as.clone(),
    };
    let nexthop = "198.19.3.15".parse().unwrap();
    vec![
        row("failed", None, "failed: \u{1b}[2Jevil"),
        RepairRow { at: None, datapath: None, id: None, ..row("would", None, "would delete the entry") },
        row("refused", Some("recent-change"), "refused (recent-change): they changed"),
        RepairRow {
            method: "relabel",
            relabel: Some((nexthop, mac("ee:8d:82:db:f9:c4"))),
            last_legal: None,
            afterwards: Some(Afterwards::Seen { eth_dst: mac("ee:8d:82:db:f9:c4"), verdict: Verdict::Conforming }),
            ..row("done", None, "done: write ee:8d:82:db:f9:c4")
        },
    ]
}

/// The story of a flow of which all is known.
pub(super) fn explanation() -> Explanation {
    let finding = hostile().findings.remove(0);
    let request = Observation {
        nic: 0,
        tags: LinkTags::default(),
        eth_src: mac("ce:73:29:66:39:a4"),
        eth_dst: finding.eth_src,
        tuple: finding.tuple.reversed(),
        packets: 1,
        bytes: 94,
        first: finding.first_seen,
        last: finding.last_seen,
    };
    let set =
        |from, until| SetView { from, until, routes: finding.routes.to_vec(), expected: finding.expected.to_vec() };
    let change = Some(finding.first_seen);
    let entry = &finding.conntrack[0];
    Explanation {
        tuple: finding.tuple,
        unlabelled: vec![UnlabelledView {
            orig: entry.orig,
            reply: entry.reply,
            zone: 7,
            zone_name: entry.zone_name.clone(),
            direction: entry.direction,
            label: 0,
            mark: 2,
        }],
        sets: vec![set(None, change), set(change, None)],
        new_flow: NewFlow {
            nexthops: finding.expected.to_vec(),
            reasons: vec!["the src-ip route 192.168.16.230/32 of \u{1b}[2J decides".to_owned()],
        },
        requests: vec![request],
        connections: connections(),
        at: Some(finding.last_seen),
        routes: finding.routes.to_vec(),
        expected: finding.expected.to_vec(),
        seen: vec![finding],
    }
}
