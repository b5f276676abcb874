//! What the engine is told about routers, next hops, conntrack zones and entries.
//!
//! A fact holds during its [`Validity`]. Facts that a dump tells hold without end in both directions; facts from a
//! database with transaction dates, or from a live monitor, begin and end at those dates.

mod connection;
mod gap;
mod kind;
mod ovn;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use self::connection::{BR_EX_ZONE, Connection};
pub use self::gap::{Gap, LostEntry, LostTuple, Scope};
pub use self::kind::{EvidenceKind, EvidenceKinds};
pub use self::ovn::{Ovn, OvnSays, PortForm, PortRead, ReplyFlow};
use crate::types::{IpPrefix, MacAddr, Timestamp, Validity};

/// Where a fact comes from. The names are those that output shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Source {
    /// nexthops.toml.
    NexthopsToml,
    /// NB or SB rows: database file, text of `list`, or a monitor. The table has the fact's own name.
    Ovn,
    /// Text of `ovn-nbctl lr-route-list`.
    LrRouteList,
    /// The kernel's routing tables, by rtnetlink.
    Kernel,
}

/// Any fact.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Fact {
    /// One next hop of one route.
    Route(Route),
    /// The MAC of an IP address.
    Binding(Binding),
    /// State of a BFD session.
    Bfd(Bfd),
    /// A router.
    Router(Router),
    /// A router's port.
    RouterPort(RouterPort),
    /// A switch's port.
    SwitchPort(SwitchPort),
    /// A router's NAT rule.
    Nat(Nat),
    /// A router's policy that reroutes.
    ReroutePolicy(ReroutePolicy),
    /// Name of a conntrack zone.
    Zone(Zone),
    /// Name of a datapath.
    Datapath(Datapath),
    /// What OVN itself is and does.
    Ovn(Ovn),
    /// A conntrack entry.
    Connection(Connection),
    /// Who owns a MAC, in the words of a node's or a cluster's own listing.
    MacOwner(MacOwner),
    /// Something that the source told, and that could not be read.
    Gap(Gap),
}

impl Fact {
    /// When it holds; `None` for what has no time.
    pub fn validity(&self) -> Option<Validity> {
        Some(match self {
            Self::Route(route) => route.validity,
            Self::Binding(binding) => binding.validity,
            Self::Bfd(bfd) => bfd.validity,
            Self::Router(router) => router.validity,
            Self::RouterPort(port) => port.validity,
            Self::SwitchPort(port) => port.validity,
            Self::Nat(nat) => nat.validity,
            Self::ReroutePolicy(policy) => policy.validity,
            Self::Zone(zone) => zone.validity,
            Self::Datapath(datapath) => datapath.validity,
            Self::Ovn(ovn) => ovn.validity,
            Self::Gap(gap) => gap.validity,
            Self::Connection(_) | Self::MacOwner(_) => return None,
        })
    }

    /// When it holds; `None` for what has no time.
    pub fn validity_mut(&mut self) -> Option<&mut Validity> {
        Some(match self {
            Self::Route(route) => &mut route.validity,
            Self::Binding(binding) => &mut binding.validity,
            Self::Bfd(bfd) => &mut bfd.validity,
            Self::Router(router) => &mut router.validity,
            Self::RouterPort(port) => &mut port.validity,
            Self::SwitchPort(port) => &mut port.validity,
            Self::Nat(nat) => &mut nat.validity,
            Self::ReroutePolicy(policy) => &mut policy.validity,
            Self::Zone(zone) => &mut zone.validity,
            Self::Datapath(datapath) => &mut datapath.validity,
            Self::Ovn(ovn) => &mut ovn.validity,
            Self::Gap(gap) => &mut gap.validity,
            Self::Connection(_) | Self::MacOwner(_) => return None,
        })
    }
}

/// What a live source tells: facts that no longer hold, and facts that hold from now on. The validity of both is
/// [`Validity::ALWAYS`]; who tells the engine knows the time. Facts of nexthops.toml alone have bounds of their own, which
/// the user wrote down: they hold within both.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Delta {
    /// Facts told before that no longer hold.
    pub ended: Vec<Fact>,
    /// Facts that hold now.
    pub begun: Vec<Fact>,
}

