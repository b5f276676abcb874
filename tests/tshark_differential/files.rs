//! Captures: those of the repository, and one that is written for the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use analyzer::capture::{self, Item};
use analyzer::types::Timestamp;
use analyzer_ebpf::abi::Direction;

use crate::tshark::{Datagrams, Packet, Tshark};

/// A frame of a capture, as the analyzer's reader gives it.
pub(crate) struct Captured {
    pub(crate) at: Timestamp,
    pub(crate) length: u32,
    pub(crate) nic: Option<String>,
    pub(crate) direction: Direction,
    pub(crate) data: Vec<u8>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder of `pcaps/`, and what tshark makes of its capture.
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) capture: PathBuf,
    pub(crate) packets: Vec<Packet>,
    pub(crate) datagrams: Datagrams,
}

/// All cases. tshark takes a good part of a second to start, so it reads each capture once for all tests.
pub(crate) fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let (captures, tshark) = (captures(), Tshark::new());
        let read = |(folder, capture): &(PathBuf, PathBuf)| {
            let packets = tshark.dissect(capture);
            let datagrams = tshark.datagrams(capture, &packets);
            Case { folder: folder.clone(), capture: capture.clone(), packets, datagrams }
        };
        let halves: Vec<_> = captures.chunks(captures.len().div_ceil(2)).collect();
        thread::scope(|scope| {
            let readers: Vec<_> =
                halves.iter().map(|half| scope.spawn(|| half.iter().map(read).collect::<Vec<_>>())).collect();
            readers.into_iter().flat_map(|reader| reader.join().expect("tshark reads it")).collect()
        })
    })
}

fn entries(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The folders of `pcaps/`, and in each its one capture. tshark reads no text: tests/capture_text.rs compares that.
fn captures() -> Vec<(PathBuf, PathBuf)> {
    let folders = entries(&root().join("pcaps")).into_iter().filter(|path| path.is_dir());
    let (mut captures, mut texts) = (Vec::new(), Vec::new());
    for folder in folders {
        let files =
            entries(&folder).into_iter().filter(|file| capture::is_capture(file, file.ends_with("capture.txt")));
        let name = folder.file_name().unwrap().to_owned();
        // Its packets stand in a text that holds more.
        if name == "ticket" {
            continue;
        }
        let [file] = files.collect::<Vec<_>>().try_into().expect("a case has one capture");
        match file.ends_with("capture.txt") {
            true => texts.push(name),
            false => captures.push((folder, file)),
        }
    }
    captures.sort();
    texts.sort();
    assert_eq!(
        texts,
        [
            "bfd-and-mac-unknown",
            "bz2095444-text",
            "lost-capture-line",
            "lost-route-row",
            "own-port-as-nexthop",
            "pasted-colours",
            "pasted-typescript",
            "routes-with-comment",
            "text-without-times",
            "virtual-router-label",
        ]
    );
    assert!(captures.len() >= 19, "{captures:?}");
    captures
}

/// A capture that holds a frame of each kind: protocols, ICMP messages, extension headers, fragments, tags, tunnels.
pub(crate) fn kinds() -> PathBuf {
    root().join("tests/fixtures/capture_text/kinds.pcap")
}

/// All frames, by the analyzer's reader.
pub(crate) fn frames(capture: &Path) -> Vec<Captured> {
    let mut reader = capture::open(capture, &capture::Options::default()).expect("a capture");
    let mut frames = Vec::new();
    while let Some(item) = reader.next().expect("it can be read") {
        let Item::Frame(frame) = item else { panic!("{} is text", capture.display()) };
        let (at, length, direction, data) = (frame.at, frame.orig_len, frame.direction, frame.data.to_vec());
        frames.push((frame.interface, Captured { at, length, nic: None, direction, data }));
    }
    let name = |nic: u8| reader.interfaces()[usize::from(nic)].name.as_deref().map(str::to_owned);
    frames.into_iter().map(|(nic, frame)| Captured { nic: name(nic), ..frame }).collect()
}

/// A pcap file of Ethernet frames, each with the bytes of it that were on the wire, a microsecond after the other.
pub(crate) fn pcap(frames: &[(Vec<u8>, usize)]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for (number, (data, length)) in frames.iter().enumerate() {
        for field in [1_700_000_000 + number / 1_000_000, number % 1_000_000, data.len(), *length] {
            file.extend((field as u32).to_le_bytes());
        }
        file.extend(data);
    }
    file
}
