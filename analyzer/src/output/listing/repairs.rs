//! Repairs as text.

use std::io;

use crate::output::escape::escaped;
use crate::output::remedy::remedies_in;
use crate::output::repair::RepairRow;
use crate::output::report::leaving;

/// Writes some lines for each entry: the flow, the entry, what was done, and the command that does the same.
///
/// # Errors
/// When `out` fails.
pub fn write_repairs(out: &mut impl io::Write, rows: &[RepairRow]) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No entry to repair.");
    }
    for row in rows {
        let entry = &row.connection;
        let owner = entry.zone_name.as_deref().map_or_else(|| "owner not known".to_owned(), escaped);
        writeln!(out, "{}", leaving(entry))?;
        writeln!(
            out,
            "    zone {} ({owner}), entry {}, says: reply to {} by port {}",
            entry.zone, entry.orig, entry.reply_eth, entry.reply_port
        )?;
        writeln!(out, "    {}", escaped(&row.message))?;
        if let Some(afterwards) = &row.afterwards {
            writeln!(out, "    {afterwards}")?;
        }
        if row.outcome == "would" && !row.assumes.is_empty() {
            writeln!(out, "    taken for granted (docs/verdicts.md): {}", escaped(&row.assumes.join(", ")))?;
        }
        if row.has_remedy() {
            for remedy in remedies_in(entry, row.datapath).flatten() {
                writeln!(out, "    by hand: {}", remedy.command)?;
            }
        }
    }
    let count = |outcome: &str| rows.iter().filter(|row| row.outcome == outcome).count();
    let counts: Vec<String> = ["would", "done", "refused", "failed"]
        .into_iter()
        .map(|outcome| (outcome, count(outcome)))
        .filter(|&(_, count)| count > 0)
        .map(|(outcome, count)| format!("{count} {}", words(outcome)))
        .collect();
    writeln!(out, "{}", counts.join(", "))
}

fn words(outcome: &str) -> &'static str {
    match outcome {
        "would" => "would be changed (--apply does it)",
        "done" => "done",
        "refused" => "left alone",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::escape::is_unprintable;
    use std::time::Duration;

    use crate::engine::verdict::{Undetermined, Verdict, Violating};
    use crate::output::fixtures::repairs;
    use crate::output::repair::Afterwards;

    fn written(rows: &[RepairRow]) -> String {
        let mut out = Vec::new();
        write_repairs(&mut out, rows).expect("memory takes it");
        String::from_utf8(out).expect("text is UTF-8")
    }

    /// Silence is no conformity.
    #[test]
    fn what_comes_afterwards() {
        let eth_dst = "02:00:00:00:01:01".parse().unwrap();
        let seen = |verdict| Afterwards::Seen { eth_dst, verdict };
        for (afterwards, name, words) in [
            (seen(Verdict::Conforming), "conforms", "its next packet left to 02:00:00:00:01:01, and conforms"),
            (
                seen(Verdict::Violating(Violating::UnknownMac)),
                "violating",
                "its next packet left to 02:00:00:00:01:01: still violating (unknown-mac)",
            ),
            (
                seen(Verdict::Undetermined(Undetermined::NexthopUnresolved)),
                "undetermined",
                "its next packet left to 02:00:00:00:01:01, which cannot be judged (nexthop-unresolved)",
            ),
            (seen(Verdict::Grace), "undetermined", "cannot be judged (grace)"),
            (
                Afterwards::NoPacket { watched: Duration::from_millis(1500) },
                "no-packet",
                "no packet of it was seen in 1.5 s: whether it is healed is not known",
            ),
        ] {
            assert_eq!(afterwards.name(), name);
            let row = RepairRow { afterwards: Some(afterwards), ..repairs().remove(3) };
            assert!(written(&[row]).contains(words), "{words}");
        }
    }

    #[test]
    fn each_outcome() {
        let text = written(&repairs());
        assert!(!text.replace('\n', "").contains(is_unprintable), "{text:?}");
        assert!(text.contains("failed: \\u{1b}[2Jevil"), "{text}");
        assert_eq!(text.matches("by hand: conntrack -D -w ").count(), 2, "{text}");
        assert_eq!(text.matches("by hand: ovs-appctl ").count(), 1, "a dump does not tell where it is: {text}");
        assert!(text.ends_with("1 would be changed (--apply does it), 1 done, 1 left alone, 1 failed\n"), "{text}");
        assert_eq!(written(&[]), "No entry to repair.\n");
    }
}
