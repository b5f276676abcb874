//! Captures: files of packets, and the text of `tcpdump -e`.
//!
//! Formats are told by content, never by name: classic pcap, pcapng and text, plain or packed by gzip or zstd. Every
//! reader streams. A file that is cut or damaged is read up to there, and a warning names the place; what cannot be
//! used at all is an error.

mod chain;
mod chain_reader;
mod early_end;
mod error;
mod input;
mod interruption;
mod item;
mod link;
mod merge;
mod nics;
mod opened;
pub mod pcap;
mod pcapng;
mod source;
mod stream;
mod tcpdump_text;
mod warnings;
mod zone;
mod zstd;

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

pub(crate) use self::chain::{Chain, Located, Step};
pub(crate) use self::early_end::EarlyEnd;
pub use self::error::CaptureError;
pub use self::input::{Excerpt, Input};
pub use self::interruption::Interruption;
pub use self::item::{CaptureReader, FileRead, FrameRef, Interface, Item, Progress, Skipped, TextPayload, TextRecord};
pub use self::link::{LinkType, UnsupportedLinkType};
pub use self::merge::Merge;
pub use self::nics::MAX_INTERFACES;
pub(crate) use self::opened::{Chained, Opened, PlainFile, Records};
use self::pcap::GlobalHeader;
use self::source::Source;
pub(crate) use self::stream::ByteStream;
pub use self::tcpdump_text::looks;
pub use self::zone::Zone;
use crate::paste::encoding;

/// Bytes looked at to tell text from other content.
const TEXT_PROBE_LEN: usize = 512;

/// What a capture does not tell of itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Day of the first line of a text whose times have no date.
    pub date: Option<jiff::civil::Date>,
    /// Zone of the times of a text; UTC where it is not given.
    pub zone: Option<Zone>,
    /// Whether times are held against those of other sources, which are UTC.
    pub are_times_compared: bool,
    /// Whether text without times is read. The order of its lines is all that is known then.
    pub without_times: bool,
    /// What may end the reading early.
    pub interruption: Option<Arc<Interruption>>,
}

/// Opens a capture. `-` is standard input.
///
/// # Errors
/// The file cannot be read, is empty, or its beginning is that of no capture.
pub fn open(path: &Path, options: &Options) -> Result<Box<dyn CaptureReader + Send>, CaptureError> {
    Input::from(path).open(options)
}

/// Opens any file that may be packed by gzip or zstd: its name for messages, and its bytes unpacked. `-` is standard
/// input.
///
/// # Errors
/// The file cannot be opened.
pub fn unpack(path: &Path) -> Result<(Arc<str>, impl BufRead + use<>), CaptureError> {
    Source::open(path, None).map(|source| (source.file, source.stream))
}

/// Whether a file's beginning is that of a capture. Text counts only where `or_text` is set: a log is text too.
pub fn is_capture(path: &Path, or_text: bool) -> bool {
    Source::open(path, None).is_ok_and(|mut source| match format(&mut source.stream) {
        Ok(Format::Text) => or_text,
        Ok(_) => true,
        Err(_) => false,
    })
}

/// A format that is read.
enum Format {
    Pcap,
    Pcapng,
    Text,
}

/// Tells the format by the first bytes, or what they look like instead.
fn format(stream: &mut ByteStream) -> Result<Format, &'static str> {
    let head = stream.peek(4);
    match head.first_chunk() {
        Some(&magic) if GlobalHeader::is_magic(magic) => return Ok(Format::Pcap),
        Some(&pcapng::MAGIC) => return Ok(Format::Pcapng),
        _ => {}
    }
    let packed_twice = source::is_gzip(head) || head.first_chunk().is_some_and(|&magic| zstd::is_magic(magic));
    let found = [
        (packed_twice, "packed twice"),
        (head.starts_with(&[0xfd, b'7', b'z', b'X']), "packed by xz; unpack it first"),
        (head.starts_with(b"BZh"), "packed by bzip2; unpack it first"),
        (head.starts_with(b"PK\x03\x04"), "a zip archive; unpack it first"),
        (head.starts_with(b"snoo"), "a snoop capture; convert it with `editcap -F pcap`"),
        (head.starts_with(b"GMBU"), "a capture of Network Monitor; convert it with `editcap -F pcap`"),
    ];
    if let Some(&(_, found)) = found.iter().find(|(matches, _)| *matches) {
        return Err(found);
    }
    let probe = stream.peek(1);
    let probe = probe.get(..TEXT_PROBE_LEN).unwrap_or(probe);
    if encoding::is_text(probe) { Ok(Format::Text) } else { Err("binary data of an unknown kind") }
}

#[cfg(test)]
pub(crate) mod tests;
