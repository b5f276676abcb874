use std::io::Write;

use analyzer_ebpf::abi::Direction;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::types::Warning;

pub(crate) mod pcapng;

/// 2022-06-09T22:48:28.272315Z.
pub(super) const START: u64 = 1_654_814_908_272_315_000;

pub(super) fn open_bytes(bytes: &[u8]) -> Result<Box<dyn CaptureReader + Send>, CaptureError> {
    let size = Some(bytes.len() as u64);
    let source = Source::new("x.pcap".into(), std::io::Cursor::new(bytes.to_vec()), size);
    Opened::new(source, &Options::default()).map(Opened::into_reader)
}

/// A frame as owned by a test: nanoseconds, NIC, bytes, length on the wire, direction.
pub(crate) type Frame = (u64, Option<String>, Vec<u8>, u32, Direction);

pub(super) struct Read {
    pub(super) frames: Vec<Frame>,
    pub(super) warnings: Vec<Warning>,
    pub(super) skipped: Skipped,
}

/// Everything that a capture yields.
pub(super) fn read(bytes: &[u8]) -> Result<Read, CaptureError> {
    let mut reader = open_bytes(bytes)?;
    let mut frames = Vec::new();
    while reader.advance()? {
        let Some(Item::Frame(frame)) = reader.item() else { panic!("a frame") };
        let name = reader.interfaces()[usize::from(frame.interface)].name.as_deref().map(str::to_owned);
        frames.push((frame.at.as_nanos(), name, frame.data.to_vec(), frame.orig_len, frame.direction));
    }
    assert!(reader.item().is_none());
    assert!(!reader.advance()?, "the end stays the end");
    let progress = reader.progress();
    assert!(progress.consumed <= bytes.len() as u64 && progress.total == Some(bytes.len() as u64));
    Ok(Read { frames, warnings: reader.take_warnings(), skipped: reader.skipped() })
}

/// Three frames of different lengths, the second cut by the snaplen.
pub(super) fn frames() -> Vec<Frame> {
    (0..3_u8)
        .map(|index| {
            let len = 60 + u32::from(index);
            let data = (0..len as u8).map(|byte| byte ^ index).collect();
            let on_wire = if index == 1 { 1514 } else { len };
            (START + u64::from(index) * 1_000, None, data, on_wire, Direction::Unknown)
        })
        .collect()
}

#[derive(Clone, Copy)]
pub(super) struct Pcap {
    magic: u32,
    big: bool,
    tick_ns: u64,
    link: u32,
}

pub(super) const MICROS: Pcap = Pcap { magic: 0xa1b2_c3d4, big: false, tick_ns: 1000, link: 1 };
const NANOS: Pcap = Pcap { magic: 0xa1b2_3c4d, tick_ns: 1, ..MICROS };
const KUZNETZOV: Pcap = Pcap { magic: 0xa1b2_cd34, ..MICROS };

