//! Why a capture is read only so far, in words for the user.

use std::fmt;
use std::io;

use super::interruption::Interrupted;

/// Why a capture is read only so far. What stands before is judged.
#[derive(Debug)]
pub(crate) enum EarlyEnd<'a> {
    /// The file ends within a record.
    CutRecord {
        /// Bytes of the record that are there.
        left: usize,
    },
    /// Packed data end within.
    CutPacked(&'a io::Error),
    /// The file cannot be read.
    Failed(&'a io::Error),
    /// Reading was ended from outside.
    Interrupted(Interrupted),
    /// A record's length field is wrong.
    RecordTooLong {
        /// What the field says.
        len: u32,
        /// Longest length that it can say.
        most: u32,
    },
}

impl<'a> EarlyEnd<'a> {
    /// Why a reader has to stop where a stream has ended, by its failure or without one, and `left` bytes are no record.
    /// `None` where the last record ended with the stream.
    pub(crate) fn of(failure: Option<&'a io::Error>, left: usize) -> Option<Self> {
        match failure {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(Self::CutPacked(error)),
            Some(error) => Some(Self::Failed(error)),
            None if left > 0 => Some(Self::CutRecord { left }),
            None => None,
        }
    }
}

impl fmt::Display for EarlyEnd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutRecord { left } => write!(
                f,
                "the file is cut in the middle of a record, of which {left} bytes are left; \
                 what came before the cut is judged"
            ),
            Self::CutPacked(error) => write!(f, "the file is cut ({error}); what came before the cut is judged"),
            Self::Failed(error) => write!(f, "{error}; what came before is judged"),
            Self::Interrupted(why) => write!(f, "{why}; what came before is judged"),
            Self::RecordTooLong { len, most } => {
                write!(f, "record length {len} is above {most}: the file is damaged here; what came before is judged")
            }
        }
    }
}
