//! The parts of a node.

use std::net::IpAddr;

use analyzer::netlink::link::Link;
use analyzer::types::{IpPrefix, MacAddr, Tuple};

use super::happening::Ns;

pub(super) const MILLISECOND: Ns = 1_000_000;
pub(super) const SECOND: Ns = 1_000 * MILLISECOND;

/// Tunnel key of the outer port of each router.
pub(super) const OUTER_KEY: u16 = 2;

/// How OVN commits labels: the eras of its releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Era {
    /// The first packet of the client's, for the entry's life.
    A,
    /// A flow that is learned from each packet of the client's, for 30 s at most.
    B,
    /// Each packet of the client's; TCP, UDP and SCTP only.
    C,
    /// The same, any protocol.
    D,
    /// Packets of both directions are tracked: the first answer to a pod labels.
    E,
    /// The first packet of the pod's labels as well.
    F,
}

/// A release of OVN, and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Version {
    /// `northd_internal_version`.
    pub(crate) release: &'static str,
    pub(crate) era: Era,
    /// Port key in the mark, not in the label. The chassis say whether they can do so.
    pub(crate) is_mark_form: bool,
    /// Symmetric reply also where one route is left.
    pub(crate) pins_single_route: bool,
    /// Zones named by the UUID of the datapath, not by the router.
    pub(crate) names_zones_by_uuid: bool,
}

impl Version {
    /// The releases that a node may have.
    pub(crate) const ALL: [Self; 10] = [
        Self::new("20.12.0-20.12.0-51.0", Era::A, false, false, true),
        Self::new("22.03.1-20.21.0-58.3", Era::A, true, false, true),
        Self::new("23.03.1-20.27.0-70.6", Era::B, true, false, true),
        Self::new("23.06.2-20.27.1-70.6", Era::C, true, false, false),
        Self::new("23.06.2-20.27.1-70.6", Era::C, false, false, false),
        Self::new("24.03.0-20.33.0-72.4", Era::D, true, false, false),
        Self::new("24.03.4-20.33.0-72.6", Era::D, true, true, false),
        Self::new("24.09.0-20.37.0-77.0", Era::E, true, false, false),
        Self::new("25.03.0-20.41.0-80.0", Era::E, true, true, false),
        Self::new("26.03.1-21.8.0-82.14", Era::F, true, true, false),
    ];

    const fn new(release: &'static str, era: Era, mark: bool, single: bool, uuid: bool) -> Self {
        Self { release, era, is_mark_form: mark, pins_single_route: single, names_zones_by_uuid: uuid }
    }
}

/// A gateway router of this node, with its outer port.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Router {
    pub(super) name: &'static str,
    pub(super) mac: MacAddr,
    pub(super) address: IpAddr,
    pub(super) network: IpPrefix,
    /// Conntrack zone `<router>_dnat`.
    pub(super) zone: u16,
    /// How often it was made: its rows have other UUIDs each time.
    pub(super) made: u32,
}

impl Router {
    pub(super) fn outer_port(&self) -> String {
        format!("rtoe-{}", self.name)
    }

    pub(super) fn inner_port(&self) -> String {
        format!("rtoj-{}", self.name)
    }
}

/// The box that has the address of a next hop.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Gateway {
    pub(super) mac: MacAddr,
    pub(super) is_alive: bool,
    /// Whether clients send through it.
    pub(super) forwards: bool,
    /// Whether routes to it are watched by BFD.
    pub(super) has_bfd: bool,
    /// Whether something is under way that changes it.
    pub(super) is_busy: bool,
}

/// A pod, one after another of the same address.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Pod {
    pub(super) router: usize,
    pub(super) address: IpAddr,
    /// Whether there is one just now.
    pub(super) is_there: bool,
    /// Whether something is under way that changes its routes.
    pub(super) is_busy: bool,
    /// The next hops that its routes get back after they were taken away.
    pub(super) hops: Vec<IpAddr>,
}

/// A NIC: the uplink of an outer bridge.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Nic {
    pub(super) name: &'static str,
    pub(super) ifindex: u32,
    pub(super) mac: MacAddr,
    /// Whether it is there at all.
    pub(super) exists: bool,
    pub(super) is_up: bool,
}

impl Nic {
    pub(super) fn link(&self) -> Link {
        Link {
            ifindex: self.ifindex,
            name: self.name.into(),
            alt_names: Vec::new(),
            mac: Some(self.mac),
            kind: None,
            master: Some(2),
            lower: None,
            is_up: self.is_up,
            has_carrier: self.is_up,
            is_loopback: false,
        }
    }

    pub(super) fn can_carry(&self) -> bool {
        self.exists && self.is_up
    }
}

/// By what way a flow's packets come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Through {
    /// By the box that has this address.
    Gateway(IpAddr),
    /// By a box that is no next hop.
    Stranger(MacAddr),
    /// By none: nothing comes in any more.
    Nobody,
}

/// A flow between a pod and a client.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Flow {
    pub(super) pod: usize,
    /// As packets from the pod leave.
    pub(super) tuple: Tuple,
    pub(super) through: Through,
    /// Time between its runs of packets.
    pub(super) period: Ns,
    pub(super) end: Ns,
}
