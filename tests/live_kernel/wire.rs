//! Frames, and who sends them.

use std::io::{BufRead, BufReader, Write};
use std::ops::{Add, AddAssign};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use analyzer::types::{MacAddr, Tuple, tuple::proto};
use etherparse::PacketBuilder;
use serde_json::{Value, json};

use crate::netns::Netns;

/// Packets, and their bytes from the destination MAC on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Count {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Count {
    /// What an object of the output counts.
    pub(crate) fn of(object: &Value) -> Self {
        let number = |key: &str| object[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {object}"));
        Self { packets: number("packets"), bytes: number("bytes") }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// A flow and how its frames are addressed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Flow {
    pub(crate) tuple: Tuple,
    pub(crate) eth_src: MacAddr,
    pub(crate) eth_dst: MacAddr,
    pub(crate) vlan: Vec<u16>,
    /// Bytes behind the L4 header.
    pub(crate) payload: usize,
}

impl Flow {
    pub(crate) fn new(tuple: &str, eth_src: MacAddr, eth_dst: MacAddr) -> Self {
        let tuple = tuple.parse().unwrap_or_else(|_| panic!("no 5-tuple: {tuple}"));
        Self { tuple, eth_src, eth_dst, vlan: Vec::new(), payload: 18 }
    }

    /// The same flow to another MAC.
    pub(crate) fn to(&self, eth_dst: MacAddr) -> Self {
        Self { eth_dst, ..self.clone() }
    }

    /// The same with VLAN tags, outermost first.
    pub(crate) fn tagged(&self, vlan: &[u16]) -> Self {
        Self { vlan: vlan.to_vec(), ..self.clone() }
    }

    /// The frame that carries it.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let Tuple { src, dst, tp_src, tp_dst, nw_proto } = self.tuple;
        let builder = PacketBuilder::ethernet2(self.eth_src.0, self.eth_dst.0);
        let builder = match (src, dst) {
            (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => builder.ipv4(src.octets(), dst.octets(), 64),
            (std::net::IpAddr::V6(src), std::net::IpAddr::V6(dst)) => builder.ipv6(src.octets(), dst.octets(), 64),
            _ => panic!("a tuple has addresses of one family"),
        };
        let payload = vec![0x78; self.payload];
        let mut frame = Vec::new();
        match nw_proto {
            proto::UDP => builder.udp(tp_src, tp_dst).write(&mut frame, &payload),
            proto::TCP => builder.tcp(tp_src, tp_dst, 1, 512).ack(1).write(&mut frame, &payload),
            other => panic!("no frames of protocol {other}"),
        }
        .expect("memory takes it");
        let tags = self.vlan.iter().flat_map(|vid| [[0x81, 0], vid.to_be_bytes()]).flatten();
        frame.splice(12..12, tags.collect::<Vec<_>>());
        frame
    }

    /// The flow as the output shows it.
    pub(crate) fn json(&self) -> Value {
        json_of(&self.tuple)
    }
}

/// A tuple as the output shows it.
pub(crate) fn json_of(tuple: &Tuple) -> Value {
    let Tuple { src, dst, nw_proto, tp_src, tp_dst } = tuple;
    let (proto, ports, icmp) = match tuple.icmp_type_code() {
        Some((icmp_type, code)) => {
            let proto = if *nw_proto == proto::ICMP { "icmp" } else { "icmpv6" };
            (proto, [Value::Null, Value::Null], json!({"type": icmp_type, "code": code, "id": tp_src}))
        }
        None => {
            let proto = match *nw_proto {
                proto::UDP => "udp",
                proto::TCP => "tcp",
                proto::SCTP => "sctp",
                other => panic!("no name of protocol {other}"),
            };
            (proto, [json!(tp_src), json!(tp_dst)], Value::Null)
        }
    };
    let [sport, dport] = ports;
    json!({"proto": proto, "src": src.to_string(), "sport": sport, "dst": dst.to_string(), "dport": dport, "icmp": icmp})
}

/// An ARP reply that tells all that `ip` is at `mac`.
pub(crate) fn gratuitous_arp(ip: [u8; 4], mac: MacAddr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    frame.extend(mac.0);
    frame.extend(ip);
    frame.extend([0xff; 6]);
    frame.extend(ip);
    frame
}

/// Sends frames from NICs of a namespace by packet sockets, as they are. When a call returns, the frames have passed
/// the NIC's egress hook.
pub(crate) struct Wire {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Behind the egress hook the other end may drop a frame for want of room (ENOBUFS): it was sent all the same. A socket
/// of one protocol gets a frame behind the ingress hook, so what it has received that hook has seen.
const SENDER: &str = "
import errno, socket, sys
sockets = {}
listeners = []
hearing = {}
for line in sys.stdin:
    words = line.split()
    if not words:
        sockets.clear()
        hearing.clear()
        print('done', flush=True)
        continue
    if words[0] == 'listen':
        for protocol in 0x0800, 0x0806:
            listeners.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            listeners[-1].bind((words[1], protocol))
            listeners[-1].settimeout(120)
        continue
    if words[0] == 'await':
        for listener, count in zip(listeners, words[1:]):
            for _ in range(int(count)):
                listener.recv(65536)
        listeners.clear()
        continue
    if words[0] == 'answer':
        source, at, request, answer = words[1:]
        for nic in source, at:
            if nic not in sockets:
                sockets[nic] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                sockets[nic].bind((nic, 0))
        if at not in hearing:
            hearing[at] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            hearing[at].bind((at, 0x0800))
            hearing[at].settimeout(120)
        sockets[source].send(bytes.fromhex(request))
        while hearing[at].recv(65536) != bytes.fromhex(request):
            pass
        sockets[at].send(bytes.fromhex(answer))
        continue
    nic, count, frame = words[0], int(words[1]), bytes.fromhex(words[2])
    if nic not in sockets:
        sockets[nic] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sockets[nic].bind((nic, 0))
    for _ in range(count):
        try:
            sockets[nic].send(frame)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
";

impl Wire {
    pub(crate) fn new(netns: &Netns) -> Self {
        let mut command = netns.command("python3");
        command.args(["-c", SENDER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 can be run");
        let orders = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        Self { child, orders, answers }
    }

    /// Sends a flow's frame so many times.
    pub(crate) fn send(&mut self, nic: &str, flow: &Flow, times: u64) -> Count {
        self.send_all(nic, [(flow, times)])
    }

    /// Sends flows one after the other, each so many times.
    pub(crate) fn send_all<'a>(&mut self, nic: &str, flows: impl IntoIterator<Item = (&'a Flow, u64)>) -> Count {
        flows.into_iter().map(|(flow, times)| (flow.frame(), times)).collect::<Frames>().send(self, nic)
    }

    /// Sends frames as they are, each so many times.
    pub(crate) fn send_frames(&mut self, nic: &str, frames: impl IntoIterator<Item = (Vec<u8>, u64)>) -> Count {
        frames.into_iter().collect::<Frames>().send(self, nic)
    }

    /// Sends frames of IPv4 and ARP that come in at the NIC `at`, and returns when they have passed its ingress hook.
    pub(crate) fn deliver(&mut self, from: &str, at: &str, frames: impl IntoIterator<Item = Vec<u8>>) {
        let frames: Frames = frames.into_iter().map(|frame| (frame, 1)).collect();
        let arps = frames.0.iter().filter(|(frame, _)| frame[12..14] == [8, 6]).count();
        let others = frames.0.len() - arps;
        self.order(&format!("listen {at}\n"));
        frames.send(self, from);
        self.order(&format!("await {others} {arps}\n\n"));
        self.done();
    }

    /// Sends one request after the other, each from `from`, and behind each, once it has passed the ingress hook of `at`,
    /// its answer from there. Returns the answers.
    pub(crate) fn answer(
        &mut self,
        from: &str,
        at: &str,
        pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Count {
        let mut sent = Count::default();
        let mut orders = String::new();
        for (request, answer) in pairs {
            orders.push_str(&format!("answer {from} {at} {} {}\n", hex(&request), hex(&answer)));
            sent += Count { packets: 1, bytes: answer.len() as u64 };
        }
        orders.push('\n');
        self.order(&orders);
        self.done();
        sent
    }

    fn order(&mut self, order: &str) {
        self.orders.write_all(order.as_bytes()).expect("the sender listens");
    }

    fn done(&mut self) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the sender answers");
        assert_eq!(answer, "done\n", "the sender failed: its message is on standard error");
    }
}

struct Frames(Vec<(Vec<u8>, u64)>);

impl FromIterator<(Vec<u8>, u64)> for Frames {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, u64)>>(frames: I) -> Self {
        Self(frames.into_iter().collect())
    }
}

impl Frames {
    fn send(self, wire: &mut Wire, nic: &str) -> Count {
        let mut sent = Count::default();
        let mut orders = String::new();
        for (frame, times) in self.0 {
            orders.push_str(&format!("{nic} {times} {}\n", hex(&frame)));
            sent += Count { packets: times, bytes: times * frame.len() as u64 };
        }
        orders.push('\n');
        wire.order(&orders);
        wire.done();
        sent
    }
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Drop for Wire {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
