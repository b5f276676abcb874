use super::*;
use crate::engine::fact::{Gap, Scope};
use crate::engine::finding::Assumption::{NoBfd, NoBindings, NoConntrack, NoPorts};
use crate::engine::finding::{Assumes, CtDirection, Finding, Listed, RouteId};
use crate::engine::verdict::{NotCovered, Undetermined, Verdict, Violating};
use crate::output::escape::is_unprintable;
use crate::output::fixtures::{hostile, incident, nothing_found, pinned, undetermined};
use crate::output::remedy::Datapath;
use crate::types::tuple::proto;
use crate::types::{Place, Position, Validity};

fn text(report: &Report) -> String {
    styled(report, &Style::default())
}

fn styled(report: &Report, style: &Style) -> String {
    let mut out = Vec::new();
    write_text(&mut out, report, style).expect("memory takes it");
    String::from_utf8(out).expect("text is UTF-8")
}

#[test]
fn the_incident() {
    let expected = "\
VIOLATING since 2022-06-09T22:48:28.272315Z: 2 of 10 flows leave to ce:73:29:66:39:a4, which is no
current next hop (5 of 19 packets).

violating, stale-conntrack: 2 flows, 5 packets, 509 bytes to ce:73:29:66:39:a4
  The flow's conntrack entry holds this MAC in its label, so OVN answers to it, although it is no
  current next hop of the flow's route.
  Nothing dates the next hops: packets from before a change of them may be among those counted.
  route       192.168.16.230/32 src-ip
  next hops   198.19.3.15  ee:8d:82:db:f9:c4  active
              198.19.3.16  76:9c:19:34:50:26  active
  last legal  not known
  known as    MAC_Binding: fe80::cc73:29ff:fe6b:39a4 on rtoe-GR_worker-08
  sent by     94:42:c9:c3:f7:92
  evidence    No dump names the owner of zone 35.

  udp 192.168.16.230:59943 -> 172.27.0.13:5005
    3 packets, 321 bytes, 2022-06-09T22:48:28.272315Z to 2022-06-09T22:48:30.028992Z
    conntrack   zone 35 (owner not known), reply tuple, mark 0, label 0x2ce73296639a400000000
                which says: reply to ce:73:29:66:39:a4 by port 2

  udp 192.168.16.230:42788 -> 172.27.0.13:5005
    2 packets, 188 bytes, 2022-06-09T22:48:29.073221Z to 2022-06-09T22:48:30.074011Z
    conntrack   zone 35 (owner not known), reply tuple, mark 0, label 0x2ce73296639a400000000
                which says: reply to ce:73:29:66:39:a4 by port 2

  To heal, delete the conntrack entries; each command deletes exactly one. On the node, `analyzer
  repair --mac ce:73:29:66:39:a4` looks at each again first; --apply does it.
  In the kernel datapath:
    conntrack -D -w 35 -p udp -s 172.27.0.13 -d 192.168.16.230 --sport 5005 --dport 59943 -r 192.168.16.230 -q 172.27.0.13 --reply-port-src 59943 --reply-port-dst 5005
    conntrack -D -w 35 -p udp -s 172.27.0.13 -d 192.168.16.230 --sport 5005 --dport 42788 -r 192.168.16.230 -q 172.27.0.13 --reply-port-src 42788 --reply-port-dst 5005
  In the userspace datapath:
    ovs-appctl dpctl/flush-conntrack zone=35 'ct_nw_src=172.27.0.13,ct_nw_dst=192.168.16.230,ct_nw_proto=17,ct_tp_src=5005,ct_tp_dst=59943'
    ovs-appctl dpctl/flush-conntrack zone=35 'ct_nw_src=172.27.0.13,ct_nw_dst=192.168.16.230,ct_nw_proto=17,ct_tp_src=5005,ct_tp_dst=42788'

Conforming packets by next hop
  ee:8d:82:db:f9:c4  198.19.3.15   4 packets  376 bytes
  76:9c:19:34:50:26  198.19.3.16  10 packets  940 bytes

Notes
  - Seen: 19 packets of 10 flows, 2022-06-09T22:48:28.272309Z to 2022-06-09T22:48:30.074033Z.
  - No history of next hops: what the dumps tell is taken to hold for the whole capture.
  - Taken for granted, as nothing tells it (docs/verdicts.md): no-history, no-policies,
    no-static-bindings, no-zone-owners, one-direction.
";
    assert_eq!(text(&incident()), expected);
}

#[test]
fn an_interrupted_run_says_so_at_once() {
    let report = Report { interrupted: true, ..incident() };
    let text = text(&report).replace('\n', " ");
    assert!(text.contains("(5 of 19 packets). Reading was interrupted: this is the answer so far."), "{text}");
}

/// What is dated needs no such word.
#[test]
fn packets_from_before_a_change() {
    let said = |report: &Report| text(report).contains("packets from before a change of them may be among those");
    assert!(said(&incident()));
    let mut dated = incident();
    for finding in &mut dated.findings {
        finding.assumes = Assumes::default();
    }
    assert!(!said(&dated) && !said(&undetermined()));
}