/// Which address of a packet a route is looked up by (`Logical_Router_Static_Route.policy`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Policy {
    /// `src-ip`.
    SrcIp,
    /// `dst-ip`, the default.
    DstIp,
}

/// How a router came by a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RouteOrigin {
    /// `Logical_Router_Static_Route`.
    Static,
    /// Learned by OVN interconnection or a routing daemon.
    Learned,
}

/// What tells whether a next hop is up.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BfdRef {
    /// No BFD session watches it: it is up.
    None,
    /// The session with this peer on the route's output port does.
    Session {
        /// `BFD.logical_port`.
        logical_port: Arc<str>,
        /// `BFD.dst_ip`.
        dst_ip: IpAddr,
    },
    /// A session does, but the source (the word `bfd` in lr-route-list) does not tell its state. The session of the
    /// next hop's address on any port is meant.
    Attached,
    /// The source tells the state itself.
    Status(BfdStatus),
    /// The source was cut where it would tell whether a session does. The next hop is up if the session of its address is;
    /// else nothing tells.
    Unread,
}

/// `BFD.status` (RFC 5880 section 4.1, "State").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BfdStatus {
    /// The session is up.
    Up,
    /// The session is being set up. northd counts the next hop as usable.
    Init,
    /// The session is down.
    Down,
    /// The session is taken down by configuration. northd treats it as down.
    AdminDown,
}

/// One next hop of one route: a row of `Logical_Router_Static_Route`, or a line of lr-route-list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// `Logical_Router.name`, where told.
    pub router: Option<Arc<str>>,
    /// `route_table`; empty is the main table.
    pub route_table: Arc<str>,
    /// Lookup by source or destination.
    pub policy: Policy,
    /// `ip_prefix`.
    pub prefix: IpPrefix,
    /// `nexthop`; `None` for a route that discards or, with an output port, one to destinations on that port's link.
    pub nexthop: Option<IpAddr>,
    /// `output_port`, where told.
    pub output_port: Option<Arc<str>>,
    /// `options:ecmp_symmetric_reply`.
    pub symmetric_reply: bool,
    /// `options:override_connected`, and the word of lr-route-list.
    pub override_connected: bool,
    /// How the router came by the route.
    pub origin: RouteOrigin,
    /// What tells whether the next hop is up.
    pub bfd: BfdRef,
    /// Tunnel key of the output port, where the source of the route itself tells it (nexthops.toml).
    pub port_key: Option<u16>,
    /// Who told.
    pub source: Source,
    /// When it holds.
    pub validity: Validity,
}

/// What kind of evidence binds a MAC to an IP address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BindingKind {
    /// SB `MAC_Binding`.
    MacBinding,
    /// NB or SB `Static_MAC_Binding`.
    StaticMacBinding {
        /// `override_dynamic_mac`: wins over `MAC_Binding` at any age.
        override_dynamic_mac: bool,
    },
    /// `lladdr` in nexthops.toml.
    NexthopsToml,
    /// A neighbour of the kernel.
    Neighbour,
    /// Sender of an ARP packet (RFC 826), of a neighbour discovery message (RFC 4861) or of a BFD packet (RFC 5880).
    Heard,
}

/// The MAC of an IP address on a router's port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Binding {
    /// Router port on which the address is a neighbour; `None` where the source tells no port.
    pub logical_port: Option<Arc<str>>,
    /// The neighbour's address.
    pub ip: IpAddr,
    /// The neighbour's MAC; `None` where the source says that it is not resolved.
    pub mac: Option<MacAddr>,
    /// Kind of evidence.
    pub kind: BindingKind,
    /// When the evidence was last confirmed (`MAC_Binding.timestamp`, arrival of a heard frame), where told.
    pub confirmed: Option<Timestamp>,
    /// When it holds.
    pub validity: Validity,
}

/// State of a BFD session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bfd {
    /// `logical_port`.
    pub logical_port: Arc<str>,
    /// `dst_ip`.
    pub dst_ip: IpAddr,
    /// `status`.
    pub status: BfdStatus,
    /// When it holds.
    pub validity: Validity,
}

/// A row of `Logical_Router`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Router {
    /// `name`.
    pub name: Arc<str>,
    /// `options:dynamic_neigh_routers`: it learns the MACs of other routers' ports as it does any neighbour's.
    pub learns_routers: bool,
    /// When it holds.
    pub validity: Validity,
}

