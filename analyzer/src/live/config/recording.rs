//! Which frames are recorded, and where.

use super::ConfigError;
use crate::cli::{Only, RecordArgs};
use crate::recorder::{self, Name, Rotation};

/// Files that stay unless told.
const FILES: usize = 10;
/// Bytes of a frame that are kept unless told: all headers, and no more of what people say to each other.
const SNAPLEN: u32 = 128;

/// Which frames are recorded, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Which.
    pub only: Only,
    /// Where.
    pub files: recorder::Settings,
}

impl Recorded {
    /// Resolves and checks what was typed; `None` where nothing is to be recorded.
    pub(super) fn of(args: RecordArgs, is_afxdp: bool) -> Result<Option<Self>, ConfigError> {
        let RecordArgs { write, only, write_bytes, write_files, snaplen } = args;
        let Some(write) = write else {
            let given = [
                ("--only", only.is_some()),
                ("--write-bytes", write_bytes.is_some()),
                ("--write-files", write_files.is_some()),
                ("--snaplen", snaplen.is_some()),
            ];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((option, _)) => Err(ConfigError::NotWritten { option, missing: "--write FILE" }),
                None => Ok(None),
            };
        };
        if !is_afxdp {
            return Err(ConfigError::NothingToWrite);
        }
        if write_files.is_some() && write_bytes.is_none() {
            return Err(ConfigError::NotWritten { option: "--write-files", missing: "--write-bytes N" });
        }
        let files = write_files.map_or(FILES, |files| usize::try_from(files).unwrap_or(usize::MAX));
        let files = recorder::Settings {
            name: Name::try_from(write.as_path())?,
            rotation: write_bytes.map(|bytes| Rotation { bytes, files }),
            snaplen: snaplen.unwrap_or(SNAPLEN),
        };
        Ok(Some(Self { only: only.unwrap_or_default(), files }))
    }
}
