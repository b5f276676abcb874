//! What a header parser made of a frame, in a form that parsers which share nothing can be brought to.

use std::net::IpAddr;

use analyzer_ebpf::parse::{Fragment, Frame, Ip, Payload};

/// What a parser made of a frame: all that a flow key is made of.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Seen {
    pub(crate) eth_dst: [u8; 6],
    pub(crate) eth_src: [u8; 6],
    /// The two outer VLAN ids.
    pub(crate) vids: Vec<u16>,
    /// Whether there are more tags than these.
    pub(crate) more_tags: bool,
    pub(crate) network: Network,
}

/// What the frame carries.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Network {
    Ip { src: IpAddr, dst: IpAddr, nw_proto: u8, fragment: Fragment, l4_offset: usize, ports: (u16, u16) },
    Arp,
    Other,
}

/// What our parser made of it.
pub(crate) fn seen_by_us(frame: &Frame) -> Seen {
    fn network<A: Copy + Into<IpAddr>>(ip: &Ip<A>) -> Network {
        Network::Ip {
            src: ip.src.into(),
            dst: ip.dst.into(),
            nw_proto: ip.nw_proto,
            fragment: ip.fragment,
            l4_offset: ip.l4_offset,
            ports: (ip.tp_src, ip.tp_dst),
        }
    }
    Seen {
        eth_dst: frame.eth_dst,
        eth_src: frame.eth_src,
        vids: frame.tags.outer().into_iter().chain(frame.tags.inner()).collect(),
        more_tags: frame.tags.has_more_tags(),
        network: match &frame.payload {
            Payload::Ipv4(ip) => network(ip),
            Payload::Ipv6(ip) => network(ip),
            Payload::Arp { .. } => Network::Arp,
            Payload::Other { .. } => Network::Other,
        },
    }
}

/// The place of a packet in its datagram, of the three fields that tell it.
pub(crate) fn fragment(identification: u32, offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First(identification),
        _ => Fragment::Later(identification),
    }
}