impl Pcap {
    fn word(self, number: u32) -> [u8; 4] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(super) fn file(self, frames: &[Frame]) -> Vec<u8> {
        let version = if self.big { 0x0002_0004 } else { 0x0004_0002 };
        let mut file: Vec<u8> =
            [self.magic, version, 0, 0, 65_535, self.link].into_iter().flat_map(|word| self.word(word)).collect();
        for (at, _, data, orig_len, _) in frames {
            let fraction = at % 1_000_000_000 / self.tick_ns;
            for word in [(at / 1_000_000_000) as u32, fraction as u32, data.len() as u32, *orig_len] {
                file.extend(self.word(word));
            }
            if self.magic == KUZNETZOV.magic {
                file.extend([0, 0, 0, 2, 8, 0, 4, 0]);
            }
            file.extend(data);
        }
        file
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same bytes in two gzip members and in two zstd frames around a skippable one.
pub(crate) fn packed(bytes: &[u8]) -> [Vec<u8>; 2] {
    let (front, back) = bytes.split_at(bytes.len() / 2);
    let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    [[gzip(front), gzip(back)].concat(), [zstd(front), skippable.to_vec(), zstd(back)].concat()]
}

#[test]
fn the_same_frames_in_every_container() {
    let frames = frames();
    let big = |pcap| Pcap { big: true, ..pcap };
    let mut files: Vec<Vec<u8>> =
        [MICROS, NANOS, big(MICROS), big(NANOS)].into_iter().map(|pcap| pcap.file(&frames)).collect();
    files.extend(pcapng::all_forms(&frames));
    for (index, file) in files.iter().enumerate() {
        for file in [file.clone()].into_iter().chain(packed(file)) {
            let read = read(&file).unwrap();
            assert_eq!(read.frames, frames, "file {index}");
            assert_eq!(read.warnings, [], "file {index}");
        }
    }
}

#[test]
fn the_longer_record_header_tells_the_direction() {
    let expected: Vec<Frame> =
        frames().into_iter().map(|(at, nic, data, len, _)| (at, nic, data, len, Direction::Outbound)).collect();
    assert_eq!(read(&KUZNETZOV.file(&frames())).unwrap().frames, expected);
}

#[test]
fn fcs_bits_are_no_part_of_the_link_type() {
    assert_eq!(read(&Pcap { link: 0x2400_0001, ..MICROS }.file(&frames())).unwrap().frames, frames());
}

#[test]
fn every_cut_leaves_the_frames_before_it() {
    let frames = frames();
    let file = MICROS.file(&frames);
    let ends: Vec<usize> = (0..=frames.len()).map(|count| MICROS.file(&frames[..count]).len()).collect();
    for len in 0..file.len() {
        match read(&file[..len]) {
            Ok(read) => {
                let whole = ends.iter().filter(|&&end| end <= len).count() - 1;
                assert_eq!(read.frames, frames[..whole], "{len}");
                let clean = ends.contains(&len);
                assert_eq!(read.warnings.is_empty(), clean, "{len}: {:?}", read.warnings);
                if !clean {
                    let told = read.warnings[0].to_string();
                    assert!(told.starts_with(&format!("x.pcap at offset {}: the file is cut", ends[whole])), "{told}");
                }
            }
            Err(error) => assert!(len < 24, "{len}: {error}"),
        }
    }
}

#[test]
fn cut_packed_files_give_a_prefix_and_say_so() {
    let frames: Vec<Frame> = frames().into_iter().cycle().take(60).collect();
    for file in packed(&MICROS.file(&frames)) {
        let mut most = 0;
        for len in 1..file.len() {
            let Ok(read) = read(&file[..len]) else { continue };
            assert!(frames.starts_with(&read.frames), "{len}");
            assert!(read.frames.len() >= most, "{len}");
            most = most.max(read.frames.len());
            // Between two members or frames a cut shows only in the capture itself.
            assert_eq!(read.warnings.len(), 1, "{len}: {:?}", read.warnings);
        }
        assert!(most >= 29, "{most}");
    }
}

#[test]
fn a_damaged_length_ends_the_file_there() {
    let frames = frames();
    let mut file = MICROS.file(&frames);
    let second = MICROS.file(&frames[..1]).len();
    file[second + 8..second + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let read = read(&file).unwrap();
    assert_eq!(read.frames, frames[..1]);
    assert_eq!(
        read.warnings[0].to_string(),
        format!(
            "x.pcap at offset {second}: record length 2147483647 is above 262144: the file is damaged here; what came \
             before is judged"
        )
    );
}

#[test]
fn what_is_no_capture_is_named() {
    let error = |bytes: &[u8]| match read(bytes) {
        Ok(_) => panic!("{bytes:?} was read"),
        Err(error) => error.to_string(),
    };
    assert!(error(b"").starts_with("x.pcap is empty, expected a capture"));
    assert!(error(&gzip(b"")).starts_with("x.pcap is empty"));
    assert!(error(&gzip(&gzip(b"x"))).contains("packed twice"));
    assert!(error(b"\xff\xfe2\x002\0:\0").contains("text without a packet"));
    assert!(error(b"\xfd7zXZ\0").contains("xz; unpack it first"));
    assert!(error(b"\0\x01\x02\x03").contains("binary data"));
    assert!(error(b"\x1f\x8b\x08").contains("cannot read x.pcap"));
    assert!(error(b"{\"flows\": []}\n").contains("text without a packet"));
    assert!(error(&Pcap { link: 127, ..MICROS }.file(&[])).contains("127 (IEEE 802.11 with radiotap)"));
    assert!(error(&[0xd4, 0xc3, 0xb2, 0xa1, 1, 0, 4, 0].repeat(3)).contains("pcap version 1.4"));
    let missing = open(Path::new("/no/such/file.pcap"), &Options::default()).err().unwrap().to_string();
    assert!(missing.starts_with("cannot open /no/such/file.pcap: "), "{missing}");
    let folder = open(Path::new("/"), &Options::default()).err().unwrap().to_string();
    assert!(folder.starts_with("cannot open /: "), "{folder}");
}

#[test]
fn damaged_packing_is_told() {
    let frames: Vec<Frame> = frames().into_iter().cycle().take(30).collect();
    let [gzip, mut zstd] = packed(&MICROS.file(&frames));
    let trailing = [gzip, b"what is no gzip member".to_vec()].concat();
    let read_gzip = read(&trailing).unwrap();
    assert_eq!(read_gzip.frames, frames);
    assert!(read_gzip.warnings[0].message.contains("what came before is judged"), "{:?}", read_gzip.warnings);

    let last = zstd.len() - 1;
    zstd[last] ^= 1;
    let read_zstd = read(&zstd).unwrap();
    assert!(read_zstd.warnings[0].message.contains("checksum"), "{:?}", read_zstd.warnings);
    assert_eq!(read_zstd.frames, frames, "all was unpacked before");
}

/// A source that claims a record of 200 kB and gives nothing of it must not make the buffer large.
#[test]
fn memory_follows_the_bytes() {
    let mut file = MICROS.file(&[]);
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0]);
    assert!(read(&file).unwrap().frames.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any damage to any container is survived.
    #[test]
    fn damage_is_survived(seed in any::<u64>(), flips in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..8)) {
        let frames: Vec<Frame> = frames().into_iter().cycle().take(20).collect();
        let mut files = vec![MICROS.file(&frames), NANOS.file(&frames)];
        files.extend(pcapng::all_forms(&frames));
        let plain = files.swap_remove(seed as usize % files.len());
        for mut file in [plain.clone()].into_iter().chain(packed(&plain)) {
            for &(position, value) in &flips {
                let position = position as usize % file.len();
                file[position] = value;
            }
            let _ = read(&file);
        }
    }

    /// Bytes behind any magic number are survived.
    #[test]
    fn noise_is_survived(kind in 0_usize..6, noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let magic: [&[u8]; 6] = [
            &MICROS.file(&[]),
            b"\x0a\x0d\x0d\x0a",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"22:48:28.272309 94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94: ",
            b"",
        ];
        let file = [magic[kind], &noise].concat();
        if let Ok(mut reader) = open_bytes(&file) {
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
