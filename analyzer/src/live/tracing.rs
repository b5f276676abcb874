//! Single packets, told one by one where the user asks for it: what the kernel program makes of each, and the engine's
//! verdict beside it.
//!
//! They are told on standard error, whatever the format: they answer a question about the analyzer, and standard output
//! is for what it found.

mod lines;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use analyzer_ebpf::filter::{End, Filter, flag, words};
use analyzer_ebpf::maps::{Counter, mac_to_u64, mapped};

use self::lines::Lines;
use super::clock::Clock;
use super::console::Console;
use crate::bpf::attach::{self, Attachment};
use crate::bpf::error::BpfError;
use crate::bpf::programs::Programs;
use crate::bpf::table::Table;
use crate::bpf::traced::{Traced, TracedAt, TracedFragment};
use crate::bpf::tracing::Tracer;
use crate::cli::Pattern;
use crate::daemon::Daemon;
use crate::engine::Assessment;
use crate::engine::observation::Observation;
use crate::engine::verdict::Verdict;
use crate::types::{IpPrefix, Timestamp, Tuple};

const SECOND_NS: u64 = 1_000_000_000;

/// The programs that tell of packets, and what was told.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Tracer,
    pattern: Pattern,
    per_second: u32,
    attached: BTreeMap<u32, Attachment>,
    /// The tick at which our programs were looked after last, and the devices that the daemon's were at.
    looked_after: Option<(u64, Vec<attach::Nic>)>,
    /// The second of the last packet, and how many packets of it were told.
    window: (u64, u32),
    told: u64,
    /// Packets whose lines found no room, as nobody read those before.
    unread: u64,
    /// `None` once all was told.
    lines: Option<Lines>,
    /// Packets beyond the limit, as they were said last.
    withheld: u64,
}

impl Tracing {
    /// Loads the programs; nothing is attached.
    ///
    /// # Errors
    /// As [`Tracer::load`].
    pub(super) fn load(
        pattern: Pattern,
        per_second: u32,
        programs: &Programs,
        table: &Table,
    ) -> Result<Self, BpfError> {
        Ok(Self {
            tracer: Tracer::load(programs, table, &filter(&pattern, per_second))?,
            pattern,
            per_second,
            attached: BTreeMap::new(),
            looked_after: None,
            window: (0, 0),
            told: 0,
            unread: 0,
            lines: None,
            withheld: 0,
        })
    }

    /// Packets that were logged since, without those beyond the limit. The kernel program holds the limit but for CPUs
    /// that count at the same moment; its seconds are these.
    fn take(&mut self) -> Vec<Traced> {
        let mut traced = self.tracer.take();
        traced.retain(|packet| {
            let second = packet.at_ns / SECOND_NS;
            if self.window.0 != second {
                self.window = (second, 0);
            }
            self.window.1 += 1;
            self.window.1 <= self.per_second
        });
        self.told += traced.len() as u64;
        traced
    }

    /// Attaches where the daemon's programs are and ours are not, and lets go of where they are not. Returns what was
    /// done, in words, and what failed.
    fn settle(&mut self, nics: &[attach::Nic], options: &attach::AttachOptions) -> (Vec<String>, Vec<BpfError>) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        self.attached.retain(|ifindex, attachment| {
            nics.iter().any(|nic| nic.ifindex == *ifindex) && attachment.is_in_place().unwrap_or(true)
        });
        for nic in nics {
            if self.attached.contains_key(&nic.ifindex) {
                continue;
            }
            match self.tracer.attach(nic, options) {
                Ok(attachment) => {
                    done.push(format!("tracing {} at {}", self.pattern, nic.name));
                    self.attached.insert(nic.ifindex, attachment);
                }
                Err(error) => failed.push(error),
            }
        }
        (done, failed)
    }
}

/// What the packets are told by.
pub(super) struct Told<'a> {
    pub(super) daemon: &'a mut Daemon,
    pub(super) console: &'a mut Console,
    pub(super) clock: Clock,
}

