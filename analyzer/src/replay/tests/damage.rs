//! Files that are cut, damaged, or change while they are read.

use std::fs::OpenOptions;
use std::io::Write;

use super::wire::{ethernet, ipv4, udp};
use super::*;

const START: u64 = 1_654_814_908_000_000;
const GLOBAL_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

fn frames() -> Vec<Captured> {
    (0..6u16)
        .map(|index| {
            let data = udp(1000 + index, 5005, &vec![0; usize::from(index) * 9]);
            Captured::new(START + u64::from(index), ethernet(&[], 0x0800, &ipv4(1, 17, 1, 0, &data)))
        })
        .collect()
}

/// Offset behind each record.
fn ends(frames: &[Captured]) -> Vec<usize> {
    frames
        .iter()
        .scan(GLOBAL_HEADER, |end, frame| {
            *end += RECORD_HEADER + frame.data.len();
            Some(*end)
        })
        .collect()
}

#[test]
fn cut_at_every_byte() {
    let frames = frames();
    let bytes = pcap(&frames);
    let ends = ends(&frames);
    for len in GLOBAL_HEADER..=bytes.len() {
        let file = TempFile::new(&bytes[..len]);
        let whole = ends.iter().filter(|&&end| end <= len).count();
        let expected = by_stream(&file);
        assert_eq!(expected.totals.packets, whole as u64, "cut to {len}");
        for (threads, chunk_len) in [(1, 4096), (2, 1), (3, 50)] {
            assert_eq!(by_threads(&file, threads, chunk_len), expected, "cut to {len}, chunks of {chunk_len}");
        }
        let last_end = ends[..whole].last().copied().unwrap_or(GLOBAL_HEADER);
        if last_end == len {
            assert!(expected.warnings.is_empty(), "{:?}", expected.warnings);
        } else {
            let [warning] = &expected.warnings[..] else {
                panic!("one warning, cut to {len}: {:?}", expected.warnings)
            };
            assert!(warning.contains(&format!("offset {last_end}: the file is cut")), "{warning}");
        }
    }
}

#[test]
fn corrupt_lengths() {
    let frames = frames();
    let ends = ends(&frames);
    for (record, &end) in ends[..5].iter().enumerate() {
        for len in [262_145u32, 1 << 24, 1 << 31, u32::MAX, u32::MAX - 15] {
            let mut bytes = pcap(&frames);
            bytes[end + 8..end + 12].copy_from_slice(&len.to_le_bytes());
            let file = TempFile::new(&bytes);
            let expected = by_stream(&file);
            assert_eq!(expected.totals.packets, record as u64 + 1);
            let [warning] = &expected.warnings[..] else { panic!("one warning: {:?}", expected.warnings) };
            assert!(warning.contains(&format!("offset {end}: record length {len}")), "{warning}");
            for chunk_len in [1, 64, 4096] {
                assert_eq!(by_threads(&file, 2, chunk_len), expected);
            }
        }
    }
}

#[test]
fn a_length_within_bounds_that_reaches_beyond_the_file() {
    let mut bytes = pcap(&frames());
    let end = ends(&frames())[2];
    bytes[end + 8..end + 12].copy_from_slice(&262_144u32.to_le_bytes());
    let file = TempFile::new(&bytes);
    assert_eq!(by_stream(&file).totals.packets, 3);
    assert_eq!(by_threads(&file, 2, 30), by_stream(&file));
}

#[test]
fn records_longer_than_a_chunk() {
    let data = udp(1000, 5005, &vec![0; 60_000]);
    let long = Captured::new(START, ethernet(&[], 0x0800, &ipv4(1, 17, 1, 0, &data)));
    let frames: Vec<_> = frames().into_iter().flat_map(|frame| [frame, long.clone()]).collect();
    let file = TempFile::new(&pcap(&frames));
    let expected = model::count(&frames);
    assert_eq!(by_threads(&file, 4, 1000), expected);
    assert_eq!(by_threads(&file, 1, 5000), expected);
}

