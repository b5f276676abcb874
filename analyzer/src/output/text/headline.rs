//! The first lines: the answer, and what it rests on.

use super::words::{count, grouped, leave};
use crate::engine::finding::{LastLegal, Summary};
use crate::output::answer::Answer;
use crate::output::escape::{Escaped, escaped};
use crate::output::report::{Report, Skipped};

/// The answer, with whom it concerns and since when, and how much could not be judged.
pub(super) fn headline(report: &Report) -> String {
    let answer = report.answer();
    let interrupted = if report.interrupted { " Reading was interrupted: this is the answer so far." } else { "" };
    let node = report.node.as_deref().map(|node| format!(" on {}", Escaped(node))).unwrap_or_default();
    let said = match answer {
        Answer::Violating => return format!("{}{node}{}{interrupted}", answer.name(), violating(report)),
        Answer::Grace => grace(report),
        Answer::Undetermined => undetermined(report),
        Answer::Ok => conforming(&report.summary),
    };
    format!("{}{node}: {said}{interrupted}", answer.name())
}

/// ` since 2022-06-09T22:48:28Z: 2 of 10 flows leave to ...`
fn violating(report: &Report) -> String {
    let Summary { flows, packets, violating_flows, violating_packets, .. } = report.summary;
    let since = report
        .violating_since()
        .map(|since| format!(" since {}", since.to_rfc3339(report.time_digits)))
        .unwrap_or_default();
    let said = format!(
        "{since}: {} of {} {} to {} ({} of {}).",
        grouped(violating_flows),
        count(flows, "flow"),
        leave(violating_flows),
        wrong_macs(report),
        grouped(violating_packets),
        count(packets, "packet"),
    );
    said + &not_judged(report) + &waiting(&report.summary)
}

/// Where the packets go, and whose MAC that is or was, where it is one.
fn wrong_macs(report: &Report) -> String {
    let macs = report.wrong_macs();
    match (macs.first(), macs.len(), report.summary.omitted_findings) {
        (Some(mac), 1, 0) => format!("{mac}{}, which is no current next hop", owner(report)),
        (_, 0 | 1, _) => "a MAC that is no current next hop".to_owned(),
        (_, macs, 0) => format!("{macs} MACs that are no current next hops"),
        (_, macs, _) => format!("{macs} MACs and more that are no current next hops"),
    }
}

