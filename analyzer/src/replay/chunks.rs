//! Where chunks come from: any place of a file, or a stream.

use std::fs::File;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chunk::{Chunk, Ending};
use crate::capture::{ByteStream, PlainFile};

const NOT_POISONED: &str = "a thread that panics while it reads ends the run";

/// Gives chunk after chunk to the threads that ask.
pub(super) enum Chunks {
    /// Of a file: threads read at the same time.
    File(FileChunks),
    /// Of a stream: one thread reads at a time. What unpacks the stream works in it, while others count.
    Stream(Mutex<StreamChunks>),
}

/// The chunks of a file.
pub(super) struct FileChunks {
    file: File,
    /// Offset of the first chunk.
    start: u64,
    /// Offset behind the last one. What is appended later is not read.
    end: u64,
    chunk_len: u32,
    /// The first chunk that no thread has taken.
    untaken: AtomicU64,
}

/// The chunks of a stream.
pub(super) struct StreamChunks {
    stream: ByteStream,
    chunk_len: u32,
    /// Whether its bytes come as something writes them: a chunk does not wait for more than there are.
    is_live: bool,
    /// Number of the chunk that comes next.
    untaken: u64,
    has_ended: bool,
}

impl Chunks {
    /// The chunks behind what is read of the stream already. `plain` is the file that the stream is of, where it is not
    /// packed. `is_live` says that something may write the stream just now.
    pub(super) fn new(stream: ByteStream, plain: Option<PlainFile>, is_live: bool, chunk_len: NonZero<u32>) -> Self {
        let chunk_len = chunk_len.get();
        match plain {
            Some(PlainFile { file, len }) => {
                let start = stream.offset();
                Self::File(FileChunks { file, start, end: len.max(start), chunk_len, untaken: AtomicU64::new(0) })
            }
            None => Self::Stream(Mutex::new(StreamChunks { stream, chunk_len, is_live, untaken: 0, has_ended: false })),
        }
    }

    /// Number of chunks, where it is known.
    pub(super) fn count(&self) -> Option<NonZero<u64>> {
        match self {
            Self::File(file) => Some(file.count()),
            Self::Stream(_) => None,
        }
    }

    /// Most bytes that a chunk reads.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::File(file) => {
                usize::try_from(file.end - file.start).unwrap_or(usize::MAX).min(file.chunk_len as usize)
            }
            Self::Stream(stream) => stream.lock().expect(NOT_POISONED).chunk_len as usize,
        }
    }

    /// Reads a chunk that no thread has read. Returns its number; `None` where there are no more.
    pub(super) fn read(&self, chunk: &mut Chunk) -> Option<u64> {
        match self {
            Self::File(file) => file.read(chunk),
            Self::Stream(stream) => stream.lock().expect(NOT_POISONED).read(chunk),
        }
    }
}

impl FileChunks {
    /// An empty file has a chunk, too: whoever walks has to come to its end.
    fn count(&self) -> NonZero<u64> {
        NonZero::new((self.end - self.start).div_ceil(u64::from(self.chunk_len))).unwrap_or(NonZero::<u64>::MIN)
    }

    fn read(&self, chunk: &mut Chunk) -> Option<u64> {
        let index = self.untaken.fetch_add(1, Ordering::Relaxed);
        let count = self.count().get();
        if index >= count {
            return None;
        }
        let mut offset = self.start + index * u64::from(self.chunk_len);
        let len = usize::try_from((self.end - offset).min(u64::from(self.chunk_len))).unwrap_or(usize::MAX);
        let read = chunk.fill(len, |target| {
            let read = self.file.read_at(target, offset)?;
            offset += read as u64;
            Ok(read)
        });
        match chunk.ending() {
            Some(Ending::Whole) if read < len => chunk.set_ending(Ending::Shrunk),
            None if index + 1 == count => chunk.set_ending(Ending::Whole),
            _ => {}
        }
        Some(index)
    }
}

impl StreamChunks {
    fn read(&mut self, chunk: &mut Chunk) -> Option<u64> {
        if self.has_ended {
            return None;
        }
        let is_enough = |read| self.is_live && read > 0;
        chunk.fill_until(self.chunk_len as usize, is_enough, |target| self.stream.read_directly(target));
        self.has_ended = chunk.ending().is_some();
        self.untaken += 1;
        Some(self.untaken - 1)
    }
}
