//! Frames of UDP flows from pods, each pod with a next hop of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use analyzer::types::tuple::proto;
use analyzer::types::{MacAddr, Tuple};

/// MAC that packets leave from.
pub(crate) const WORKER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0a]);
/// MAC of a gateway that no route names.
pub(crate) const DEAD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
/// Next hops; pods share them in turns.
pub(crate) const NEXTHOPS: u32 = 64;

const FIRST_PORT: u32 = 1024;
const PORTS: u32 = 60_000;

/// Which flows leave to [`DEAD`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violating {
    None,
    OneInHundred,
    All,
    /// All, each to a MAC of its own, so that each is told of by an alert of its own.
    Apart,
}

/// Where pods have their addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// One after the other, for host routes.
    Hosts,
    /// Each in a /24 of its own.
    Prefixes,
    /// One after the other, IPv6.
    Hosts6,
}

/// What is sent. The same flow has the same bytes.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) flows: u32,
    pub(crate) pods: u32,
    pub(crate) addresses: Addresses,
    pub(crate) violating: Violating,
    /// Bytes of a frame.
    pub(crate) frame_len: usize,
}

impl Traffic {
    /// 94 bytes, as in the incident; with IPv6 as much payload.
    pub(crate) fn new(flows: u32) -> Self {
        Self { flows, pods: 64, addresses: Addresses::Hosts, violating: Violating::None, frame_len: 94 }
    }

    pub(crate) fn tuple(&self, flow: u32) -> Tuple {
        let number = flow / self.pods;
        let dst_number = number / PORTS;
        let dst = match self.addresses {
            Addresses::Hosts6 => Ipv6Addr::from((0x2001_0db8 << 96) + 7 + u128::from(dst_number)).into(),
            _ => Ipv4Addr::from_bits(Ipv4Addr::new(198, 51, 100, 7).to_bits() + dst_number).into(),
        };
        let src = self.pod(flow % self.pods);
        Tuple { src, dst, nw_proto: proto::UDP, tp_src: (FIRST_PORT + number % PORTS) as u16, tp_dst: 5005 }
    }

    pub(crate) fn pod(&self, pod: u32) -> IpAddr {
        let first = Ipv4Addr::new(10, 1, 0, 0).to_bits();
        match self.addresses {
            Addresses::Hosts => Ipv4Addr::from_bits(first + pod).into(),
            Addresses::Prefixes => Ipv4Addr::from_bits(first + (pod << 8) + 7).into(),
            Addresses::Hosts6 => Ipv6Addr::from((0xfd << 120) + u128::from(pod)).into(),
        }
    }

    /// MAC that a flow leaves to.
    pub(crate) fn eth_dst(&self, flow: u32) -> MacAddr {
        match self.violating {
            Violating::None => nexthop_mac(flow % self.pods),
            Violating::OneInHundred if !flow.is_multiple_of(100) => nexthop_mac(flow % self.pods),
            Violating::OneInHundred | Violating::All => DEAD,
            Violating::Apart => {
                let [_, high, middle, low] = flow.to_be_bytes();
                MacAddr([0xce, 0x73, 0x2a, high, middle, low])
            }
        }
    }

    /// Writes the headers of a flow's frame.
    pub(crate) fn write(&self, flow: u32, frame: &mut [u8]) {
        let tuple = self.tuple(flow);
        frame[..6].copy_from_slice(&self.eth_dst(flow).0);
        frame[6..12].copy_from_slice(&WORKER.0);
        let udp = match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let total_length = (frame.len() - 14) as u16;
                frame[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0]);
                frame[16..18].copy_from_slice(&total_length.to_be_bytes());
                frame[18..24].copy_from_slice(&[0, 0, 0, 0, 64, proto::UDP]);
                frame[26..30].copy_from_slice(&src.octets());
                frame[30..34].copy_from_slice(&dst.octets());
                34
            }
            (src, dst) => {
                let payload_length = (frame.len() - 54) as u16;
                frame[12..18].copy_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
                frame[18..20].copy_from_slice(&payload_length.to_be_bytes());
                frame[20..22].copy_from_slice(&[proto::UDP, 64]);
                frame[22..38].copy_from_slice(&octets6(src));
                frame[38..54].copy_from_slice(&octets6(dst));
                54
            }
        };
        frame[udp..udp + 2].copy_from_slice(&tuple.tp_src.to_be_bytes());
        frame[udp + 2..udp + 4].copy_from_slice(&tuple.tp_dst.to_be_bytes());
        let udp_length = (frame.len() - udp) as u16;
        frame[udp + 4..udp + 6].copy_from_slice(&udp_length.to_be_bytes());
    }
}

/// MAC of a pod's next hop.
pub(crate) fn nexthop_mac(pod: u32) -> MacAddr {
    MacAddr([0x02, 0x01, 0, 0, 0, (pod % NEXTHOPS) as u8])
}

fn octets6(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// Marsaglia's generator of 2003, xorshift with a period of 2^64 - 1.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }
}