/// Whose the MAC is, as some source names its owner, or else whose it was.
fn owner(report: &Report) -> String {
    let mut known = report.violating().flat_map(|finding| finding.known_as.iter());
    let owner = known.find_map(|known| known.owner.as_deref()).map(escaped);
    let last = report.violating().filter_map(|finding| finding.last_legal.as_ref()).max_by_key(|last| last.until);
    let last =
        last.map(|LastLegal { until, nexthop }| format!("{nexthop} until {}", until.to_rfc3339(report.time_digits)));
    let known: Vec<_> = owner.into_iter().chain(last).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

fn grace(report: &Report) -> String {
    let Summary { grace_packets, .. } = report.summary;
    let packets = match grace_packets {
        1 => "the only packet to a MAC that is no current next hop".to_owned(),
        packets => format!("all {} to MACs that are no current next hops", count(packets, "packet")),
    };
    format!(
        "{packets} left within the grace period after a change. Whether it goes on shows in a longer capture; --grace 0 \
         judges these too.{}{}",
        not_judged(report),
        waiting(&report.summary)
    )
}

fn undetermined(report: &Report) -> String {
    let summary = &report.summary;
    let judged = summary.covered_flows.saturating_sub(summary.undetermined_flows);
    let said = if !report.tells_nexthops {
        "nothing tells the next hops (--nexthops, or --lr-routes with --mac-bindings, or the databases).".to_owned()
    } else if summary.covered_flows == 0 {
        format!("no known route decides any of {}.", count(summary.packets, "packet"))
    } else {
        match judged {
            0 => "no flow that a known route decides could be judged.".to_owned(),
            1 => "the only judged flow does not violate.".to_owned(),
            flows => format!("none of {} violates.", count(flows, "judged flow")),
        }
    };
    said + &not_judged(report) + &waiting(summary)
}

fn conforming(summary: &Summary) -> String {
    let Summary { covered_flows, conforming_flows, .. } = *summary;
    let said = match (covered_flows, covered_flows == conforming_flows) {
        (1, true) => "the only flow that a known route decides leaves to a current next hop.".to_owned(),
        (flows, true) => {
            format!("all {} that a known route decides leave to a current next hop.", count(flows, "flow"))
        }
        (1, false) => "the only judged flow does not violate.".to_owned(),
        (flows, false) => format!(
            "none of {} violates; {} to a current next hop.",
            count(flows, "judged flow"),
            match conforming_flows {
                0 => "none leaves".to_owned(),
                conforming => format!("{} {}", grouped(conforming), leave(conforming)),
            }
        ),
    };
    said + &waiting(summary)
}

/// How much could not be judged or read.
fn not_judged(report: &Report) -> String {
    let Summary { undetermined_flows, untracked_packets, .. } = report.summary;
    let Skipped { truncated, unparsed, ends, .. } = report.skipped;
    let counts = [
        (undetermined_flows, "flow"),
        (untracked_packets, "untracked packet"),
        (truncated, "cut frame"),
        (unparsed, "broken frame"),
        (ends, "torn end"),
    ];
    let counts: Vec<_> =
        counts.iter().filter(|(number, _)| *number > 0).map(|&(number, what)| count(number, what)).collect();
    let not_judged = match counts.is_empty() {
        true => String::new(),
        false => format!(" Not judged: {}.", counts.join(", ")),
    };
    not_judged + &not_read(&report.summary)
}

/// What of the input could not be read, and how much it may decide.
fn not_read(Summary { gaps, conforming_in_gaps, .. }: &Summary) -> String {
    let parts = count(gaps.len() as u64, "part");
    match (gaps.len(), conforming_in_gaps) {
        (0, _) => String::new(),
        (_, 0) => format!(" Not read: {parts} of the input."),
        (_, &flows) => {
            let conform = if flows == 1 { "conforms" } else { "conform" };
            format!(
                " Not read: {parts} of the input, which may decide {} that {conform} by the rest.",
                count(flows, "flow")
            )
        }
    }
}

/// Entries that wait for a packet.
fn waiting(summary: &Summary) -> String {
    match summary.latent_armed {
        0 => String::new(),
        1 => " 1 conntrack entry waits to send packets to such a MAC.".to_owned(),
        entries => format!(" {} conntrack entries wait to send packets to such a MAC.", grouped(entries)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures::incident;

    /// What is said of a run over whole evidence, but for the change.
    fn said(change: impl FnOnce(&mut Report)) -> String {
        let mut report = Report { tells_nexthops: true, ..Report::default() };
        (report.summary.packets, report.summary.flows) = (5, 4);
        change(&mut report);
        headline(&report)
    }

    #[test]
    fn without_violations() {
        type Change = fn(&mut Report);
        let cases: [(Change, &str); 9] = [
            (|_| (), "UNDETERMINED: no known route decides any of 5 packets."),
            (
                |r| (r.tells_nexthops, r.summary.covered_flows, r.summary.undetermined_flows) = (false, 4, 4),
                "UNDETERMINED: nothing tells the next hops (--nexthops, or --lr-routes with --mac-bindings, or the \
                 databases). Not judged: 4 flows.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.conforming_flows) = (1, 1),
                "OK: the only flow that a known route decides leaves to a current next hop.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.conforming_flows, r.summary.info_flows) = (4, 3, 1),
                "OK: none of 4 judged flows violates; 3 leave to a current next hop.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.info_flows) = (1, 1),
                "OK: the only judged flow does not violate.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.conforming_flows, r.summary.latent_armed) = (4, 4, 1),
                "OK: all 4 flows that a known route decides leave to a current next hop. 1 conntrack entry waits to send \
                 packets to such a MAC.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.conforming_flows, r.summary.undetermined_flows) = (4, 2, 2),
                "UNDETERMINED: none of 2 judged flows violates. Not judged: 2 flows.",
            ),
            (
                |r| {
                    (r.summary.covered_flows, r.summary.conforming_flows) = (1, 1);
                    (r.skipped.truncated, r.skipped.unparsed) = (1, 2);
                },
                "UNDETERMINED: the only judged flow does not violate. Not judged: 1 cut frame, 2 broken frames.",
            ),
            (
                |r| (r.summary.covered_flows, r.summary.grace_packets, r.summary.undetermined_flows) = (4, 3, 1),
                "GRACE: all 3 packets to MACs that are no current next hops left within the grace period after a change. \
                 Whether it goes on shows in a longer capture; --grace 0 judges these too. Not judged: 1 flow.",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(said(change), expected);
        }
    }

    #[test]
    fn who_and_since_when() {
        let of_the_incident = |change: fn(&mut Report)| {
            let mut report = incident();
            change(&mut report);
            headline(&report)
        };
        let last_legal =
            |until: &str| Some(LastLegal { until: until.parse().unwrap(), nexthop: "198.19.3.15".parse().unwrap() });
        let mut report = incident();
        report.node = Some("worker-08".to_owned());
        report.findings[1].last_legal = last_legal("2022-06-07T20:13:55Z");
        report.findings[0].last_legal = last_legal("2022-06-06T00:00:00Z");
        assert_eq!(
            headline(&report),
            "VIOLATING on worker-08 since 2022-06-09T22:48:28.272315Z: 2 of 10 flows leave to ce:73:29:66:39:a4 \
             (198.19.3.15 until 2022-06-07T20:13:55.000000Z), which is no current next hop (5 of 19 packets)."
        );
        assert_eq!(
            of_the_incident(|r| r.findings[0].eth_dst = Some("02:00:00:00:00:01".parse().unwrap())),
            "VIOLATING since 2022-06-09T22:48:28.272315Z: 2 of 10 flows leave to 2 MACs that are no current next hops (5 of \
             19 packets)."
        );
        assert_eq!(
            of_the_incident(|r| {
                r.summary.omitted_findings = 1;
                r.summary.undetermined_flows = 1;
            }),
            "VIOLATING: 2 of 10 flows leave to a MAC that is no current next hop (5 of 19 packets). Not judged: 1 flow."
        );
    }
}
