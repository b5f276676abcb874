use super::*;
use crate::capture::tests::{Frame, MICROS, START, frames, open_bytes};
use crate::types::Position;

fn capture(times: &[u64], mark: u8) -> Vec<u8> {
    let frames: Vec<Frame> = times
        .iter()
        .map(|&time| {
            let (_, nic, mut data, len, way) = frames()[0].clone();
            data[0] = mark;
            (START + time * 1000, nic, data, len, way)
        })
        .collect();
    MICROS.file(&frames)
}

fn place(index: usize) -> Place {
    Place { file: format!("{index}.pcap").into(), position: Position::Whole }
}

fn merge(captures: &[Vec<u8>]) -> Merge {
    Merge::new(captures.iter().enumerate().map(|(index, bytes)| (place(index), open_bytes(bytes).unwrap())))
}

fn marks(merge: &mut Merge) -> Vec<(u64, u8)> {
    let mut marks = Vec::new();
    while let Some(item) = merge.next().unwrap() {
        let Item::Frame(frame) = item else { panic!("a frame") };
        marks.push(((frame.at.as_nanos() - START) / 1000, frame.data[0]));
    }
    marks
}

#[test]
fn time_decides_then_the_order_given() {
    // The first capture steps back once; its frames stay in their order.
    let mut merge = merge(&[capture(&[1, 5, 4, 9], 0), capture(&[1, 2, 5], 1), capture(&[], 2), capture(&[0, 9], 3)]);
    assert_eq!(marks(&mut merge), [(0, 3), (1, 0), (1, 1), (2, 1), (5, 0), (4, 0), (5, 1), (9, 0), (9, 3)]);
    assert!(merge.item().is_none());
    // Files of classic pcap name no NIC, so they are of one.
    assert_eq!(merge.interfaces(), [Interface { name: None }]);
    let progress = merge.progress();
    assert_eq!(progress.total, Some(progress.consumed));
}

#[test]
fn nics_are_told_apart_by_name() {
    let text = |nic: &str| {
        format!(
            "tcpdump: listening on {nic}, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
                 2022-06-09 22:48:28.272309 94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94: \
                 10.0.0.1.5 > 10.0.0.2.6: UDP, length 52\n"
        )
        .into_bytes()
    };
    let mut merge = merge(&[text("ens1f1"), text("ens1f0"), text("ens1f1"), capture(&[0], 0)]);
    let mut seen = Vec::new();
    while let Some(item) = merge.next().unwrap() {
        seen.push(item.interface());
    }
    assert_eq!(seen, [0, 1, 0, 2]);
    let names: Vec<_> = merge.interfaces().iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("ens1f1"), Some("ens1f0"), None]);
}

#[test]
fn a_cut_file_ends_alone() {
    let mut cut = capture(&[1, 3], 0);
    cut.pop();
    let mut merge = merge(&[cut, capture(&[2, 4], 1)]);
    assert_eq!(marks(&mut merge), [(1, 0), (2, 1), (4, 1)]);
    assert_eq!(merge.take_warnings().len(), 1);
}

#[test]
fn an_unusable_file_is_an_error() {
    let merged = Merge::new([(place(0), open_bytes(b"no capture\n").unwrap())]).next().map(|item| item.is_some());
    assert!(matches!(merged, Err(CaptureError::Unrecognised { .. })));
}
