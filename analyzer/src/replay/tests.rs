//! What all tests of replay stand on: frames, files, a sink that remembers, and counting by the plainest means.

mod agreement;
mod damage;
mod formats;
mod full;
mod model;
mod order;

use std::fs::File;
use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::capture::Chained;
use crate::engine::observation::{HeardNeighbour, Observation};
use crate::types::Timestamp;

/// A frame in a pcap file.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    /// Microseconds since 1970.
    pub(super) micros: u64,
    /// The frame, as far as it was kept.
    pub(super) data: Vec<u8>,
    pub(super) wire_len: u32,
}

impl Captured {
    pub(super) fn new(micros: u64, data: Vec<u8>) -> Self {
        let wire_len = data.len() as u32;
        Self { micros, data, wire_len }
    }
}

/// A little-endian pcap file of Ethernet frames, in microseconds.
pub(super) fn pcap(frames: &[Captured]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for frame in frames {
        let fields = [frame.micros / 1_000_000, frame.micros % 1_000_000, frame.data.len() as u64];
        for field in fields.into_iter().chain([u64::from(frame.wire_len)]) {
            file.extend((field as u32).to_le_bytes());
        }
        file.extend(&frame.data);
    }
    file
}

/// A file that is removed when dropped.
pub(super) struct TempFile(pub(super) PathBuf);

impl TempFile {
    pub(super) fn new(bytes: &[u8]) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("analyzer-replay-{}-{number}.pcap", std::process::id()));
        File::create_new(&path).unwrap().write_all(bytes).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Remembers what it is told. Neighbours whose MAC ends in an even octet start epochs; conforming is what goes to a
/// destination port below [`Recorder::conforming_below`].
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) heard: Vec<HeardNeighbour>,
    pub(super) retired: Vec<Observation>,
    pub(super) conforming_below: u16,
}

/// The moments that [`Recorder`] starts epochs at, one of them ahead of the neighbour's own time.
pub(super) fn splits(heard: &HeardNeighbour) -> [Option<Timestamp>; 2] {
    let [.., last] = heard.mac.0;
    let later = Timestamp::from_nanos(heard.at.as_nanos() + u64::from(last) * 1000);
    if last % 2 == 0 { [Some(heard.at), Some(later)] } else { [None, None] }
}

impl OrderedSink for Recorder {
    fn heard(&mut self, heard: HeardNeighbour) -> [Option<Timestamp>; 2] {
        self.heard.push(heard);
        splits(&heard)
    }

    fn retire(&mut self, observation: &Observation) -> bool {
        let is_conforming = observation.tuple.tp_dst < self.conforming_below;
        if is_conforming {
            self.retired.push(*observation);
        }
        is_conforming
    }
}

/// Everything that comes out of counting, in a form that can be compared.
#[derive(PartialEq, Debug)]
pub(super) struct Outcome {
    pub(super) observations: Vec<Observation>,
    pub(super) totals: Totals,
    pub(super) heard: Vec<HeardNeighbour>,
    pub(super) warnings: Vec<String>,
}

pub(super) fn outcome(counted: &Counted, sink: Recorder) -> Outcome {
    let mut observations = Vec::new();
    counted.for_each_observation(|observation| observations.push(*observation));
    assert_eq!(observations.len(), counted.observations());
    let warnings = counted.warnings.iter().map(|warning| warning.to_string()).collect();
    Outcome { observations, totals: counted.totals, heard: sink.heard, warnings }
}

pub(super) fn options(threads: usize, chunk_len: u32) -> Options<'static> {
    Options {
        threads: NonZero::new(threads).unwrap(),
        chunk_len: NonZero::new(chunk_len).unwrap(),
        ..Options::default()
    }
}

/// Counts a capture of chained records by threads.
pub(super) fn by_threads(file: &TempFile, threads: usize, chunk_len: u32) -> Outcome {
    let mut sink = Recorder::default();
    let counted = count_threaded(open_chained(file), &options(threads, chunk_len), &mut sink).unwrap();
    outcome(&counted, sink)
}

