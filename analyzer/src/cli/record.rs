//! Arguments that tell which frames are recorded, and where.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which frames are recorded, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Recording")]
pub struct RecordArgs {
    /// Write frames to this file as pcapng, packed where it ends in .zst, with a comment on each of a violating flow that tells the verdict on
    /// it. The file must not be there yet. With --ingress afxdp
    #[arg(long, value_name = "FILE.pcapng[.zst]")]
    pub write: Option<PathBuf>,
    /// Which frames; violating unless given
    #[arg(long, value_enum, value_name = "WHICH")]
    pub only: Option<Only>,
    /// Begin another file where one has so many bytes (k, M and G are taken); they are named as dumpcap names them,
    /// FILE_00001_20220609224828.pcapng. Unless given there is one file, of at most 1 GiB
    #[arg(long, value_name = "N", value_parser = bytes)]
    pub write_bytes: Option<u64>,
    /// Files of --write-bytes that are kept, the oldest are removed; 10 unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub write_files: Option<u32>,
    /// Bytes of a frame that are written at most, 0 for all; 128 unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=262_144))]
    pub snaplen: Option<u32>,
}

/// Which frames are recorded.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Only {
    /// The first 16 of each violating flow
    #[default]
    Violating,
    /// All that come in, without comments
    All,
}

/// Least size of a file: less than a few frames is none.
const LEAST_BYTES: u64 = 4096;

/// A number of bytes, perhaps with a unit behind it.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("k", 10), ("K", 10), ("M", 20), ("G", 30)];
    let unit = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    match bytes {
        None => Err("not a number of bytes, as 4096, 512k, 100M or 1G".to_owned()),
        Some(bytes) if bytes < LEAST_BYTES => Err(format!("a file holds at least {LEAST_BYTES} bytes")),
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_and_without_a_unit() {
        for (text, expected) in [("4096", 4096), ("5k", 5120), ("100M", 100 << 20), ("1G", 1 << 30)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "k", "4095", "1T", "-1", "1.5G", "99999999999G"] {
            bytes(text).unwrap_err();
        }
    }
}
