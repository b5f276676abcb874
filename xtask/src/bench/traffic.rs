//! The benchmarks' captures: UDP flows of many pods in random order, a few of which leave to a dead gateway.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::PcapNgBlock;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;

use crate::capture::Capture;
use crate::frame::{Flow, Frame, Mac, Transport, UDP_HEADERS_LEN, mac_text};

/// MAC of the gateway that no route names any more.
pub(super) const DEAD: &str = "ce:73:29:66:39:a4";
const DEAD_MAC: Mac = [0xce, 0x73, 0x29, 0x66, 0x39, 0xa4];
const WORKER: Mac = [0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92];
/// Next hops that every pod's routes have, with the MACs they own.
const NEXTHOPS: [(Ipv4Addr, Mac); 2] = [
    (Ipv4Addr::new(198, 19, 3, 15), [0xee, 0x8d, 0x82, 0xdb, 0xf9, 0xc4]),
    (Ipv4Addr::new(198, 19, 3, 16), [0x76, 0x9c, 0x19, 0x34, 0x50, 0x26]),
];

/// Pods, each with a src-ip route of its own.
const PODS: u32 = 64;
/// First source port of a pod.
const FIRST_PORT: u16 = 1024;
/// Flows that leave to [`DEAD`].
const VIOLATING: u32 = 16;

/// Most flows that the pods have ports for.
pub(super) const MAX_FLOWS: u32 = PODS * (u16::MAX - FIRST_PORT) as u32;

/// How long the frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Sizes {
    /// 94 bytes, as in the incident.
    Fixed,
    /// 60, 590 and 1514 bytes in the proportion 7:4:1 (the "simple IMIX" of network testers).
    Mixed,
}

/// Lengths in bytes, of which each frame draws one.
const FIXED: [usize; 1] = [94];
const MIXED: [usize; 12] = [60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514];

impl Sizes {
    fn frame_lens(self) -> &'static [usize] {
        match self {
            Self::Fixed => &FIXED,
            Self::Mixed => &MIXED,
        }
    }
}

/// What stands around the payload of each frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Headers {
    /// IPv4 without tags.
    Ipv4,
    /// IPv4 in a VLAN. The tag comes on top of the length.
    Vlan,
    /// IPv6 without tags, in frames of the same length.
    Ipv6,
}

/// VLAN id of [`Headers::Vlan`].
const VLAN: u16 = 100;
/// How much longer an IPv6 header is than an IPv4 header without options.
const IPV6_EXTRA: usize = 20;

/// What is generated. The same values give the same bytes.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    /// Frames of the capture.
    pub(super) frames: u64,
    /// Flows of the capture, each seen at least once if there are as many frames; at most [`MAX_FLOWS`].
    pub(super) flows: u32,
    /// Their lengths.
    pub(super) sizes: Sizes,
    /// What stands in them before the payload.
    pub(super) headers: Headers,
}

impl Traffic {
    /// Bytes of the capture, about.
    pub(super) fn bytes(&self) -> u64 {
        let lens = self.sizes.frame_lens();
        self.frames * (16 + lens.iter().sum::<usize>() / lens.len()) as u64
    }

