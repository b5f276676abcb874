//! A small world: what stands in OVN's databases and when, and what clients and pods do.
//!
//! What OVN makes of it is not in here: `model` plays it.

use std::net::IpAddr;

use analyzer_engine::types::{IpPrefix, MacAddr, Tuple};

/// Seconds since the start of the world.
pub(crate) type Secs = u32;

/// From when to when a row stood in its table: `from <= t < until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    pub(crate) from: Secs,
    pub(crate) until: Option<Secs>,
}

impl Life {
    /// From the start to the end of the world.
    pub(crate) const ALL: Self = Self { from: 0, until: None };

    pub(crate) fn holds(self, t: Secs) -> bool {
        self.from <= t && self.until.is_none_or(|until| t < until)
    }
}

/// How OVN commits labels: the eras of ovn-facts 1.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Era {
    A,
    B,
    C,
    D,
    E,
    F,
}

/// The OVN of a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Version {
    pub(crate) era: Era,
    /// Port key in the mark, not in the label (ovn-facts 1.1).
    pub(crate) is_mark_form: bool,
    /// Symmetric reply also where one route is left (ovn-facts 1.4, "Single-route case").
    pub(crate) pins_single_route: bool,
    /// Zones named by the UUID of the datapath, not by the router (ovn-facts 2.1).
    pub(crate) names_zones_by_uuid: bool,
}

/// A gateway router with a port outwards (`rtoe-`) and one to the pods (`rtoj-`).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Router {
    pub(crate) name: &'static str,
    /// `tunnel_key` of the outer port.
    pub(crate) key: u16,
    pub(crate) mac: MacAddr,
    pub(crate) address: IpAddr,
    pub(crate) network: IpPrefix,
    /// Conntrack zone `<router>_dnat`.
    pub(crate) zone: u16,
    /// `options:route_table` of the inner port: the table in which packets of pods are looked up.
    pub(crate) table: &'static str,
}

impl Router {
    pub(crate) fn outer_port(&self) -> String {
        format!("rtoe-{}", self.name)
    }

    pub(crate) fn inner_port(&self) -> String {
        format!("rtoj-{}", self.name)
    }
}

/// By which address a route is looked up, and how the router came by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Static, `src-ip`.
    Source { is_symmetric: bool },
    /// Static, `dst-ip`.
    Destination { overrides_connected: bool },
    /// Learned, `dst-ip`.
    Learned,
}

/// One row of `Logical_Router_Static_Route` (or of `Learned_Route`).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Route {
    pub(crate) router: usize,
    pub(crate) table: &'static str,
    pub(crate) kind: Kind,
    pub(crate) prefix: IpPrefix,
    pub(crate) nexthop: IpAddr,
    /// By the inner port, to the pods.
    pub(crate) is_inner: bool,
    /// Whether a BFD session watches the next hop.
    pub(crate) has_bfd: bool,
    pub(crate) life: Life,
}

/// `BFD.status`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Up,
    Init,
    Down,
    AdminDown,
}

/// A state of a row of `BFD`, while it lasts.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Session {
    pub(crate) router: usize,
    pub(crate) peer: IpAddr,
    pub(crate) status: Status,
    pub(crate) life: Life,
}

/// A MAC in a row of `MAC_Binding`, while it lasts.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Binding {
    pub(crate) router: usize,
    pub(crate) ip: IpAddr,
    pub(crate) mac: MacAddr,
    pub(crate) life: Life,
}

/// A row of `Static_MAC_Binding`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StaticBinding {
    pub(crate) router: usize,
    pub(crate) ip: IpAddr,
    pub(crate) mac: MacAddr,
    /// `override_dynamic_mac`.
    pub(crate) overrides: bool,
}

/// An ARP reply or neighbour advertisement in the capture.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Heard {
    pub(crate) ip: IpAddr,
    pub(crate) mac: MacAddr,
    pub(crate) at: Secs,
}

/// A flow between a pod, or the host, and a client.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Flow {
    pub(crate) router: usize,
    /// As packets from the pod leave.
    pub(crate) tuple: Tuple,
    /// The host's own: not seen by the router, tracked by br-ex with mark 2 (ovn-facts 2.2).
    pub(crate) is_of_host: bool,
}

/// An entry of the flow in a zone that is no router's, with whatever bits are in it (ovn-facts 1.3, 2.2).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decoy {
    pub(crate) flow: usize,
    pub(crate) zone: u16,
    pub(crate) mark: u32,
    pub(crate) label: u128,
}

/// What happens at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A packet of the client's comes in from this MAC.
    Request(MacAddr),
    /// The pod sends; OVN chooses the MAC.
    Reply,
    /// A packet of the pod's leaves to this MAC, whatever OVN would choose: a fault that nothing here explains.
    Stray(MacAddr),
    /// Another box on the link sends a packet of the same addresses to this MAC.
    Foreign(MacAddr),
}

/// A moment of a flow.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Event {
    pub(crate) at: Secs,
    pub(crate) flow: usize,
    pub(crate) what: What,
}

/// All of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) is_v6: bool,
    pub(crate) version: Version,
    /// How far back the databases' history goes.
    pub(crate) history_start: Secs,
    /// Whether the capture says which way frames went.
    pub(crate) tells_direction: bool,
    pub(crate) routers: Vec<Router>,
    pub(crate) routes: Vec<Route>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) statics: Vec<StaticBinding>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) decoys: Vec<Decoy>,
    /// By time.
    pub(crate) events: Vec<Event>,
}
