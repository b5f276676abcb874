//! Ethernet frames with valid checksums, as the generated captures need them.

use std::net::IpAddr;

use anyhow::{Result, bail};
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, Icmpv4Header, Icmpv4Type, Icmpv6Header,
    Icmpv6Type, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, SingleVlanHeader, TcpHeader,
    UdpHeader, VlanId,
};

/// Bytes before the payload of an untagged UDP frame without IPv4 options.
pub(crate) const UDP_HEADERS_LEN: usize = Ethernet2Header::LEN + Ipv4Header::MIN_LEN + UdpHeader::LEN;

/// A MAC address in wire order.
pub(crate) type Mac = [u8; 6];

/// A MAC address in the notation of tcpdump and OVN.
pub(crate) fn mac_text(mac: Mac) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// One direction of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    /// Source address.
    pub(crate) src: IpAddr,
    /// Destination address, of the same family.
    pub(crate) dst: IpAddr,
    /// What runs over IP.
    pub(crate) transport: Transport,
}

/// A transport protocol and what tells its conversations apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    /// UDP, with its ports.
    Udp { sport: u16, dport: u16 },
    /// TCP, with its ports. Segments of an established session.
    Tcp { sport: u16, dport: u16 },
    /// SCTP, with its ports. A DATA chunk in each packet.
    Sctp { sport: u16, dport: u16 },
    /// ICMP or ICMPv6, as the addresses are, with the first two octets of what the type defines: the identifier of an
    /// echo message.
    Icmp { icmp_type: u8, id: u16 },
}

impl Flow {
    /// The answer to this direction.
    pub(crate) fn reversed(self) -> Self {
        let transport = match self.transport {
            Transport::Udp { sport, dport } => Transport::Udp { sport: dport, dport: sport },
            Transport::Tcp { sport, dport } => Transport::Tcp { sport: dport, dport: sport },
            Transport::Sctp { sport, dport } => Transport::Sctp { sport: dport, dport: sport },
            Transport::Icmp { icmp_type, id } => {
                let answer = match icmp_type {
                    0 => 8,
                    8 => 0,
                    128 => 129,
                    129 => 128,
                    other => other,
                };
                Transport::Icmp { icmp_type: answer, id }
            }
        };
        Self { src: self.dst, dst: self.src, transport }
    }
}