#[test]
fn a_file_that_shrinks() {
    let frames = frames();
    for keep in [0, 10, GLOBAL_HEADER, ends(&frames)[3] + 5] {
        let file = TempFile::new(&pcap(&frames));
        let pcap = open_chained(&file);
        OpenOptions::new().write(true).open(&file.0).unwrap().set_len(keep as u64).unwrap();
        let counted = count_threaded(pcap, &options(2, 64), &mut Recorder::default()).unwrap();
        assert_eq!(counted.totals.packets, ends(&frames).iter().filter(|&&end| end <= keep).count() as u64);
        assert_eq!(counted.warnings.len(), 1, "{:?}", counted.warnings);
    }
}

#[test]
fn a_file_that_grows() {
    let frames = frames();
    let file = TempFile::new(&pcap(&frames[..3]));
    let pcap_file = open_chained(&file);
    let more = &pcap(&frames)[ends(&frames)[2]..];
    OpenOptions::new().append(true).open(&file.0).unwrap().write_all(more).unwrap();
    let counted = count_threaded(pcap_file, &options(2, 64), &mut Recorder::default()).unwrap();
    assert_eq!((counted.totals.packets, counted.warnings.len()), (3, 0));
}

#[test]
fn other_forms_of_pcap() {
    let mut cooked = pcap(&frames());
    cooked[20] = 113;
    let mut raw = pcap(&frames());
    raw[20] = 101;
    for bytes in [cooked, raw] {
        let file = TempFile::new(&bytes);
        let expected = by_stream(&file);
        assert_eq!(expected.totals.packets, 6);
        assert_eq!(by_threads(&file, 2, 100), expected);
    }
}

#[test]
fn what_is_told_by_who_reads_streams() {
    let cut = &pcap(&frames())[..20];
    for bytes in [cut, b"", b"12:00:00.0 text"] {
        let file = TempFile::new(bytes);
        let opened = Input::from(&file.0).open_alone(&capture::Options::default());
        assert!(!matches!(opened, Ok(Opened::Chained(_))));
    }
    for path in ["/proc/self/no-such-file".as_ref(), &*std::env::temp_dir()] {
        assert!(Input::from(path).open_alone(&capture::Options::default()).is_err());
    }
}

#[test]
fn one_file_or_several() {
    let frames = frames();
    let (early, late) = (TempFile::new(&pcap(&frames[..2])), TempFile::new(&pcap(&frames[2..])));
    let all = TempFile::new(&pcap(&frames));
    let count_all = |paths: &[PathBuf]| {
        let mut sink = Recorder::default();
        let counted = count(
            &paths.iter().map(Input::from).collect::<Vec<_>>(),
            &Default::default(),
            Epochs::new([]),
            &Options::default(),
            &mut sink,
        )
        .unwrap();
        outcome(&counted, sink)
    };
    let expected = model::count(&frames);
    assert_eq!(count_all(std::slice::from_ref(&all.0)), expected);
    assert_eq!(count_all(&[late.0.clone(), early.0.clone()]), expected);
    let missing = count(
        &["/proc/self/no-such-file".into()],
        &Default::default(),
        Epochs::new([]),
        &Options::default(),
        &mut Recorder::default(),
    );
    assert!(missing.is_err());
}

#[test]
fn progress_reaches_the_end() {
    let file = TempFile::new(&pcap(&frames()));
    let furthest = AtomicU64::new(0);
    let progress = |progress: Progress| {
        assert!(progress.consumed <= progress.total.unwrap());
        furthest.fetch_max(progress.consumed, Ordering::Relaxed);
    };
    let options = Options { progress: Some(&progress), ..options(2, 16) };
    count(&[Input::from(&file.0)], &Default::default(), Epochs::new([]), &options, &mut Recorder::default()).unwrap();
    assert!(furthest.into_inner() > GLOBAL_HEADER as u64);
}
