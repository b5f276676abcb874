//! Real packets over a veth pair, for what a test run cannot make.

use std::fs::File;
use std::os::fd::AsFd;
use std::{panic, thread};

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::{Counter, program};
use aya::programs::TcAttachType;
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::kernel::{Expected, Kernel, expected};
use crate::netns::{self, Missing, Netns, require};

/// NIC index of `s0`, which sends.
const SENDER: u8 = 3;
/// NIC index of `r0`, which receives.
const RECEIVER: u8 = 4;

/// A veth pair: `egress` judges what leaves at `s0`, `mirror` what comes in at `r0`. Nothing is sent but by the test.
struct Pair {
    netns: Netns,
    kernel: Kernel,
}

impl Pair {
    fn new() -> Result<Self, Missing> {
        require("python3", "python3")?;
        let netns = Netns::new("parser")?;
        netns.sh("set -e
            sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
            ip link add s0 mtu 9000 address 02:00:00:00:00:0a type veth peer name r0 mtu 9000 address 02:00:00:00:00:0b
            ip link set s0 up; ip link set r0 up
            ip addr add 192.0.2.1/24 dev s0
            ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:0b dev s0 nud permanent");
        let mut pair = Self { netns, kernel: Kernel::new()? };
        for (nic, index) in [("s0", SENDER), ("r0", RECEIVER)] {
            let ifindex = pair.netns.sh(&format!("cat /sys/class/net/{nic}/ifindex")).trim().parse().unwrap();
            pair.kernel.set_nic(ifindex, index);
        }
        pair.attach();
        Ok(pair)
    }

    /// Attaches by netlink, so that no link of ours holds the programs when the namespace goes.
    fn attach(&mut self) {
        let file = File::open(format!("/run/netns/{}", self.netns.name())).expect("the namespace has a file");
        let kernel = &mut self.kernel;
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("the namespace is ours");
            for (name, nic, hook) in
                [(program::EGRESS, "s0", TcAttachType::Egress), (program::MIRROR, "r0", TcAttachType::Ingress)]
            {
                qdisc_add_clsact(nic).expect("the namespace is new");
                let options = TcAttachOptions::Netlink(NlOptions::default());
                kernel.classifier(name).attach_with_options(nic, hook, options).expect("the program fits the hook");
            }
        };
        let result = thread::scope(|scope| scope.spawn(inside).join());
        result.unwrap_or_else(|panic| panic::resume_unwind(panic));
    }

    /// Runs Python in the namespace, with the module `socket` and a packet socket `s` on `s0`.
    fn python(&self, script: &str) {
        self.netns.sh(&format!("exec python3 - <<'END'\n{PRELUDE}\n{script}\nEND"));
    }

    /// Packets and bytes that both ends counted of a flow, and no suspect but these.
    fn take_both(&mut self, frame: &[u8]) -> [[u64; 2]; 2] {
        let ends = [(SENDER, Direction::Outbound), (RECEIVER, Direction::Unknown)];
        let counts = ends.map(|(nic, direction)| {
            let Expected::Suspect(key) = expected(frame, direction, nic) else { panic!("not judged: {frame:02x?}") };
            let Some([packets, bytes, ..]) = self.kernel.take(&key) else {
                panic!("expected {key:02x?}\ncounted  {:02x?}", self.kernel.suspects());
            };
            [packets, bytes]
        });
        assert_eq!(self.kernel.suspects(), []);
        counts
    }
}

const PRELUDE: &str = "
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('s0', 0))
def vnet(flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, frame):
    'Sends a frame behind a virtio_net_hdr (include/uapi/linux/virtio_net.h).'
    s.setsockopt(263, 15, 1)
    s.send(struct.pack('<BBHHHH', flags, gso_type, hdr_len, gso_size, csum_start, csum_offset) + frame)
";

/// An Ethernet header, tags, an IPv4 header and a UDP or TCP header, with a payload behind.
fn frame(tags: &[u16], nw_proto: u8, l4: &[u8], payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa];
    for vid in tags {
        frame.extend([0x81, 0]);
        frame.extend(vid.to_be_bytes());
    }
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(((20 + l4.len() + payload) as u16).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, nw_proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend(l4);
    frame.resize(frame.len() + payload, 0x78);
    frame
}

const UDP: [u8; 8] = [0x0f, 0xa0, 0x13, 0x88, 0, 0, 0, 0];
/// With the data offset of a header without options, and the flag ACK.
const TCP: [u8; 20] = [0x0f, 0xa1, 0x13, 0x89, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sender leaves all but the Ethernet header outside of the linear part.
#[test]
fn linear_part_of_fourteen_bytes() {
    netns::run(|| {
        let mut pair = Pair::new()?;
        for tags in [&[][..], &[5], &[5, 6]] {
            let frame = frame(tags, 17, &UDP, 6000);
            pair.python(&format!("vnet(0, 0, 14, 0, 0, 0, bytes.fromhex('{}'))", hex(&frame)));
            let one = [1, frame.len() as u64];
            assert_eq!(pair.take_both(&frame), [one, one], "{tags:?}");
        }
        Ok(())
    });
}

/// What comes in has its outer tag beside the frame, as the kernel takes it out before the hook.
#[test]
fn tag_beside_the_frame() {
    netns::run(|| {
        let mut pair = Pair::new()?;
        for tags in [&[100][..], &[100, 200], &[100, 200, 300]] {
            let frame = frame(tags, 17, &UDP, 40);
            pair.python(&format!("s.send(bytes.fromhex('{}'))", hex(&frame)));
            let one = [1, frame.len() as u64];
            assert_eq!(pair.take_both(&frame), [one, one], "{tags:?}");
        }
        Ok(())
    });
}

/// A socket hands over 9,500 bytes to be cut into datagrams of 1,000 (`UDP_SEGMENT`).
#[test]
fn super_packet_of_udp() {
    netns::run(|| {
        let mut pair = Pair::new()?;
        pair.python(
            "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('192.0.2.1', 4000))
u.setsockopt(17, 103, 1000)
u.sendto(b'x' * 9500, ('192.0.2.2', 5000))",
        );
        let wire = [10, 9500 + 10 * (14 + 20 + 8)];
        assert_eq!(pair.take_both(&frame(&[], 17, &UDP, 0)), [wire, wire]);
        assert_eq!(pair.kernel.counter(Counter::Seen), [20, 2 * wire[1]]);
        Ok(())
    });
}

/// A sender that the kernel does not trust leaves the number of segments open (`SKB_GSO_DODGY`), as guests and packet
/// sockets do; with and without a tag.
#[test]
fn super_packet_of_tcp_from_a_packet_socket() {
    const NEEDS_CSUM: u8 = 1;
    const GSO_TCPV4: u8 = 1;
    netns::run(|| {
        let mut pair = Pair::new()?;
        for tags in [&[][..], &[100]] {
            let frame = frame(tags, 6, &TCP, 7500);
            let ip_end = 34 + 4 * tags.len();
            pair.python(&format!(
                "vnet({NEEDS_CSUM}, {GSO_TCPV4}, {}, 1000, {ip_end}, 16, bytes.fromhex('{}'))",
                ip_end + 20,
                hex(&frame)
            ));
            let wire = [8, (7500 + 8 * (ip_end + 20)) as u64];
            assert_eq!(pair.take_both(&frame), [wire, wire], "{tags:?}");
        }
        Ok(())
    });
}