/// A frame that holds one packet.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Source MAC.
    pub(crate) eth_src: Mac,
    /// Destination MAC.
    pub(crate) eth_dst: Mac,
    /// VLAN ids, the outer one first. The outer of two is a service tag (802.1ad).
    pub(crate) vlans: Vec<u16>,
    /// Ends of the packet.
    pub(crate) flow: Flow,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// Identification of the IPv4 packet, or of the fragments of an IPv6 one.
    pub(crate) identification: u16,
    /// What the transport protocol carries.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// What is left of a pod's 64 behind the cluster router and the gateway router.
    pub(crate) const TTL: u8 = 62;

    /// An untagged frame of a pod, with zeros for payload.
    pub(crate) fn new(eth_src: Mac, eth_dst: Mac, flow: Flow, payload_len: usize) -> Self {
        let payload = vec![0; payload_len];
        Self { eth_src, eth_dst, vlans: Vec::new(), flow, ttl: Self::TTL, identification: 0, payload }
    }

    /// The bytes of the frame.
    ///
    /// # Errors
    /// The addresses are of two families, or the payload is longer than a packet can be.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends the frame.
    ///
    /// # Errors
    /// As of [`Frame::bytes`].
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) -> Result<()> {
        let segment = self.segment()?;
        match (self.flow.src, self.flow.dst) {
            (IpAddr::V4(_), _) => {
                self.write_ethernet(out, EtherType::IPV4)?;
                self.ipv4(segment.len())?.write(out)?;
            }
            (IpAddr::V6(_), _) => {
                self.write_ethernet(out, EtherType::IPV6)?;
                self.ipv6(segment.len(), self.protocol())?.write(out)?;
            }
        }
        out.extend_from_slice(&segment);
        Ok(())
    }

    /// The packet in fragments, each with at most `len` octets of it behind its IP header.
    ///
    /// # Errors
    /// As of [`Frame::bytes`].
    pub(crate) fn fragments(&self, len: usize) -> Result<Vec<Vec<u8>>> {
        // Offsets count units of eight octets (RFC 791 section 3.2, RFC 8200 section 4.5).
        let unit = len / 8 * 8;
        let segment = self.segment()?;
        let fragment = |(number, part): (usize, &[u8])| {
            let fragment_offset = IpFragOffset::try_new((number * unit / 8).try_into()?)?;
            let more_fragments = number * unit + part.len() < segment.len();
            let mut out = Vec::new();
            if self.flow.src.is_ipv4() {
                self.write_ethernet(&mut out, EtherType::IPV4)?;
                let whole = self.ipv4(part.len())?;
                Ipv4Header { dont_fragment: false, more_fragments, fragment_offset, ..whole }.write(&mut out)?;
            } else {
                self.write_ethernet(&mut out, EtherType::IPV6)?;
                self.ipv6(Ipv6FragmentHeader::LEN + part.len(), IpNumber::IPV6_FRAGMENTATION_HEADER)?
                    .write(&mut out)?;
                let next_header = self.protocol();
                let identification = self.identification.into();
                Ipv6FragmentHeader { next_header, fragment_offset, more_fragments, identification }.write(&mut out)?;
            }
            out.extend_from_slice(part);
            Ok(out)
        };
        segment.chunks(unit).enumerate().map(fragment).collect()
    }

    fn write_ethernet(&self, out: &mut Vec<u8>, ether_type: EtherType) -> Result<()> {
        write_ethernet(out, self.eth_src, self.eth_dst, &self.vlans, ether_type)
    }

    fn protocol(&self) -> IpNumber {
        match (self.flow.transport, self.flow.src) {
            (Transport::Udp { .. }, _) => IpNumber::UDP,
            (Transport::Tcp { .. }, _) => IpNumber::TCP,
            (Transport::Sctp { .. }, _) => IpNumber::SCTP,
            (Transport::Icmp { .. }, IpAddr::V4(_)) => IpNumber::ICMP,
            (Transport::Icmp { .. }, IpAddr::V6(_)) => IpNumber::IPV6_ICMP,
        }
    }

    fn ipv4(&self, payload_len: usize) -> Result<Ipv4Header> {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (self.flow.src, self.flow.dst) else {
            bail!("{} and {} are of two families", self.flow.src, self.flow.dst);
        };
        let header = Ipv4Header::new(payload_len.try_into()?, self.ttl, self.protocol(), src.octets(), dst.octets())?;
        Ok(Ipv4Header { identification: self.identification, ..header })
    }

    fn ipv6(&self, payload_len: usize, next_header: IpNumber) -> Result<Ipv6Header> {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (self.flow.src, self.flow.dst) else {
            bail!("{} and {} are of two families", self.flow.src, self.flow.dst);
        };
        Ok(Ipv6Header {
            payload_length: payload_len.try_into()?,
            next_header,
            hop_limit: self.ttl,
            source: src.octets(),
            destination: dst.octets(),
            ..Ipv6Header::default()
        })
    }

    /// Transport header and payload.
    fn segment(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match self.flow.transport {
            Transport::Udp { sport, dport } => {
                let header = match self.flow.src {
                    IpAddr::V4(_) => UdpHeader::with_ipv4_checksum(sport, dport, &self.ipv4(0)?, &self.payload)?,
                    IpAddr::V6(_) => {
                        UdpHeader::with_ipv6_checksum(sport, dport, &self.ipv6(0, IpNumber::UDP)?, &self.payload)?
                    }
                };
                header.write(&mut out)?;
                out.extend_from_slice(&self.payload);
            }
            Transport::Tcp { sport, dport } => {
                let mut header = TcpHeader { ack: true, psh: true, ..TcpHeader::new(sport, dport, 1, 501) };
                header.acknowledgment_number = 1;
                header.checksum = match self.flow.src {
                    IpAddr::V4(_) => header.calc_checksum_ipv4(&self.ipv4(0)?, &self.payload)?,
                    IpAddr::V6(_) => header.calc_checksum_ipv6(&self.ipv6(0, IpNumber::TCP)?, &self.payload)?,
                };
                header.write(&mut out)?;
                out.extend_from_slice(&self.payload);
            }
            Transport::Sctp { sport, dport } => write_sctp(&mut out, sport, dport, &self.payload)?,
            Transport::Icmp { icmp_type: type_u8, id } => {
                let [high, low] = id.to_be_bytes();
                let (code_u8, bytes5to8) = (0, [high, low, 0, 0]);
                match (self.flow.src, self.flow.dst) {
                    (IpAddr::V6(src), IpAddr::V6(dst)) => {
                        let icmp_type = Icmpv6Type::Unknown { type_u8, code_u8, bytes5to8 };
                        let (src, dst) = (src.octets(), dst.octets());
                        Icmpv6Header::with_checksum(icmp_type, src, dst, &self.payload)?.write(&mut out)?;
                    }
                    _ => {
                        let icmp_type = Icmpv4Type::Unknown { type_u8, code_u8, bytes5to8 };
                        Icmpv4Header::with_checksum(icmp_type, &self.payload).write(&mut out)?;
                    }
                }
                out.extend_from_slice(&self.payload);
            }
        }
        Ok(out)
    }
}

