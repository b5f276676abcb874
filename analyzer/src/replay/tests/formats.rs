//! The same frames give the same observations in every format and packing, by threads and by the stream reader.

use std::os::fd::AsRawFd;
use std::thread;

use analyzer_ebpf::abi::Direction;
use proptest::prelude::*;

use super::agreement::captured;
use super::*;
use crate::capture::tests::pcapng::{ENHANCED_PACKET, OBSOLETE_PACKET, Pcapng};
use crate::capture::tests::{Frame, gzip, zstd};

/// How a frame is written into a pcapng file: kind of block, interface, what stands before it.
type Shape = (bool, u32, u8);

fn shape() -> impl Strategy<Value = Shape> {
    (prop::bool::weighted(0.8), 0..3_u32, 0..40_u8)
}

/// Interfaces of three resolutions, none with a name: the frames of a pcap file have none.
fn interfaces(file: &mut Pcapng) {
    let offset = 1_600_000_000_i64;
    let offset = if file.big { offset.to_be_bytes() } else { offset.to_le_bytes() };
    file.interface(1, &[]).interface(1, &[(9, &[9])]).interface(1, &[(14, &offset), (9, &[7])]);
}

fn pcapng(frames: &[Captured], shapes: &[Shape], big: bool) -> Vec<u8> {
    let mut file = Pcapng::new(big);
    interfaces(&mut file);
    for (captured, &(is_enhanced, interface, before)) in frames.iter().zip(shapes.iter().cycle()) {
        match before {
            0 => {
                file.big = !file.big;
                file.section();
                interfaces(&mut file);
            }
            1 => {
                file.block(0x0bad_f00d, &[9; 40]);
            }
            2 => {
                file.block(5, &[0; 12]);
            }
            _ => {}
        }
        let kind = if is_enhanced { ENHANCED_PACKET } else { OBSOLETE_PACKET };
        let micros = captured.micros;
        let ticks = [micros, micros * 1000, (micros - 1_600_000_000_000_000) * 10][interface as usize];
        let frame: Frame = (0, None, captured.data.clone(), captured.wire_len, Direction::Unknown);
        let flags = (before == 3).then_some(0);
        file.packet(kind, interface, ticks, &frame, flags);
    }
    file.bytes
}

/// What comes out of counting a file by threads, and what out of its pipe.
fn outcomes(file: &[u8], threads: usize, chunk_len: u32) -> [Result<(Outcome, capture::Skipped), String>; 3] {
    let told = |counted: Result<Counted, CaptureError>, sink| match counted {
        Ok(counted) => Ok((outcome(&counted, sink), counted.skipped_by_reader)),
        Err(error) => Err(error.to_string()),
    };
    let options = options(threads, chunk_len);
    let count_all = |path: &str| {
        let mut sink = Recorder::default();
        let input = [Input::from(path)];
        let counted = count(&input, &Default::default(), Epochs::new([]), &options, &mut sink);
        told(counted, sink).map_err(|error| error.replace(path, "FILE"))
    };
    let temp = TempFile::new(file);
    let path = temp.0.to_str().unwrap();
    let by_reader = || {
        let mut reader = capture::open(&temp.0, &capture::Options::default()).map_err(|error| error.to_string())?;
        let mut sink = Recorder::default();
        let counted = count_reader(&mut *reader, Epochs::new([]), &Options::default(), &mut sink);
        told(counted, sink)
    };
    let (pipe, mut writer) = std::io::pipe().unwrap();
    let by_pipe = thread::scope(|scope| {
        scope.spawn(move || {
            // The reader is free to go before the end.
            let _ = writer.write_all(file);
        });
        count_all(&format!("/proc/self/fd/{}", pipe.as_raw_fd()))
    });
    let name = |told: Result<(Outcome, capture::Skipped), String>, path: &str| match told {
        Ok((mut outcome, skipped)) => {
            outcome.warnings.iter_mut().for_each(|warning| *warning = warning.replace(path, "FILE"));
            Ok((outcome, skipped))
        }
        Err(error) => Err(error.replace(path, "FILE")),
    };
    let fd = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    [name(by_reader(), path), name(count_all(path), path), name(by_pipe, &fd)]
}

fn in_every_packing(file: &[u8]) -> [Vec<u8>; 3] {
    [file.to_vec(), gzip(file), zstd(file)]
}

fn chunk_len() -> impl Strategy<Value = u32> {
    prop_oneof![1..300_u32, Just(4096), Just(1 << 20)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_format_gives_what_pcap_gives(
        frames in proptest::collection::vec(captured(), 0..100),
        shapes in proptest::collection::vec(shape(), 1..20),
        big in any::<bool>(),
        threads in 1..4_usize,
        chunk_len in chunk_len(),
    ) {
        for plain in [pcap(&frames), pcapng(&frames, &shapes, big)] {
            for file in in_every_packing(&plain) {
                for counted in outcomes(&file, threads, chunk_len) {
                    let (outcome, skipped) = counted.unwrap();
                    prop_assert_eq!(outcome, model::count(&frames));
                    prop_assert_eq!(skipped, capture::Skipped::default());
                }
            }
        }
    }

    /// What is wrong with a file is told by the same words, whoever reads it.
    #[test]
    fn damage_is_the_same_for_all(
        frames in proptest::collection::vec(captured(), 0..40),
        shapes in proptest::collection::vec(shape(), 1..20),
        packing in 0..3_usize,
        is_pcapng in any::<bool>(),
        flips in proptest::collection::vec((any::<u32>(), any::<u8>()), 0..4),
        cut in prop_oneof![Just(u32::MAX), any::<u32>()],
        threads in 1..4_usize,
        chunk_len in chunk_len(),
    ) {
        let plain = if is_pcapng { pcapng(&frames, &shapes, false) } else { pcap(&frames) };
        let mut file = in_every_packing(&plain)[packing].clone();
        for (position, value) in flips {
            let position = position as usize % file.len();
            file[position] = value;
        }
        if cut < u32::MAX {
            file.truncate(cut as usize % file.len());
        }
        let [by_reader, by_threads, by_pipe] = outcomes(&file, threads, chunk_len);
        prop_assert_eq!(&by_threads, &by_reader);
        prop_assert_eq!(&by_pipe, &by_reader);
    }
}

#[test]
fn long_records_across_many_chunks() {
    let long = |index: u64| {
        let data = wire::udp(1000, 5005, &vec![index as u8; 60_000]);
        Captured::new(1_654_814_908_000_000 + index, wire::ethernet(&[], 0x0800, &wire::ipv4(1, 17, 1, 0, &data)))
    };
    let frames: Vec<_> = (0..20).map(long).collect();
    for plain in [pcap(&frames), pcapng(&frames, &[(true, 0, 9)], false)] {
        for file in in_every_packing(&plain) {
            for counted in outcomes(&file, 3, 1000) {
                assert!(counted.unwrap().0 == model::count(&frames));
            }
        }
    }
}

/// The size of what is kept of a stream does not depend on what its records claim.
#[test]
fn a_block_that_is_never_whole() {
    let mut file = Pcapng::new(false);
    file.interface(1, &[]);
    let offset = file.bytes.len();
    file.block(0x0bad_f00d, &[0; 100]);
    file.bytes[offset + 4..offset + 8].copy_from_slice(&(16_u32 << 20).to_le_bytes());
    let told = outcomes(&file.bytes, 2, 50).map(|counted| counted.unwrap().0.warnings);
    assert!(told.iter().all(|warnings| warnings[..] == told[0][..]), "{told:?}");
    assert!(told[0][0].contains(&format!("offset {offset}: the file is cut in the middle of a record, of which 112")));
}
