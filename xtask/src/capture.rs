//! UDP frames in classic pcap files, as the generated cases and the benchmark need them.

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::{Ethernet2Header, IpNumber, Ipv4Header, UdpHeader};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriter};
use pcap_file::{DataLink, Endianness};

/// Bytes before the payload of an untagged UDP frame without IPv4 options.
pub(crate) const HEADERS_LEN: usize = Ethernet2Header::LEN + Ipv4Header::MIN_LEN + UdpHeader::LEN;

/// A UDP datagram on its way out of a worker. The payload is zeros.
pub(crate) struct UdpFrame {
    /// Source MAC.
    pub(crate) eth_src: [u8; 6],
    /// Destination MAC.
    pub(crate) eth_dst: [u8; 6],
    /// Source address.
    pub(crate) src: Ipv4Addr,
    /// Destination address.
    pub(crate) dst: Ipv4Addr,
    /// Source port.
    pub(crate) sport: u16,
    /// Destination port.
    pub(crate) dport: u16,
    /// Identification of the IPv4 packet.
    pub(crate) identification: u16,
    /// Bytes of payload.
    pub(crate) payload_len: u16,
}

impl UdpFrame {
    /// What is left of a pod's 64 behind the cluster router and the gateway router.
    const TTL: u8 = 62;

    /// Appends the frame, with valid checksums.
    ///
    /// # Errors
    /// The payload is longer than an IPv4 packet can hold.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) -> Result<()> {
        let payload = vec![0; usize::from(self.payload_len)];
        let udp_len = (UdpHeader::LEN + payload.len()).try_into()?;
        let mut ip = Ipv4Header::new(udp_len, Self::TTL, IpNumber::UDP, self.src.octets(), self.dst.octets())?;
        ip.identification = self.identification;
        ip.header_checksum = ip.calc_header_checksum();
        let udp = UdpHeader::with_ipv4_checksum(self.sport, self.dport, &ip, &payload)?;
        Ethernet2Header { source: self.eth_src, destination: self.eth_dst, ether_type: etherparse::EtherType::IPV4 }
            .write(out)?;
        ip.write_raw(out)?;
        udp.write(out)?;
        out.extend_from_slice(&payload);
        Ok(())
    }
}

/// A classic pcap with microseconds, the same bytes on every machine.
pub(crate) struct Capture<W: Write> {
    pcap: PcapWriter<W>,
    snaplen: usize,
}

impl<W: Write> Capture<W> {
    /// Writes the file header. Frames longer than `snaplen` bytes will be cut.
    pub(crate) fn new(writer: W, snaplen: u16) -> Result<Self> {
        let header = PcapHeader {
            version_major: 2,
            version_minor: 4,
            ts_correction: 0,
            ts_accuracy: 0,
            snaplen: snaplen.into(),
            datalink: DataLink::ETHERNET,
            ts_resolution: PcapTsResolution::MicroSecond,
            endianness: Endianness::Little,
        };
        let pcap = PcapWriter::with_header(writer, header).context("cannot write the header of the capture")?;
        Ok(Self { pcap, snaplen: snaplen.into() })
    }

    /// Writes a frame seen at `time` after the Unix epoch.
    pub(crate) fn push(&mut self, time: Duration, frame: &[u8]) -> Result<()> {
        let kept = &frame[..frame.len().min(self.snaplen)];
        let packet = PcapPacket::new(time, frame.len().try_into()?, kept).context("not a frame that pcap can hold")?;
        self.pcap.write_packet(&packet).context("cannot write the capture")?;
        Ok(())
    }

    /// Gives the writer back, flushed.
    pub(crate) fn finish(mut self) -> Result<W> {
        self.pcap.flush().context("cannot write the capture")?;
        Ok(self.pcap.into_inner())
    }
}