/// A router's port: `Logical_Router_Port`, or the `Port_Binding` of one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RouterPort {
    /// Name of the router, where told.
    pub router: Option<Arc<str>>,
    /// UUID of the SB datapath of the router, where told.
    pub datapath: Option<Arc<str>>,
    /// Name of the port.
    pub name: Arc<str>,
    /// MAC of the port, where told.
    pub mac: Option<MacAddr>,
    /// The port's own address in each connected network.
    pub addresses: Vec<IpAddr>,
    /// Connected networks of the port.
    pub networks: Vec<IpPrefix>,
    /// `Port_Binding.tunnel_key`, the port number that labels and marks carry.
    pub port_key: Option<u16>,
    /// `options:route_table` of the port: the table that packets which enter by it are looked up in. `None` where the
    /// source does not tell (a `Port_Binding`), an empty name is the main table.
    pub route_table: Option<Arc<str>>,
    /// When it holds.
    pub validity: Validity,
}

/// Whether a router's port leads to the inside of the cluster: names that OVN-Kubernetes gives to router ports towards the
/// join switch, the node switch, the transit switch and other routers (go-controller/pkg/types/const.go).
pub fn is_inner_port(port: &str) -> bool {
    ["rtoj-", "rtos-", "rtots-", "rtotr-", "trtor-", "trtos-", "rtocr-", "crtor-"]
        .iter()
        .any(|prefix| port.starts_with(prefix))
}

/// A switch's port: `Logical_Switch_Port`, or the `Port_Binding` of one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SwitchPort {
    /// UUID of the switch: of its `Logical_Switch`, or of its SB datapath. `None` where the source does not tell.
    pub switch: Option<Arc<str>>,
    /// Name of the port.
    pub name: Arc<str>,
    /// The router's port at its other end (`options:router-port`, `options:peer`); `None` for a machine's or a container's.
    pub router_port: Option<Arc<str>>,
    /// Addresses of the machine or container behind it, each with its MAC. `unknown` is none.
    pub addresses: Vec<(IpAddr, MacAddr)>,
    /// Whether northd keeps these from the routers on the switch: the port is disabled, or of type `virtual`.
    pub is_withheld: bool,
    /// When it holds.
    pub validity: Validity,
}

/// A router's NAT rule (NB `NAT`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Nat {
    /// Name of the router.
    pub router: Option<Arc<str>>,
    /// Addresses as seen outside.
    pub external_ip: IpAddr,
    /// Addresses inside that the rule translates.
    pub logical_ip: IpPrefix,
    /// Whether the rule translates sources (types `snat` and `dnat_and_snat`).
    pub translates_source: bool,
    /// When it holds.
    pub validity: Validity,
}

/// A `Logical_Router_Policy` of action `reroute`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ReroutePolicy {
    /// Name of the router.
    pub router: Option<Arc<str>>,
    /// `priority`.
    pub priority: i64,
    /// `match`, in OVN's expression language.
    pub expression: Arc<str>,
    /// `nexthop` and `nexthops`.
    pub nexthops: Vec<IpAddr>,
    /// When it holds.
    pub validity: Validity,
}

/// Name of a conntrack zone: `external_ids:ct-zone-<name>` of br-int, or a line of `ct-zone-list`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Zone {
    /// The zone.
    pub zone: u16,
    /// Its user, without the prefix `ct-zone-`, as it stands: a port, `<datapath>_dnat` or `<datapath>_snat`, where
    /// the datapath is a router's name or the UUID of its SB datapath.
    pub name: Arc<str>,
    /// When it holds.
    pub validity: Validity,
}

/// A row of SB `Datapath_Binding`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Datapath {
    /// UUID of the row.
    pub uuid: Arc<str>,
    /// `external_ids:name`.
    pub name: Arc<str>,
    /// Whether the datapath is a router's (`external_ids:logical-router`).
    pub is_router: bool,
    /// When it holds.
    pub validity: Validity,
}

/// Who owns a MAC.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MacOwner {
    /// The MAC.
    pub mac: MacAddr,
    /// Name of the file or node that tells.
    pub origin: Arc<str>,
    /// The owner: `VF 48 of ens5f1`, `pod spk/f5-SPK2 interface net1`.
    pub owner: Arc<str>,
    /// Addresses of the owner, where told.
    pub ips: Vec<IpAddr>,
}
