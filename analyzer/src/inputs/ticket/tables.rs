//! Rows of tables in a ticket: which table each is of.

use std::ops::Range;

use hashbrown::HashSet;

use super::lines::Line;
use crate::inputs::load::ECMP_NEXTHOP;
use crate::ovsdb::text::{Sight, sight};
use crate::paste::Kind;

/// A table that is read, the column that no row of it lacks, and the columns of all releases.
struct Table {
    name: &'static str,
    needs: &'static str,
    columns: &'static [&'static str],
}

const TABLES: [Table; 8] = [
    Table {
        name: "MAC_Binding",
        needs: "ip",
        columns: &["_uuid", "datapath", "ip", "logical_port", "mac", "timestamp"],
    },
    Table {
        name: "Static_MAC_Binding",
        needs: "ip",
        columns: &["_uuid", "datapath", "ip", "logical_port", "mac", "override_dynamic_mac"],
    },
    Table {
        name: "Logical_Router_Static_Route",
        needs: "nexthop",
        columns: &[
            "_uuid",
            "bfd",
            "external_ids",
            "ip_prefix",
            "nexthop",
            "options",
            "output_port",
            "policy",
            "route_table",
            "selection_fields",
        ],
    },
    Table {
        name: "Learned_Route",
        needs: "nexthop",
        columns: &["_uuid", "datapath", "external_ids", "ip_prefix", "logical_port", "nexthop"],
    },
    Table {
        name: ECMP_NEXTHOP,
        needs: "nexthop",
        columns: &["_uuid", "datapath", "external_ids", "mac", "nexthop", "port"],
    },
    Table {
        name: "BFD",
        needs: "dst_ip",
        columns: &[
            "_uuid",
            "chassis_name",
            "detect_mult",
            "disc",
            "dst_ip",
            "external_ids",
            "logical_port",
            "min_rx",
            "min_tx",
            "options",
            "src_port",
            "status",
        ],
    },
    Table {
        name: "Port_Binding",
        needs: "logical_port",
        columns: &[
            "_uuid",
            "additional_chassis",
            "additional_encap",
            "chassis",
            "datapath",
            "encap",
            "external_ids",
            "gateway_chassis",
            "ha_chassis_group",
            "logical_port",
            "mac",
            "mirror_port",
            "mirror_rules",
            "nat_addresses",
            "options",
            "parent_port",
            "port_security",
            "requested_additional_chassis",
            "requested_chassis",
            "tag",
            "tunnel_key",
            "type",
            "up",
            "virtual_parent",
        ],
    },
    Table {
        name: "Datapath_Binding",
        needs: "tunnel_key",
        columns: &["_uuid", "external_ids", "load_balancers", "nb_uuid", "tunnel_key", "type"],
    },
];

/// The table of this name, as the clients take it: in any case, with a dash for an underscore.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let plain = name.replace('-', "_");
    TABLES.iter().map(|table| table.name).find(|known| known.eq_ignore_ascii_case(&plain))
}

/// A row or several, under one heading or none.
struct Chunk<'a> {
    lines: Range<usize>,
    columns: HashSet<&'a str>,
    /// What its caption says, if it has one.
    caption: Option<&'a str>,
    has_headings: bool,
}

