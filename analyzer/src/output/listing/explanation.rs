//! The whole story of one flow as text.

use std::io;

use super::columns::write_columns;
use super::connections::write_connections;
use super::or_dash;
use crate::engine::finding::{Finding, KnownAs};
use crate::engine::view::{Explanation, Standing};
use crate::output::escape::escaped;
use crate::output::{names, remedy};

/// Writes what was seen, which entries the flow has, what a new flow would get, and what heals.
///
/// # Errors
/// When `out` fails.
pub fn write_explanation(out: &mut impl io::Write, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "{}", explanation.tuple)?;
    writeln!(out, "\nSeen leaving")?;
    if explanation.seen.is_empty() {
        writeln!(out, "  no packet of the flow is in the captures")?;
    }
    let rows: Vec<[String; 6]> = explanation.seen.iter().map(seen_row).collect();
    write_columns(out, &rows)?;
    for remark in distinct(explanation.seen.iter().flat_map(|finding| &finding.evidence)) {
        writeln!(out, "  note: {}", escaped(remark))?;
    }

    if !explanation.requests.is_empty() {
        writeln!(out, "\nRequests came in from")?;
        let rows: Vec<[String; 4]> = explanation
            .requests
            .iter()
            .map(|run| {
                let packets = format!("{} packets", run.packets);
                [format!("  {}", run.eth_src), packets, run.first.to_string(), run.last.to_string()]
            })
            .collect();
        write_columns(out, &rows)?;
    }

    writeln!(out, "\nLabelled conntrack entries of the flow")?;
    write_connections(out, &explanation.connections)?;

    writeln!(out, "\nA new flow of these addresses would be decided by")?;
    if explanation.routes.is_empty() {
        writeln!(out, "  no route that is known")?;
    }
    for route in &explanation.routes {
        let router = route.router.as_deref().map_or("router not named".to_owned(), escaped);
        writeln!(out, "  {} {} ({router})", names::policy(route.policy), route.prefix)?;
    }
    let rows: Vec<[String; 3]> = explanation
        .expected
        .iter()
        .map(|hop| [format!("    {}", hop.nexthop), or_dash(hop.lladdr), hop.state.name().to_owned()])
        .collect();
    write_columns(out, &rows)?;

    let known: Vec<&KnownAs> = distinct(
        explanation
            .seen
            .iter()
            .flat_map(|finding| &finding.known_as)
            .chain(explanation.connections.iter().flat_map(|view| &view.known_as)),
    );
    if !known.is_empty() {
        writeln!(out, "\nThese MACs are known as")?;
        let rows: Vec<[String; 3]> = known.into_iter().map(known_row).collect();
        write_columns(out, &rows)?;
    }

    let stale = explanation.connections.iter().filter(|view| view.standing == Standing::Stale);
    for (index, remedy) in stale.flat_map(|view| remedy::remedies(&view.connection)).flatten().enumerate() {
        if index == 0 {
            writeln!(out, "\nTo heal this flow and no other")?;
        }
        writeln!(out, "  {} datapath:\n    {}", remedy.datapath.name(), remedy.command)?;
    }
    Ok(())
}

fn seen_row(finding: &Finding) -> [String; 6] {
    let verdict = match finding.verdict.reason() {
        Some(reason) => format!("{} {reason}", finding.verdict.name()),
        None => finding.verdict.name().to_owned(),
    };
    [
        format!("  {}", or_dash(finding.eth_dst)),
        verdict,
        format!("{} packets", finding.packets),
        format!("{} bytes", finding.bytes),
        finding.first_seen.to_string(),
        finding.last_seen.to_string(),
    ]
}

fn known_row(known: &KnownAs) -> [String; 3] {
    let owner = known.owner.as_deref().map(escaped);
    let port = known.logical_port.as_deref().map(|port| format!("on {}", escaped(port)));
    let words: Vec<String> = owner.into_iter().chain(port).collect();
    [format!("  {}", escaped(&known.source)), or_dash(known.ip), words.join(" ")]
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
