//! Headers of classic pcap files (draft-ietf-opsawg-pcap; `struct pcap_file_header` in libpcap's pcap/pcap.h).
//!
//! Pure functions over byte arrays: the records and whoever writes such files stand on them.

mod records;

pub(crate) use records::PcapRecords;

use crate::types::Timestamp;

/// Bytes of the header that starts a file.
pub const GLOBAL_HEADER_LEN: usize = 24;
/// Bytes of the header that starts a record.
pub const RECORD_HEADER_LEN: usize = 16;
/// Longest frame that libpcap itself reads whatever the snaplen says (`MAXIMUM_SNAPLEN` in its pcap-int.h).
pub const MAX_SNAPLEN: u32 = 262_144;
/// A snaplen above this is taken for none. Linux itself builds no packet above 512 KiB (`GRO_MAX_SIZE`).
const MAX_TOLD_SNAPLEN: u32 = 1 << 24;

/// Microseconds.
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Microseconds, and a longer record header: the patched libpcap of Alexey Kuznetzov.
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;
/// What follows the classic record header in a Kuznetzov file: interface index, protocol, packet type, a pad octet.
const KUZNETZOV_EXTRA_LEN: usize = 8;
/// The link type field tells the length of the frame check sequence (`LT_FCS_LENGTH_PRESENT` in libpcap).
const FCS_PRESENT: u32 = 1 << 26;

/// The header that starts a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalHeader {
    /// Whether numbers in the file are in the byte order that this machine does not use.
    pub swapped: bool,
    /// Unit of the fraction of a record's second, in nanoseconds: 1000 or 1.
    pub tick_ns: u32,
    /// Bytes between a record's [`RecordHeader`] and its frame; 0 but for the Kuznetzov form.
    pub record_extra_len: usize,
    /// Longest frame kept, in bytes. Writers are known to leave 0 here, and to exceed it.
    pub snaplen: u32,
    /// Number of the link type, as in the IANA registry "PCAP LINKTYPE".
    pub link_type: u16,
    /// Bytes of frame check sequence at each frame's end, where the header tells.
    pub fcs_len: Option<u8>,
}

/// Bytes that do not start a classic pcap file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAPcap {
    /// No known magic number.
    #[error("magic number {0:#010x} is none of classic pcap")]
    Magic(u32),
    /// A version other than 2.x, the only one in use since 1998.
    #[error("pcap version {major}.{minor}, expected 2.4")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
}

/// The header that starts a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    /// When the frame was captured. A fraction of a second or more carries into the seconds.
    pub at: Timestamp,
    /// Bytes of the frame that follow.
    pub incl_len: u32,
    /// Bytes of the frame on the wire.
    pub orig_len: u32,
}

impl GlobalHeader {
    /// Whether the four octets start a classic pcap file of either byte order.
    pub fn is_magic(magic: [u8; 4]) -> bool {
        Self::byte_order(magic).is_some()
    }