/// Rows of one table: the lines, and the table where it is one that is read.
pub(super) type Run = (Range<usize>, Option<&'static str>);

/// Takes lines that are rows of tables apart by table. `told` is the table that the command above them lists.
pub(super) fn runs(lines: &[Line], told: Option<&'static str>) -> Vec<Run> {
    let chunks = chunks(lines);
    let mut tables: Vec<Option<&'static str>> = Vec::with_capacity(chunks.len());
    for chunk in &chunks {
        let last = tables.last().copied().flatten();
        tables.push(match chunk.caption {
            Some(caption) => named(caption),
            None if chunk.columns.is_empty() => last.or(told),
            None => table_of(&chunk.columns, told, last),
        });
    }
    // A damaged row may stand before the whole ones, too.
    for at in (1..chunks.len()).rev() {
        let chunk = &chunks[at - 1];
        let is_sure = chunk.caption.is_some() || told.is_some() && tables[at - 1] == told;
        let has_more = |table: &&'static str| {
            may_be_of(&chunk.columns, table)
                && tables[at - 1].is_none_or(|own| has(&chunk.columns, own) <= has(&chunk.columns, table))
        };
        if let (false, Some(table)) = (is_sure, tables[at].filter(has_more)) {
            tables[at - 1] = Some(table);
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for (chunk, table) in chunks.into_iter().zip(tables) {
        match runs.last_mut() {
            Some((lines, last)) if *last == table && chunk.caption.is_none() => lines.end = chunk.lines.end,
            _ => runs.push((chunk.lines, table)),
        }
    }
    runs
}

fn chunks(lines: &[Line]) -> Vec<Chunk<'_>> {
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    let mut is_apart = true;
    for (at, line) in lines.iter().enumerate() {
        if line.kind != Kind::Data {
            is_apart = true;
            continue;
        }
        let next = lines.get(at + 1).map_or("", |next| &next.text);
        let (caption, columns) = match sight(&line.text, next) {
            Some(Sight::Caption(name)) => (Some(name), None),
            Some(Sight::Headings(columns)) => (None, Some((columns, true))),
            Some(Sight::Column(name)) => (None, Some((vec![name], false))),
            _ => (None, None),
        };
        let is_new = match (chunks.last(), &columns) {
            (None, _) => true,
            (Some(_), Some((_, true))) => true,
            (Some(last), Some((columns, false))) => {
                last.has_headings || !last.columns.is_empty() && (is_apart || last.columns.contains(columns[0]))
            }
            (Some(_), None) => caption.is_some(),
        };
        // What stands below a caption is of its table, up to the next.
        let below = |last: &Chunk<'_>| last.caption.is_some() && last.columns.is_empty() && caption.is_none();
        match chunks.last_mut() {
            Some(last) if !is_new || below(last) => last.lines.end = at + 1,
            _ => chunks.push(Chunk { lines: at..at + 1, columns: HashSet::new(), caption, has_headings: false }),
        }
        if let (Some(last), Some((columns, has_headings))) = (chunks.last_mut(), columns) {
            last.columns.extend(columns);
            last.has_headings |= has_headings;
        }
        is_apart = false;
    }
    inherit_captions(&mut chunks);
    chunks
}

/// A caption is that of all rows up to the next one.
fn inherit_captions(chunks: &mut [Chunk<'_>]) {
    let mut caption = None;
    for chunk in chunks {
        match chunk.caption {
            Some(_) => caption = chunk.caption,
            None if !chunk.has_headings => chunk.caption = caption,
            None => caption = None,
        }
    }
}

/// How many of the columns a table has.
fn known(columns: &HashSet<&str>, table: &Table) -> usize {
    table.columns.iter().filter(|column| columns.contains(**column)).count()
}

/// How many of the columns the table of this name has.
fn has(columns: &HashSet<&str>, name: &str) -> usize {
    TABLES.iter().find(|table| table.name == name).map_or(0, |table| known(columns, table))
}

/// The table that rows of these columns are of. Where it is not sure, it is that of the command, or that of the rows before.
fn table_of(columns: &HashSet<&str>, told: Option<&'static str>, last: Option<&'static str>) -> Option<&'static str> {
    let fits = |table: &&Table| columns.contains(table.needs) && known(columns, table) * 2 > columns.len();
    // Of tables that fit alike, the first counts.
    let best = TABLES.iter().filter(fits).rev().max_by_key(|table| known(columns, table));
    let most = best.map_or(0, |table| known(columns, table));
    let holds_as_many = |name: &&'static str| {
        let table = TABLES.iter().find(|table| table.name == *name);
        table.is_some_and(|table| known(columns, table) >= most && may_be_of(columns, name))
    };
    told.filter(holds_as_many).or_else(|| last.filter(holds_as_many)).or(best.map(|table| table.name))
}

