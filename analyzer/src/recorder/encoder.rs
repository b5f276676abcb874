//! Frames as pcapng in memory, packed or not.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::block_common::PcapNgBlock;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};

use super::frames::Frame;

/// What is said of itself in each section.
const APPLICATION: &str = concat!("analyzer ", env!("CARGO_PKG_VERSION"));
/// Of zstd: what is recorded is to be packed as fast as it comes.
const LEVEL: i32 = 1;
/// Longest comment, in bytes: lengths of options are 16 bits wide.
const MAX_COMMENT: usize = 4096;

/// A section of a pcapng file, with what of it was not written yet.
pub(super) struct Encoder {
    section: PcapNgWriter<Vec<u8>>,
    /// Names of the interfaces that it describes; their places are their ids.
    interfaces: Vec<Arc<str>>,
    snaplen: u32,
    is_packed: bool,
}

impl Encoder {
    /// Begins a section.
    ///
    /// # Errors
    /// None: memory takes it.
    pub(super) fn new(snaplen: u32, is_packed: bool) -> io::Result<Self> {
        let header = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(APPLICATION))],
            ..SectionHeaderBlock::default()
        };
        let section = PcapNgWriter::with_section_header(Vec::new(), header).map_err(io::Error::other)?;
        Ok(Self { section, interfaces: Vec::new(), snaplen, is_packed })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// The frame cannot be told in this format.
    pub(super) fn push(&mut self, interface: &Arc<str>, frame: &Frame<'_>, comment: Option<&str>) -> io::Result<()> {
        let id = match self.interfaces.iter().position(|known| known == interface) {
            Some(id) => id,
            None => self.describe(interface)?,
        };
        let comment = comment.map(|comment| {
            let end = comment.floor_char_boundary(MAX_COMMENT);
            EnhancedPacketOption::Common(CommonOption::Comment(Cow::Borrowed(&comment[..end])))
        });
        let block = EnhancedPacketBlock {
            interface_id: u32::try_from(id).unwrap_or(u32::MAX),
            timestamp: Duration::from_nanos(frame.at.as_nanos()),
            original_len: frame.orig_len.max(u32::try_from(frame.data.len()).unwrap_or(u32::MAX)),
            data: Cow::Borrowed(frame.data),
            options: comment.into_iter().collect(),
        };
        self.section.write_block(&block.into_block()).map_err(io::Error::other)?;
        Ok(())
    }

    fn describe(&mut self, interface: &Arc<str>) -> io::Result<usize> {
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: self.snaplen,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(interface)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        self.section.write_block(&block.into_block()).map_err(io::Error::other)?;
        self.interfaces.push(Arc::clone(interface));
        Ok(self.interfaces.len() - 1)
    }

    /// Bytes that wait, before they are packed.
    pub(super) fn waiting(&self) -> usize {
        self.section.get_ref().len()
    }

    /// Takes out what waits, as it is to be appended to the file. What is packed is a zstd frame of its own, so that a file
    /// can be read up to wherever its writing ended.
    ///
    /// # Errors
    /// There is no memory to pack it.
    pub(super) fn take(&mut self) -> io::Result<Vec<u8>> {
        let bytes = std::mem::take(self.section.get_mut());
        match self.is_packed {
            true => zstd::bulk::compress(&bytes, LEVEL),
            false => Ok(bytes),
        }
    }
}