/// An SCTP packet with one DATA chunk (RFC 9260 sections 3.1 and 3.3.1).
fn write_sctp(out: &mut Vec<u8>, sport: u16, dport: u16, payload: &[u8]) -> Result<()> {
    const VERIFICATION_TAG: u32 = 0x5c7d_0001;
    /// A chunk that is a whole message: the bits of its beginning and its end.
    const DATA: [u8; 2] = [0, 3];
    let chunk_len: u16 = (16 + payload.len()).try_into()?;

    let start = out.len();
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend(VERIFICATION_TAG.to_be_bytes());
    out.extend([0; 4]);
    out.extend(DATA);
    out.extend(chunk_len.to_be_bytes());
    // TSN 1, stream 0, sequence number 0, no payload protocol.
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    let checksum = crc32c(&out[start..]);
    out[start + 8..start + 12].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// The checksum of SCTP (RFC 9260 appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// A frame of any protocol, padded to the shortest that Ethernet knows.
pub(crate) fn ethernet(eth_src: Mac, eth_dst: Mac, ether_type: u16, payload: &[u8]) -> Result<Vec<u8>> {
    /// 64 octets without the frame check sequence.
    const MIN_LEN: usize = 60;
    let mut out = Vec::new();
    write_ethernet(&mut out, eth_src, eth_dst, &[], EtherType(ether_type))?;
    out.extend_from_slice(payload);
    out.resize(out.len().max(MIN_LEN), 0);
    Ok(out)
}

fn write_ethernet(
    out: &mut Vec<u8>,
    source: Mac,
    destination: Mac,
    vlans: &[u16],
    ether_type: EtherType,
) -> Result<()> {
    let tag_type = |number: usize| match vlans.len() - number {
        0 => ether_type,
        1 => EtherType::VLAN_TAGGED_FRAME,
        _ => EtherType::PROVIDER_BRIDGING,
    };
    Ethernet2Header { source, destination, ether_type: tag_type(0) }.write(out)?;
    for (number, &vlan) in (1..).zip(vlans) {
        let vlan_id = VlanId::try_new(vlan)?;
        SingleVlanHeader { vlan_id, ether_type: tag_type(number), ..SingleVlanHeader::default() }.write(out)?;
    }
    Ok(())
}

/// Somebody's address on the link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Station {
    /// Its MAC.
    pub(crate) mac: Mac,
    /// Its IP address.
    pub(crate) ip: IpAddr,
}

/// An ARP reply (RFC 826) from one station to another.
///
/// # Errors
/// An address is of IPv6.
pub(crate) fn arp_reply(sender: Station, target: Station) -> Result<Vec<u8>> {
    arp(ArpOperation::REPLY, sender, target, target.mac)
}

/// An ARP request that asks everybody for the MAC of the address `wanted`.
///
/// # Errors
/// An address is of IPv6.
pub(crate) fn arp_request(sender: Station, wanted: IpAddr) -> Result<Vec<u8>> {
    arp(ArpOperation::REQUEST, sender, Station { mac: [0; 6], ip: wanted }, [0xff; 6])
}