/// Whether rows of these columns may be of a table, though one or the other cannot be read.
fn may_be_of(columns: &HashSet<&str>, name: &str) -> bool {
    TABLES.iter().any(|table| table.name == name && known(columns, table) * 2 > columns.len())
}

/// The table of columns by themselves.
pub(super) fn of_columns(columns: &[&str], told: Option<&'static str>) -> Option<&'static str> {
    table_of(&columns.iter().copied().collect(), told, None)
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    fn split(text: &str, told: Option<&'static str>) -> Vec<(usize, usize, Option<&'static str>)> {
        let lines = Lines::new(text.as_bytes());
        let lines = lines.undecorated(&(0..lines.len()));
        runs(&lines, told).into_iter().map(|(lines, table)| (lines.start + 1, lines.end, table)).collect()
    }

    const BINDING: &str = "_uuid : x\nip : \"1.1.1.1\"\nmac : \"02:00:00:00:00:01\"\nlogical_port : p\n";
    const PORT: &str = "_uuid : x\nlogical_port : p\nmac : []\ntunnel_key : 1\ntype : patch\n";

    #[test]
    fn rows_by_their_columns() {
        let bindings = Some("MAC_Binding");
        assert_eq!(split(&format!("{BINDING}\n{BINDING}"), None), [(1, 9, bindings)]);
        assert_eq!(split(&format!("{BINDING}\n{PORT}"), None), [(1, 4, bindings), (6, 10, Some("Port_Binding"))]);
        assert_eq!(
            split(&format!("{BINDING}{BINDING}"), Some("Static_MAC_Binding")),
            [(1, 8, Some("Static_MAC_Binding"))]
        );
        let learned = "_uuid : x\ndatapath : y\nexternal_ids : {}\nip_prefix : \"10.0.0.0/8\"\nlogical_port : z\nnexthop : \"1.1.1.1\"\n";
        let monitored = "_uuid : x\nmac : \"02:00:00:00:00:01\"\nnexthop : \"1.1.1.1\"\nport : z\n";
        let configured =
            "_uuid : x\nbfd : []\nip_prefix : \"10.0.0.0/8\"\nnexthop : \"1.1.1.1\"\noptions : {}\npolicy : src-ip\n";
        assert_eq!(
            split(&format!("{configured}\n{learned}\n{monitored}"), None),
            [
                (1, 6, Some("Logical_Router_Static_Route")),
                (8, 13, Some("Learned_Route")),
                (15, 18, Some("ECMP_Nexthop"))
            ]
        );
        assert_eq!(split("_uuid : x\nhostname : w\nname : w\nexternal_ids : {}\n", None), [(1, 4, None)]);
        assert_eq!(split("Severity : high\n", None), [(1, 1, None)]);
    }

    /// It tells less than it should, but nothing of another table.
    #[test]
    fn a_damaged_row_is_of_the_rows_around_it() {
        let damaged = BINDING.replace("ip :", "i p :");
        for text in [format!("{BINDING}\n{damaged}\n{BINDING}"), format!("{damaged}\n{BINDING}\n{BINDING}")] {
            let runs = split(&text, None);
            assert!(runs.iter().all(|run| run.2 == Some("MAC_Binding")), "{runs:?}");
        }
    }

    #[test]
    fn captions_and_headings() {
        let text = "MAC_Binding table\n_uuid ip mac\n----- ---------- ---\nx     \"1.1.1.1\" y\n\nChassis table\n_uuid name\n----- ----\nx     y\n";
        assert_eq!(split(text, None), [(1, 4, Some("MAC_Binding")), (6, 9, None)]);
        assert_eq!(split("_uuid,dst_ip,status\nx,1.1.1.1,up\n", None), [(1, 2, Some("BFD"))]);
    }

    #[test]
    fn names_of_tables() {
        assert_eq!(named("mac-binding"), Some("MAC_Binding"));
        assert_eq!(named("Chassis"), None);
    }
}
