//! The whole story of one flow as text.

use std::io;

use super::columns::write_columns;
use super::connections::write_connections;
use super::{bounds, or_dash};
use crate::engine::finding::{ExpectedNexthop, Finding, KnownAs};
use crate::engine::view::{Explanation, NewFlow, SetView, UnlabelledView};
use crate::output::commands::{Command, Purpose, commands};
use crate::output::escape::escaped;
use crate::output::report::{Report, may_be_older};
use crate::output::text::{OLDER_PACKETS, count};
use crate::output::{names, remedy};
use crate::types::{MacAddr, Timestamp, Validity};

/// Writes what was seen, which entries the flow has, what a new flow would get, and what heals and shows it. `report` holds
/// what it has in common with one.
///
/// # Errors
/// When `out` fails.
pub fn write_explanation(out: &mut impl io::Write, report: &Report, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "{}", explanation.tuple)?;
    if report.interrupted {
        writeln!(out, "Reading was interrupted: this is what is known so far.")?;
    }
    writeln!(out, "\nSeen leaving")?;
    if explanation.seen.is_empty() {
        writeln!(out, "  no packet of the flow is in the captures")?;
    }
    let rows: Vec<[String; 6]> = explanation.seen.iter().map(|finding| seen_row(report, finding)).collect();
    write_columns(out, &rows)?;
    if explanation.seen.iter().any(may_be_older) {
        writeln!(out, "  {OLDER_PACKETS}")?;
    }
    for remark in distinct(explanation.seen.iter().flat_map(|finding| &finding.evidence)) {
        writeln!(out, "  note: {}", escaped(remark))?;
    }

    if !explanation.requests.is_empty() {
        writeln!(out, "\nRequests came in from")?;
        let rows: Vec<[String; 4]> = explanation
            .requests
            .iter()
            .map(|run| {
                let packets = count(run.packets, "packet");
                let [first, last] = [run.first, run.last].map(|at| seen_at(report, at));
                [format!("  {}", run.eth_src), packets, first, last]
            })
            .collect();
        write_columns(out, &rows)?;
    }

    writeln!(out, "\nLabelled conntrack entries of the flow")?;
    write_connections(out, &explanation.connections)?;

    write_unlabelled(out, &explanation.unlabelled)?;
    write_sets(out, &explanation.sets)?;
    write_new_flow(out, &explanation.new_flow)?;

    let of_packets = explanation.seen.iter().filter_map(|seen| Some((seen.eth_dst?, &seen.known_as)));
    let of_labels = explanation.connections.iter().map(|view| (view.connection.reply_eth, &view.known_as));
    let known = of_packets.chain(of_labels).flat_map(|(mac, known)| known.iter().map(move |known| (mac, known)));
    let mut rows: Vec<[String; 5]> = known.map(|(mac, known)| known_row(mac, known)).collect();
    rows.sort();
    rows.dedup();
    if !rows.is_empty() {
        writeln!(out, "\nThese MACs are known as")?;
        write_columns(out, &rows)?;
    }

    let stale = explanation.connections.iter().filter(|view| view.standing.is_stale());
    for (index, remedy) in
        stale.flat_map(|view| remedy::remedies_in(&view.connection, report.datapath)).flatten().enumerate()
    {
        if index == 0 {
            writeln!(out, "\nTo heal this flow and no other")?;
        }
        writeln!(out, "  {} datapath:\n    {}", remedy.datapath.name(), remedy.command)?;
    }
    write_commands(out, &commands(explanation))
}

/// The entries that hold no MAC.
fn write_unlabelled(out: &mut impl io::Write, views: &[UnlabelledView]) -> io::Result<()> {
    if views.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nIts other conntrack entries, which hold no MAC")?;
    let row = |view: &UnlabelledView| {
        let owner = or_dash(view.zone_name.as_deref().map(escaped));
        let mark = format!("mark {}", view.mark);
        [format!("  zone {}", view.zone), owner, mark, format!("orig {}", view.orig), format!("reply {}", view.reply)]
    };
    write_columns(out, &views.iter().map(row).collect::<Vec<_>>())
}

