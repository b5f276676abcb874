//! Classic pcap files, as the generated cases and the benchmark need them.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriter};
use pcap_file::{DataLink, Endianness};

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
