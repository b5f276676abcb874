//! Logical flows that bear on symmetric replies, from rows of SB `Logical_Flow` and from text of `ovn-sbctl lflow-list`.
//!
//! Stages are told by their names, as their numbers change from release to release. Of a stage's flows those are read
//! that ask for `ecmp_reply_port`, and the default flow of `lr_in_arp_resolve`, which every router has: where it is told
//! and no other is, OVN applies no label.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Facts;
use super::history::History;
use super::lines::each_line;
use super::rows::{identified, versions};
use crate::engine::fact::{Fact, Ovn, OvnSays, Policy, PortForm, PortRead, ReplyFlow, Scope};
use crate::ovsdb::file::{Part, Rows};
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::paste::{Kind, Looks, Shape};
use crate::types::{IpPrefix, Validity};

/// The stage that writes the next hop's MAC.
pub(super) const RESOLVES: &str = "lr_in_arp_resolve";
/// The stage that looks up the route.
pub(super) const ROUTES: &str = "lr_in_ip_routing";
/// What flows for symmetric replies ask for.
const PORT: &str = "ecmp_reply_port";

/// Longest line that is read, in bytes: flows of load balancers and address sets are long.
const MAX_LINE: usize = 1 << 20;

/// What is read of a database file.
pub(super) const PARTS: [Part; 2] = [
    Part {
        table: "Logical_Flow",
        columns: &["external_ids", "logical_datapath", "logical_dp_group", "match", "priority"],
        rows: Some(Rows { sign: "match", keeps: is_of_replies }),
    },
    Part { table: "Logical_DP_Group", columns: &["datapaths"], rows: None },
];

/// Whether a new row of `Logical_Flow` may be one that is read, by its JSON.
fn is_of_replies(columns: &Map<String, Value>) -> bool {
    let says = |column: &str, word: &str| columns.get(column).is_some_and(|value| value.to_string().contains(word));
    says("match", PORT) || !columns.contains_key("priority") && says("external_ids", RESOLVES)
}

/// What a logical flow of a router's does, if it bears on symmetric replies.
fn reply_flow(stage: &str, priority: i64, expression: &str) -> Option<ReplyFlow> {
    let asks = expression.contains(PORT);
    match stage {
        RESOLVES | ROUTES if asks => Some(read(stage, expression).unwrap_or(ReplyFlow::Unclear)),
        RESOLVES if priority == 0 => Some(ReplyFlow::Default),
        _ => None,
    }
}

/// Reads a match of the form `ct.rpl && ct_mark.ecmp_reply_port == 2 && ip4.src == 10.244.3.5/32`; `None` where it holds a
/// term that is not known.
fn read(stage: &str, expression: &str) -> Option<ReplyFlow> {
    let (mut of_replies, mut while_learned, mut port, mut end) = (false, false, None, None);
    for term in expression.split("&&").map(str::trim) {
        let (field, value) = term.split_once("==").map_or((term, ""), |(field, value)| (field.trim(), value.trim()));
        match field {
            "ct.rpl" => of_replies = true,
            "reg9[5]" if value == "1" => while_learned = true,
            // The route table, by which the route tells itself.
            "reg7" => {}
            "ct_mark.ecmp_reply_port" => port = Some((PortForm::Mark, value.parse().ok()?)),
            "ct_label.ecmp_reply_port" => port = Some((PortForm::Label, value.parse().ok()?)),
            "ip4.src" | "ip6.src" => end = Some((Policy::SrcIp, value.parse::<IpPrefix>().ok()?)),
            "ip4.dst" | "ip6.dst" => end = Some((Policy::DstIp, value.parse::<IpPrefix>().ok()?)),
            _ => return None,
        }
    }
    let (form, port) = port?;
    let read = PortRead { form, port, of_replies, while_learned };
    match (stage, end) {
        (RESOLVES, None) => Some(ReplyFlow::Resolves(read)),
        (ROUTES, Some((policy, prefix))) => Some(ReplyFlow::Routes { read, policy, prefix }),
        _ => None,
    }
}

fn fact(router: Option<Arc<str>>, flow: ReplyFlow, validity: Validity) -> Option<Fact> {
    // What a flow lacks for is known of a router by name alone.
    let is_told = router.is_some() || flow != ReplyFlow::Default;
    is_told.then_some(Fact::Ovn(Ovn { says: OvnSays::Flow { router, flow }, validity }))
}

/// What a row of `Logical_Flow` does.
fn of_row(row: &Row) -> Option<ReplyFlow> {
    let priority = row.integer("priority").unwrap_or_default();
    reply_flow(row.map_text("external_ids", "stage-name")?, priority, row.text("match")?)
}

