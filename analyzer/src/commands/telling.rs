//! Alerts of a replay: one run of the daemon's, in the captures' own time.

use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep};

use crate::alerts::{Alert, Alerts, Counts, Member, Settings};
use crate::engine::finding::Finding;
use crate::live;
use crate::output::Report;
use crate::sinks::Sinks;
use crate::sinks::config::Config;
use crate::sinks::status::State;

/// How long receivers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A capture ends when it ends: nothing in it says that a flow is healed, and nobody is reminded.
const SETTINGS: Settings =
    Settings { gather: Duration::from_secs(10), remind: Duration::MAX, hold: Duration::MAX, per_minute: 0 };

/// Sends what the daemon would have sent.
///
/// # Errors
/// The settings cannot be used, or a receiver did not take all messages.
pub(super) fn tell(report: &Report, config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        let mut sinks = Sinks::start(config, &live::hooks()).context("cannot send alerts")?;
        let status = sinks.observer();
        let end = Instant::now() + PATIENCE;
        for alert in alerts(report) {
            // A queue takes what there is room for; who is away for so long gets the first of them.
            while status().iter().any(|sink| sink.queued >= config.delivery.queue) && Instant::now() < end {
                sleep(Duration::from_millis(5)).await;
            }
            sinks.send(&alert.into());
        }
        let unsent = sinks.end(PATIENCE).await;
        let status = status();
        let dropped: u64 = status.iter().map(|sink| sink.counts.dropped + sink.counts.too_long).sum();
        let count = unsent.iter().map(|unsent| unsent.alerts.len() as u64).sum::<u64>() + dropped;
        if count == 0 {
            return Ok(());
        }
        let reasons = status.iter().filter_map(|sink| match &sink.state {
            State::Failed { error, .. } => Some(format!("{}: {error}", sink.name)),
            State::Connecting { .. } => Some(format!("{}: no connection came about", sink.name)),
            State::Connected { .. } => None,
        });
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        anyhow::bail!("{count} messages were not delivered within {} s: {reasons}", PATIENCE.as_secs())
    });
    // A name that is not resolved must not hold up the end.
    runtime.shutdown_background();
    told
}

/// The alerts, in order.
fn alerts(report: &Report) -> Vec<Alert> {
    let mut alerts = Alerts::new(SETTINGS);
    let mut told = Vec::new();
    let mut violating: Vec<(&Finding, _)> =
        report.violating().filter_map(|finding| Some((finding, finding.eth_dst?))).collect();
    violating.sort_by_key(|(finding, _)| (finding.first_seen, finding.tuple));
    for (finding, mac) in violating {
        let at = finding.first_seen;
        alerts.tick(false, at);
        told.extend(alerts.poll(report, at));
        alerts.violating(finding, report, at);
        let counts = Counts { packets: finding.packets, bytes: finding.bytes };
        alerts.count(&Member::of_finding(finding), mac, counts, finding.last_seen);
        told.extend(alerts.poll(report, at));
    }
    let end = report.summary.last_seen.unwrap_or_default();
    alerts.end_windows();
    alerts.latent(&report.latent, |_, _| false, report, end);
    let losses = [
        ("packets_truncated", report.skipped.truncated),
        ("packets_malformed", report.skipped.unparsed),
        ("lines_unreadable", report.skipped.lines),
        ("packets_untracked", report.summary.untracked_packets),
        ("findings_not_kept", report.summary.omitted_findings),
    ];
    for (cause, count) in losses {
        alerts.loss(cause, count);
    }
    told.extend(alerts.poll(report, end));
    told
}
