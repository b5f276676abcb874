//! `analyzer replay`: the verdict on captures.

use std::io::Write;

use anyhow::Context;

use super::counting::{count, nic_names};
use super::engine::prepare;
use super::interrupting::{Reading, SO_FAR};
use super::nodes::{self, Node};
use super::printing::{print, style};
use super::{Status, message, telling, warn};
use crate::cli::{Format, OutputArgs, ReadingArgs, ReplayArgs, RunArgs};
use crate::engine::settings::Settings;
use crate::output::total::{self, NodeAnswer, NodeEnd};
use crate::output::{Report, Skipped, json, write_json, write_jsonl, write_text};
use crate::sinks::config::Config;
use crate::sinks::target::Target;

pub(super) fn run(ReplayArgs { inputs, syslog, run: args }: ReplayArgs) -> anyhow::Result<Status> {
    let messages = syslog.config(Target::None)?;
    messages.check().context("cannot send alerts")?;
    let RunArgs { output, reading, judging, paths } = args;
    let mut signals = Reading::listen(&inputs, (!reading.quiet).then_some(SO_FAR))?;
    let nodes = nodes::of(inputs, &output.node, paths)?;
    let judge = |node, signals: &mut Reading| judged(node, &reading, &output, Settings::from(&judging), signals);
    if nodes.len() > 1 {
        return several(nodes, &output, &messages, signals, judge);
    }
    nodes::each(nodes, |node| {
        let report = judge(node, &mut signals)?;
        write(&report, &output)?;
        telling::tell(&report, &messages)?;
        Ok(report.answer().into())
    })
}

/// Judges nodes one by one, and says what they amount to.
fn several(
    nodes: Vec<Node>,
    output: &OutputArgs,
    messages: &Config,
    mut signals: Reading,
    judge: impl Fn(Node, &mut Reading) -> anyhow::Result<Report>,
) -> anyhow::Result<Status> {
    let heading = nodes::Heading::new(&nodes);
    let (mut ends, mut reports) = (Vec::new(), Vec::new());
    let status = nodes::each(nodes, |node| {
        let name = node.name.clone().unwrap_or_default();
        // One who says stop means all of them.
        if signals.is_over() {
            ends.push(NodeEnd { node: name, result: Err("not read: interrupted".to_owned()) });
            return Ok(Status::Undetermined);
        }
        let report = match judge(node, &mut signals) {
            Ok(report) => report,
            Err(error) => {
                ends.push(NodeEnd { node: name, result: Err(message(&error)) });
                return Err(error);
            }
        };
        ends.push(NodeEnd { node: name, result: Ok(NodeAnswer::of(&report)) });
        if output.format == Format::Text {
            print(|out| heading.write(out, report.node.as_deref()))?;
        }
        if output.format != Format::Json {
            write(&report, output)?;
        }
        telling::tell(&report, messages)?;
        let status = report.answer().into();
        if output.format == Format::Json {
            reports.push(report);
        }
        Ok(status)
    })?;
    print(|out| match output.format {
        Format::Text => {
            writeln!(out)?;
            total::write_total(out, &ends)
        }
        Format::Json => json::write_reports(out, &reports, &ends),
        Format::Jsonl => json::write_total(out, &ends),
    })?;
    Ok(status)
}

fn write(report: &Report, output: &OutputArgs) -> anyhow::Result<()> {
    if output.format != Format::Text {
        warn(&report.warnings);
    }
    let style = style(output);
    print(|out| match output.format {
        Format::Text => write_text(out, report, &style),
        Format::Json => write_json(out, report),
        Format::Jsonl => write_jsonl(out, report),
    })
}

/// The report on one node.
fn judged(
    Node { name, inputs, paths }: Node,
    reading: &ReadingArgs,
    output: &OutputArgs,
    settings: Settings,
    signals: &mut Reading,
) -> anyhow::Result<Report> {
    let mut prepared = prepare(&inputs, paths, settings)?;
    if prepared.captures.is_empty() {
        let lost = prepared.loaded.lost_captures.first();
        let why = lost.map_or(String::new(), |warning| format!("; {warning}"));
        anyhow::bail!(
            "no capture given: what was given holds dumps only; name a capture, or - for standard input{why}"
        );
    }
    let counted = count(&mut prepared, reading, Some(signals.interruption()))?;
    let interrupted = signals.end();
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
        unparsed: totals.skipped.unparsed
            + counted.skipped_by_reader.frames
            + prepared.loaded.lost_captures.len() as u64,
        lines: prepared.loaded.skipped_lines + counted.skipped_by_reader.lines,
        // Where reading was ended from outside, the captures go on.
        ends: if interrupted { 0 } else { counted.skipped_by_reader.ends },
    };

    let (provenance, files) = (prepared.provenance(&counted.files, output), prepared.files());
    let mut warnings = prepared.loaded.warnings;
    warnings.extend(counted.warnings.iter().cloned());
    Ok(Report {
        findings: conclusion.findings,
        latent: conclusion.latent,
        interrupted,
        summary,
        tells_nexthops: prepared.tells_nexthops,
        skipped,
        warnings,
        files,
        nic_names: nic_names(&counted),
        time_digits: counted.time_digits(),
        lacks_times: counted.lacks_times,
        node: name,
        status: None,
        provenance,
        datapath: None,
    })
}
