//! Many flows made of one.

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
        if !matches!(tuple.nw_proto, proto::TCP | proto::UDP | proto::SCTP) {
            return None;
        }
        let word = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
        let ip = if word(12)? == ether_type::VLAN { 18 } else { 14 };
        let header = match word(ip - 2)? {
            ether_type::IPV4 => usize::from(frame.get(ip)? & 0x0f) * 4,
            ether_type::IPV6 => 40,
            _ => return None,
        };
        Some(Self { frame: frame.to_vec(), tuple, ports: ip + header })
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
