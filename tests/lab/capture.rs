//! What leaves by the NIC, as tcpdump saw it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use analyzer::types::{MacAddr, Tuple, tuple::proto};
use etherparse::{Icmpv4Type, Icmpv6Type, IpNumber, IpPayloadSlice, NetSlice, SlicedPacket, TransportSlice};

use crate::addresses::{Addresses, BALANCER, SECOND_POD, parsed};
use crate::bfd;
use crate::common::Process;
use crate::daemon::pause;
use crate::frames::ethernet_frames;
use crate::node::Node;
use crate::wire::Count;

/// Packets by flow and destination MAC.
pub(crate) type Seen = BTreeMap<(Tuple, MacAddr), Count>;

/// tcpdump on the NIC that the node's packets leave and come by.
pub(crate) struct Capture {
    file: PathBuf,
    /// Addresses that the pods' packets leave with: their own, and the router's and its load balancer's where they translate.
    sources: [IpAddr; 4],
    /// Ends with the capture.
    _process: Process,
}

impl Capture {
    /// Starts it and waits until it sees packets of this direction, as tcpdump names it.
    pub(crate) fn start(node: &Node, file: &Path, direction: &str) -> Self {
        let file = file.to_owned();
        let mut command = node.netns().command("tcpdump");
        command.args(["-i", crate::node::NIC, "-Q", direction, "-n", "-U", "--immediate-mode", "-Z", "root"]);
        // Room for some thousand frames of the NIC's MTU: others may have the processors for a while.
        command.args(["--snapshot-length=2048", "--buffer-size=8192", "-w"]);
        let process = Process::start(command.arg(&file));
        node.note(&format!("tcpdump-{direction}"), process.id());
        // The header of the file is written once the socket is bound.
        let is_there = || file.metadata().is_ok_and(|file| file.len() >= 24);
        let started = (0..100).any(|_| is_there() || (pause(100), false).1);
        assert!(started, "tcpdump does not start");
        let Addresses { pod, router, .. } = *node.addresses();
        let sources = [pod, router, SECOND_POD, BALANCER].map(parsed);
        Self { file, sources, _process: process }
    }

    /// What the pod has sent so far.
    pub(crate) fn seen(&self) -> Seen {
        let file = std::fs::read(&self.file).expect("tcpdump writes it");
        let mut seen = Seen::new();
        for frame in ethernet_frames(&file).unwrap_or_else(|error| panic!("{error}")) {
            if let Some(key) = flow_of(frame).filter(|(tuple, _)| self.is_sent_by_pods(tuple)) {
                *seen.entry(key).or_default() += Count { packets: 1, bytes: frame.len() as u64 };
            }
        }
        seen
    }

    /// Whether a pod's packet leaves so. The router sends BFD packets of its own.
    fn is_sent_by_pods(&self, tuple: &Tuple) -> bool {
        self.sources.contains(&tuple.src) && tuple.tp_dst != bfd::PORT
    }

    /// What the pod has sent, once it is as many packets as it was told to send, those of TCP left aside: of these its
    /// kernel sends as many as it sees fit.
    pub(crate) fn settled(&self, sent: u64) -> Seen {
        for _ in 0..50 {
            let seen = self.seen();
            let told_to_send = seen.iter().filter(|((tuple, _), _)| tuple.nw_proto != proto::TCP);
            if told_to_send.map(|(_, count)| count.packets).sum::<u64>() >= sent {
                return seen;
            }
            pause(100);
        }
        panic!("of {sent} packets only these have left: {:#?}", self.seen());
    }

    /// Waits until it has seen what another capture of the same NIC has.
    pub(crate) fn catch_up(&self, with: &Seen) {
        let has =
            |seen: &Seen| with.iter().all(|(key, count)| seen.get(key).is_some_and(|own| own.packets >= count.packets));
        let has_caught_up = (0..50).any(|_| has(&self.seen()) || (pause(100), false).1);
        assert!(has_caught_up, "of {with:#?}\nit has seen {:#?}", self.seen());
    }

    /// What the pod has sent, once it sends no more: two looks see the same.
    pub(crate) fn quiet(&self) -> Seen {
        let mut before = self.seen();
        for _ in 0..20 {
            pause(300);
            let now = self.seen();
            if now == before {
                return now;
            }
            before = now;
        }
        panic!("the pod goes on sending: {before:#?}");
    }
}

/// What is in `now` and was not yet in `before`.
pub(crate) fn since(before: &Seen, now: &Seen) -> Seen {
    let mut new = now.clone();
    for (key, old) in before {
        let count = new.get_mut(key).expect("a capture only grows");
        *count = Count { packets: count.packets - old.packets, bytes: count.bytes - old.bytes };
    }
    new.retain(|_, count| count.packets > 0);
    new
}

/// The 5-tuple and the destination MAC of a frame that carries UDP, TCP, SCTP or an echo. Read by etherparse, not by the
/// analyzer.
fn flow_of(frame: &[u8]) -> Option<(Tuple, MacAddr)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let net = packet.net?;
    let (src, dst): (IpAddr, IpAddr) = match &net {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        _ => return None,
    };
    let (nw_proto, tp_src, tp_dst) = match packet.transport {
        Some(TransportSlice::Udp(udp)) => (17, udp.source_port(), udp.destination_port()),
        Some(TransportSlice::Tcp(tcp)) => (6, tcp.source_port(), tcp.destination_port()),
        Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => (1, echo.id, 8 << 8),
            Icmpv4Type::EchoReply(echo) => (1, echo.id, 0),
            _ => return None,
        },
        Some(TransportSlice::Icmpv6(icmp)) => match icmp.icmp_type() {
            Icmpv6Type::EchoRequest(echo) => (58, echo.id, 128 << 8),
            Icmpv6Type::EchoReply(echo) => (58, echo.id, 129 << 8),
            _ => return None,
        },
        Some(TransportSlice::Igmp(_)) => return None,
        None => match net.ip_payload_ref()? {
            &IpPayloadSlice { ip_number: IpNumber::SCTP, payload: &[a, b, c, d, ..], .. } => {
                (132, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            }
            _ => return None,
        },
    };
    let eth_dst = MacAddr(*frame.first_chunk().expect("it has an Ethernet header"));
    Some((Tuple { src, dst, nw_proto, tp_src, tp_dst }, eth_dst))
}