impl Tracing {
    /// Looks after our programs, at these devices and at this tick, and tells of the packets that were traced since.
    pub(super) fn trace(
        &mut self,
        tick: u64,
        nics: Vec<attach::Nic>,
        options: &attach::AttachOptions,
        by: &mut Told<'_>,
    ) {
        let is_tick = self.looked_after.as_ref().is_none_or(|(last, _)| *last != tick);
        let now = (tick, nics);
        if self.looked_after.as_ref() != Some(&now) {
            let (done, failed) = self.settle(&now.1, options);
            self.looked_after = Some(now);
            done.iter().for_each(|done| by.console.say(done));
            // It is no loss: all is judged as ever.
            failed.iter().for_each(|error| by.console.complain_once(&format!("--trace: {error}")));
        }
        self.tell_traced(is_tick, by);
    }

    /// Lets go of all NICs, tells the last packets, and how many there were in all.
    pub(super) fn end(&mut self, by: &mut Told<'_>) {
        self.attached.clear();
        self.tell_traced(true, by);
        if let Some(lines) = self.lines.take() {
            lines.end();
        }
        let Self { pattern, told, withheld, unread, .. } = self;
        let unread = if *unread > 0 { format!(", {unread} lines that nobody read") } else { String::new() };
        by.console
            .complain(&format!("trace: {told} packets of {pattern} told, {withheld} not told (--trace-rate){unread}"));
    }

    /// Tells of the packets that were traced since, and if it is time to, how many more there were.
    fn tell_traced(&mut self, counts: bool, by: &mut Told<'_>) {
        // Counted first: a packet that comes meanwhile is told, and must not seem to be withheld.
        let matched = if counts { self.tracer.matched() } else { Ok(0) };
        let traced = self.take();
        let matched = matched.map_err(|error| by.daemon.note_failure(&error)).unwrap_or(0);
        let withheld = matched.saturating_sub(self.told).max(self.withheld);
        let more = withheld - self.withheld;
        self.withheld = withheld;
        for packet in traced {
            let line = self.line_of(&packet, by);
            self.say_traced(line);
        }
        if more > 0 {
            self.say_traced(format!("trace: {more} more packets match and were not told (--trace-rate)"));
        }
    }

    /// Has a line written, without waiting for whoever reads it.
    fn say_traced(&mut self, line: String) {
        if self.lines.is_none() {
            self.lines = Lines::start().ok();
        }
        let is_said = self.lines.as_ref().is_some_and(|lines| lines.say(line));
        self.unread += u64::from(!is_said);
    }

    /// The line that tells of a packet.
    fn line_of(&self, packet: &Traced, by: &mut Told<'_>) -> String {
        let nics = self.looked_after.iter().flat_map(|(_, nics)| nics);
        let nic = nics.into_iter().find(|nic| nic.ifindex == packet.ifindex);
        let name = nic.map_or_else(|| format!("NIC {}", packet.ifindex), |nic| nic.name.clone());
        let at = by.clock.of_monotonic(packet.at_ns);
        let line =
            format!("trace: {} {name} {}: {}; {}", at.to_rfc3339(6), packet.hook.name(), parsed(packet), found(packet));
        match packet.tuple {
            // What comes in is judged by nobody.
            Some(tuple) if packet.hook != TracedAt::Ingress => {
                let seen = observation(packet, tuple, nic.map_or(0, |nic| nic.index), by.clock.now());
                format!("{line}; engine: {}", answer(&by.daemon.assess(&seen)))
            }
            _ => line,
        }
    }
}

/// The packet, as the engine is asked for it.
fn observation(packet: &Traced, tuple: Tuple, nic: u8, now: Timestamp) -> Observation {
    Observation {
        nic,
        tags: packet.tags,
        eth_src: packet.eth_src,
        eth_dst: packet.eth_dst,
        tuple,
        packets: u64::from(packet.packets),
        bytes: u64::from(packet.bytes),
        first: now,
        last: now,
    }
}

/// What the engine says of it.
fn answer(assessment: &Assessment) -> String {
    let mut answer = assessment.verdict.name().to_owned();
    if let Some(reason) = assessment.verdict.reason() {
        let _ = write!(answer, " ({reason})");
    }
    if assessment.verdict == Verdict::Conforming && !assessment.legal_for.is_empty() {
        let nexthops: Vec<String> = assessment.legal_for.iter().map(IpAddr::to_string).collect();
        let _ = write!(answer, ", next hop {}", nexthops.join(" or "));
    }
    answer
}

