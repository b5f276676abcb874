//! Captures as they are opened: by their format, and by how their bytes can be reached.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::chain_reader::ChainReader;
use super::pcap::{GlobalHeader, PcapRecords};
use super::pcapng::{self, PcapngBlocks};
use super::source::{Meter, Source};
use super::stream::ByteStream;
use super::tcpdump_text::TextReader;
use super::{CaptureError, CaptureReader, Format, Options, format};

/// A capture that is open.
pub(crate) enum Opened {
    /// One of chained records.
    Chained(Box<Chained>),
    /// Any other, to be read one frame after the other.
    Other(Box<dyn CaptureReader + Send>),
}

/// A capture of chained records. What stands before the first record is read and known to be good.
pub(crate) struct Chained {
    /// Its bytes, unpacked, from the first record on.
    pub(crate) stream: ByteStream,
    /// The file, where it is not packed and can be read at any place.
    pub(crate) plain: Option<PlainFile>,
    /// Its records.
    pub(crate) records: Records,
    /// How much of the file was read.
    pub(crate) meter: Meter,
}

/// A file that can be read at any place.
pub(crate) struct PlainFile {
    /// The file.
    pub(crate) file: File,
    /// Its length in bytes when it was opened.
    pub(crate) len: u64,
}

/// Chained records of either format.
pub(crate) enum Records {
    /// Classic pcap.
    Pcap(PcapRecords),
    /// pcapng.
    Pcapng(PcapngBlocks),
}

impl Opened {
    /// Opens whatever the source holds.
    pub(super) fn new(source: Source, options: &Options) -> Result<Self, CaptureError> {
        let Source { file, mut stream, meter } = source;
        let records = match format(&mut stream) {
            Ok(Format::Pcap) => Records::Pcap(PcapRecords::new(Arc::clone(&file), &mut stream)?),
            Ok(Format::Pcapng) => Records::Pcapng(PcapngBlocks::new(Arc::clone(&file), &mut stream)?),
            Ok(Format::Text) => {
                return Ok(Self::Other(Box::new(TextReader::new(Source { file, stream, meter }, options))));
            }
            Err(found) if !stream.buffered().is_empty() => return Err(CaptureError::Unrecognised { file, found }),
            Err(_) => {
                return Err(match stream.failure() {
                    Some(error) => {
                        let error = std::io::Error::new(error.kind(), error.to_string());
                        CaptureError::Read { file, source: error }
                    }
                    None => CaptureError::Empty { file },
                });
            }
        };
        Ok(Self::Chained(Box::new(Chained { stream, plain: None, records, meter })))
    }

    /// Opens a file of chained records that is not packed. `None` where it is anything else, or cannot be opened: who opens
    /// it as a source is told more.
    pub(super) fn plain_file(path: &Path) -> Option<Self> {
        // A pipe is opened once, by whoever reads it: its writer would see a reader come and go.
        if path == Path::new("-") || !path.metadata().ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let mut magic = [0; 4];
        if !metadata.is_file() || file.read_exact_at(&mut magic, 0).is_err() {
            return None;
        }
        if !GlobalHeader::is_magic(magic) && magic != pcapng::MAGIC {
            return None;
        }
        let len = metadata.len();
        let source = Source::new(path.to_string_lossy().into(), file.try_clone().ok()?, Some(len));
        match Self::new(source, &Options::default()) {
            // A file that does not know its length is read as a stream.
            Ok(Self::Chained(chained)) if len < chained.stream.offset() => None,
            Ok(Self::Chained(mut chained)) => {
                chained.plain = Some(PlainFile { file, len });
                Some(Self::Chained(chained))
            }
            Ok(Self::Other(_)) | Err(_) => None,
        }
    }

    /// A reader of one frame after the other.
    pub(super) fn into_reader(self) -> Box<dyn CaptureReader + Send> {
        match self {
            Self::Chained(chained) => {
                let Chained { stream, records, meter, .. } = *chained;
                match records {
                    Records::Pcap(records) => Box::new(ChainReader::new(stream, meter, records)),
                    Records::Pcapng(blocks) => Box::new(ChainReader::new(stream, meter, blocks)),
                }
            }
            Self::Other(reader) => reader,
        }
    }
}
