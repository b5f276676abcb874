//! The node that most cases play on, and what leaves and reaches it.
//!
//! Names are those that OVN-Kubernetes gives; addresses are of the ranges for documentation (RFC 5737), pods' of
//! OpenShift's default. A station's MAC ends in the digits that its address ends in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::capture::Capture;
use crate::frame::{Flow, Frame, Mac, Station, Transport};

/// 2026-03-02T09:00:00Z, when the captures start.
pub(super) const START: Duration = Duration::from_secs(1_772_442_000);

/// The node's gateway router.
pub(super) const ROUTER: &str = "GR_worker-3";
/// Its port to the network outside.
pub(super) const UPLINK: &str = "rtoe-GR_worker-3";
/// Tunnel key of that port.
pub(super) const UPLINK_KEY: u16 = 2;
/// The node itself: NIC, br-ex and the router's uplink share MAC and address.
pub(super) const NODE: Station = station([0x52, 0x54, 0x00, 0x9d, 0x03, 0x13], 13);
/// Another node.
pub(super) const OTHER_NODE: Station = station([0x52, 0x54, 0x00, 0x9d, 0x04, 0x14], 14);
/// Gateways that pods' routes name, or named.
pub(super) const GATEWAY_21: Station = station([0x3e, 0x5a, 0x91, 0x0c, 0x7b, 0x21], 21);
pub(super) const GATEWAY_22: Station = station([0x8a, 0xc4, 0x17, 0xd6, 0x02, 0x22], 22);
pub(super) const GATEWAY_23: Station = station([0xf2, 0x60, 0xe9, 0x48, 0xa3, 0x23], 23);
pub(super) const GATEWAY_24: Station = station([0xb6, 0x0d, 0x5c, 0x82, 0xee, 0x24], 24);
/// A machine on the link that no route names.
pub(super) const STRANGER: Station = station([0x6e, 0x77, 0x35, 0xc1, 0x90, 0x41], 41);
/// The default gateway.
pub(super) const DEFAULT_GATEWAY: Station = station([0x00, 0x1b, 0x17, 0x5e, 0x00, 0x01], 1);

const fn station(mac: Mac, host: u8) -> Station {
    Station { mac, ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)) }
}

/// A UDP conversation between two ends, as `10.131.0.7:5005`.
pub(super) fn udp(src: &str, dst: &str) -> Flow {
    between(src, dst, |sport, dport| Transport::Udp { sport, dport })
}

/// A TCP conversation.
pub(super) fn tcp(src: &str, dst: &str) -> Flow {
    between(src, dst, |sport, dport| Transport::Tcp { sport, dport })
}

/// An SCTP conversation.
pub(super) fn sctp(src: &str, dst: &str) -> Flow {
    between(src, dst, |sport, dport| Transport::Sctp { sport, dport })
}

fn between(src: &str, dst: &str, transport: impl Fn(u16, u16) -> Transport) -> Flow {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap_or_else(|_| panic!("{text} is an address with a port"));
    let (src, dst) = (end(src), end(dst));
    Flow { src: src.ip(), dst: dst.ip(), transport: transport(src.port(), dst.port()) }
}

/// An ICMP or ICMPv6 message between two addresses.
pub(super) fn icmp(src: &str, dst: &str, icmp_type: u8, id: u16) -> Flow {
    Flow { src: ip(src), dst: ip(dst), transport: Transport::Icmp { icmp_type, id } }
}

/// An address.
pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

/// What a capture on the node's NIC sees.
#[derive(Default)]
pub(super) struct Tape {
    frames: Vec<(Duration, Vec<u8>)>,
}

/// Bytes of payload of the packets that [`Tape::send`] and [`Tape::receive`] make.
const PAYLOAD_LEN: usize = 52;

impl Tape {
    /// A frame `millis` after [`START`]. Frames may be added in any order.
    pub(super) fn push(&mut self, millis: u64, frame: Vec<u8>) {
        self.frames.push((START + Duration::from_millis(millis), frame));
    }

    /// A packet that leaves the node to a MAC.
    pub(super) fn send(&mut self, millis: u64, eth_dst: Mac, flow: Flow) -> Result<()> {
        self.packet(millis, Frame::new(NODE.mac, eth_dst, flow, PAYLOAD_LEN))
    }

    /// A packet that reaches the node from a MAC.
    pub(super) fn receive(&mut self, millis: u64, eth_src: Mac, flow: Flow) -> Result<()> {
        self.packet(millis, Frame::new(eth_src, NODE.mac, flow, PAYLOAD_LEN))
    }

    /// A packet, with the number of frames so far for its identification.
    pub(super) fn packet(&mut self, millis: u64, frame: Frame) -> Result<()> {
        let identification = (self.frames.len() + 1).try_into()?;
        self.push(millis, Frame { identification, ..frame }.bytes()?);
        Ok(())
    }

    /// The frames in the order of time.
    pub(super) fn frames(mut self) -> Vec<(Duration, Vec<u8>)> {
        self.frames.sort_by_key(|&(time, _)| time);
        self.frames
    }

    /// The frames as a pcap file.
    pub(super) fn pcap(self) -> Result<Vec<u8>> {
        self.pcap_with_snaplen(u16::MAX)
    }

    /// The frames as a pcap file, each cut behind so many bytes.
    pub(super) fn pcap_with_snaplen(self, snaplen: u16) -> Result<Vec<u8>> {
        let mut capture = Capture::new(Vec::new(), snaplen)?;
        for (time, frame) in self.frames() {
            capture.push(time, &frame)?;
        }
        capture.finish()
    }
}
