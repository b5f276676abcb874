//! `analyzer replay`: the verdict on captures.

use anyhow::Context;

use super::counting::{count, nic_names};
use super::engine::prepare;
use super::interrupting::Interruptible;
use super::printing::{print, style};
use super::{Status, telling, warn};
use crate::cli::{Format, ReplayArgs};
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
    let reading = Interruptible::listen(&prepared.captures, !args.reading.quiet)?;
    let interruption = reading.interruption();
    let counted = count(&mut prepared.engine, &prepared.captures, &args.reading, Some(interruption))?;
    let interrupted = interruption.has_cut();
    drop(reading);
    let conclusion = prepared.engine.conclude(&counted.by_flow());

    let totals = &counted.totals;
    let mut summary = conclusion.summary;
    summary.packets = totals.packets;
    summary.bytes = totals.bytes;
    summary.uncovered_packets += totals.skipped.not_ip;
    summary.first_seen = totals.span.map(|(first, _)| first);
    summary.last_seen = totals.span.map(|(_, last)| last);
    summary.untracked_packets = totals.untracked_packets;
    summary.unattributed_fragments = totals.unattributed_fragments;
    let skipped = Skipped {
        truncated: totals.skipped.truncated,
        not_ip: totals.skipped.not_ip,
        unparsed: totals.skipped.unparsed + counted.skipped_by_reader.frames,
        lines: prepared.loaded.skipped_lines + counted.skipped_by_reader.lines,
    };

    let mut warnings = prepared.loaded.warnings;
    warnings.extend(counted.warnings.iter().cloned());
    let report = Report {
        findings: conclusion.findings,
        latent: conclusion.latent,
        interrupted,
        summary,
        tells_nexthops: prepared.tells_nexthops,
        skipped,
        warnings,
        files: prepared.captures.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        nic_names: nic_names(&counted),
        time_digits: counted.time_digits(),
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
    Ok(report.answer().into())
}
