//! What several nodes amount to.

use std::collections::BTreeSet;
use std::io;

use super::answer::Answer;
use super::escape::escaped;
use super::report::Report;
use crate::types::{MacAddr, Timestamp};

/// How the run over one node ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEnd {
    /// The node's name.
    pub node: String,
    /// What came out; why nothing did.
    pub result: Result<NodeAnswer, String>,
}

/// What a report says of its node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeAnswer {
    /// The answer.
    pub answer: Answer,
    /// Packets seen.
    pub packets: u64,
    /// Flows seen.
    pub flows: u64,
    /// Those of them that violate.
    pub violating_flows: u64,
    /// Their packets.
    pub violating_packets: u64,
    /// Those that could not be judged.
    pub undetermined_flows: u64,
    /// Where they send to.
    pub macs: BTreeSet<MacAddr>,
    /// When the first violating packet was seen.
    pub since: Option<Timestamp>,
    /// Fractional digits of times.
    pub time_digits: u8,
}

impl NodeAnswer {
    /// What a report says.
    pub fn of(report: &Report) -> Self {
        let summary = &report.summary;
        Self {
            answer: report.answer(),
            packets: summary.packets,
            flows: summary.flows,
            violating_flows: summary.violating_flows,
            violating_packets: summary.violating_packets,
            undetermined_flows: summary.undetermined_flows,
            macs: report.wrong_macs(),
            since: report.violating_since(),
            time_digits: report.time_digits,
        }
    }
}

/// Writes a line for each node, under a heading.
///
/// # Errors
/// When `out` fails.
pub fn write_total(out: &mut impl io::Write, ends: &[NodeEnd]) -> io::Result<()> {
    let heading = ["NODE", "ANSWER", "VIOLATING FLOWS", "OF", "MACS", "SINCE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(ends.iter().map(row)).collect();
    super::listing::write_columns(out, &rows)
}

/// Most MACs that a line names.
const MACS: usize = 4;

fn row(end: &NodeEnd) -> [String; 6] {
    let dash = || "-".to_owned();
    let node = escaped(&end.node);
    let told = match &end.result {
        Ok(told) => told,
        Err(why) => return [node, format!("could not run: {}", escaped(why)), dash(), dash(), dash(), dash()],
    };
    let mut macs: Vec<String> = told.macs.iter().take(MACS).map(ToString::to_string).collect();
    if told.macs.len() > MACS {
        macs.push(format!("and {} more", told.macs.len() - MACS));
    }
    [
        node,
        told.answer.name().to_owned(),
        told.violating_flows.to_string(),
        told.flows.to_string(),
        if macs.is_empty() { dash() } else { macs.join(",") },
        told.since.map_or_else(dash, |since| since.to_rfc3339(told.time_digits)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures::{hostile, incident, nothing_found};

    /// Of findings that were not kept one may be older: the headline and the table say no time then.
    #[test]
    fn since_when_is_known_of_all_findings_or_not() {
        let mut report = incident();
        assert!(NodeAnswer::of(&report).since.is_some());
        report.summary.omitted_findings = 1;
        assert_eq!(NodeAnswer::of(&report).since, None);
    }

    #[test]
    fn a_line_for_each_node() {
        let end = |node: &str, report: Report| NodeEnd { node: node.to_owned(), result: Ok(NodeAnswer::of(&report)) };
        let failed =
            NodeEnd { node: "worker-3".to_owned(), result: Err("worker-3/conf.db: \x1b no database".to_owned()) };
        let mut out = Vec::new();
        write_total(&mut out, &[end("worker-1", incident()), end("worker-2", nothing_found()), failed]).unwrap();
        let expected = "\
NODE      ANSWER                                            VIOLATING FLOWS  OF  MACS               SINCE
worker-1  VIOLATING                                         2                10  ce:73:29:66:39:a4  2022-06-09T22:48:28.272315Z
worker-2  OK                                                0                10  -                  -
worker-3  could not run: worker-3/conf.db: \\u{1b} no database  -                -   -                  -
";
        let text = String::from_utf8(out).unwrap();
        let words = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(words(&text), words(expected));
        let mut out = Vec::new();
        write_total(&mut out, &[end("\x1b[2J", hostile())]).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains('\x1b'));
    }
}
