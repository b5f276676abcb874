//! The NICs behind the bridges to physical networks.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bridge;
use crate::ovn::follow::rows::Rows;
use crate::ovsdb::row::Row;

/// Devices that stand on each other at most: a VLAN on a bond on NICs is three.
const MAX_DEPTH: usize = 8;

/// The NICs by which packets leave for the physical networks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uplinks {
    /// Names of the NICs to watch, the lowest devices.
    pub nics: BTreeSet<Arc<str>>,
    /// What cannot be watched, or was not found, and why.
    pub problems: Vec<Problem>,
}

/// Why traffic to a physical network may not be seen.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// No bridge is mapped to a physical network.
    #[error(
        "Open_vSwitch external_ids:ovn-bridge-mappings names no bridge, so the egress NIC is not known; name it with -i"
    )]
    NoMappings,
    /// A bridge that is mapped does not exist.
    #[error("bridge {bridge} of ovn-bridge-mappings does not exist; name the egress NIC with -i")]
    NoBridge {
        /// The bridge.
        bridge: Arc<str>,
    },
    /// A bridge has no port that may be a NIC.
    #[error("bridge {bridge} of ovn-bridge-mappings has no physical port; name the egress NIC with -i")]
    NoNic {
        /// The bridge.
        bridge: Arc<str>,
    },
    /// A NIC that does not pass its packets through the kernel.
    #[error(
        "interface {interface} of bridge {bridge} is of type {interface_type}: its packets pass the kernel's hooks by, so \
         they cannot be watched here"
    )]
    NotObservable {
        /// The bridge.
        bridge: Arc<str>,
        /// The interface.
        interface: Arc<str>,
        /// `Interface.type`.
        interface_type: Arc<str>,
    },
}

/// What an interface of a bridge is to us, by `Interface.type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A network device of the kernel.
    Device,
    /// A NIC that is driven from user space.
    UserSpace,
    /// A way to another bridge, to this host or to a virtual machine, or a tunnel.
    Virtual,
}

fn kind(interface: &Row) -> Kind {
    match interface.text("type").unwrap_or_default() {
        "" | "system" => Kind::Device,
        "dpdk" | "afxdp" | "afxdp-nonpmd" => Kind::UserSpace,
        _ => Kind::Virtual,
    }
}

pub(super) fn of_bridges(rows: &Rows, bridges: BTreeSet<&str>, lower: &dyn Fn(&str) -> Vec<Arc<str>>) -> Uplinks {
    let mut uplinks = Uplinks::default();
    if bridges.is_empty() {
        uplinks.problems.push(Problem::NoMappings);
    }
    for name in bridges {
        match bridge(rows, name) {
            Some(row) => uplinks.add(rows, name, row, lower),
            None => uplinks.problems.push(Problem::NoBridge { bridge: name.into() }),
        }
    }
    uplinks
}

impl Uplinks {
    fn add(&mut self, rows: &Rows, bridge: &str, row: &Row, lower: &dyn Fn(&str) -> Vec<Arc<str>>) {
        let ports = rows.referred(row, "ports", "Port");
        let interfaces = ports.flat_map(|port| rows.referred(port, "interfaces", "Interface"));
        let mut physical: Vec<(&str, Kind, &Row)> = interfaces
            .filter_map(|interface| Some((interface.text("name")?, kind(interface), &**interface)))
            .filter(|&(_, kind, _)| kind != Kind::Virtual)
            .collect();
        // OVN-Kubernetes notes which port is the uplink; a DPU's bridge has a representor of its host beside it.
        let uplink = row.map_text("external_ids", "bridge-uplink");
        if physical.iter().any(|&(name, ..)| Some(name) == uplink) {
            physical.retain(|&(name, ..)| Some(name) == uplink);
        }
        if physical.is_empty() {
            self.problems.push(Problem::NoNic { bridge: bridge.into() });
        }
        for (name, kind, interface) in physical {
            match kind {
                Kind::UserSpace => self.problems.push(Problem::NotObservable {
                    bridge: bridge.into(),
                    interface: name.into(),
                    interface_type: interface.text("type").unwrap_or_default().into(),
                }),
                _ => self.nics.extend(lowest(name.into(), lower)),
            }
        }
    }
}

/// The devices that a device stands on in the end; itself where it stands on none.
fn lowest(device: Arc<str>, lower: &dyn Fn(&str) -> Vec<Arc<str>>) -> BTreeSet<Arc<str>> {
    let mut level = BTreeSet::from([device]);
    for _ in 0..MAX_DEPTH {
        let mut next = BTreeSet::new();
        for device in &level {
            match lower(device) {
                below if below.is_empty() => drop(next.insert(Arc::clone(device))),
                below => next.extend(below),
            }
        }
        if next == level {
            break;
        }
        level = next;
    }
    level
}