fn arp(operation: ArpOperation, sender: Station, target: Station, eth_dst: Mac) -> Result<Vec<u8>> {
    let (IpAddr::V4(sender_ip), IpAddr::V4(target_ip)) = (sender.ip, target.ip) else {
        bail!("ARP is of IPv4, {} or {} is not", sender.ip, target.ip);
    };
    let packet = ArpPacket::from(ArpEthIpv4Packet {
        operation,
        sender_mac: sender.mac,
        sender_ipv4: sender_ip.octets(),
        target_mac: target.mac,
        target_ipv4: target_ip.octets(),
    });
    ethernet(sender.mac, eth_dst, EtherType::ARP.0, &packet.to_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    const SRC: Mac = [2, 0, 0, 0, 0, 1];
    const DST: Mac = [2, 0, 0, 0, 0, 2];

    fn flows() -> Vec<Flow> {
        let v4 = (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(192, 0, 2, 2).into());
        let v6 = (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into());
        let (sport, dport) = (1000, 2000);
        let mut flows = Vec::new();
        for ((src, dst), icmp_type) in [(v4, 8), (v6, 128)] {
            let transports = [
                Transport::Udp { sport, dport },
                Transport::Tcp { sport, dport },
                Transport::Sctp { sport, dport },
                Transport::Icmp { icmp_type, id: 7 },
            ];
            flows.extend(transports.map(|transport| Flow { src, dst, transport }));
        }
        flows
    }

    #[test]
    fn frames_are_what_another_parser_reads() {
        for flow in flows() {
            for vlans in [vec![], vec![5], vec![5, 6]] {
                let bytes = Frame { vlans: vlans.clone(), ..Frame::new(SRC, DST, flow, 32) }.bytes().unwrap();
                let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
                assert_eq!(packet.vlan_ids().iter().map(|id| id.value()).collect::<Vec<_>>(), vlans);
                match (flow.transport, &packet.transport) {
                    (Transport::Udp { sport, .. }, Some(TransportSlice::Udp(udp))) => {
                        assert_eq!(udp.source_port(), sport);
                    }
                    (Transport::Tcp { dport, .. }, Some(TransportSlice::Tcp(tcp))) => {
                        assert_eq!(tcp.destination_port(), dport);
                    }
                    (Transport::Icmp { icmp_type, .. }, Some(TransportSlice::Icmpv4(icmp))) => {
                        assert_eq!(icmp.type_u8(), icmp_type);
                    }
                    (Transport::Icmp { icmp_type, .. }, Some(TransportSlice::Icmpv6(icmp))) => {
                        assert_eq!(icmp.type_u8(), icmp_type);
                    }
                    (Transport::Sctp { .. }, None) => {
                        assert_eq!(packet.ip_payload().unwrap().ip_number, IpNumber::SCTP);
                    }
                    (transport, found) => panic!("{transport:?}: {found:?}"),
                }
            }
            assert_eq!(flow.reversed().reversed(), flow);
        }
    }

    #[test]
    fn fragments_add_up() {
        for flow in flows() {
            let frame = Frame { identification: 9, ..Frame::new(SRC, DST, flow, 100) };
            let whole = frame.segment().unwrap();
            let mut parts = Vec::new();
            let fragments = frame.fragments(50).unwrap();
            for (number, fragment) in (1..).zip(&fragments) {
                let packet = SlicedPacket::from_ethernet(fragment).unwrap();
                assert!(packet.is_ip_payload_fragmented(), "{flow:?} {number}");
                let payload = packet.ip_payload().unwrap().payload;
                assert!(payload.len() == 48 || number == fragments.len());
                parts.extend_from_slice(payload);
            }
            assert_eq!(parts, whole, "{flow:?}");
        }
    }

    #[test]
    fn checksum_of_sctp() {
        // The check value of CRC-32C over the nine digits.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn arp_is_for_ipv4() {
        let station = |ip| Station { mac: SRC, ip };
        let v4 = Ipv4Addr::new(192, 0, 2, 1).into();
        let request = arp_request(station(v4), v4).unwrap();
        assert_eq!(&request[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(request.len(), 60);
        assert!(arp_reply(station(v4), station(Ipv6Addr::LOCALHOST.into())).is_err());
    }
}