/// The running system has one datapath; a dump does not tell which.
#[test]
fn commands_for_the_own_datapath() {
    let shown = |datapath| {
        let text = text(&Report { datapath, ..incident() });
        [" conntrack -D ", "ovs-appctl dpctl/flush-conntrack "].map(|command| text.matches(command).count())
    };
    assert_eq!(shown(None), [2, 2]);
    assert_eq!(shown(Some(Datapath::Kernel)), [2, 0]);
    assert_eq!(shown(Some(Datapath::Userspace)), [0, 2]);
}

/// A list of commands that lacks some says so, and how to get the rest.
#[test]
fn shortened_commands_say_so() {
    let said = |report: &Report, style: &Style, words: &str| {
        let text = styled(report, style).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words) && text.contains("`analyzer repair --mac ce:73:29:66:39:a4`"), "{words}\n{text}");
    };
    said(&incident(), &Style { limit: 1, ..Style::default() }, "--limit 0 shows all.");
    let mut report = incident();
    let entries = vec![report.findings[0].conntrack[0].clone(); 70];
    report.findings[0].conntrack = Listed::cut(entries, 64);
    said(&report, &Style::default(), "6 more entries of these flows are left out here.");
    let mut report = incident();
    report.summary.omitted_findings = 1;
    said(&report, &Style::default(), "Entries of findings that were not kept (--max-findings) are not among them.");
}

#[test]
fn nothing_is_wrong() {
    let expected = "\
OK: all 10 flows that a known route decides leave to a current next hop.

Conforming packets by next hop
  ee:8d:82:db:f9:c4  198.19.3.15   4 packets  376 bytes
  76:9c:19:34:50:26  198.19.3.16  10 packets  940 bytes

Notes
  - Seen: 19 packets of 10 flows, 2022-06-09T22:48:28.272309Z to 2022-06-09T22:48:30.074033Z.
  - The history of next hops starts at 2022-06-01T00:00:00.000000Z.
";
    assert_eq!(text(&nothing_found()), expected);
}

#[test]
fn some_could_not_be_judged() {
    let expected = "\
UNDETERMINED on worker-08: no flow that a known route decides could be judged. Not judged: 2 flows,
3 untracked packets, 1 cut frame.

undetermined, nexthop-unresolved: 2 flows, 2 packets, 236 bytes to ce:73:29:66:39:a4
  A next hop that is up, or may be, has no known MAC, so this MAC may be its own.
  route       fd00::230/128 src-ip of GR_worker-08 in table rtb-1
  next hops   fe80::15  MAC not known      unresolved
              fe80::16  76:9c:19:34:50:26  aged
  sent by     94:42:c9:c3:f7:92 on ens5f1 in VLAN 100.7

  icmpv6 fd00::230 -> fd00::13 type 128 code 0 id 77
    1 packet, 118 bytes, at 2022-06-09T22:48:28.272315001Z

  udp fd00::230 -> fd00::13 (later fragments, flow not known)
    1 packet, 118 bytes, at 2022-06-09T22:48:28.272315001Z

  Give what knows the next hop's MAC: --mac-bindings, --static-mac-bindings, --port-bindings or
  --nexthops; and where BFD watches it, its session: --bfd.

Notes
  - Seen on worker-08: 12,345 packets of 2 flows.
  - No history of next hops: what the dumps tell is taken to hold for the whole capture.
  - 1 packet that no known route decides.
  - Passed over: 1 frame cut too short, 2 frames without IP, 1 line of other inputs.
  - 4 flows without a violation counted but not kept, because the flow table was full (--max-flows).
  - 3 packets not judged, because the flow table was full (--max-flows).

Warnings
  - conntrack.txt:7:14: \"172.27.xxx.13\" is no IP address
";
    assert_eq!(text(&undetermined()), expected);
}

#[test]
fn hostile_names() {
    let text = text(&hostile());
    assert!(!text.replace('\n', "").contains(is_unprintable), "{text:?}");
    assert!(text.contains("of \\u{1b}[2J\\u{202e}evil"), "{text}");
    for part in
        ["latent, armed: 1 flow to ce:73", "latent, unused: 1 flow", "info, asymmetric-gateway: 1 flow", "heard"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("conntrack -D").count(), 2, "the violating flow and the armed entry");
}

#[test]
fn only_commands_are_longer_than_the_width() {
    for width in [60, 80, 100] {
        for report in [incident(), undetermined(), nothing_found()] {
            let text = styled(&report, &Style { width, ..Style::default() });
            for line in text.lines().filter(|line| line.chars().count() > width.max(88)) {
                assert!(line.starts_with("    conntrack -D") || line.starts_with("    ovs-appctl"), "{line}");
            }
        }
    }
}

