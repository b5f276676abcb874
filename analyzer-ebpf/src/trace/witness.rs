//! What is told of a packet.

use analyzer_ebpf::filter::{Ends, words};
use analyzer_ebpf::maps::Counter;
use analyzer_ebpf::parse::{Fragment, Ip, Link, ParseError, parse_link};
use analyzer_ebpf::proto::{ether_type, ip};
use aya_ebpf::programs::TcContext;
use aya_log_ebpf::info;

use super::cpu::{self, Told};
use super::family::Family;
use super::judge::Present;
use super::packet::{self, L4, Packet};
use super::tables::{CONFIG, FILTER};

/// The hook that a packet is met at.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Place {
    Egress,
    Ingress,
    Mirror,
}

/// Notes what is in a packet, if it is one to be told of.
#[inline(always)]
pub(crate) fn notice<P: Packet>(packet: &P, place: Place) -> bool {
    let noticed = match parse_link(packet) {
        Err(_) => notice_other(None, packet),
        Ok(link) => {
            let read = match link.eth_type {
                ether_type::IPV4 => notice_ip::<P, [u8; 4]>(packet, &link),
                ether_type::IPV6 => notice_ip::<P, [u8; 16]>(packet, &link),
                _ => Ok(notice_other(Some(&link), packet)),
            };
            match read {
                Ok(noticed) => noticed,
                Err(_) => notice_other(Some(&link), packet),
            }
        }
    };
    noticed && may_tell(packet, place)
}

#[inline(never)]
fn may_tell<P: Packet>(packet: &P, place: Place) -> bool {
    let (Some(filter), Some(told)) = (FILTER.get(0), cpu::told()) else { return false };
    told.at_ns = cpu::now();
    told.ifindex = packet.ifindex();
    told.place = place as u32;
    told.counter = Counter::Received as u32;
    told.nexthop = 0;
    cpu::may_tell(filter.per_second, told.at_ns)
}

/// Of a packet that is not IP or cannot be read.
#[inline(never)]
fn notice_other<P: Packet>(link: Option<&Link>, packet: &P) -> bool {
    let (Some(filter), Some(told)) = (FILTER.get(0), cpu::told()) else { return false };
    let (eth_dst, eth_src) = link.map_or(([0; 6], [0; 6]), |link| (link.eth_dst, link.eth_src));
    if !filter.takes_others() || !filter.takes_link(eth_dst, eth_src) {
        return false;
    }
    let wire = packet.on_wire(None);
    *told = Told {
        at_ns: 0,
        src: [0; 16],
        dst: [0; 16],
        eth_dst,
        eth_src,
        tp_src: 0,
        tp_dst: 0,
        tags: link.map_or(0, |link| packet.all_tags(link.tags).with_direction(P::DIRECTION).0),
        ifindex: 0,
        place: 0,
        eth_type: link.map_or(0, |link| link.eth_type),
        version: 0,
        nw_proto: 0,
        fragment: 0,
        packets: wire.packets as u32,
        bytes: wire.bytes as u32,
        source: 0,
        destination: 0,
        counter: 0,
        nexthop: 0,
    };
    true
}

#[inline(always)]
fn notice_ip<P: Packet, A: Family>(packet: &P, link: &Link) -> Result<bool, ParseError> {
    match packet::walk::<P, A>(packet, link.offset)? {
        Some(ip) => Ok(notice_kept(packet, link, ip)),
        None => Ok(false),
    }
}

#[inline(never)]
fn notice_kept<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>) -> bool {
    let (Some(filter), Some(told)) = (FILTER.get(0), cpu::told()) else { return false };
    let has_ports = matches!(ip.nw_proto, ip::TCP | ip::UDP | ip::SCTP | ip::DCCP | ip::UDPLITE);
    told.src = ip.src.mapped();
    told.dst = ip.dst.mapped();
    let ends = Ends {
        is_ipv6: !A::IS_IPV4,
        src: words(told.src),
        dst: words(told.dst),
        tp_src: if has_ports { u32::from(ip.tp_src) } else { 0 },
        tp_dst: if has_ports { u32::from(ip.tp_dst) } else { 0 },
    };
    if !filter.takes_link(link.eth_dst, link.eth_src) || !filter.takes_ip(ip.nw_proto, &ends) {
        return false;
    }
    let wire = packet.on_wire(L4::of(ip));
    told.eth_dst = link.eth_dst;
    told.eth_src = link.eth_src;
    told.tp_src = ip.tp_src;
    told.tp_dst = ip.tp_dst;
    told.tags = ip.mark(packet.all_tags(link.tags)).with_direction(P::DIRECTION).0;
    told.eth_type = link.eth_type;
    told.version = if A::IS_IPV4 { 4 } else { 6 };
    told.nw_proto = ip.nw_proto;
    told.fragment = match ip.fragment {
        Fragment::Whole => 0,
        Fragment::First(_) => 1,
        Fragment::Later(_) => 2,
    };
    told.packets = wire.packets as u32;
    told.bytes = wire.bytes as u32;
    classify(ip, told);
    true
}

/// Notes the classes of both addresses, whether or not they decide.
#[inline(always)]
fn classify<A: Family>(ip: &Ip<A>, told: &mut Told) {
    let Some(config) = CONFIG.get(0) else { return };
    let config = Present::read(config);
    told.source = u32::from(config.source(&ip.src).class);
    told.destination = u32::from(config.destination(&ip.dst));
}

/// Tells what was noted.
#[inline(never)]
pub(crate) fn tell(ctx: &TcContext) {
    let Some(told) = cpu::told() else { return };
    info!(
        ctx,
        "at={} ifindex={} place={} eth_src={:mac} eth_dst={:mac} eth_type={} tags={} version={} src={:i} dst={:i} \
         proto={} sport={} dport={} fragment={} packets={} bytes={} source={} destination={} counter={} \
         nexthop={}",
        told.at_ns,
        told.ifindex,
        told.place,
        told.eth_src,
        told.eth_dst,
        told.eth_type,
        told.tags,
        told.version,
        told.src,
        told.dst,
        told.nw_proto,
        told.tp_src,
        told.tp_dst,
        told.fragment,
        told.packets,
        told.bytes,
        told.source,
        told.destination,
        told.counter,
        told.nexthop
    );
}
