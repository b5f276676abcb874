//! Which flow a later fragment belongs to.
//!
//! Only the first fragment of a datagram holds ports. The table remembers those of first fragments for a while; it is
//! no reassembly.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use analyzer_ebpf::abi::LinkTags;
use analyzer_ebpf::parse::{Fragment, Frame, Ip, Payload};

use crate::types::Timestamp;

/// Datagrams remembered at a time.
const MAX_DATAGRAMS: usize = 16_384;
/// How long Linux waits for the fragments of a datagram (`IP_FRAG_TIME` in include/net/ip.h; the IPv6 one is twice as
/// long). Beyond, the identification may be another datagram's.
const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(30);

/// First fragments of late.
#[derive(Default)]
pub(super) struct Fragments {
    firsts: HashMap<Datagram, First>,
    /// Datagrams by arrival of the first fragment. One that was seen again stands here twice.
    arrivals: VecDeque<(Datagram, Timestamp)>,
}

/// What all fragments of a datagram share (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Datagram {
    nic: u8,
    tags: LinkTags,
    src: IpAddr,
    dst: IpAddr,
    /// `None` for IPv6, whose later fragments may name another.
    nw_proto: Option<u8>,
    identification: u32,
}

#[derive(Clone, Copy)]
struct First {
    at: Timestamp,
    tags: LinkTags,
    nw_proto: u8,
    tp_src: u16,
    tp_dst: u16,
}

impl Fragments {
    /// Remembers a first fragment; gives a later one the protocol, ports and tags of its first. Returns `false` for a
    /// later fragment whose first one is not known.
    pub(super) fn attribute(&mut self, frame: &mut Frame, nic: u8, at: Timestamp) -> bool {
        let Frame { tags, payload, .. } = frame;
        match payload {
            Payload::Ipv4(ip) => self.attribute_packet(tags, ip, Some(ip.nw_proto), nic, at),
            Payload::Ipv6(ip) => self.attribute_packet(tags, ip, None, nic, at),
            Payload::Arp { .. } | Payload::Other { .. } => true,
        }
    }

    fn attribute_packet<A: Copy + Into<IpAddr>>(
        &mut self,
        tags: &mut LinkTags,
        ip: &mut Ip<A>,
        nw_proto: Option<u8>,
        nic: u8,
        at: Timestamp,
    ) -> bool {
        let datagram = |identification| Datagram {
            nic,
            tags: tags.with_later_fragment(),
            src: ip.src.into(),
            dst: ip.dst.into(),
            nw_proto,
            identification,
        };
        match ip.fragment {
            Fragment::Whole => true,
            Fragment::First(identification) => {
                let first = First { at, tags: *tags, nw_proto: ip.nw_proto, tp_src: ip.tp_src, tp_dst: ip.tp_dst };
                self.remember(datagram(identification), first);
                true
            }
            Fragment::Later(identification) => {
                let first = self.firsts.get(&datagram(identification));
                // The order of captures is not always that of time: a first fragment may seem the younger one.
                let Some(first) = first.filter(|first| at.since(first.at) <= REASSEMBLY_TIMEOUT) else { return false };
                *tags = first.tags;
                (ip.nw_proto, ip.tp_src, ip.tp_dst) = (first.nw_proto, first.tp_src, first.tp_dst);
                true
            }
        }
    }

    fn remember(&mut self, datagram: Datagram, first: First) {
        self.firsts.insert(datagram, first);
        self.arrivals.push_back((datagram, first.at));
        if self.arrivals.len() > MAX_DATAGRAMS
            && let Some((oldest, at)) = self.arrivals.pop_front()
            && self.firsts.get(&oldest).is_some_and(|first| first.at == at)
        {
            self.firsts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(fragment: Fragment) -> Frame {
        let (src, dst) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let tp_dst = if matches!(fragment, Fragment::First(_)) { 5005 } else { 0 };
        let ip = Ip { src, dst, nw_proto: 17, tp_src: 0, tp_dst, fragment, offset: 14, l4_offset: 34 };
        Frame { eth_dst: [0; 6], eth_src: [0; 6], tags: LinkTags::NONE, payload: Payload::Ipv4(ip) }
    }

    #[test]
    fn the_oldest_datagrams_are_forgotten() {
        let mut fragments = Fragments::default();
        let first_ids = 0..MAX_DATAGRAMS as u32 + 10;
        for id in first_ids.clone() {
            let at = Timestamp::from_nanos(u64::from(id));
            assert!(fragments.attribute(&mut fragment(Fragment::First(id)), 0, at));
            assert!(fragments.firsts.len() <= MAX_DATAGRAMS && fragments.arrivals.len() <= MAX_DATAGRAMS);
        }
        for id in first_ids {
            let mut later = fragment(Fragment::Later(id));
            let is_attributed = fragments.attribute(&mut later, 0, Timestamp::from_nanos(1_000_000));
            assert_eq!(is_attributed, id >= 10, "{id}");
        }
    }

    #[test]
    fn a_datagram_seen_again_outlives_its_first_place_in_the_queue() {
        let mut fragments = Fragments::default();
        let mut first_at = |id, nanos| {
            fragments.attribute(&mut fragment(Fragment::First(id)), 0, Timestamp::from_nanos(nanos));
        };
        first_at(0, 0);
        first_at(0, 1);
        (1..MAX_DATAGRAMS as u32).for_each(|id| first_at(id, u64::from(id) + 1));
        assert!(fragments.attribute(&mut fragment(Fragment::Later(0)), 0, Timestamp::from_nanos(9)));
    }
}
