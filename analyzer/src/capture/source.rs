//! Files and standard input, unpacked where they are packed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

use super::interruption::{Interruptible, Interruption};
use super::stream::ByteStream;
use super::zstd::{self, ZstdFrames};
use super::{CaptureError, Progress};
use crate::paste::encoding::{self, Encoding, Utf16};

/// Bytes that a pipe shall hold: as many as Linux allows anyone (`/proc/sys/fs/pipe-max-size` as it is by default).
const PIPE_LEN: usize = 1 << 20;

/// A file that is being read.
pub(super) struct Source {
    /// The file's path as the user gave it, or `standard input`.
    pub(super) file: Arc<str>,
    /// Its bytes, unpacked.
    pub(super) stream: ByteStream,
    /// How much of it was read.
    pub(super) meter: Meter,
}

/// Counts the bytes that are read of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    consumed: Arc<AtomicU64>,
    total: Option<u64>,
}

struct Metered<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path, interruption: Option<&Arc<Interruption>>) -> Result<Self, CaptureError> {
        let is_input = path == Path::new("-");
        let file: Arc<str> = if is_input { "standard input".into() } else { path.to_string_lossy().into() };
        let open = || {
            let opened = match interruption {
                // Not `io::stdin()`: it buffers, so what waits for the descriptor would not see what was read ahead.
                _ if is_input => File::from(io::stdin().as_fd().try_clone_to_owned()?),
                Some(_) => open_at_once(path)?,
                None => File::open(path)?,
            };
            let metadata = opened.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            if metadata.file_type().is_fifo() && fcntl_getpipe_size(&opened).is_ok_and(|size| size < PIPE_LEN) {
                // Both ends then wait less often for one another. Where it is refused, the pipe works as it is.
                let _ = fcntl_setpipe_size(&opened, PIPE_LEN);
            }
            Ok((opened, metadata.is_file().then_some(metadata.len())))
        };
        let (opened, size) = open().map_err(|source| CaptureError::Open { file: Arc::clone(&file), source })?;
        Ok(match interruption {
            Some(interruption) => {
                Self::new(file, Interruptible::new(opened, size.is_none(), Arc::clone(interruption)), size)
            }
            None => Self::new(file, opened, size),
        })
    }

    /// A source over any bytes. `size` is their number, where it is known.
    pub(super) fn new(file: Arc<str>, bytes: impl Read + Send + 'static, size: Option<u64>) -> Self {
        let meter = Meter { consumed: Arc::default(), total: size };
        let metered = Metered { inner: bytes, consumed: Arc::clone(&meter.consumed) };
        let stream = in_utf8(unpacked(ByteStream::new(Box::new(metered))));
        Self { file, stream, meter }
    }
}

/// Texts from Windows begin with a byte order mark or are UTF-16. No binary format that is read begins so.
fn in_utf8(mut stream: ByteStream) -> ByteStream {
    match encoding::of(stream.peek(encoding::PROBE_LEN)) {
        Encoding::Bytes { mark } => {
            stream.drop_front(mark);
            stream
        }
        Encoding::Utf16 { big_endian, mark } => {
            stream.drop_front(mark);
            ByteStream::new(Box::new(Utf16::new(stream, big_endian)))
        }
    }
}

/// Opens a file; a pipe without waiting for whoever is to write into it, so that the waiting can be ended.
fn open_at_once(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

fn unpacked(mut raw: ByteStream) -> ByteStream {
    if is_gzip(raw.peek(3)) {
        ByteStream::new(Box::new(MultiGzDecoder::new(raw)))
    } else if raw.peek(4).first_chunk().is_some_and(|&magic| zstd::is_magic(magic)) {
        ByteStream::new(Box::new(ZstdFrames::new(raw)))
    } else {
        raw
    }
}

/// Whether the bytes start a gzip member (RFC 1952 section 2.3.1).
pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b, 8])
}

impl Meter {
    pub(crate) fn progress(&self) -> Progress {
        Progress { consumed: self.consumed.load(Ordering::Relaxed), total: self.total }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
