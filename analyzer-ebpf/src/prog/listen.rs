//! The way of a packet that comes in: who is heard, and what comes to the pods from whom.
#![expect(unsafe_code, reason = "map values are reached by pointers")]

use core::net::IpAddr;

use analyzer_ebpf::control::is_bfd;
use analyzer_ebpf::maps::{Counter, HeardAt, HeardKey, PacketCount, RequestKey, event_kind, mac_to_u64, mapped};
use analyzer_ebpf::neighbour::{Neighbour, heard_by_arp};
use analyzer_ebpf::parse::{Frame, Ip, Link, ParseError, Payload, parse_common, parse_link};
use analyzer_ebpf::proto::ether_type;

use super::cpu::{self, Countdown};
use super::events;
use super::family::Family;
use super::flows::{self, Counted};
use super::judge::Present;
use super::kernel;
use super::packet::{self, L4, Packet};
use super::tables::{CONFIG, HEARD, LEGAL_MACS, REQUESTS, get};

/// Listens to a packet.
#[inline(always)]
pub(crate) fn listen<P: Packet>(packet: &P) {
    if !listen_common(packet) {
        listen_walked(packet);
    }
}

/// The short way. Returns whether the packet was of the kind that goes it.
#[inline(never)]
fn listen_common<P: Packet>(packet: &P) -> bool {
    match parse_common(&packet.head()) {
        Some(Frame { eth_dst, eth_src, payload: Payload::Ipv4(ip), .. }) if !is_bfd(&ip) => {
            request(packet, eth_dst, eth_src, &ip);
            true
        }
        _ => false,
    }
}

/// The long way, for frames that the short one does not know, and for those of the link itself.
#[inline(never)]
fn listen_walked<P: Packet>(packet: &P) {
    let walked = match parse_link(packet) {
        Err(error) => Err(error),
        Ok(link) => match link.eth_type {
            ether_type::IPV4 => listen_ip::<P, [u8; 4]>(packet, &link),
            ether_type::IPV6 => listen_ip::<P, [u8; 16]>(packet, &link),
            ether_type::ARP => {
                let wire = packet.on_wire(None);
                cpu::count(Counter::Received, wire);
                if let Some(neighbour) = heard_by_arp(packet, link.offset) {
                    hear(neighbour, wire);
                }
                Ok(())
            }
            _ => {
                cpu::count(Counter::Received, packet.on_wire(None));
                Ok(())
            }
        },
    };
    if walked.is_err() {
        let wire = packet.on_wire(None);
        cpu::count(Counter::Received, wire);
        cpu::count(Counter::ReceivedUnparsed, wire);
    }
}

#[inline(always)]
fn listen_ip<P: Packet, A: Family>(packet: &P, link: &Link) -> Result<(), ParseError> {
    if let Some(ip) = packet::walk::<P, A>(packet, link.offset)? {
        hear_kept(packet, link, ip);
        request_kept(packet, link, ip);
    }
    Ok(())
}

#[inline(never)]
fn hear_kept<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>) {
    if let Some(neighbour) = A::heard(packet, ip, link.eth_src) {
        hear(neighbour, packet.on_wire(L4::of(ip)));
    }
}

#[inline(never)]
fn request_kept<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>) {
    request(packet, link.eth_dst, link.eth_src, ip);
}

/// Notes a packet to a known source: each one from a MAC that is no legal next hop, and samples of the rest.
#[inline(always)]
fn request<P: Packet, A: Family>(packet: &P, eth_dst: [u8; 6], eth_src: [u8; 6], ip: &Ip<A>) {
    let wire = packet.on_wire(L4::of(ip));
    cpu::count(Counter::Received, wire);
    if eth_dst[0] & 1 != 0 || ip.dst.is_group() {
        return;
    }
    let Some(config) = CONFIG.get(0) else { return };
    let config = Present::read(config);
    if config.source(&ip.dst).class == 0 {
        return;
    }
    let is_legal = get(&LEGAL_MACS, &mac_to_u64(eth_src)).is_some();
    if is_legal && !cpu::is_sampled(Countdown::Requests, config.sample_every) {
        return;
    }
    let key = RequestKey {
        src: ip.src.mapped(),
        dst: ip.dst.mapped(),
        eth_src,
        tp_src: ip.tp_src,
        tp_dst: ip.tp_dst,
        nw_proto: ip.nw_proto,
        zero: 0,
    };
    note_request(&key, wire);
}

#[inline(never)]
fn note_request(key: &RequestKey, wire: PacketCount) {
    match flows::count(&REQUESTS, key, wire) {
        Counted::Known => {}
        Counted::New => cpu::count_key(Counter::RequestsNew),
        Counted::NoRoom => cpu::count(Counter::RequestsFull, wire),
    }
}

/// Notes a neighbour. One that is heard with a new MAC raises an event.
#[inline(always)]
fn hear(neighbour: Neighbour, wire: PacketCount) {
    let ip = match neighbour.ip {
        IpAddr::V4(v4) => mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    };
    let key = HeardKey { ip, mac: neighbour.mac, zero: 0 };
    let now = kernel::now();
    if let Some(at) = HEARD.get_ptr_mut(key) {
        // SAFETY: A pointer to a map value is valid while the program runs; the store is one aligned word.
        unsafe { (&raw mut (*at).last_ns).write_volatile(now) };
        return;
    }
    if HEARD.insert(key, HeardAt { first_ns: now, last_ns: now }, 0).is_err() {
        return cpu::count(Counter::HeardFull, wire);
    }
    cpu::count_key(Counter::HeardNew);
    if let Some(config) = CONFIG.get(0) {
        events::raise(event_kind::HEARD, &key, config.events_per_second, wire);
    }
}
