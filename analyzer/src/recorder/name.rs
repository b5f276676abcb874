//! Names of the files.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::types::Timestamp;

/// What names of pcapng files end in, and whether such a file is packed.
const ENDINGS: [(&str, bool); 2] = [(".pcapng", false), (".pcapng.zst", true)];

/// Why a file cannot be written under a name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "--write {}: files are written as pcapng, packed or not, so give a name that ends in .pcapng or .pcapng.zst",
    .0.display()
)]
pub struct NotAName(PathBuf);

/// The name of a file, from which those of a rotation are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    path: PathBuf,
    stem: String,
    ending: &'static str,
    is_packed: bool,
}

impl Name {
    /// The file that is to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is packed by zstd.
    pub(super) fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// The name in its folder where there is one file.
    pub(super) fn only(&self) -> String {
        format!("{}{}", self.stem, self.ending)
    }

    /// The name in its folder of the file with this number, begun at this time. It is as dumpcap(1) makes it, so that
    /// Wireshark lists the files as one set.
    pub(super) fn numbered(&self, number: u32, begun: Timestamp) -> String {
        let nanos = i128::from(begun.as_nanos());
        let begun = jiff::Timestamp::from_nanosecond(nanos).unwrap_or_default();
        format!("{}_{number:05}_{}{}", self.stem, begun.strftime("%Y%m%d%H%M%S"), self.ending)
    }
}

impl TryFrom<&Path> for Name {
    type Error = NotAName;

    /// # Errors
    /// The ending is none of a pcapng file, or there is nothing before it.
    fn try_from(path: &Path) -> Result<Self, NotAName> {
        let file = path.file_name().and_then(|name| name.to_str());
        let parts = file.and_then(|file| {
            let (ending, is_packed) = ENDINGS.into_iter().find(|(ending, _)| file.ends_with(ending))?;
            let stem = file.strip_suffix(ending).filter(|stem| !stem.is_empty())?;
            Some((stem.to_owned(), ending, is_packed))
        });
        let (stem, ending, is_packed) = parts.ok_or_else(|| NotAName(path.to_owned()))?;
        Ok(Self { path: path.to_owned(), stem, ending, is_packed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_form() {
        for (path, is_packed) in [("a.pcapng", false), ("/x/a.b.pcapng.zst", true)] {
            assert_eq!(Name::try_from(Path::new(path)).unwrap().is_packed(), is_packed, "{path}");
        }
        for path in ["a", "a.pcap", "a.pcapng.gz", ".pcapng", "x/.pcapng.zst", "a.pcapng/..", "/"] {
            let error = Name::try_from(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains(".pcapng.zst"), "{error}");
        }
    }

    #[test]
    fn numbered_names_are_those_of_dumpcap() {
        let name = Name::try_from(Path::new("folder/out.pcapng.zst")).unwrap();
        let begun = Timestamp::from_nanos(1_654_814_908_272_315_000);
        assert_eq!(name.numbered(7, begun), "out_00007_20220609224828.pcapng.zst");
        assert_eq!(name.numbered(123_456, begun), "out_123456_20220609224828.pcapng.zst");
        assert_eq!(name.only(), "out.pcapng.zst");
    }
}
