//! What is read as a capture: a file, or lines of one that holds other texts too.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use super::opened::Opened;
use super::source::Source;
use super::{CaptureError, CaptureReader, Options, tcpdump_text};
use crate::types::{Place, Position};

/// A capture to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The lines of the file that are the capture, where it is not the whole of it.
    pub excerpt: Option<Excerpt>,
}

/// Lines of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    /// The lines.
    pub bytes: Arc<[u8]>,
    /// Lines that stand before them in the file.
    pub before: usize,
    /// The last of them, counted from 1 in the file.
    pub last: usize,
}

impl Input {
    /// Where it stands.
    pub fn place(&self) -> Place {
        let position = self.excerpt.as_ref().map_or(Position::Whole, Excerpt::position);
        Place { file: self.path.to_string_lossy().into(), position }
    }

    /// Opens it.
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(&self, options: &Options) -> Result<Box<dyn CaptureReader + Send>, CaptureError> {
        self.open_as_stream(options).map(Opened::into_reader)
    }

    /// Opens it by whatever way is the fastest. A file that is not packed is not told of the interruption.
    ///
    /// # Errors
    /// As [`super::open`].
    pub(crate) fn open_alone(&self, options: &Options) -> Result<Opened, CaptureError> {
        match Opened::plain_file(&self.path).filter(|_| self.excerpt.is_none()) {
            Some(file) => Ok(file),
            None => self.open_as_stream(options),
        }
    }

    fn open_as_stream(&self, options: &Options) -> Result<Opened, CaptureError> {
        let Some(excerpt) = &self.excerpt else {
            return Opened::new(Source::open(&self.path, options.interruption.as_ref())?, options);
        };
        let size = excerpt.bytes.len() as u64;
        let source = Source::new(self.place().file, Cursor::new(Arc::clone(&excerpt.bytes)), Some(size));
        Ok(Opened::Other(Box::new(tcpdump_text::TextReader::below(source, options, excerpt.before))))
    }
}

impl Excerpt {
    /// The lines that it is.
    pub fn position(&self) -> Position {
        match self.before + 1 {
            first if first >= self.last => Position::Line(first),
            first => Position::Lines(first, self.last),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Input {
    fn from(path: P) -> Self {
        Self { path: path.into(), excerpt: None }
    }
}
