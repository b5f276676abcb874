//! What happens on a node, as those see it who watch it.

use std::net::IpAddr;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::events::Event;
use analyzer::netlink::link::LinkChange;
use analyzer::ovsdb::row::Change;
use analyzer::types::{MacAddr, Tuple};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) type Ns = u64;

/// A database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Which {
    Northbound,
    Southbound,
    OpenVswitch,
}

impl Which {
    /// All of them, in the order in which a change goes through them.
    pub(crate) const ALL: [Self; 3] = [Self::Northbound, Self::Southbound, Self::OpenVswitch];
}

/// What happens.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Happening {
    /// Frames of a pod's leave by a NIC.
    Out(Out),
    /// A frame comes in: requests and answers of clients, ARP and neighbour discovery, BFD.
    In {
        /// Index of the NIC.
        ifindex: u32,
        /// Its bytes.
        frame: Vec<u8>,
    },
    /// A frame leaves that no pod sent: OVN asks for the MAC of a next hop, or the host itself sends. None of these is ever
    /// wrong.
    Aside {
        /// Index of the NIC.
        ifindex: u32,
        /// Its bytes.
        frame: Vec<u8>,
    },
    /// A transaction of a database.
    Rows {
        /// Which.
        which: Which,
        /// The rows that it changed.
        changes: Vec<Change>,
    },
    /// What conntrack tells listeners.
    Entry(Event),
    /// What rtnetlink tells of links.
    Links(Vec<LinkChange>),
}

/// Frames that leave one right after another, all alike.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Out {
    /// Index of the NIC.
    pub(crate) ifindex: u32,
    /// The bytes of one.
    pub(crate) frame: Vec<u8>,
    /// How many they are.
    pub(crate) packets: u64,
    /// Their bytes on the wire, together.
    pub(crate) bytes: u64,
    /// Which router sent them.
    pub(crate) router: usize,
    /// Their 5-tuple.
    pub(crate) tuple: Tuple,
    /// Their source MAC: that of the router's port.
    pub(crate) eth_src: MacAddr,
    /// Their destination MAC.
    pub(crate) eth_dst: MacAddr,
    /// What there is to say of them.
    pub(crate) truth: Truth,
    /// The entry whose label OVN took the MAC from, if it did.
    pub(crate) by_label: Option<Connection>,
}

/// What an all-knowing observer says of a packet that leaves to a MAC, by the databases as they stand at its moment.
///
/// A next hop whose row of `MAC_Binding` was aged out, and that has no successor, keeps the MAC that it had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Truth {
    /// Whether a route of the router covers the source at all, be its next hops up or down.
    pub(crate) is_covered: bool,
    /// Whether the MAC is that of an active next hop of the source's routes now.
    pub(crate) is_legal: bool,
    /// When it was legal last, if it ever was and is not now.
    pub(crate) legal_until: Option<Ns>,
    /// Whether the databases tell, or told, the MAC of each active next hop: else the packet must not be said to violate.
    pub(crate) are_all_known: bool,
    /// Whether the MAC of an active next hop was told and is not any more: who was not watching then does not know it.
    pub(crate) is_some_aged: bool,
    /// Whether a box with the MAC lives. One that is no next hop may: OVN sends there what came from there, by design.
    pub(crate) is_alive: bool,
    /// When the routes of the source, or the MACs of their next hops, changed last.
    pub(crate) since: Ns,
}

/// An address as a neighbour of a router's.
pub(crate) type Neighbour = (usize, IpAddr);