/// The next hops of its route over time.
fn write_sets(out: &mut impl io::Write, sets: &[SetView]) -> io::Result<()> {
    writeln!(out, "\nNext hops that decided")?;
    for set in sets {
        let when = match (set.from, set.until) {
            (None, None) => "all the time that is known".to_owned(),
            (from, until @ Some(_)) => bounds(Validity { from, until }).trim_start().to_owned(),
            (from, None) => format!("the latest,{}", bounds(Validity { from, until: None })),
        };
        writeln!(out, "  {when}")?;
        if set.routes.is_empty() {
            writeln!(out, "    no route that is known")?;
        }
        for route in &set.routes {
            let router = route.router.as_deref().map_or("router not named".to_owned(), escaped);
            writeln!(out, "    {} {} ({router})", names::policy(route.policy), route.prefix)?;
        }
        write_columns(out, &set.expected.iter().map(|hop| hop_row("      ", hop)).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn write_new_flow(out: &mut impl io::Write, new_flow: &NewFlow) -> io::Result<()> {
    writeln!(out, "\nA new flow of these addresses would get")?;
    match new_flow.nexthops.as_slice() {
        [] => writeln!(out, "  none of the next hops")?,
        nexthops => write_columns(out, &nexthops.iter().map(|hop| hop_row("  ", hop)).collect::<Vec<_>>())?,
    }
    new_flow.reasons.iter().try_for_each(|reason| writeln!(out, "  because {}", escaped(reason)))
}

fn hop_row(indent: &str, hop: &ExpectedNexthop) -> [String; 3] {
    [format!("{indent}{}", hop.nexthop), or_dash(hop.lladdr), hop.state.name().to_owned()]
}

fn write_commands(out: &mut impl io::Write, commands: &[Command]) -> io::Result<()> {
    for of_purpose in commands.chunk_by(|a, b| a.purpose == b.purpose) {
        let heading = match of_purpose[0].purpose {
            Purpose::Repair => "The same with a check and a journal; without --apply it only tells what it would do",
            Purpose::Entry => "To see its conntrack entries",
            Purpose::Zones => "To see whose zones they are in",
            Purpose::Routes => "To see the routes",
            Purpose::Bfd => "To see the BFD sessions of next hops that are not up",
            Purpose::Bindings => "To see who has the MACs and the addresses",
        };
        writeln!(out, "\n{heading}")?;
        of_purpose.iter().try_for_each(|command| writeln!(out, "  {}", command.command))?;
    }
    Ok(())
}

fn seen_row(report: &Report, finding: &Finding) -> [String; 6] {
    let verdict = match finding.verdict.reason() {
        Some(reason) => format!("{} {reason}", finding.verdict.name()),
        None => finding.verdict.name().to_owned(),
    };
    [
        format!("  {}", or_dash(finding.eth_dst)),
        verdict,
        count(finding.packets, "packet"),
        count(finding.bytes, "byte"),
        seen_at(report, finding.first_seen),
        seen_at(report, finding.last_seen),
    ]
}

/// When a packet was seen.
fn seen_at(report: &Report, at: Timestamp) -> String {
    report.packet_time(at).unwrap_or_else(|| "time not known".to_owned())
}

fn known_row(mac: MacAddr, known: &KnownAs) -> [String; 5] {
    let owner = known.owner.as_deref().map(escaped);
    let port = known.logical_port.as_deref().map(|port| format!("on {}", escaped(port)));
    let words: Vec<String> = owner.into_iter().chain(port).collect();
    let (from, until) = known.validity.unwrap_or_default();
    let when = bounds(Validity { from, until });
    let source = escaped(&known.source);
    [format!("  {mac}"), source, or_dash(known.ip), words.join(" "), when.trim_start().to_owned()]
}

fn distinct<'a, T: PartialEq>(items: impl Iterator<Item = &'a T>) -> Vec<&'a T> {
    let mut found: Vec<&T> = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::escape::is_unprintable;
    use crate::output::fixtures;

    fn text(explanation: &Explanation) -> String {
        let mut out = Vec::new();
        write_explanation(&mut out, &Report::default(), explanation).expect("memory takes it");
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn each_part_has_its_heading() {
        let text = text(&fixtures::explanation());
        let headings: Vec<&str> = text.split("\n\n").skip(1).filter_map(|part| part.lines().next()).collect();
        let expected = [
            "Seen leaving",
            "Requests came in from",
            "Labelled conntrack entries of the flow",
            "Its other conntrack entries, which hold no MAC",
            "Next hops that decided",
            "A new flow of these addresses would get",
            "These MACs are known as",
            "To heal this flow and no other",
            "The same with a check and a journal; without --apply it only tells what it would do",
            "To see its conntrack entries",
            "To see whose zones they are in",
            "To see who has the MACs and the addresses",
        ];
        assert_eq!(headings, expected, "{text}");
        assert!(!text.replace('\n', "").contains(is_unprintable), "foreign names are escaped");
        assert!(text.contains("\n  Nothing dates the next hops: packets from before"), "{text}");
        assert!(text.contains("\n  because the src-ip route 192.168.16.230/32 of \\u{1b}[2J decides\n"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let mut explanation = fixtures::explanation();
        explanation.seen.clear();
        explanation.connections.clear();
        explanation.unlabelled.clear();
        explanation.sets.truncate(1);
        let set = &mut explanation.sets[0];
        (set.from, set.until) = (None, None);
        set.routes.clear();
        set.expected.clear();
        explanation.new_flow.nexthops.clear();
        let text = text(&explanation);
        for expected in [
            "\n  no packet of the flow is in the captures\n",
            "\nNo labelled conntrack entries.\n",
            "\n  all the time that is known\n    no route that is known\n",
            "\n  none of the next hops\n",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("To heal") && !text.contains("--apply"));
    }
}
