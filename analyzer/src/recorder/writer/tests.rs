use std::fs::{self, File};
use std::path::Path;

use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::block_common::Block;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::opt_common::CommonOption;

use super::*;
use crate::recorder::Frame;

/// Longer than any disk of a test takes.
const LONG: Duration = Duration::from_secs(60);
const OFFSET_NS: u64 = 1_600_000_000_000_000_000;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("analyzer-writer-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn start(&self, file: &str, rotation: Option<Rotation>) -> Recorder {
        let name = Name::try_from(self.0.join(file).as_path()).unwrap();
        let settings = Settings { name, rotation, snaplen: 128 };
        let mut recorder = Recorder::open(&settings, OFFSET_NS, Timestamp::default()).unwrap();
        recorder.start().unwrap();
        recorder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn frames(interface: &str, numbers: std::ops::Range<u64>) -> Frames {
    let mut frames = Frames::new(interface.into());
    for number in numbers {
        frames.push(&Frame { at: Timestamp::from_nanos(number), orig_len: 1500, data: &number.to_be_bytes() });
    }
    frames
}

/// Interface, number and comment of each frame in a file.
fn read(path: &Path) -> Vec<(String, u64, Option<String>)> {
    let file = File::open(path).unwrap();
    let bytes = match path.extension().is_some_and(|ending| ending == "zst") {
        true => zstd::stream::decode_all(file).unwrap(),
        false => fs::read(path).unwrap(),
    };
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut read = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.unwrap().0.into_owned() else { continue };
        let number = u64::from_be_bytes(packet.data[..].try_into().unwrap());
        assert_eq!((packet.timestamp.as_nanos(), packet.original_len), (u128::from(OFFSET_NS + number), 1500));
        let comment = packet.options.iter().find_map(|option| match option {
            EnhancedPacketOption::Common(CommonOption::Comment(comment)) => Some(comment.to_string()),
            _ => None,
        });
        let interface = &reader.interfaces()[packet.interface_id as usize];
        let name = interface.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
            _ => None,
        });
        read.push((name.unwrap(), number, comment));
    }
    read
}

#[test]
fn frames_are_read_back_with_their_interface_and_comment() {
    for file in ["a.pcapng", "a.pcapng.zst"] {
        let folder = Folder::new(file);
        let recorder = folder.start(file, None);
        recorder.inlet().record(frames("ens1", 0..2).commented("violating".into()));
        recorder.inlet().record(frames("ens2", 2..3));
        recorder.inlet().record(frames("ens1", 3..4));
        let written = recorder.close(LONG);
        assert_eq!(written, Written { frames: 4, files: 1, lost: 0, is_complete: true, trouble: None });
        let violating = Some("violating".to_owned());
        assert_eq!(
            read(&folder.files()[0]),
            [
                ("ens1".to_owned(), 0, violating.clone()),
                ("ens1".to_owned(), 1, violating),
                ("ens2".to_owned(), 2, None),
                ("ens1".to_owned(), 3, None)
            ]
        );
    }
}

#[test]
fn a_file_without_frames_is_one() {
    let folder = Folder::new("empty");
    assert_eq!(folder.start("a.pcapng", None).close(LONG).frames, 0);
    assert_eq!(read(&folder.files()[0]), []);
}

#[test]
fn files_follow_each_other_and_each_is_whole() {
    for (file, bytes) in [("a.pcapng", 4096), ("a.pcapng.zst", 1024)] {
        let folder = Folder::new(&format!("rotated-{file}"));
        let recorder = folder.start(file, Some(Rotation { bytes, files: 3 }));
        for number in 0..1000 {
            recorder.inlet().record(frames("ens1", number..number + 1).commented("why".into()));
        }
        let written = recorder.close(LONG);
        assert_eq!((written.frames, written.lost), (1000, 0));
        assert!(written.files > 5, "{written:?}");
        let files = folder.files();
        assert_eq!(files.len(), 3);
        let numbers: Vec<u64> = files.iter().flat_map(|file| read(file)).map(|(_, number, _)| number).collect();
        assert!(numbers.is_sorted() && numbers.last() == Some(&999) && numbers.len() > 20, "{numbers:?}");
        assert_eq!(numbers.last().unwrap() - numbers[0] + 1, numbers.len() as u64);
        for file in &files {
            // The last frame may make it a little longer.
            assert!(fs::metadata(file).unwrap().len() < bytes + 1024, "{file:?}");
        }
    }
}
