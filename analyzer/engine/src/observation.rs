//! What the engine is told about packets.

use core::net::IpAddr;

use analyzer_ebpf::abi::{Direction, FlowKey, LinkTags};

use crate::types::{MacAddr, Timestamp, Tuple};

/// Packets of one flow from one MAC to one MAC within one epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation {
    /// Index of the NIC.
    pub nic: u8,
    /// VLAN tags, fragment flag, direction.
    pub tags: LinkTags,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Destination MAC; meaningless where `tags` says that the frames hold none.
    pub eth_dst: MacAddr,
    /// 5-tuple.
    pub tuple: Tuple,
    /// Number of packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Time of the first packet.
    pub first: Timestamp,
    /// Time of the last packet.
    pub last: Timestamp,
}

impl Observation {
    /// The observation that a flow entry stands for.
    pub fn new<A: Into<IpAddr> + Copy>(key: &FlowKey<A>, counts: Counts) -> Self {
        Self {
            nic: key.nic,
            tags: key.tags,
            eth_src: MacAddr(key.eth_src),
            eth_dst: MacAddr(key.eth_dst),
            tuple: Tuple {
                src: key.src.into(),
                dst: key.dst.into(),
                nw_proto: key.nw_proto,
                tp_src: key.tp_src,
                tp_dst: key.tp_dst,
            },
            packets: counts.packets,
            bytes: counts.bytes,
            first: counts.first,
            last: counts.last,
        }
    }

    /// Destination MAC, where the frames hold one.
    pub fn eth_dst(&self) -> Option<MacAddr> {
        self.tags.has_eth_dst().then_some(self.eth_dst)
    }

    /// Which way the packets went, where their source told it.
    pub fn direction(&self) -> Direction {
        self.tags.direction()
    }
}

/// Counts of a flow entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Number of packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Time of the first packet.
    pub first: Timestamp,
    /// Time of the last packet.
    pub last: Timestamp,
}

/// A neighbour that was heard: sender of an ARP packet, of a neighbour discovery message or of a BFD packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeardNeighbour {
    /// Its address.
    pub ip: IpAddr,
    /// Its MAC.
    pub mac: MacAddr,
    /// When it was heard.
    pub at: Timestamp,
}
