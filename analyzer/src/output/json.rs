//! JSON for programs: one document, or one object a line. `docs/output.schema.json` is the schema, `docs/output.md`
//! tells what each key means.
//!
//! Keys keep their order and are never left out: what is not known is null, a list without members is empty.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use self::listing::{ConnectionRow, ExplanationView, ListView, NexthopRow, RepairView};
use self::provenance::ListProvenance;
use self::status::StatusView;
use self::total::{ReportsView, TotalView};
use self::view::{FindingView, LatentView, ReportView, SummaryView};
use super::escape::is_unprintable;
use super::repair::RepairRow;
use super::report::Report;
use super::status::Status;
use super::total::NodeEnd;
use crate::engine::finding::{Finding, Latent};
use crate::engine::view::{ConnectionView, Explanation, NexthopView};

mod listing;
mod provenance;
mod status;
mod total;
mod view;

/// Version of the output's schema. A key that is added does not raise it; one that changes its meaning does.
pub const SCHEMA: u32 = 1;

/// Writes one document: `{"schema":1,"type":"report","findings":[..],"latent":[..],"summary":{..}}`.
///
/// # Errors
/// When `out` fails.
pub fn write_json(out: &mut impl io::Write, report: &Report) -> io::Result<()> {
    write_line(out, &ReportView::new(report))
}

/// Writes one object a line: findings, latent entries, a daemon's status, the summary.
///
/// # Errors
/// When `out` fails.
pub fn write_jsonl(out: &mut impl io::Write, report: &Report) -> io::Result<()> {
    for finding in &report.findings {
        write_finding(out, report, finding)?;
    }
    for latent in &report.latent {
        write_latent(out, report, latent)?;
    }
    if let Some(status) = &report.status {
        write_status(out, report, status)?;
    }
    write_line(out, &SummaryView::new(report))
}

/// Writes one document for several nodes: `{"schema":1,"type":"reports","reports":[..],"total":{..}}`.
///
/// # Errors
/// When `out` fails.
pub fn write_reports(out: &mut impl io::Write, reports: &[Report], ends: &[NodeEnd]) -> io::Result<()> {
    write_line(out, &ReportsView::new(reports, ends))
}

/// Writes what several nodes amount to as a line.
///
/// # Errors
/// When `out` fails.
pub fn write_total(out: &mut impl io::Write, ends: &[NodeEnd]) -> io::Result<()> {
    write_line(out, &TotalView::new(ends))
}

/// Writes one finding as a line. `report` tells what lines have in common: the node, the names of NICs, how times look.
///
/// # Errors
/// When `out` fails.
pub fn write_finding(out: &mut impl io::Write, report: &Report, finding: &Finding) -> io::Result<()> {
    write_line(out, &FindingView::new(report, finding))
}

/// Writes one latent entry as a line.
///
/// # Errors
/// When `out` fails.
pub fn write_latent(out: &mut impl io::Write, report: &Report, latent: &Latent) -> io::Result<()> {
    write_line(out, &LatentView::new(report, latent))
}

/// Writes how a daemon is doing as a line.
///
/// # Errors
/// When `out` fails.
pub fn write_status(out: &mut impl io::Write, report: &Report, status: &Status) -> io::Result<()> {
    write_line(out, &StatusView::new(report, status))
}

/// Writes the next-hop sets of nodes: one document `{"schema":1,"type":"nexthops","entries":[..],"provenance":[..]}`, or an
/// object a line.
///
/// # Errors
/// When `out` fails.
pub fn write_nexthops(out: &mut impl io::Write, nodes: &[(Report, Vec<NexthopView>)], lines: bool) -> io::Result<()> {
    let rows = nodes.iter().flat_map(|(report, views)| views.iter().map(move |view| NexthopRow::new(report, view)));
    write_rows(out, "nexthops", rows, nodes.iter().map(|(report, _)| report), lines)
}

/// Writes labelled conntrack entries of nodes: one document `{"schema":1,"type":"connections","entries":[..],..}`, or
/// an object a line.
///
/// # Errors
/// When `out` fails.
pub fn write_connections(
    out: &mut impl io::Write,
    nodes: &[(Report, Vec<ConnectionView>)],
    lines: bool,
) -> io::Result<()> {
    let rows = nodes.iter().flat_map(|(report, views)| views.iter().map(move |view| ConnectionRow::new(report, view)));
    write_rows(out, "connections", rows, nodes.iter().map(|(report, _)| report), lines)
}

/// Writes repairs: one document `{"schema":1,"type":"repairs","entries":[..],"provenance":[..]}`, or an object a line.
///
/// # Errors
/// When `out` fails.
pub fn write_repairs(out: &mut impl io::Write, report: &Report, rows: &[RepairRow], lines: bool) -> io::Result<()> {
    write_rows(out, "repairs", rows.iter().map(|row| RepairView::new(report, row)), [report], lines)
}

/// Writes everything known of one flow, as one document.
///
/// # Errors
/// When `out` fails.
pub fn write_explanation(out: &mut impl io::Write, report: &Report, explanation: &Explanation) -> io::Result<()> {
    write_line(out, &ExplanationView::new(report, explanation))
}

/// Writes entries, and where they come from for each node.
fn write_rows<'a, T: Serialize>(
    out: &mut impl io::Write,
    r#type: &'static str,
    mut rows: impl Iterator<Item = T>,
    nodes: impl IntoIterator<Item = &'a Report>,
    lines: bool,
) -> io::Result<()> {
    let mut provenance = nodes.into_iter().map(ListProvenance::new);
    match lines {
        true => {
            rows.try_for_each(|row| write_line(out, &row))?;
            provenance.try_for_each(|provenance| write_line(out, &provenance))
        }
        false => write_line(out, &ListView::new(r#type, rows.collect(), provenance.collect())),
    }
}

fn write_line(out: &mut impl io::Write, object: &impl Serialize) -> io::Result<()> {
    object.serialize(&mut Serializer::with_formatter(&mut *out, Printable))?;
    out.write_all(b"\n")
}

/// Compact JSON in which unprintable characters are `\u` escapes. serde_json itself escapes only what RFC 8259 section 7
/// demands, which leaves DEL, C1 and bidirectional overrides.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unprintable) {
            let (clean, from) = rest.split_at(at);
            writer.write_all(clean.as_bytes())?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
