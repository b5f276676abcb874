//! The next-hop set as text.

use std::io;

use super::columns::write_columns;
use super::{bounds, or_dash};
use crate::engine::view::{BindingView, NexthopView};
use crate::output::escape::escaped;
use crate::output::names;

/// Writes each route with its next hops, and all evidence for their MACs. `gaps` is how many parts of the input that may
/// tell of them could not be read.
///
/// # Errors
/// When `out` fails.
pub fn write_nexthops(out: &mut impl io::Write, views: &[NexthopView], gaps: usize) -> io::Result<()> {
    for (index, route) in views.chunk_by(|a, b| a.route == b.route).enumerate() {
        let Some(head) = route.first() else { continue };
        if index > 0 {
            writeln!(out)?;
        }
        let router = head.route.router.as_deref().map_or("router not named".to_owned(), escaped);
        let table = match &*head.route.route_table {
            "" => String::new(),
            table => format!(", table {}", escaped(table)),
        };
        let symmetric = if head.symmetric_reply { ", symmetric reply" } else { "" };
        writeln!(out, "{} {} ({router}{table}{symmetric})", names::policy(head.route.policy), head.route.prefix)?;
        let rows: Vec<[String; 5]> = route.iter().flat_map(rows).collect();
        write_columns(out, &rows)?;
    }
    if views.is_empty() {
        writeln!(out, "No next hops are known.")?;
    }
    match gaps {
        0 => Ok(()),
        1 => writeln!(out, "\nNot read: 1 part of the input, so this may lack next hops, or what is new of them."),
        parts => {
            writeln!(out, "\nNot read: {parts} parts of the input, so this may lack next hops, or what is new of them.")
        }
    }
}

/// A row for each MAC of a next hop, and one for each piece of evidence.
fn rows(view: &NexthopView) -> Vec<[String; 5]> {
    let nexthop = view.nexthop.map_or("discard".to_owned(), |ip| ip.to_string());
    let key = view.port_key.map_or(String::new(), |key| format!(" (key {key})"));
    let port = view.output_port.as_deref().map_or(String::new(), |port| format!("{}{key}", escaped(port)));
    let bfd = view.bfd.map_or(String::new(), |state| format!(", BFD {state}"));
    let told = format!("[{}{}]", names::route_source(view.source), bounds(view.validity));
    let mut rows: Vec<[String; 5]> = view
        .expected
        .iter()
        .map(|expected| {
            let state = format!("{}{bfd}", expected.state.name());
            [format!("  {nexthop}"), or_dash(expected.lladdr), state, port.clone(), told.clone()]
        })
        .collect();
    if rows.is_empty() {
        rows.push([format!("  {nexthop}"), String::new(), String::new(), port, told]);
    }
    rows.extend(view.evidence.iter().map(evidence_row));
    rows
}

fn evidence_row(binding: &BindingView) -> [String; 5] {
    let confirmed = binding.confirmed.map_or(String::new(), |time| format!("confirmed {time}"));
    let port = binding.logical_port.as_deref().map_or(String::new(), escaped);
    let told = format!("[{}{}]", binding.source, bounds(binding.validity));
    [String::new(), or_dash(binding.mac), confirmed, port, told]
}
