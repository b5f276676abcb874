//! What IPv4 and IPv6 have of their own.

use analyzer_ebpf::abi::FlowKey;
use analyzer_ebpf::control::{is_bfd, is_neighbour_discovery};
use analyzer_ebpf::maps::{ClassEntry, config_flag, event_kind, mapped};
use analyzer_ebpf::neighbour::{Neighbour, heard_by_ipv4, heard_by_ipv6};
use analyzer_ebpf::parse::{Ip, ParseError, parse_ipv4, parse_ipv6};

use super::cpu;
use super::flows::Flows;
use super::packet::{Link, Packet};
use super::recent;
use super::tables::{
    DESTINATIONS4, DESTINATIONS6, HOST_SOURCES4, HOST_SOURCES6, Key, RESERVE4, RESERVE6, SAMPLES4, SAMPLES6, SOURCES4,
    SOURCES6, SUSPECTS4, SUSPECTS6, get,
};

/// An address type, and the maps that hold it.
pub(super) trait Family: Copy + 'static {
    const IS_IPV4: bool;
    /// Bit of [`config_flag`] for sources.
    const SOURCES: u32;
    /// Bit of [`config_flag`] for destinations.
    const DESTINATIONS: u32;
    /// Kind of the event that a new suspect raises.
    const SUSPECT: u32;

    fn parse<P: Packet>(packet: &P, offset: usize) -> Result<Ip<Self>, ParseError>;
    /// Keeps a packet in the CPU's own memory, up to the next.
    fn keep(packet: Ip<Self>) -> Option<&'static Ip<Self>>;
    /// The neighbour that a packet vouches for.
    fn heard<P: Packet>(packet: &P, ip: &Ip<Self>, eth_src: [u8; 6]) -> Option<Neighbour>;
    fn host_source(&self) -> Option<&'static ClassEntry>;
    fn source(&self) -> Option<&'static ClassEntry>;
    fn destination(&self) -> Option<&'static ClassEntry>;
    fn suspects() -> &'static impl Flows<FlowKey<Self>>;
    /// Where suspects go that find no room there.
    fn reserve() -> &'static impl Flows<FlowKey<Self>>;
    fn samples() -> &'static impl Flows<FlowKey<Self>>;
    /// As `is_group` of the engine: multicast, or the broadcast address of the link.
    fn is_group(&self) -> bool;
    fn is_link_local(&self) -> bool;
    /// As `is_control` of the engine.
    fn is_control(packet: &Ip<Self>) -> bool;
    fn mapped(self) -> [u8; 16];
    /// What an outcome for the source is remembered by, if it is.
    fn recent(self, generation: u32, link: &Link) -> Option<recent::Key>;
}

impl Family for [u8; 4] {
    const IS_IPV4: bool = true;
    const SOURCES: u32 = config_flag::SOURCES4;
    const DESTINATIONS: u32 = config_flag::DESTINATIONS4;
    const SUSPECT: u32 = event_kind::SUSPECT4;

    #[inline(always)]
    fn parse<P: Packet>(packet: &P, offset: usize) -> Result<Ip<Self>, ParseError> {
        parse_ipv4(packet, offset)
    }

    #[inline(always)]
    fn keep(packet: Ip<Self>) -> Option<&'static Ip<Self>> {
        cpu::keep_ipv4(packet)
    }

    #[inline(always)]
    fn heard<P: Packet>(packet: &P, ip: &Ip<Self>, eth_src: [u8; 6]) -> Option<Neighbour> {
        heard_by_ipv4(packet, *ip, eth_src)
    }

    #[inline(always)]
    fn host_source(&self) -> Option<&'static ClassEntry> {
        get(&HOST_SOURCES4, self)
    }

    #[inline(always)]
    fn source(&self) -> Option<&'static ClassEntry> {
        SOURCES4.get(&Key::new(32, *self))
    }

    #[inline(always)]
    fn destination(&self) -> Option<&'static ClassEntry> {
        DESTINATIONS4.get(&Key::new(32, *self))
    }

    #[inline(always)]
    fn suspects() -> &'static impl Flows<FlowKey<Self>> {
        &SUSPECTS4
    }

    #[inline(always)]
    fn reserve() -> &'static impl Flows<FlowKey<Self>> {
        &RESERVE4
    }

    #[inline(always)]
    fn samples() -> &'static impl Flows<FlowKey<Self>> {
        &SAMPLES4
    }

    #[inline(always)]
    fn is_group(&self) -> bool {
        self[0] & 0xf0 == 224 || u32::from_ne_bytes(*self) == u32::MAX
    }

    #[inline(always)]
    fn is_link_local(&self) -> bool {
        self[0] == 169 && self[1] == 254
    }

    #[inline(always)]
    fn is_control(packet: &Ip<Self>) -> bool {
        is_bfd(packet)
    }

    #[inline(always)]
    fn mapped(self) -> [u8; 16] {
        mapped(self)
    }

    #[inline(always)]
    fn recent(self, generation: u32, link: &Link) -> Option<recent::Key> {
        Some(recent::Key::new(generation, self, link))
    }
}

impl Family for [u8; 16] {
    const IS_IPV4: bool = false;
    const SOURCES: u32 = config_flag::SOURCES6;
    const DESTINATIONS: u32 = config_flag::DESTINATIONS6;
    const SUSPECT: u32 = event_kind::SUSPECT6;

    #[inline(always)]
    fn parse<P: Packet>(packet: &P, offset: usize) -> Result<Ip<Self>, ParseError> {
        parse_ipv6(packet, offset)
    }

    #[inline(always)]
    fn keep(packet: Ip<Self>) -> Option<&'static Ip<Self>> {
        cpu::keep_ipv6(packet)
    }

    #[inline(always)]
    fn heard<P: Packet>(packet: &P, ip: &Ip<Self>, eth_src: [u8; 6]) -> Option<Neighbour> {
        heard_by_ipv6(packet, *ip, eth_src)
    }

    #[inline(always)]
    fn host_source(&self) -> Option<&'static ClassEntry> {
        get(&HOST_SOURCES6, self)
    }

    #[inline(always)]
    fn source(&self) -> Option<&'static ClassEntry> {
        SOURCES6.get(&Key::new(128, *self))
    }

    #[inline(always)]
    fn destination(&self) -> Option<&'static ClassEntry> {
        DESTINATIONS6.get(&Key::new(128, *self))
    }

    #[inline(always)]
    fn suspects() -> &'static impl Flows<FlowKey<Self>> {
        &SUSPECTS6
    }

    #[inline(always)]
    fn reserve() -> &'static impl Flows<FlowKey<Self>> {
        &RESERVE6
    }

    #[inline(always)]
    fn samples() -> &'static impl Flows<FlowKey<Self>> {
        &SAMPLES6
    }

    #[inline(always)]
    fn is_group(&self) -> bool {
        self[0] == 0xff
    }

    #[inline(always)]
    fn is_link_local(&self) -> bool {
        self[0] == 0xfe && self[1] & 0xc0 == 0x80
    }

    #[inline(always)]
    fn is_control(packet: &Ip<Self>) -> bool {
        is_bfd(packet) || is_neighbour_discovery(packet)
    }

    #[inline(always)]
    fn mapped(self) -> [u8; 16] {
        self
    }

    #[inline(always)]
    fn recent(self, _: u32, _: &Link) -> Option<recent::Key> {
        None
    }
}
