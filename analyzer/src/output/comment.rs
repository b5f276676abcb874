//! A finding in one line: what a recorded frame of its flow is commented with.

use std::fmt::Write as _;

use super::escape::Escaped;
use crate::engine::finding::{CitedConnection, ExpectedNexthop, Finding};
use crate::engine::label::label_text;
use crate::engine::verdict::Verdict;

/// Next hops and entries that are named at most. How many more there are is told.
const SHOWN: usize = 4;

/// Verdict and reason.
pub fn short(verdict: Verdict) -> String {
    let reason = verdict.reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    format!("{}{reason}", verdict.name())
}

/// Verdict, reason, the MACs that would be right, and the conntrack entries that bear on it.
pub fn comment(finding: &Finding) -> String {
    let mut text = short(finding.verdict);
    let expected = finding.expected.iter().map(|ExpectedNexthop { nexthop, lladdr, state }| {
        let lladdr = lladdr.map_or_else(|| "no MAC".to_owned(), |lladdr| lladdr.to_string());
        format!("{lladdr} ({nexthop}, {})", state.name())
    });
    list(&mut text, "expected", ", ", expected, finding.expected.left_out());
    let entries = finding.conntrack.iter().map(|entry| {
        let CitedConnection { zone, zone_name, label, mark, reply_eth, reply_port, .. } = entry;
        let owner = zone_name.as_deref().map(|name| format!(" ({})", Escaped(name))).unwrap_or_default();
        let label = label_text(*label);
        format!("zone {zone}{owner}, mark {mark}, label {label}: reply to {reply_eth} by port {reply_port}")
    });
    list(&mut text, "conntrack", "; ", entries, finding.conntrack.left_out());
    text
}

fn list(text: &mut String, name: &str, between: &str, all: impl ExactSizeIterator<Item = String>, left_out: u64) {
    let more = left_out + all.len().saturating_sub(SHOWN) as u64;
    let shown: Vec<String> = all.take(SHOWN).collect();
    if shown.is_empty() {
        return;
    }
    // To write to memory does not fail.
    let _ = write!(text, "; {name} {}", shown.join(between));
    if more > 0 {
        let _ = write!(text, "{between}{more} more");
    }
}

#[cfg(test)]
mod tests {
    use crate::output::fixtures;

    #[test]
    fn a_finding_in_a_line() {
        let findings = [fixtures::incident(), fixtures::hostile()].map(|report| report.findings);
        let comments: Vec<String> = findings.iter().flatten().map(super::comment).collect();
        for comment in &comments {
            assert!(!comment.contains('\n'), "{comment}");
        }
        let stale = comments.iter().find(|comment| comment.starts_with("violating stale-conntrack")).unwrap();
        assert!(stale.contains("; expected ") && stale.contains("; conntrack zone "), "{stale}");
        assert!(stale.contains(": reply to "), "{stale}");
    }
}
