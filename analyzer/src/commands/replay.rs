//! `analyzer replay`: the verdict on captures.

use anyhow::Context;

use super::counting::{count, nic_names};
use super::engine::prepare;
use super::printing::{print, style};
use super::{Status, telling, warn};
use crate::cli::{Format, ReplayArgs};
use crate::engine::finding::Summary;
use crate::engine::settings::Settings;
use crate::output::{Report, Skipped, write_json, write_jsonl, write_text};
use crate::sinks::target::Target;

pub(super) fn run(ReplayArgs { inputs, syslog, run: args }: ReplayArgs) -> anyhow::Result<Status> {
    let messages = syslog.config(Target::None)?;
    messages.check().context("cannot send alerts")?;
    let mut prepared = prepare(&inputs, args.paths, Settings::from(&args.judging))?;
    if prepared.captures.is_empty() {
        anyhow::bail!("no capture given: the folder holds dumps only; name a capture, or - for standard input");
    }
    let counted = count(&mut prepared, &args.reading)?;
    let conclusion = prepared.engine.conclude(&counted.by_flow());

    let totals = &counted.totals;
    let mut summary = conclusion.summary;
    summary.packets = totals.packets;
    summary.bytes = totals.bytes;
    summary.uncovered_packets += totals.skipped.not_ip;
    let span = totals.span.filter(|_| !counted.lacks_times);
    summary.first_seen = span.map(|(first, _)| first);
    summary.last_seen = span.map(|(_, last)| last);
    summary.untracked_packets = totals.untracked_packets;
    summary.unattributed_fragments = totals.unattributed_fragments;
    let skipped = Skipped {
        truncated: totals.skipped.truncated,
        not_ip: totals.skipped.not_ip,
        unparsed: totals.skipped.unparsed + counted.skipped_by_reader.frames,
        lines: prepared.loaded.skipped_lines + counted.skipped_by_reader.lines,
    };
    let status = status(&summary, &skipped, prepared.tells_nexthops);

    let mut warnings = prepared.loaded.warnings;
    warnings.extend(counted.warnings.iter().cloned());
    let report = Report {
        findings: conclusion.findings,
        latent: conclusion.latent,
        summary,
        skipped,
        warnings,
        files: prepared.captures.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        nic_names: nic_names(&counted),
        time_digits: counted.time_digits(),
        lacks_times: counted.lacks_times,
        node: args.output.node.clone(),
        status: None,
    };
    if args.output.format != Format::Text {
        warn(&report.warnings);
    }
    let style = style(&args.output);
    print(|out| match args.output.format {
        Format::Text => write_text(out, &report, &style),
        Format::Json => write_json(out, &report),
        Format::Jsonl => write_jsonl(out, &report),
    })?;
    telling::tell(&report, &messages)?;
    Ok(status)
}

/// Absence of data is never conformity: without next hops, or where a packet could not be judged, the run is not fine.
pub(super) fn status(summary: &Summary, skipped: &Skipped, tells_nexthops: bool) -> Status {
    let is_whole = tells_nexthops
        && summary.covered_flows > 0
        && summary.undetermined_flows == 0
        && summary.untracked_packets == 0
        && skipped.truncated == 0
        && skipped.unparsed == 0;
    match (summary.violating_packets, is_whole) {
        (1.., _) => Status::Violation,
        (0, true) => Status::Fine,
        (0, false) => Status::Undetermined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_of_data_is_no_conformity() {
        let fine = Summary { covered_flows: 1, conforming_flows: 1, ..Summary::default() };
        let none = Skipped::default();
        assert_eq!(status(&fine, &Skipped { not_ip: 1, lines: 1, ..none }, true), Status::Fine);
        let undetermined = [
            (Summary { covered_flows: 0, ..fine.clone() }, none, true),
            (Summary { undetermined_flows: 1, ..fine.clone() }, none, true),
            (Summary { untracked_packets: 1, ..fine.clone() }, none, true),
            (fine.clone(), Skipped { truncated: 1, ..none }, true),
            (fine.clone(), Skipped { unparsed: 1, ..none }, true),
            (fine, none, false),
        ];
        for (mut summary, skipped, tells_nexthops) in undetermined {
            assert_eq!(status(&summary, &skipped, tells_nexthops), Status::Undetermined, "{summary:?} {skipped:?}");
            summary.violating_packets = 1;
            assert_eq!(status(&summary, &skipped, tells_nexthops), Status::Violation, "{summary:?} {skipped:?}");
        }
    }
}
