//! Tables and columns that are read, to be asked of a database server.
//!
//! A server may lack some: `Learned_Route` came with 25.03, `Static_MAC_Binding` with 22.06, columns at other times.
//! Who asks leaves out what the schema does not have; the converters take it for absent.

/// A table and those of its columns that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableColumns {
    /// Name of the table.
    pub table: &'static str,
    /// Names of its columns.
    pub columns: &'static [&'static str],
}

const fn read(table: &'static str, columns: &'static [&'static str]) -> TableColumns {
    TableColumns { table, columns }
}

/// What [`northbound::facts`](crate::ovn::northbound::facts) reads, and `options`, by which
/// [`conditions`](super::conditions) tell this chassis' routers. Of switch ports `Port_Binding` tells all but whether they
/// are disabled.
pub const NORTHBOUND: &[TableColumns] = &[
    read("Logical_Router", &["name", "nat", "options", "policies", "ports", "static_routes"]),
    read(
        "Logical_Router_Static_Route",
        &["bfd", "external_ids", "ip_prefix", "nexthop", "options", "output_port", "policy", "route_table"],
    ),
    read("Logical_Router_Port", &["mac", "name", "networks", "options"]),
    read("NAT", &["external_ip", "logical_ip", "type"]),
    read("Logical_Router_Policy", &["action", "match", "nexthop", "nexthops", "priority"]),
    read("Logical_Switch_Port", &["enabled", "name"]),
    BFD,
    read("Static_MAC_Binding", &["ip", "logical_port", "mac", "override_dynamic_mac"]),
];

/// What [`southbound::facts`](crate::ovn::southbound::facts) reads, and of `Chassis` the `hostname`, by which
/// [`conditions`](super::conditions) tell this chassis' name. Logical flows are asked for once ([`flows`](super::flows)). `BFD`
/// is left out: northd goes by the Northbound status,
/// which follows the Southbound one.
pub const SOUTHBOUND: &[TableColumns] = &[
    read("SB_Global", &["options"]),
    read("Chassis", &["hostname", "name", "other_config"]),
    read("Datapath_Binding", &["external_ids", "type"]),
    read("Port_Binding", &["datapath", "logical_port", "mac", "options", "tunnel_key", "type"]),
    read("Learned_Route", &["datapath", "ip_prefix", "logical_port", "nexthop"]),
    read("MAC_Binding", &["ip", "logical_port", "mac", "timestamp"]),
    read("Static_MAC_Binding", &["ip", "logical_port", "mac", "override_dynamic_mac"]),
];

/// [`SOUTHBOUND`] with `BFD`, for where no Northbound database is followed.
pub const SOUTHBOUND_ALONE: &[TableColumns] =
    &[SOUTHBOUND[0], SOUTHBOUND[1], SOUTHBOUND[2], SOUTHBOUND[3], SOUTHBOUND[4], SOUTHBOUND[5], SOUTHBOUND[6], BFD];

/// What [`zones::facts`](crate::ovn::zones::facts) and [`local`](crate::ovn::local) read.
pub const OPEN_VSWITCH: &[TableColumns] = &[
    read("Open_vSwitch", &["bridges", "external_ids", "other_config"]),
    read("Bridge", &["datapath_type", "external_ids", "name", "ports"]),
    read("Port", &["interfaces", "name"]),
    read("Interface", &["name", "type"]),
];

const BFD: TableColumns = read("BFD", &["dst_ip", "logical_port", "status"]);
