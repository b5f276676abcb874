//! Why a capture cannot be used at all.

use std::io;
use std::sync::Arc;

use super::link::UnsupportedLinkType;
use super::nics::MAX_INTERFACES;
use super::pcap::NotAPcap;

/// Why a capture cannot be used at all. Damage that leaves something to judge is a warning instead.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open {file}: {source}")]
    Open {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// Not even the file's beginning can be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// The file has no content.
    #[error("{file} is empty, expected a capture: pcap, pcapng or the text of `tcpdump -e`")]
    Empty {
        /// The file.
        file: Arc<str>,
    },
    /// The content is of another format.
    #[error(
        "{file} is no capture but {found}; expected pcap, pcapng or the text of `tcpdump -e`, plain or packed by gzip or zstd"
    )]
    Unrecognised {
        /// The file.
        file: Arc<str>,
        /// What the content looks like.
        found: &'static str,
    },
    /// A pcap file whose first header cannot be used.
    #[error("{file}: {source}")]
    PcapHeader {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: NotAPcap,
    },
    /// A file that ends within, or whose damage starts in, its first header.
    #[error("{file} is cut or damaged in its first header: {reason}")]
    FirstHeader {
        /// The file.
        file: Arc<str>,
        /// What is wrong.
        reason: String,
    },
    /// No frame of the file can be judged.
    #[error("{file}: {source}")]
    LinkType {
        /// The file.
        file: Arc<str>,
        /// Which link type.
        source: UnsupportedLinkType,
    },
    /// More NICs than can be told apart.
    #[error("{file} brings the number of NICs above {MAX_INTERFACES}; judge fewer captures at a time")]
    TooManyInterfaces {
        /// The file whose NIC was one too many.
        file: Arc<str>,
    },
    /// Text of tcpdump without option -e.
    #[error(
        "{file}:{line}: text of tcpdump without MAC addresses; print it with `tcpdump -e`, best `tcpdump -e -n -tttt`"
    )]
    NoMacs {
        /// The file.
        file: Arc<str>,
        /// The first line of a packet, counted from 1.
        line: usize,
    },
    /// Text of tcpdump without times, or with time differences.
    #[error(
        "{file}:{line}: text of tcpdump without the time of day (option -t, -ttt or -ttttt); print it with `tcpdump -e -n -tttt`"
    )]
    NoTimes {
        /// The file.
        file: Arc<str>,
        /// The first line of a packet, counted from 1.
        line: usize,
    },
}
