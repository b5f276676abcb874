//! The way of a packet that leaves.

use analyzer_ebpf::abi::FlowKey;
use analyzer_ebpf::control::Control;
use analyzer_ebpf::maps::{Config, Counter, Outcome, OutcomeKey, PacketCount, class_flag};
use analyzer_ebpf::parse::{self, Frame, Ip, ParseError, Payload, parse_common, parse_link};
use analyzer_ebpf::proto::{ether_type, ip};

use super::cpu::{self, Countdown};
use super::events;
use super::family::Family;
use super::flows::{self, Counted};
use super::packet::{self, L4, Link, Packet};
use super::tables::{CONFIG, NICS, OUTCOMES, get};

/// NIC of a flow key whose interface is in no table: user space attached to it, and has not told its index yet.
const UNKNOWN_NIC: u32 = 0xff;

/// UDP destination ports of tunnels between nodes: Geneve, VXLAN, and ESP through NAT (RFC 3948).
const TUNNEL_PORTS: [u16; 3] = [6081, 4789, 4500];

/// Judges a packet and counts it.
#[inline(always)]
pub(crate) fn judge<P: Packet>(packet: &P) {
    if !judge_common(packet) {
        judge_walked(packet);
    }
}

/// The short way. Returns whether the packet was of the kind that goes it.
///
/// It is a function of its own so that its stack is not added to that of the long way.
#[inline(never)]
fn judge_common<P: Packet>(packet: &P) -> bool {
    let Some(Frame { eth_dst, eth_src, tags, payload: Payload::Ipv4(ip) }) = parse_common(&packet.head()) else {
        return false;
    };
    judge_ip(packet, Link { eth_dst, eth_src, tags: packet.all_tags(tags) }, &ip);
    true
}

/// The long way, for frames that the short one does not know.
#[inline(never)]
fn judge_walked<P: Packet>(packet: &P) {
    let walked = match parse_link(packet) {
        Err(error) => Err(error),
        Ok(link) => match link.eth_type {
            ether_type::IPV4 => judge_walked_ip::<P, [u8; 4]>(packet, &link),
            ether_type::IPV6 => judge_walked_ip::<P, [u8; 16]>(packet, &link),
            eth_type => {
                let is_control = Control::of_eth_type(eth_type).is_some();
                seen(packet.on_wire(None), if is_control { Counter::Control } else { Counter::NotIp });
                Ok(())
            }
        },
    };
    if let Err(error) = walked {
        seen(packet.on_wire(None), loss(error));
    }
}

#[inline(always)]
fn judge_walked_ip<P: Packet, A: Family>(packet: &P, link: &parse::Link) -> Result<(), ParseError> {
    if let Some(ip) = packet::walk::<P, A>(packet, link.offset)? {
        judge_kept(packet, link, ip);
    }
    Ok(())
}

#[inline(never)]
fn judge_kept<P: Packet, A: Family>(packet: &P, link: &parse::Link, ip: &Ip<A>) {
    judge_ip(packet, Link::of(packet, link, ip), ip);
}

fn loss(error: ParseError) -> Counter {
    match error {
        ParseError::Truncated { .. } => Counter::Truncated,
        ParseError::Malformed { .. } => Counter::Malformed,
    }
}

#[inline(always)]
fn seen(wire: PacketCount, counter: Counter) {
    cpu::count(Counter::Seen, wire);
    cpu::count(counter, wire);
}

#[inline(always)]
fn judge_ip<P: Packet, A: Family>(packet: &P, link: Link, ip: &Ip<A>) {
    let wire = packet.on_wire(L4::of(ip));
    seen(wire, class_of(packet, &link, ip, wire));
}

/// Judges an IP packet, in the order of `look_alike` and `judge` of the engine, and says what it counts as.
#[inline(always)]
fn class_of<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>, wire: PacketCount) -> Counter {
    if link.eth_dst[0] & 1 != 0 || ip.dst.is_group() {
        return Counter::Group;
    }
    if A::is_control(ip) {
        return Counter::Control;
    }
    if ip.dst.is_link_local() {
        return Counter::LinkLocal;
    }
    let Some(config) = CONFIG.get(0) else { return Counter::Unloaded };
    let config = Present::read(config);
    let is_tunnel = is_tunnel(ip);
    let recent = if is_tunnel { None } else { ip.src.recent(config.generation, link) };
    if config.generation != 0
        && let Some(outcome) = recent.and_then(|key| key.recall())
    {
        return decided(packet, link, ip, &config, wire, outcome);
    }
    let source = config.source(&ip.src);
    if is_tunnel && source.flags & class_flag::ROUTED == 0 {
        return Counter::Tunnel;
    }
    if config.generation == 0 {
        if cpu::is_sampled(Countdown::Packets, config.sample_every) {
            sample(packet, link, ip, &config, wire);
        }
        return Counter::Unloaded;
    }
    let is_final = source.flags & class_flag::FINAL != 0 || !config.has_destinations::<A>();
    let destination = if is_final { 0 } else { config.destination(&ip.dst) };
    if source.class == 0 && destination == 0 {
        return Counter::NoRoute;
    }
    let key = OutcomeKey {
        generation: config.generation,
        source: source.class,
        destination,
        eth_src: link.eth_src,
        eth_dst: link.eth_dst,
        is_ipv4: u32::from(A::IS_IPV4),
    };
    let Some(&outcome) = get(&OUTCOMES, &key) else {
        return suspect(&flow_key(packet, link, ip, &config), &config, wire);
    };
    if is_final && let Some(recent) = recent {
        recent.remember(outcome);
    }
    decided(packet, link, ip, &config, wire, outcome)
}