#[test]
fn colours_only_where_asked_for() {
    assert!(!text(&incident()).contains('\x1b'));
    let coloured = styled(&incident(), &Style { colour: true, ..Style::default() });
    assert!(coloured.starts_with("\x1b[1;31mVIOLATING since"), "{coloured}");
    let plain = coloured.replace("\x1b[1;31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "");
    assert_eq!(plain, text(&incident()));
}

fn many(flows: u16) -> Vec<Finding> {
    let pattern = incident().findings.remove(0);
    let with_port = |port| {
        let mut finding = pattern.clone();
        finding.tuple.tp_src = port;
        finding.conntrack = vec![pinned(port)].into();
        finding.packets = u64::from(port);
        finding
    };
    (1..=flows).map(with_port).collect()
}

#[test]
fn many_flows_are_cut_to_the_busiest() {
    let report = Report { findings: many(48_143), ..incident() };
    let text = text(&report);
    assert!(text.contains("violating, stale-conntrack: 48,143 flows, 1,158,898,296 packets"), "{text}");
    assert!(text.contains("... and 48,123 more (--limit)"), "{text}");
    assert!(text.replace("\n  ", " ").contains("entries of the flows shown; --limit 0 shows all."), "{text}");
    assert_eq!(text.matches("conntrack -D").count(), 20);
    assert!(text.contains(":48143 ->") && !text.contains("192.168.16.230:1 ->"));
    let text = styled(&report, &Style { limit: 0, ..Style::default() });
    assert!(text.contains("... and 48,143 more (--limit)") && !text.contains("conntrack -D"), "{text}");
}

/// What differs between the flows of a group stands with each flow, what does not stands once.
#[test]
fn shared_evidence_is_told_once() {
    let mut report = Report { findings: many(2), ..incident() };
    let route = RouteId { router: Some("GR_other".into()), ..report.findings[1].routes[0].clone() };
    report.findings[1].routes = vec![route].into();
    report.findings[1].evidence = Listed::default();
    let text = text(&report);
    assert_eq!(text.matches("known as").count(), 1, "{text}");
    assert_eq!(text.matches("    route       192.168.16.230/32 src-ip").count(), 2, "{text}");
    assert_eq!(text.matches("of GR_other").count(), 1, "{text}");
    assert_eq!(text.matches("    evidence ").count(), 1, "{text}");
}

#[test]
fn what_no_command_is_known_for_is_told() {
    let mut finding = incident().findings.remove(0);
    let mut entry = finding.conntrack[0].clone();
    entry.orig.nw_proto = proto::GRE;
    entry.direction = CtDirection::Orig;
    finding.conntrack = vec![entry].into();
    let mut unknown = finding.clone();
    unknown.verdict = Verdict::Violating(Violating::UnknownMac);
    unknown.conntrack = Listed::default();
    unknown.eth_dst = None;
    let text = text(&Report { findings: vec![finding, unknown], ..incident() });
    let words: Vec<_> = text.split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("No command for some in the kernel datapath: conntrack(8) does not compare GRE keys"),
        "{text}"
    );
    assert!(words.contains("to a MAC that is not seen") && words.contains("No entry to delete is known."), "{text}");
}

#[test]
fn groups_stand_by_weight() {
    let with = |verdict, packets| Finding { verdict, packets, ..incident().findings.remove(0) };
    let findings = vec![
        with(Verdict::NotCovered(NotCovered::OnLink), 90),
        with(Verdict::Conforming, 80),
        with(Verdict::Grace, 70),
        with(Verdict::Undetermined(Undetermined::NoNexthopData), 60),
        with(Verdict::Violating(Violating::UnknownMac), 1),
        with(Verdict::Violating(Violating::StaleConntrack), 2),
    ];
    let text = text(&Report { findings, ..incident() });
    let heads: Vec<_> = text.lines().filter(|line| line.contains(": 1 flow, ")).map(|line| &line[..12]).collect();
    assert_eq!(
        heads,
        ["violating, s", "violating, u", "undetermined", "grace: 1 flo", "conforming: ", "not-covered,"],
        "{text}"
    );
}

#[test]
fn long_lists_of_warnings_are_cut() {
    let mut report = undetermined();
    report.warnings = vec![report.warnings[0].clone(); 25];
    assert!(text(&report).ends_with("  - ... and 5 more (--format json has them all)\n"));
}

#[test]
fn what_all_take_for_granted_is_said_once() {
    let mut report = incident();
    let of_one: Assumes = [NoBfd, NoBindings, NoConntrack, NoPorts].into_iter().collect();
    report.findings[1].assumes.insert_all(&of_one);
    let text = text(&report);
    assert_eq!(text.matches("no-history").count(), 1, "{text}");
    assert!(text.contains("    assumes     no-bfd, no-bindings, no-conntrack and 1 more (--format json)\n"), "{text}");
}

#[test]
fn what_could_not_be_read_stands_in_the_headline() {
    let place = Place { file: "lr\u{1b}list.txt".into(), position: Position::Line(7) };
    let mut report = incident();
    report.summary.gaps = vec![Gap { scope: Scope::Ports, place, validity: Validity::ALWAYS }];
    let headline = |report: &Report| text(report).lines().take(4).collect::<Vec<_>>().join(" ");
    assert!(headline(&report).contains("Not read: 1 part of the input."), "{}", headline(&report));
    report.summary.conforming_in_gaps = 2;
    let expected = "Not read: 1 part of the input, which may decide 2 flows that conform by the rest.";
    assert!(headline(&report).contains(expected), "{}", headline(&report));
}