    /// Reads the header.
    ///
    /// # Errors
    /// No magic number of classic pcap, or a version before 2.
    pub fn parse(bytes: &[u8; GLOBAL_HEADER_LEN]) -> Result<Self, NotAPcap> {
        let raw = |offset: usize| [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
        let (magic, swapped) = Self::byte_order(raw(0)).ok_or(NotAPcap::Magic(u32::from_be_bytes(raw(0))))?;
        let half = |offset: usize| order16([bytes[offset], bytes[offset + 1]], swapped);
        let word = |offset: usize| order32(raw(offset), swapped);

        let (major, minor) = (half(4), half(6));
        if major != 2 {
            return Err(NotAPcap::Version { major, minor });
        }
        let link = word(20);
        let [.., high, low] = link.to_be_bytes();
        // The top four bits count 16-bit words, so the length is at most 30.
        let fcs_len = (link & FCS_PRESENT != 0).then_some((link >> 28) as u8 * 2);
        Ok(Self {
            swapped,
            tick_ns: if magic == MAGIC_NANOS { 1 } else { 1000 },
            record_extra_len: if magic == MAGIC_KUZNETZOV { KUZNETZOV_EXTRA_LEN } else { 0 },
            snaplen: word(16),
            link_type: u16::from_be_bytes([high, low]),
            fcs_len,
        })
    }

    /// Longest frame that a record of this file can hold; a longer one means that the length field is corrupt.
    pub fn max_incl_len(&self) -> u32 {
        // Some writers say "no limit" by a huge number; it must not let a corrupt length through.
        let snaplen = if self.snaplen > MAX_TOLD_SNAPLEN { 0 } else { self.snaplen };
        snaplen.max(MAX_SNAPLEN)
    }

    /// The magic number in this machine's order, and whether the file is in the other order.
    fn byte_order(magic: [u8; 4]) -> Option<(u32, bool)> {
        let native = u32::from_ne_bytes(magic);
        let known = |magic| matches!(magic, MAGIC_MICROS | MAGIC_NANOS | MAGIC_KUZNETZOV);
        if known(native) {
            Some((native, false))
        } else if known(native.swap_bytes()) {
            Some((native.swap_bytes(), true))
        } else {
            None
        }
    }
}

impl RecordHeader {
    /// Reads the header of a record of the file that `global` starts. Any bytes are a header; the caller compares
    /// `incl_len` with [`GlobalHeader::max_incl_len`] and with what is left of the file.
    #[inline(always)]
    pub fn parse(bytes: &[u8; RECORD_HEADER_LEN], global: &GlobalHeader) -> Self {
        let [s0, s1, s2, s3, f0, f1, f2, f3, i0, i1, i2, i3, o0, o1, o2, o3] = *bytes;
        let secs = order32([s0, s1, s2, s3], global.swapped);
        let fraction = order32([f0, f1, f2, f3], global.swapped);
        // Cannot overflow: 2^32 seconds are under 4.3e18 ns, a fraction of 2^32 microseconds under 4.3e12 ns.
        let nanos = u64::from(secs) * 1_000_000_000 + u64::from(fraction) * u64::from(global.tick_ns);
        Self {
            at: Timestamp::from_nanos(nanos),
            incl_len: order32([i0, i1, i2, i3], global.swapped),
            orig_len: order32([o0, o1, o2, o3], global.swapped),
        }
    }
}

#[inline(always)]
fn order32(bytes: [u8; 4], swapped: bool) -> u32 {
    let native = u32::from_ne_bytes(bytes);
    if swapped { native.swap_bytes() } else { native }
}

fn order16(bytes: [u8; 2], swapped: bool) -> u16 {
    let native = u16::from_ne_bytes(bytes);
    if swapped { native.swap_bytes() } else { native }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tcpdump -w`, little endian: microseconds, version 2.4, snaplen 262144, Ethernet.
    const LITTLE: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    /// The same from a big-endian machine, in nanoseconds, with an FCS of 4 octets.
    const BIG: [u8; 24] = [0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0x24, 0, 0, 1];

    #[test]
    fn both_byte_orders() {
        let little = GlobalHeader::parse(&LITTLE).unwrap();
        assert_eq!((little.tick_ns, little.snaplen, little.link_type, little.fcs_len), (1000, 262_144, 1, None));
        assert_eq!(little.record_extra_len, 0);
        let big = GlobalHeader::parse(&BIG).unwrap();
        assert_eq!((big.tick_ns, big.snaplen, big.link_type, big.fcs_len), (1, 262_144, 1, Some(4)));
        assert_ne!(little.swapped, big.swapped);

        // 2022-06-09T22:48:28.272315Z, 94 of 94 octets.
        let record = [0xbc, 0x78, 0xa2, 0x62, 0xbb, 0x27, 0x04, 0, 94, 0, 0, 0, 95, 0, 0, 0];
        let record = RecordHeader::parse(&record, &little);
        assert_eq!(record.at.to_rfc3339(9), "2022-06-09T22:48:28.272315000Z");
        assert_eq!((record.incl_len, record.orig_len), (94, 95));
        let record = [0x62, 0xa2, 0x78, 0xbc, 0x10, 0x3b, 0x37, 0x39, 0, 0, 0, 94, 0, 0, 0, 95];
        let record = RecordHeader::parse(&record, &big);
        assert_eq!(record.at.to_rfc3339(9), "2022-06-09T22:48:28.272316217Z");
        assert_eq!((record.incl_len, record.orig_len), (94, 95));
    }

    #[test]
    fn kuznetzov_records_are_longer() {
        let mut bytes = LITTLE;
        bytes[..2].copy_from_slice(&[0x34, 0xcd]);
        assert_eq!(GlobalHeader::parse(&bytes).unwrap().record_extra_len, 8);
    }

    #[test]
    fn what_is_no_pcap() {
        assert_eq!(GlobalHeader::parse(&[0; 24]), Err(NotAPcap::Magic(0)));
        let mut version = LITTLE;
        version[4] = 1;
        assert_eq!(GlobalHeader::parse(&version), Err(NotAPcap::Version { major: 1, minor: 4 }));
        assert!(GlobalHeader::is_magic([0xa1, 0xb2, 0x3c, 0x4d]));
        assert!(!GlobalHeader::is_magic(*b"\x0a\x0d\x0d\x0a"));
    }

    #[test]
    fn extreme_records_do_not_overflow() {
        for header in [LITTLE, BIG] {
            let global = GlobalHeader::parse(&header).unwrap();
            let record = RecordHeader::parse(&[0xff; 16], &global);
            assert!(record.at > Timestamp::from_nanos(u64::from(u32::MAX) * 1_000_000_000));
            assert!(record.incl_len > global.max_incl_len());
        }
        let unlimited = GlobalHeader { snaplen: u32::MAX, ..GlobalHeader::parse(&LITTLE).unwrap() };
        assert_eq!(unlimited.max_incl_len(), MAX_SNAPLEN);
    }
}
