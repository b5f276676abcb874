//! What the Open_vSwitch database tells of this node (ovs-vswitchd.conf.db(5), ovn-controller(8)).
//!
//! Keys in `Open_vSwitch.external_ids` are read as ovn-controller reads them (lib/ovn-util.c,
//! `get_chassis_external_id_value`): a key with `-` and the chassis' name behind it comes before the plain one, as
//! several controllers may share one vswitchd.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::follow::rows::Rows;
use crate::ovsdb::row::Row;

pub mod sockets;
mod uplinks;

pub use self::uplinks::{Problem, Uplinks};

/// Name of the integration bridge where nothing else is configured.
const DEFAULT_INTEGRATION_BRIDGE: &str = "br-int";

/// This node, as its own Open_vSwitch database describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Name of the chassis: the override that was given, else `external_ids:system-id`.
    pub chassis: Option<Arc<str>>,
    /// `external_ids:hostname`.
    pub hostname: Option<Arc<str>>,
    /// Name of the integration bridge: `external_ids:ovn-bridge`, else br-int.
    pub integration_bridge: Arc<str>,
    /// Datapath of the integration bridge, which is where conntrack entries are.
    pub datapath: DatapathType,
    /// `other_config:hw-offload`. Packets that the NIC forwards by itself are seen by no program on the host.
    pub hw_offload: bool,
    /// `external_ids:ovn-remote`: remotes of the Southbound database, as `ssl:10.0.0.1:6642`.
    pub southbound_remotes: Vec<Arc<str>>,
    /// `external_ids:ovn-bridge-mappings`: the bridges to physical networks.
    pub mappings: Vec<Mapping>,
}

/// Where packets are forwarded (`Bridge.datapath_type`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DatapathType {
    /// In the kernel; conntrack entries are the kernel's.
    System,
    /// In ovs-vswitchd, which has conntrack entries of its own.
    Netdev,
    /// In something that we do not know.
    Other(Arc<str>),
    /// There is no such bridge.
    NoBridge,
}

/// A physical network and the bridge that leads to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Name of the network.
    pub network: Arc<str>,
    /// Name of the bridge.
    pub bridge: Arc<str>,
}

impl Node {
    /// Reads the database; `None` where it has no row of `Open_vSwitch`, as before ovs-vswitchd has first started.
    ///
    /// `chassis` is a name that counts more than `external_ids:system-id`, as ovn-controller has one by its option `-n`
    /// or the file `/etc/ovn/system-id-override`.
    pub fn read(rows: &Rows, chassis: Option<&str>) -> Option<Self> {
        let row = rows.of("Open_vSwitch").next()?;
        let chassis = chassis.or(row.map_text("external_ids", "system-id")).filter(|name| !name.is_empty());
        let value = |key: &str| external_id(row, key, chassis);
        let integration_bridge = value("ovn-bridge").unwrap_or(DEFAULT_INTEGRATION_BRIDGE);
        let remotes = value("ovn-remote").unwrap_or_default().split(',').map(str::trim);
        Some(Self {
            chassis: chassis.map(Arc::from),
            hostname: value("hostname").map(Arc::from),
            integration_bridge: integration_bridge.into(),
            datapath: datapath_type(rows, integration_bridge),
            hw_offload: row
                .map_text("other_config", "hw-offload")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            southbound_remotes: remotes.filter(|remote| !remote.is_empty()).map(Arc::from).collect(),
            mappings: value("ovn-bridge-mappings").map(mappings).unwrap_or_default(),
        })
    }

    /// The NICs by which packets leave for the physical networks: what `-i auto` stands for.
    ///
    /// `lower` gives the devices that a device stands on, as `/sys/class/net/NAME/lower_*` does: the members of a bond,
    /// the parent of a VLAN; none for a NIC. Only the lowest ones are given, for a packet passes each device in turn and
    /// must be counted once.
    pub fn uplinks(&self, rows: &Rows, lower: impl Fn(&str) -> Vec<Arc<str>>) -> Uplinks {
        let bridges: BTreeSet<&str> = self.mappings.iter().map(|mapping| &*mapping.bridge).collect();
        uplinks::of_bridges(rows, bridges, &lower)
    }
}

/// The value of a key, that for the chassis first. An empty one is none.
fn external_id<'a>(row: &'a Row, key: &str, chassis: Option<&str>) -> Option<&'a str> {
    let for_chassis = chassis.and_then(|chassis| row.map_text("external_ids", &format!("{key}-{chassis}")));
    for_chassis.or_else(|| row.map_text("external_ids", key)).filter(|value| !value.is_empty())
}

/// Reads `physnet:br-ex,other:br-other` as ovn-controller does (controller/patch.c, `add_ovs_bridge_mappings`); pairs
/// that lack a half are passed over.
fn mappings(text: &str) -> Vec<Mapping> {
    let pairs = text.split(',').filter_map(|pair| pair.trim().split_once(':'));
    let whole = pairs.filter(|(network, bridge)| !network.is_empty() && !bridge.is_empty());
    whole.map(|(network, bridge)| Mapping { network: network.into(), bridge: bridge.into() }).collect()
}

fn bridge<'a>(rows: &'a Rows, name: &str) -> Option<&'a Arc<Row>> {
    rows.of("Bridge").find(|row| row.text("name") == Some(name))
}

fn datapath_type(rows: &Rows, name: &str) -> DatapathType {
    match bridge(rows, name).map(|row| row.text("datapath_type").unwrap_or_default()) {
        None => DatapathType::NoBridge,
        Some("" | "system") => DatapathType::System,
        Some("netdev") => DatapathType::Netdev,
        Some(other) => DatapathType::Other(other.into()),
    }
}

#[cfg(test)]
mod tests;
