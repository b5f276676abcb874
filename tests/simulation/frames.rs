//! Frames of the simulated node, as far as the simulation reads them, and many flows made of one.

use std::net::IpAddr;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;
use analyzer_ebpf::proto::ether_type;

/// A frame whose ports can be others.
pub(crate) struct Pattern {
    frame: Vec<u8>,
    tuple: Tuple,
    /// Where the ports stand.
    ports: usize,
}

impl Pattern {
    /// The frame of a flow; `None` where it has no ports.
    pub(crate) fn of(frame: &[u8], tuple: Tuple) -> Option<Self> {
        let (_, ports) = parts(frame)?;
        has_ports(tuple.nw_proto).then(|| Self { frame: frame.to_vec(), tuple, ports })
    }

    /// The 5-tuple of a frame with ports.
    pub(crate) fn read(frame: &[u8]) -> Option<Tuple> {
        let (ip, l4) = parts(frame)?;
        let octets = |at: usize, len: usize| frame.get(at..at + len);
        let (src, dst, nw_proto) = if l4 - ip == 40 {
            let of = |at| Some(IpAddr::from(<[u8; 16]>::try_from(octets(at, 16)?).ok()?));
            (of(ip + 8)?, of(ip + 24)?, *frame.get(ip + 6)?)
        } else {
            let of = |at| Some(IpAddr::from(<[u8; 4]>::try_from(octets(at, 4)?).ok()?));
            (of(ip + 12)?, of(ip + 16)?, *frame.get(ip + 9)?)
        };
        let (tp_src, tp_dst) = (word(frame, l4)?, word(frame, l4 + 2)?);
        has_ports(nw_proto).then_some(Tuple { src, dst, nw_proto, tp_src, tp_dst })
    }

    /// A flow like it, with other ports.
    pub(crate) fn flow(&self, number: u16) -> (Vec<u8>, Tuple) {
        let (tp_src, tp_dst) = (20_000 + number % 30_000, 7_000 + number / 30_000);
        let mut frame = self.frame.clone();
        frame[self.ports..self.ports + 2].copy_from_slice(&tp_src.to_be_bytes());
        frame[self.ports + 2..self.ports + 4].copy_from_slice(&tp_dst.to_be_bytes());
        (frame, Tuple { tp_src, tp_dst, ..self.tuple })
    }
}

fn has_ports(nw_proto: u8) -> bool {
    matches!(nw_proto, proto::TCP | proto::UDP | proto::SCTP)
}

/// Where the IP header and the one behind it stand.
fn parts(frame: &[u8]) -> Option<(usize, usize)> {
    let ip = if word(frame, 12)? == ether_type::VLAN { 18 } else { 14 };
    let header = match word(frame, ip - 2)? {
        ether_type::IPV4 => usize::from(frame.get(ip)? & 0x0f) * 4,
        ether_type::IPV6 => 40,
        _ => return None,
    };
    Some((ip, ip + header))
}

fn word(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?))
}