pub(super) fn open_chained(file: &TempFile) -> Chained {
    match Input::from(&file.0).open_alone(&capture::Options::default()) {
        Ok(Opened::Chained(chained)) => *chained,
        Ok(Opened::Other(_)) => panic!("other than chained records"),
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn count_threaded(
    chained: Chained,
    options: &Options<'_>,
    sink: &mut Recorder,
) -> Result<Counted, CaptureError> {
    let place = Place { file: "test".into(), position: Position::Whole };
    count_chained(chained, place, Epochs::new([]), options, sink)
}

/// Counts a capture by the stream reader.
pub(super) fn by_stream(file: &TempFile) -> Outcome {
    let mut sink = Recorder::default();
    let mut reader = capture::open(&file.0, &capture::Options::default()).unwrap();
    let counted = count_reader(&mut *reader, Epochs::new([]), &Options::default(), &mut sink).unwrap();
    outcome(&counted, sink)
}

/// Parts of frames.
pub(super) mod wire {
    pub(crate) const MAC_A: [u8; 6] = [0x76, 0x9c, 0x19, 0x34, 0x50, 0x26];
    pub(crate) const MAC_B: [u8; 6] = [0x94, 0x42, 0xc9, 0xc3, 0xf7, 0x92];

    /// Ethernet frame from [`MAC_B`] to [`MAC_A`] with tags.
    pub(crate) fn ethernet(vids: &[u16], eth_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = [MAC_A, MAC_B].concat();
        for vid in vids {
            frame.extend([[0x81, 0], vid.to_be_bytes()].concat());
        }
        frame.extend(eth_type.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// IPv4 packet from 10.0.0.`src` to 10.0.1.1. `fragment` holds flags and offset.
    pub(crate) fn ipv4(src: u8, nw_proto: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        for half in [20 + payload.len() as u16, id, fragment] {
            packet.extend(half.to_be_bytes());
        }
        packet.extend([255, nw_proto, 0, 0, 10, 0, 0, src, 10, 0, 1, 1]);
        packet.extend(payload);
        packet
    }

    /// IPv6 packet from fd00::`src` to fd00::100.
    pub(crate) fn ipv6(src: u8, next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next_header, 255]);
        for last in [u16::from(src), 0x100] {
            packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            packet.extend(last.to_be_bytes());
        }
        packet.extend(payload);
        packet
    }

    /// IPv6 fragment header (RFC 8200 section 4.5) and what follows. `offset` is in units of 8 bytes.
    pub(crate) fn fragment6(next_header: u8, id: u32, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
        let mut header = vec![next_header, 0];
        header.extend((offset << 3 | u16::from(more)).to_be_bytes());
        header.extend(id.to_be_bytes());
        header.extend(payload);
        header
    }

    pub(crate) fn udp(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        for half in [sport, dport, 8 + payload.len() as u16, 0] {
            datagram.extend(half.to_be_bytes());
        }
        datagram.extend(payload);
        datagram
    }

    /// ARP reply (RFC 826) of 10.0.0.`src` at a MAC that ends in `mac`.
    pub(crate) fn arp(src: u8, mac: u8) -> Vec<u8> {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, mac, 10, 0, 0, src];
        packet.extend([0; 10]);
        packet
    }

    /// Neighbour advertisement (RFC 4861 section 4.4) of fd00::`src` at a MAC that ends in `mac`.
    pub(crate) fn advertisement(src: u8, mac: u8) -> Vec<u8> {
        let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, src];
        message.extend([2, 1, 2, 0, 0, 0, 0, mac]);
        message
    }

    /// BFD control packet (RFC 5880 section 4.1).
    pub(crate) fn bfd() -> Vec<u8> {
        let mut control = vec![0x20, 0xc0, 5, 24];
        control.extend([0; 20]);
        udp(49_152, 3784, &control)
    }
}
