//! Counting by the plainest means: one frame after the other, maps of the standard library.

use std::collections::HashMap;

use analyzer_ebpf::abi::FlowKey;
use analyzer_ebpf::neighbour;
use analyzer_ebpf::parse::{Fragment, Frame, Ip, ParseError, Payload, parse};

use super::{Captured, Outcome, splits};
use crate::engine::epoch::Epochs;
use crate::engine::observation::{Counts, HeardNeighbour, Observation};
use crate::replay::{Skipped, Totals};
use crate::types::{MacAddr, Timestamp};

/// Addresses of either IP version, so that one map holds both: IPv4 sorts first.
type Key = (bool, FlowKey<[u8; 16]>);

/// IP version, tags, addresses, protocol and identification of a fragmented datagram.
type Datagram = (bool, u32, [u8; 16], [u8; 16], u8, u32);

#[derive(Default)]
struct Model {
    flows: HashMap<Key, Counts>,
    firsts: HashMap<Datagram, (Ip<[u8; 16]>, Frame, Timestamp)>,
    totals: Totals,
    heard: Vec<HeardNeighbour>,
}

pub(super) fn count(frames: &[Captured]) -> Outcome {
    let mut model = Model::default();
    let mut epochs = Epochs::new([]);
    for captured in frames {
        model.count(captured, &mut epochs);
    }
    let mut flows: Vec<_> = model.flows.into_iter().collect();
    flows.sort_by_key(|((is_v6, key), counts)| {
        let link = (key.eth_dst, key.eth_src, key.tags);
        let rest = (key.tp_src, key.tp_dst, key.epoch, key.nw_proto, key.nic);
        (counts.first, *is_v6, key.src, key.dst, link, rest)
    });
    Outcome {
        observations: flows.iter().map(|((is_v6, key), counts)| observation(*is_v6, key, *counts)).collect(),
        totals: model.totals,
        heard: model.heard,
        warnings: Vec::new(),
    }
}

fn observation(is_v6: bool, key: &FlowKey<[u8; 16]>, counts: Counts) -> Observation {
    let mut observation = Observation::new(key, counts);
    if !is_v6 {
        let [s0, s1, s2, s3, ..] = key.src;
        let [d0, d1, d2, d3, ..] = key.dst;
        (observation.tuple.src, observation.tuple.dst) = ([s0, s1, s2, s3].into(), [d0, d1, d2, d3].into());
    }
    observation
}

impl Model {
    fn count(&mut self, captured: &Captured, epochs: &mut Epochs) {
        let at = Timestamp::from_nanos(captured.micros * 1000);
        let totals = &mut self.totals;
        totals.packets += 1;
        totals.bytes += u64::from(captured.wire_len);
        let (first, last) = totals.span.unwrap_or((at, at));
        totals.span = Some((first.min(at), last.max(at)));

        let Skipped { truncated, not_ip, unparsed } = &mut totals.skipped;
        let frame = match parse(&captured.data[..]) {
            Ok(frame) => frame,
            Err(ParseError::Truncated { .. }) if captured.data.len() < captured.wire_len as usize => {
                *truncated += 1;
                return;
            }
            Err(_) => {
                *unparsed += 1;
                return;
            }
        };
        if let Some(heard) = neighbour::heard(&captured.data[..], &frame) {
            let heard = HeardNeighbour { ip: heard.ip, mac: MacAddr(heard.mac), at };
            self.heard.push(heard);
            splits(&heard).into_iter().flatten().for_each(|moment| epochs.split(moment));
        }
        let (is_v6, ip) = match frame.payload {
            Payload::Ipv4(ip) => (false, widen(&ip)),
            Payload::Ipv6(ip) => (true, ip),
            Payload::Arp { .. } | Payload::Other { .. } => {
                *not_ip += 1;
                return;
            }
        };
        let (frame, ip) = self.whole(is_v6, frame, ip, at);
        let key = FlowKey::new(&frame, &ip, epochs.at(at).id, 0);
        let none = Counts { packets: 0, bytes: 0, first: at, last: at };
        let counts = self.flows.entry((is_v6, key)).or_insert(none);
        counts.packets += 1;
        counts.bytes += u64::from(captured.wire_len);
        counts.first = counts.first.min(at);
        counts.last = counts.last.max(at);
    }

    /// What a later fragment is counted as.
    fn whole(&mut self, is_v6: bool, frame: Frame, ip: Ip<[u8; 16]>, at: Timestamp) -> (Frame, Ip<[u8; 16]>) {
        let nw_proto = if is_v6 { 0 } else { ip.nw_proto };
        let datagram = |id| (is_v6, frame.tags.with_later_fragment().0, ip.src, ip.dst, nw_proto, id);
        match ip.fragment {
            Fragment::Whole => {}
            Fragment::First(id) => {
                self.firsts.insert(datagram(id), (ip, frame, at));
            }
            Fragment::Later(id) => match self.firsts.get(&datagram(id)) {
                Some((first_ip, first, since)) if at.since(*since).as_secs() < 30 => {
                    return (Frame { tags: first.tags, ..frame }, *first_ip);
                }
                _ => self.totals.unattributed_fragments += 1,
            },
        }
        (frame, ip)
    }
}

fn widen(ip: &Ip<[u8; 4]>) -> Ip<[u8; 16]> {
    let wide = |[a, b, c, d]: [u8; 4]| [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let Ip { nw_proto, tp_src, tp_dst, fragment, offset, l4_offset, .. } = *ip;
    Ip { src: wide(ip.src), dst: wide(ip.dst), nw_proto, tp_src, tp_dst, fragment, offset, l4_offset }
}