/// What was read in a packet.
fn parsed(packet: &Traced) -> String {
    let mut text = format!("{} > {}", packet.eth_src, packet.eth_dst);
    if let Some(outer) = packet.tags.outer() {
        let _ = write!(text, ", VLAN {outer}");
    }
    if let Some(inner) = packet.tags.inner() {
        let _ = write!(text, " and {inner}");
    }
    if packet.tags.has_more_tags() {
        text.push_str(" and more");
    }
    match packet.tuple {
        Some(tuple) => _ = write!(text, ", {tuple}"),
        None => _ = write!(text, ", EtherType 0x{:04x}", packet.eth_type),
    }
    match packet.fragment {
        TracedFragment::Whole => {}
        TracedFragment::First => text.push_str(", first fragment"),
        TracedFragment::Later => text.push_str(", later fragment without ports"),
    }
    if packet.packets != 1 {
        let _ = write!(text, ", {} packets", packet.packets);
    }
    let _ = write!(text, ", {} bytes", packet.bytes);
    text
}

/// What the kernel program makes of it, and why.
fn found(packet: &Traced) -> String {
    let combination = format!("source class {}, destination class {}", packet.source, packet.destination);
    let outcome = |what: &str| format!("{what}, by the outcome of {combination}");
    match packet.counter {
        Counter::Conforming => match packet.nexthop {
            Some(index) => outcome(&format!("conforming, counted under next hop {index}")),
            None => outcome("conforming"),
        },
        Counter::NoRoute if packet.source == 0 && packet.destination == 0 => {
            "no route knows the source or the destination".to_owned()
        }
        Counter::NoRoute => outcome("no route decides"),
        Counter::OtherSender => outcome("another router's than the one that sends"),
        Counter::OnLink => outcome("on a connected network"),
        Counter::Inbound => outcome("received, not sent"),
        Counter::Suspect => format!("suspect: no outcome of {combination} with these MACs"),
        Counter::Group => "multicast or broadcast".to_owned(),
        Counter::Control => "control traffic of the link".to_owned(),
        Counter::Tunnel => "a tunnel between nodes, whose source no route knows".to_owned(),
        Counter::LinkLocal => "to a link-local address".to_owned(),
        Counter::NotIp => "neither IP nor control traffic".to_owned(),
        Counter::Unloaded => "judged by nobody: the next hops are not known yet".to_owned(),
        Counter::Received => "came in: not judged, but it is noted who sent it".to_owned(),
        Counter::Truncated => "headers cut short: not judged".to_owned(),
        Counter::Malformed => "headers that contradict themselves: not judged".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The pattern, as the kernel program reads it.
fn filter(pattern: &Pattern, per_second: u32) -> Filter {
    let Pattern { host, src, dst, port, sport, dport, mac, proto } = *pattern;
    let prefixes = [host, src, dst].into_iter().flatten();
    let is_ip =
        prefixes.clone().next().is_some() || proto.is_some() || [port, sport, dport].iter().any(Option::is_some);
    let flags = [
        (flag::PROTO, proto.is_some()),
        (flag::MAC, mac.is_some()),
        (flag::IP, is_ip),
        (flag::IPV6, prefixes.clone().any(|prefix| prefix.addr().is_ipv6())),
    ];
    Filter {
        src: end(src, sport),
        dst: end(dst, dport),
        host: end(host, None),
        port: u32::from(port.unwrap_or(0)),
        flags: flags.into_iter().filter(|&(_, is_set)| is_set).map(|(flag, _)| flag).sum(),
        mac: mac.map_or(0, |mac| mac_to_u64(mac.0)),
        nw_proto: u32::from(proto.unwrap_or(0)),
        per_second,
    }
}

fn end(prefix: Option<IpPrefix>, port: Option<u16>) -> End {
    let (addr, len) = match prefix.map(|prefix| (prefix.addr(), u32::from(prefix.prefix_len()))) {
        Some((IpAddr::V4(addr), len)) => (mapped(addr.octets()), 96 + len),
        Some((IpAddr::V6(addr), len)) => (addr.octets(), len),
        None => ([0; 16], 0),
    };
    let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
    End { addr: words(addr), mask: words(mask.to_be_bytes()), port: u32::from(port.unwrap_or(0)), zero: 0 }
}

#[cfg(test)]
mod tests;
