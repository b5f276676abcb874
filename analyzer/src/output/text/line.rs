//! One line for a finding or a latent entry, as a daemon tells them while it runs, and the same as a sentence.

use std::fmt::Write as _;
use std::io;

use super::super::escape::Escaped;
use super::super::report::{Report, leaving};
use crate::engine::finding::{CitedConnection, ExpectedNexthop, Finding, LastLegal, Latent, Listed};

/// Writes one line on a finding.
///
/// # Errors
/// When `out` fails.
pub fn write_finding_line(out: &mut impl io::Write, report: &Report, finding: &Finding) -> io::Result<()> {
    let time = finding.first_seen.to_rfc3339(report.time_digits);
    let (verdict, reason) = (finding.verdict.name(), finding.verdict.reason());
    let reason = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    writeln!(out, "{time} {verdict}{reason}: {}", finding_sentence(report, finding))
}

/// Writes one line on a latent entry.
///
/// # Errors
/// When `out` fails.
pub fn write_latent_line(out: &mut impl io::Write, report: &Report, latent: &Latent) -> io::Result<()> {
    writeln!(out, "latent {}: {}", latent.state.name(), latent_sentence(report, latent))
}

/// What is wrong with a flow, without a full stop. Foreign names in it are escaped.
pub fn finding_sentence(report: &Report, finding: &Finding) -> String {
    let mut line = finding.tuple.to_string();
    if let Some(mac) = finding.eth_dst {
        push(&mut line, format_args!(" leaves to {mac}"));
    }
    if let Some(nic) = report.nic_name(finding.nic) {
        push(&mut line, format_args!(" by {}", Escaped(nic)));
    }
    expected(&mut line, &finding.expected);
    for entry in finding.conntrack.iter().filter(|entry| Some(entry.reply_eth) == finding.eth_dst) {
        zone(&mut line, entry);
    }
    left_out(&mut line, finding.conntrack.left_out());
    legal(&mut line, report, finding.last_legal.as_ref());
    line
}

/// What is wrong with a labelled entry, without a full stop. Foreign names in it are escaped.
pub fn latent_sentence(report: &Report, latent: &Latent) -> String {
    let entry = &latent.connection;
    let mut line = format!("{} would leave to {}", leaving(entry), entry.reply_eth);
    expected(&mut line, &latent.expected);
    zone(&mut line, entry);
    legal(&mut line, report, latent.last_legal.as_ref());
    line
}

fn legal(line: &mut String, report: &Report, last: Option<&LastLegal>) {
    if let Some(last) = last {
        let until = last.until.to_rfc3339(report.time_digits);
        push(line, format_args!("; it was next hop {} until {until}", last.nexthop));
    }
}

fn expected(line: &mut String, expected: &Listed<ExpectedNexthop>) {
    for (index, hop) in expected.iter().enumerate() {
        let lead = if index == 0 { "; next hops: " } else { ", " };
        match hop.lladdr {
            Some(mac) => push(line, format_args!("{lead}{} at {mac}", hop.nexthop)),
            None => push(line, format_args!("{lead}{}", hop.nexthop)),
        }
        if hop.state.name() != "active" {
            push(line, format_args!(" ({})", hop.state.name()));
        }
    }
    left_out(line, expected.left_out());
}

/// Says how many members a list does not show.
fn left_out(line: &mut String, left_out: u64) {
    if left_out > 0 {
        push(line, format_args!(" and {left_out} more"));
    }
}

fn zone(line: &mut String, entry: &CitedConnection) {
    push(line, format_args!("; conntrack zone {}", entry.zone));
    if let Some(name) = &entry.zone_name {
        push(line, format_args!(" ({})", Escaped(name)));
    }
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever it is given.
    let _ = line.write_fmt(text);
}
