//! What a message says.

use std::time::Duration;

use super::alert::{Alert, Field, Kind};
use super::book::End;
use super::cause::{Cause, SAMPLE, Subject};
use super::settings::Settings;
use crate::output::report::Report;
use crate::types::Timestamp;

/// The message of this kind about a cause, as it stands.
pub(super) fn message(cause: &Cause, kind: Kind, report: &Report, settings: &Settings, at: Timestamp) -> Alert {
    let is_single = cause.new == 1 && matches!(kind, Kind::Violation | Kind::Latent);
    let text = match kind {
        Kind::Cleared => cleared(cause, settings),
        Kind::Repeated => repeated(cause, report),
        _ if is_single => cause.account.text.clone(),
        _ => gathered(cause),
    };
    let mut fields = head(cause, report);
    if is_single {
        fields.extend(cause.account.flow.iter().cloned());
        fields.extend(cause.account.nexthops.iter().cloned());
        counts(&mut fields, cause, report);
        fields.extend(cause.account.remedy.iter().cloned());
        fields.extend(cause.account.rest.iter().cloned());
    } else {
        if kind == Kind::Cleared {
            fields.push(field("cleared", how(cause)));
            let ends = cause.ended.iter().map(|(end, count)| field(end.field(), count));
            fields.extend(ends);
        }
        counts(&mut fields, cause, report);
        if cause.flows == 1 {
            fields.extend(cause.account.flow.iter().cloned());
        } else {
            fields.extend(cause.nics.iter().take(SAMPLE).map(|nic| field("nic", nic)));
            fields.extend(cause.sample.iter().map(|member| field("flow", member)));
        }
        fields.extend(cause.account.nexthops.iter().cloned());
        if cause.flows == 1 {
            fields.extend(cause.account.remedy.iter().cloned());
        }
        if kind != Kind::Cleared {
            fields.extend(cause.account.rest.iter().cloned());
        }
    }
    let seen = cause.seen.filter(|_| is_single && kind == Kind::Violation);
    Alert { kind, reason: Some(cause.reason), at, seen, text, fields }
}

fn field(name: &'static str, value: impl ToString) -> Field {
    Field { name, value: value.to_string() }
}

fn head(cause: &Cause, report: &Report) -> Vec<Field> {
    let mut fields = vec![field("id", cause.id()), field("reason", cause.reason), field("eth_dst", cause.mac)];
    fields.extend(report.node.as_deref().filter(|node| !node.is_empty()).map(|node| field("node", node)));
    fields.extend(cause.namespace.as_ref().map(|namespace| field("netns", &namespace.name)));
    fields
}

fn counts(fields: &mut Vec<Field>, cause: &Cause, report: &Report) {
    fields.push(field("flows", cause.flows));
    fields.push(field("new_flows", cause.new));
    fields.push(field("open_flows", cause.members.len()));
    if cause.subject == Subject::Packets {
        fields.push(field("packets", cause.counts.packets));
        fields.push(field("bytes", cause.counts.bytes));
    }
    fields.push(field("since", cause.since.to_rfc3339(report.time_digits)));
    fields.push(field("last_seen", cause.last.to_rfc3339(report.time_digits)));
    if cause.reasons.len() > 1 {
        let reasons: Vec<String> = cause.reasons.iter().map(|(reason, flows)| format!("{reason}={flows}")).collect();
        fields.push(field("reasons", reasons.join(",")));
    }
    // What is stale is found anew by whoever runs it; it changes nothing unless told to.
    fields.push(field("repair", format_args!("analyzer repair --mac {}", cause.mac)));
}

fn gathered(cause: &Cause) -> String {
    let (flows, leave) = match cause.subject {
        Subject::Packets => ("flows", "leave to"),
        Subject::Latent => ("conntrack entries", "would make flows leave to"),
    };
    let more = if cause.is_told { format!("{} more", cause.new) } else { cause.new.to_string() };
    let total = match cause.flows > cause.new {
        true => format!(", {} in all", cause.flows),
        false => String::new(),
    };
    format!("{more} {flows} {leave} {}{total}; one of them: {}", cause.mac, cause.account.text)
}

fn repeated(cause: &Cause, report: &Report) -> String {
    let since = cause.since.to_rfc3339(report.time_digits);
    let open = cause.members.len();
    match (cause.subject, cause.flows) {
        (Subject::Packets, 1) => format!("since {since}: {}", cause.account.text),
        (Subject::Packets, flows) => {
            let packets = cause.counts.packets;
            format!("flows leave to {} since {since}: {open} now, {flows} in all, {packets} packets", cause.mac)
        }
        (Subject::Latent, 1) => format!("since {since}: {}", cause.account.text),
        (Subject::Latent, flows) => {
            format!("conntrack entries hold {} since {since}: {open} now, {flows} in all", cause.mac)
        }
    }
}

fn cleared(cause: &Cause, settings: &Settings) -> String {
    let ends: Vec<String> = cause.ended.iter().map(|(&end, &count)| phrase(end, count, settings.hold)).collect();
    let ends = ends.join(", ");
    match cause.subject {
        Subject::Packets => format!("no flow leaves to {} any more; of {}: {ends}", cause.mac, cause.flows),
        Subject::Latent => format!("no entry holds {} any more; of {}: {ends}", cause.mac, cause.flows),
    }
}

fn phrase(end: End, count: u64, hold: Duration) -> String {
    match end {
        End::Conforming => format!("{count} conform again"),
        End::EntryGone => format!("{count} without the conntrack entry"),
        End::Quiet => format!("{count} quiet for {} s", hold.as_secs()),
        End::Excused => format!("{count} answered by a live router"),
        End::Unused => format!("{count} that OVN no longer applies"),
        End::Seen => format!("{count} with packets by now"),
    }
}

/// How the cause ended, in one stable word.
fn how(cause: &Cause) -> &'static str {
    let mut ends = cause.ended.keys();
    match (ends.next(), ends.next()) {
        (Some(only), None) => only.name(),
        (None, _) => End::Quiet.name(),
        (Some(_), Some(_)) => "mixed",
    }
}
