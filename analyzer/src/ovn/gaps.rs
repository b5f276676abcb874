//! What a row that cannot be read may decide.

use std::sync::Arc;

use super::columns;
use crate::engine::fact::{Gap, Scope};
use crate::ovsdb::row::{LostPart, Row, Tables};
use crate::types::{Place, Validity};

/// What was lost on the way of these tables. Those in `bearing` bear on next hops.
pub(super) fn of_tables(tables: &Tables, file: &Arc<str>, bearing: &[&str]) -> Vec<Gap> {
    let scope = |part: &LostPart| match part {
        LostPart::Row(table) => of_table(table),
        LostPart::End { tables } => {
            Some(Scope::End { bears: tables.is_empty() || tables.iter().any(|name| bearing.contains(&name.as_str())) })
        }
    };
    let gap = |scope, position, from| Gap {
        scope,
        place: Place { file: Arc::clone(file), position },
        validity: Validity { from, until: None },
    };
    tables.lost.iter().filter_map(|lost| Some(gap(scope(&lost.part)?, lost.position, lost.from))).collect()
}

/// What was lost on the way of the tables that name conntrack zones. No next hop hangs on them.
pub(super) fn of_zones(tables: &Tables, file: &Arc<str>) -> Vec<Gap> {
    let lost = of_tables(tables, file, &["Bridge"]);
    let of = |gap: Gap| match gap.scope {
        Scope::End { bears } => {
            let names = bears.then(|| Gap { scope: Scope::Zones, ..gap.clone() });
            [Some(Gap { scope: Scope::End { bears: false }, ..gap }), names]
        }
        _ => [Some(gap), None],
    };
    lost.into_iter().flat_map(of).flatten().collect()
}

/// What a lost row of a table may decide, by what of it can be read; `None` where the table decides nothing.
pub(super) fn scope_of(table: &str, row: &Row) -> Option<Scope> {
    let told = |column| columns::ip(row, column).ok();
    Some(match of_table(table)? {
        // Learned routes have no policy: they are by destination.
        Scope::Routes { router, .. } => {
            let (policy, prefix) = (columns::policy(row).ok(), columns::prefix(row, "ip_prefix").ok());
            Scope::Routes { router, policy, prefix }
        }
        Scope::Bindings { .. } => Scope::Bindings { ip: told("ip") },
        Scope::StaticBindings { .. } => Scope::StaticBindings { ip: told("ip") },
        Scope::Bfd { .. } => Scope::Bfd { peer: told("dst_ip") },
        whole => whole,
    })
}

/// What a lost row of a table may decide of which nothing can be read; `None` where the table decides nothing.
pub fn of_table(table: &str) -> Option<Scope> {
    Some(match table {
        "Logical_Router_Static_Route" | "Learned_Route" => Scope::Routes { router: None, policy: None, prefix: None },
        "MAC_Binding" => Scope::Bindings { ip: None },
        "Static_MAC_Binding" => Scope::StaticBindings { ip: None },
        "BFD" => Scope::Bfd { peer: None },
        "NAT" | "Logical_Router_Policy" => Scope::Policies,
        "Logical_Router"
        | "Logical_Router_Port"
        | "Logical_Switch"
        | "Logical_Switch_Port"
        | "Port_Binding"
        | "Datapath_Binding" => Scope::Ports,
        "Bridge" => Scope::Zones,
        "SB_Global" | "NB_Global" | "Chassis" | "Logical_Flow" | "Logical_DP_Group" => Scope::Behaviour,
        _ => return None,
    })
}