/// The facts of the rows of `Logical_Flow`. `name_of` gives the name of the router that a datapath was, by its UUID.
pub(super) fn facts(
    tables: &Tables,
    names_of: impl Fn(&str, Validity) -> Vec<(Option<Arc<str>>, Validity)>,
) -> Vec<Fact> {
    let mut groups: History<&str, Vec<Arc<str>>> = History::default();
    for (uuid, RowVersion { row, validity }) in identified(tables, "Logical_DP_Group") {
        groups.add(uuid, row.texts("datapaths").map(Arc::from).collect(), *validity);
    }
    let mut facts = Vec::new();
    for RowVersion { row, validity } in versions(tables, "Logical_Flow") {
        let Some(flow) = of_row(row) else { continue };
        let own = row.text("logical_datapath").map(|uuid| (vec![Arc::from(uuid)], *validity));
        let group = row.text("logical_dp_group").unwrap_or_default();
        let shared = groups.within(&group, *validity).into_iter();
        let datapaths = own.into_iter().chain(shared.filter_map(|(datapaths, validity)| Some((datapaths?, validity))));
        for (uuids, validity) in datapaths {
            for (router, validity) in uuids.iter().flat_map(|uuid| names_of(uuid, validity)) {
                facts.extend(fact(router, flow.clone(), validity));
            }
        }
    }
    facts
}

/// The facts of a text of `ovn-sbctl lflow-list`:
///
/// ```text
/// Datapath: "GR_worker-08" (34f0d159-892f-4f8b-8b3c-313279b091d3)  Pipeline: ingress
///   table=20(lr_in_arp_resolve  ), priority=200  , match=(ct_mark.ecmp_reply_port == 2), action=(...)
/// ```
///
/// What `grep` leaves of it is read too: flows without a heading are of a router that is not known.
pub fn parse(text: &[u8], file: &Arc<str>) -> Facts {
    let mut facts = Facts::default();
    let mut router: Option<Arc<str>> = None;
    each_line(text, FlowRows, MAX_LINE, |line| match line {
        Ok(line) if line.kind != Kind::Data => {}
        Ok(line) => match line.text.split_once("Datapath:") {
            Some((_, heading)) => router = name_in(heading).map(Arc::from),
            None => {
                let flow = of_line(line.text)
                    .and_then(|(stage, priority, expression)| reply_flow(stage, priority, expression));
                facts.facts.extend(flow.and_then(|flow| fact(router.clone(), flow, Validity::ALWAYS)));
            }
        },
        Err(bad) => facts.lose(file, bad.position(), Scope::Behaviour, bad.to_string()),
    });
    facts
}

/// What lines of lflow-list look like.
struct FlowRows;

impl Shape for FlowRows {
    const BLANKS: bool = true;

    fn begins(&self, line: &str) -> bool {
        let line = line.trim_start();
        line.starts_with("table=") || line.starts_with("Datapath:")
    }

    fn is_whole(&self, line: &str) -> bool {
        let line = line.trim();
        line.starts_with("Datapath:") || of_line(line).is_some() && line.ends_with(')')
    }

    fn may_follow(&self, row: &str, _: &str) -> bool {
        row.trim_start().starts_with("table=")
    }
}

/// What a line is likely to be that may be of any text: those of OpenFlow begin with `table=` too.
pub fn looks(line: &str) -> Option<Looks> {
    if !FlowRows.begins(line) {
        return None;
    }
    match line.split_once("Datapath:") {
        Some(_) => Some(Looks::Heading),
        None => of_line(line).map(|_| Looks::Row),
    }
}

/// The name in ` "GR_worker-08" (34f0d159-...)  Pipeline: ingress`.
fn name_in(heading: &str) -> Option<&str> {
    let name = match heading.trim_start().strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => heading.split_ascii_whitespace().next()?,
    };
    (!name.is_empty()).then_some(name)
}

/// Stage, priority and match of a line.
fn of_line(line: &str) -> Option<(&str, i64, &str)> {
    let (_, rest) = line.split_once("table=")?;
    let (stage, rest) = rest.split_once('(')?.1.split_once(')')?;
    let (priority, rest) = rest.split_once("priority=")?.1.split_once(',')?;
    let (expression, _) = rest.split_once("match=(")?.1.split_once("), action=(")?;
    Some((stage.trim(), priority.trim().parse().ok()?, expression))
}

#[cfg(test)]
mod tests;
