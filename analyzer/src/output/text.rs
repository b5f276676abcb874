//! Text for people, to be pasted into a ticket: the verdict on the run first, then the evidence, then the commands that
//! heal, then what conformed and what was lost.

use std::io;

use self::case::Item;
use self::headline::headline;
use self::layout::Page;
pub use self::layout::Style;
pub use self::line::{finding_sentence, latent_sentence, write_finding_line, write_latent_line};
pub use self::sources::write_provenance;
pub(super) use self::words::{OLDER_PACKETS, count, grouped};
use super::answer::Answer;
use super::escape::Escaped;
use super::report::Report;
use crate::engine::finding::Assumes;
use crate::types::Timestamp;

mod assumed;
mod case;
mod group;
mod headline;
mod layout;
mod line;
mod sources;
mod words;

/// Warnings shown. The summary of JSON has them all.
const WARNINGS: usize = 20;

/// Writes the report as text.
///
/// # Errors
/// When `out` fails.
pub fn write_text(out: &mut impl io::Write, report: &Report, style: &Style) -> io::Result<()> {
    let mut page = Page::new(out, *style);
    page.head(&headline(report), report.answer() == Answer::Violating)?;
    let findings = report.findings.iter().map(Item::Finding);
    let latent = report.latent.iter().map(Item::Latent);
    let common = assumed::common(report);
    for group in group::groups(findings).iter().chain(&group::groups(latent)) {
        group.write(&mut page, report, &common)?;
    }
    nexthops(&mut page, report)?;
    notes(&mut page, report, &common)?;
    warnings(&mut page, report)?;
    write_provenance(out, &report.provenance)
}

/// What conformed, by next hop.
fn nexthops(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let counts = &report.summary.nexthops;
    if counts.is_empty() {
        return Ok(());
    }
    page.section("Conforming packets by next hop")?;
    let rows: Vec<_> = counts
        .iter()
        .map(|counted| {
            let nexthops: Vec<_> = counted.nexthops.iter().map(ToString::to_string).collect();
            [
                counted.lladdr.to_string(),
                nexthops.join(" "),
                count(counted.packets, "packet"),
                count(counted.bytes, "byte"),
            ]
        })
        .collect();
    page.table(2, &rows)
}

/// What is to be known of the input and of what was lost on the way.
fn notes(page: &mut Page<'_>, report: &Report, common: &Assumes) -> io::Result<()> {
    let summary = &report.summary;
    let time = |at: Timestamp| at.to_rfc3339(report.time_digits);
    page.section("Notes")?;
    let mut note = |text: String| page.bullet(&text);

    let node = report.node.as_deref().map(|node| format!(" on {}", Escaped(node))).unwrap_or_default();
    let span = match (summary.first_seen, summary.last_seen) {
        (Some(first), Some(last)) => format!(", {} to {}", time(first), time(last)),
        _ => String::new(),
    };
    note(format!("Seen{node}: {} of {}{span}.", count(summary.packets, "packet"), count(summary.flows, "flow")))?;
    note(match summary.history {
        Some(start) => format!("The history of next hops starts at {}.", time(start)),
        None => "No history of next hops: what the dumps tell is taken to hold for the whole capture.".to_owned(),
    })?;
    assumed::note(common).map_or(Ok(()), &mut note)?;
    if summary.info_flows > 0 {
        note(format!("{} worth knowing of, without being wrong.", count(summary.info_flows, "flow")))?;
    }
    if summary.grace_packets > 0 {
        note(format!("{} left within the grace period after a change.", count(summary.grace_packets, "packet")))?;
    }
    if summary.uncovered_packets > 0 {
        note(format!("{} that no known route decides.", count(summary.uncovered_packets, "packet")))?;
    }
    if summary.latent_unused > 0 {
        let entries = match summary.latent_unused {
            1 => "1 conntrack entry holds".to_owned(),
            entries => format!("{} conntrack entries hold", grouped(entries)),
        };
        note(format!("{entries} a MAC that is no current next hop, to no effect."))?;
    }
    let skipped = &report.skipped;
    let passed_over: Vec<_> = [
        (skipped.truncated, "frame", " cut too short"),
        (skipped.not_ip, "frame", " without IP"),
        (skipped.unparsed, "frame", " that cannot be read"),
        (skipped.lines, "line", " of other inputs"),
        (skipped.ends, "torn end", " of captures"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, what, how)| count(number, what) + how)
    .collect();
    if !passed_over.is_empty() {
        note(format!("Passed over: {}.", passed_over.join(", ")))?;
    }
    if summary.evicted_flows > 0 {
        let flows = count(summary.evicted_flows, "flow");
        note(format!(
            "{flows} without a violation counted but not kept, because the flow table was full (--max-flows)."
        ))?;
    }
    if summary.untracked_packets > 0 {
        let packets = count(summary.untracked_packets, "packet");
        note(format!("{packets} not judged, because the flow table was full (--max-flows)."))?;
    }
    if summary.omitted_findings > 0 {
        let findings = count(summary.omitted_findings, "finding");
        note(format!("{findings} counted but not kept, because there were too many (--max-findings)."))?;
    }
    if summary.unattributed_fragments > 0 {
        let fragments = count(summary.unattributed_fragments, "later fragment");
        note(format!("{fragments} judged without ports, as the first fragment was not seen."))?;
    }
    if summary.ignored_neighbours > 0 {
        let frames = count(summary.ignored_neighbours, "frame");
        note(format!("{frames} of neighbours not listened to: the address changed its MAC too often."))?;
    }
    if summary.estimated {
        note("Numbers of flows are estimates from samples; packets are counted.".to_owned())?;
    }
    if let Some(status) = &report.status {
        for source in status.sources.iter().filter(|source| source.state != "synchronised") {
            let why = source.error.as_deref().map(|why| format!(": {}", Escaped(why))).unwrap_or_default();
            note(format!("Source {} ({}) is {}{why}.", source.name, Escaped(&source.place), source.state))?;
        }
        for loss in status.losses.iter().filter(|loss| loss.count > 0) {
            note(format!("Lost: {} {}.", grouped(loss.count), loss.name.replace('_', " ")))?;
        }
    }
    if summary.unsplit_epochs > 0 {
        let changes = count(summary.unsplit_epochs, "change");
        note(format!("{changes} of the next hops not told apart in time: there were too many."))?;
    }
    Ok(())
}

fn warnings(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if report.warnings.is_empty() {
        return Ok(());
    }
    page.section("Warnings")?;
    for warning in report.warnings.iter().take(WARNINGS) {
        page.bullet(&Escaped(&warning.to_string()).to_string())?;
    }
    match report.warnings.len().saturating_sub(WARNINGS) {
        0 => Ok(()),
        more => page.bullet(&format!("... and {} more (--format json has them all)", grouped(more as u64))),
    }
}

#[cfg(test)]
mod tests;