    /// Writes the capture as classic pcap: a frame each microsecond, the flows drawn at random.
    pub(super) fn write_capture(&self, path: &Path) -> Result<()> {
        self.write(create(path)?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the same as pcapng, as dumpcap does: one interface, a block without options for each frame.
    pub(super) fn write_pcapng(&self, path: &Path) -> Result<()> {
        let mut writer = PcapNgWriter::new(create(path)?)?;
        writer.write_block(&InterfaceDescriptionBlock::new(DataLink::ETHERNET, u16::MAX.into()).into_block())?;
        self.for_each(|timestamp, data| {
            let original_len = data.len().try_into()?;
            let block = EnhancedPacketBlock {
                interface_id: 0,
                timestamp,
                original_len,
                data: data.into(),
                options: Vec::new(),
            };
            writer.write_block(&block.into_block())?;
            Ok(())
        })?;
        writer.into_inner().flush().with_context(|| format!("cannot write {}", path.display()))
    }

    fn write<W: Write>(&self, writer: W) -> Result<()> {
        let mut capture = Capture::new(writer, u16::MAX)?;
        self.for_each(|time, data| capture.push(time, data))?;
        capture.finish()?;
        Ok(())
    }

    /// Hands out each frame and its time after the Unix epoch.
    fn for_each(&self, mut push: impl FnMut(Duration, &[u8]) -> Result<()>) -> Result<()> {
        let mut random = SplitMix64(1);
        let lens = self.sizes.frame_lens();
        let mut bytes = Vec::new();
        for number in 0..self.frames {
            let flow = if number < self.flows.into() {
                // Each flow once; a prime that divides no number of flows within the bound scatters them.
                (number * 2_147_483_647 % u64::from(self.flows)) as u32
            } else {
                random.below(self.flows)
            };
            let len = lens[random.below(lens.len() as u32) as usize];
            bytes.clear();
            frame(flow, number as u16, len, self.headers).write_to(&mut bytes)?;
            push(Duration::from_secs(1_654_814_880) + Duration::from_micros(number), &bytes)?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

fn frame(flow: u32, identification: u16, len: usize, headers: Headers) -> Frame {
    let (pod, number) = (flow % PODS, flow / PODS);
    let eth_dst = if flow < VIOLATING { DEAD_MAC } else { NEXTHOPS[(number % 2) as usize].1 };
    let flow = Flow {
        src: pod_address(pod, headers),
        dst: in_family(Ipv4Addr::new(172, 27, 0, 13), headers),
        transport: Transport::Udp { sport: FIRST_PORT + number as u16, dport: 5005 },
    };
    let headers_len = if headers == Headers::Ipv6 { UDP_HEADERS_LEN + IPV6_EXTRA } else { UDP_HEADERS_LEN };
    let vlans = if headers == Headers::Vlan { vec![VLAN] } else { Vec::new() };
    Frame { identification, vlans, ..Frame::new(WORKER, eth_dst, flow, len.saturating_sub(headers_len)) }
}

fn pod_address(pod: u32, headers: Headers) -> IpAddr {
    in_family(Ipv4Addr::from_bits(Ipv4Addr::new(192, 168, 16, 0).to_bits() + pod), headers)
}

/// The address, or the one in fd00::/96 that ends as it does.
fn in_family(ip: Ipv4Addr, headers: Headers) -> IpAddr {
    match headers {
        Headers::Ipv4 | Headers::Vlan => ip.into(),
        Headers::Ipv6 => Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(ip.to_bits())).into(),
    }
}

/// The routes of all pods, as nexthops.toml has them.
pub(super) fn nexthops_toml(headers: Headers) -> String {
    let mut toml = String::new();
    for pod in 0..PODS {
        let prefix = pod_address(pod, headers);
        let bits = if prefix.is_ipv4() { 32 } else { 128 };
        write!(toml, "[[route]]\npolicy = \"src-ip\"\nprefix = \"{prefix}/{bits}\"\nsymmetric_reply = true\n")
            .expect("writing to a String cannot fail");
        for (ip, lladdr) in NEXTHOPS {
            let ip = in_family(ip, headers);
            let lladdr = mac_text(lladdr);
            write!(toml, "[[route.nexthop]]\nip = \"{ip}\"\nlladdr = \"{lladdr}\"\n")
                .expect("writing to a String cannot fail");
        }
    }
    toml
}

/// Steele, Lea and Flood's generator of 2014: fast, and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound, by the upper half of a product (the bias is below one in a billion here).
    fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn records(traffic: Traffic) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut bytes = Vec::new();
        traffic.write(&mut bytes).unwrap();
        let mut reader = pcap_file::pcap::PcapReader::new(bytes.as_slice()).unwrap();
        let mut frames = Vec::new();
        while let Some(packet) = reader.next_packet() {
            frames.push(packet.unwrap().data().to_vec());
        }
        (bytes, frames)
    }

    #[test]
    fn every_flow_occurs_and_sixteen_leave_to_the_dead_gateway() {
        let traffic = Traffic { frames: 3000, flows: 1000, sizes: Sizes::Fixed, headers: Headers::Ipv4 };
        let (bytes, frames) = records(traffic);
        assert_eq!(bytes.len() as u64, traffic.bytes() + 24);
        assert_eq!(frames.len(), 3000);
        // Source address and port tell the flow: all other parts of the tuple are the same.
        let flow = |frame: &Vec<u8>| [&frame[26..30], &frame[34..36]].concat();
        assert_eq!(frames.iter().map(flow).collect::<HashSet<_>>().len(), 1000);
        let dead: HashSet<_> = frames.iter().filter(|frame| frame[..6] == DEAD_MAC).map(flow).collect();
        assert_eq!(dead.len(), 16);
        assert!(frames.iter().all(|frame| frame.len() == 94));
    }

    #[test]
    fn mixed_sizes_keep_their_proportion() {
        let (_, frames) = records(Traffic { frames: 12_000, flows: 100, sizes: Sizes::Mixed, headers: Headers::Ipv4 });
        let share = |len: usize| frames.iter().filter(|frame| frame.len() == len).count();
        assert_eq!(share(60) + share(590) + share(1514), 12_000);
        assert!((6500..7500).contains(&share(60)), "{}", share(60));
        assert!((800..1200).contains(&share(1514)), "{}", share(1514));
    }

    #[test]
    fn most_flows_still_have_ports() {
        let last = frame(MAX_FLOWS - 1, 0, 94, Headers::Ipv4);
        assert_eq!(last.flow.src, Ipv4Addr::new(192, 168, 16, 63));
        assert_eq!(last.flow.transport, Transport::Udp { sport: 65534, dport: 5005 });
    }

    #[test]
    fn dead_gateway_is_none_of_the_next_hops() {
        assert_eq!(DEAD, mac_text(DEAD_MAC));
        let toml = nexthops_toml(Headers::Ipv4);
        assert!(!toml.contains(DEAD));
        assert_eq!(toml.matches("[[route]]").count(), 64);
    }

    #[test]
    fn headers_keep_the_length_but_for_the_tag() {
        for (headers, len, ether_type) in
            [(Headers::Ipv4, 94, 0x0800), (Headers::Vlan, 98, 0x8100), (Headers::Ipv6, 94, 0x86dd)]
        {
            let bytes = frame(99, 0, 94, headers).bytes().unwrap();
            assert_eq!((bytes.len(), u16::from_be_bytes([bytes[12], bytes[13]])), (len, ether_type), "{headers:?}");
        }
        assert!(nexthops_toml(Headers::Ipv6).contains("prefix = \"fd00::c0a8:1001/128\""));
    }
}
