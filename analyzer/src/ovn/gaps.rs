//! What a row that cannot be read may decide.

use super::columns;
use crate::engine::fact::{Policy, Scope};
use crate::ovsdb::row::Row;

/// What a lost row of a table may decide, by what of it can be read; `None` where the table decides nothing.
pub(super) fn scope_of(table: &str, row: &Row) -> Option<Scope> {
    let ip = |column| columns::ip(row, column).ok();
    Some(match table {
        "Logical_Router_Static_Route" => {
            let policy = match row.text("policy") {
                None | Some("" | "dst-ip") => Some(Policy::DstIp),
                Some("src-ip") => Some(Policy::SrcIp),
                Some(_) => None,
            };
            Scope::Routes { router: None, policy, prefix: columns::prefix(row, "ip_prefix").ok() }
        }
        "Learned_Route" => {
            let prefix = columns::prefix(row, "ip_prefix").ok();
            Scope::Routes { router: None, policy: Some(Policy::DstIp), prefix }
        }
        "MAC_Binding" => Scope::Bindings { ip: ip("ip") },
        "Static_MAC_Binding" => Scope::StaticBindings { ip: ip("ip") },
        "BFD" => Scope::Bfd { peer: ip("dst_ip") },
        table => return of_table(table),
    })
}

/// What a lost row of a table may decide of which nothing can be read.
pub(super) fn of_table(table: &str) -> Option<Scope> {
    Some(match table {
        "Logical_Router_Static_Route" | "Learned_Route" => Scope::Routes { router: None, policy: None, prefix: None },
        "MAC_Binding" => Scope::Bindings { ip: None },
        "Static_MAC_Binding" => Scope::StaticBindings { ip: None },
        "BFD" => Scope::Bfd { peer: None },
        "NAT" | "Logical_Router_Policy" => Scope::Policies,
        "Logical_Router" | "Logical_Router_Port" | "Logical_Switch" | "Logical_Switch_Port" | "Port_Binding"
        | "Datapath_Binding" => Scope::Ports,
        "Bridge" => Scope::Zones,
        "SB_Global" | "NB_Global" | "Chassis" | "Logical_Flow" | "Logical_DP_Group" => Scope::Behaviour,
        _ => return None,
    })
}