/// Counts a packet whose outcome is known.
#[inline(always)]
fn decided<P: Packet, A: Family>(
    packet: &P,
    link: &Link,
    ip: &Ip<A>,
    config: &Present,
    wire: PacketCount,
    outcome: Outcome,
) -> Counter {
    let Some(nexthop) = outcome.nexthop() else { return outcome.uncovered() };
    cpu::count_nexthop(nexthop, wire);
    if cpu::is_sampled(Countdown::Packets, config.sample_every) {
        sample(packet, link, ip, config, wire);
    }
    Counter::Conforming
}

/// Whether a packet is that of a tunnel between nodes, as the engine's `is_tunnel` has it.
#[inline(always)]
fn is_tunnel<A>(ip: &Ip<A>) -> bool {
    match ip.nw_proto {
        ip::UDP => TUNNEL_PORTS.contains(&ip.tp_dst),
        number => number == ip::ESP,
    }
}

/// The configuration that a packet is judged by, from the moment that it is read.
pub(super) struct Present {
    pub(super) generation: u32,
    pub(super) sample_every: u32,
    pub(super) events_per_second: u32,
    flags: u32,
}

/// What is known of a source.
pub(super) struct Source {
    /// Its class; 0 where no route knows it.
    pub(super) class: u16,
    /// Bits of [`class_flag`].
    flags: u16,
}

impl Present {
    #[inline(always)]
    pub(super) fn read(config: &Config) -> Self {
        Self {
            generation: config.generation,
            sample_every: config.sample_every,
            events_per_second: config.events_per_second,
            flags: config.flags,
        }
    }

    /// The half of a pair for an even and an odd generation that holds for the present one.
    ///
    /// It is shifted out, not looked up: an index into a map would be a number that the verifier has to keep track of,
    /// and before 6.2 it then keeps track of all numbers on all ways.
    #[inline(always)]
    fn half([even, odd]: [u16; 2], generation: u32) -> u16 {
        ((u32::from(odd) << 16 | u32::from(even)) >> ((generation & 1) * 16)) as u16
    }

    #[inline(always)]
    pub(super) fn source<A: Family>(&self, src: &A) -> Source {
        const UNKNOWN: Source = Source { class: 0, flags: 0 };
        if self.generation == 0 {
            return UNKNOWN;
        }
        let entry = match src.host_source() {
            None if self.flags & A::SOURCES != 0 => src.source(),
            entry => entry,
        };
        match entry {
            Some(entry) => Source {
                class: Self::half(entry.class, self.generation),
                flags: Self::half(entry.flags, self.generation),
            },
            None => UNKNOWN,
        }
    }

    #[inline(always)]
    fn has_destinations<A: Family>(&self) -> bool {
        self.flags & A::DESTINATIONS != 0
    }

    #[inline(always)]
    pub(super) fn destination<A: Family>(&self, dst: &A) -> u16 {
        dst.destination().map_or(0, |entry| Self::half(entry.class, self.generation))
    }
}

#[inline(always)]
fn flow_key<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>, config: &Present) -> FlowKey<A> {
    let nic = get(&NICS, &packet.ifindex()).copied().unwrap_or(UNKNOWN_NIC);
    let tags = link.tags.with_direction(P::DIRECTION);
    FlowKey::of(link.eth_dst, link.eth_src, tags, ip, config.generation as u16, nic as u8)
}

#[inline(always)]
fn sample<P: Packet, A: Family>(packet: &P, link: &Link, ip: &Ip<A>, config: &Present, wire: PacketCount) {
    note_sample(&flow_key(packet, link, ip, config), wire);
}

#[inline(never)]
fn note_sample<A: Family>(key: &FlowKey<A>, wire: PacketCount) {
    match flows::count(A::samples(), key, wire) {
        Counted::Known => {}
        Counted::New => cpu::count_key(Counter::SamplesNew),
        Counted::NoRoom => cpu::count(Counter::SamplesFull, wire),
    }
}

/// Counts a packet that no outcome is known for. The first of a key raises an event.
#[inline(never)]
fn suspect<A: Family>(key: &FlowKey<A>, config: &Present, wire: PacketCount) -> Counter {
    let mut counted = flows::count(A::suspects(), key, wire);
    if counted == Counted::NoRoom {
        counted = flows::count_in_reserve(A::reserve(), key, wire);
    }
    match counted {
        Counted::Known => Counter::Suspect,
        Counted::New => {
            events::raise(A::SUSPECT, key, config.events_per_second, wire);
            Counter::Suspect
        }
        Counted::NoRoom => Counter::SuspectsFull,
    }
}
