use analyzer_ebpf::abi::LinkTags;

use super::*;
use crate::engine::verdict::{Undetermined, Violating};
use crate::recorder::Frame;
use crate::types::Timestamp;

const VIOLATING: Verdict = Verdict::Violating(Violating::UnknownMac);

fn key(port: u16, epoch: u16) -> FlowKey<[u8; 4]> {
    FlowKey {
        src: [10, 0, 0, 1],
        dst: [10, 0, 1, 1],
        eth_dst: [2; 6],
        eth_src: [4; 6],
        tags: LinkTags::NONE,
        tp_src: port,
        tp_dst: 2,
        epoch,
        nw_proto: 17,
        nic: 0,
    }
}

fn first(frames: &[(FlowKey<[u8; 4]>, usize)], data: &[u8]) -> FirstFrames {
    let mut first = FirstFrames { flows: Vec::new(), frames: Frames::new("ens1".into()) };
    for &(key, count) in frames {
        for _ in 0..count {
            first.flows.push(Flow::V4(key));
            first.frames.push(&Frame { at: Timestamp::default(), orig_len: 60, data });
        }
    }
    first
}

fn chosen() -> (Chosen, broadcast::Receiver<Flow>) {
    let (sender, receiver) = broadcast::channel(16);
    (Chosen::new(sender), receiver)
}

fn released(chosen: &mut Chosen, key: FlowKey<[u8; 4]>, packets: u64) -> usize {
    chosen.note(Key::V4(key), packets, VIOLATING, None);
    let held = chosen.held.take(&Flow::V4(key), chosen.most_of(&Key::V4(key)));
    let released = held.and_then(|frames| chosen.release(Key::V4(key), frames)).map_or(0, |frames| frames.len());
    chosen.await_more(Key::V4(key));
    released
}

#[test]
fn no_more_than_the_first_frames_of_a_flow_are_released_whatever_the_set() {
    let (mut chosen, _recalled) = chosen();
    chosen.held.push(Batch::new(first(&[(key(1, 1), 6), (key(2, 1), 1), (key(1, 1), 4)], b"frame")));
    assert_eq!((released(&mut chosen, key(1, 1), 10), released(&mut chosen, key(1, 1), 10)), (10, 0));
    chosen.held.push(Batch::new(first(&[(key(1, 2), 10)], b"frame")));
    assert_eq!(released(&mut chosen, key(1, 2), 10), 6);
    chosen.held.push(Batch::new(first(&[(key(1, 3), 10)], b"frame")));
    assert_eq!(released(&mut chosen, key(1, 3), 10), 0);
    assert_eq!((chosen.missing(), released(&mut chosen, key(2, 1), 1)), (0, 1));
}

#[test]
fn more_frames_are_asked_for_where_the_first_are_missing() {
    let (mut chosen, mut recalled) = chosen();
    assert_eq!(released(&mut chosen, key(1, 1), 20), 0);
    assert_eq!((recalled.try_recv().unwrap(), chosen.missing()), (Flow::V4(key(1, 1)), 16));
    chosen.held.push(Batch::new(first(&[(key(1, 1), 16)], b"frame")));
    assert_eq!((released(&mut chosen, key(1, 1), 40), chosen.missing()), (16, 0));
    // All that there were are there; of one that may go on more is waited for.
    chosen.held.push(Batch::new(first(&[(key(2, 1), 3)], b"frame")));
    assert_eq!((released(&mut chosen, key(2, 1), 3), chosen.missing()), (3, 0));
    assert!(recalled.try_recv().is_err());
    assert_eq!(chosen.lacking.iter().collect::<Vec<_>>(), [&Key::V4(key(2, 1))]);
}

#[test]
fn memory_is_bounded() {
    let (mut chosen, _recalled) = chosen();
    let data = vec![0; 1 << 20];
    for port in 0..100 {
        chosen.held.push(Batch::new(first(&[(key(port, 1), 1)], &data)));
    }
    assert!((20 << 20..33 << 20).contains(&chosen.held.size()), "{}", chosen.held.size());
    // The newest are there, for a while.
    assert_eq!((released(&mut chosen, key(99, 1), 1), released(&mut chosen, key(0, 1), 1)), (1, 0));
    (0..20).for_each(|_| chosen.held.tick());
    assert_eq!((released(&mut chosen, key(98, 1), 1), chosen.held.size()), (0, 0));
    for port in 100..100 + MOST_KNOWN as u16 {
        released(&mut chosen, key(port, 1), 1);
    }
    assert_eq!((chosen.known.len(), chosen.missing()), (MOST_KNOWN, MOST_KNOWN + 2));
    assert!(chosen.lacking.len() <= MOST_KNOWN);
}

#[test]
fn what_conformed_is_not_recorded_as_violating() {
    let folder = std::env::temp_dir().join(format!("analyzer-recording-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let files = crate::recorder::Settings {
        name: crate::recorder::Name::try_from(folder.join("a.pcapng").as_path()).unwrap(),
        rotation: None,
        snaplen: 0,
    };
    let (mut recording, _) =
        Recording::open(&Recorded { only: Only::Violating, files }, Clock::new()).expect("the folder is ours");
    recording.start().unwrap();
    recording.take(first(&[(key(1, 1), 2), (key(2, 1), 3), (key(3, 1), 4)], b"frame"));
    let judge = |recording: &mut Recording, port, before, verdict| {
        recording.judged(Key::V4(key(port, 1)), 1, before, (verdict, None));
    };
    let undetermined = Verdict::Undetermined(Undetermined::UnreadableInput);
    judge(&mut recording, 1, None, undetermined);
    judge(&mut recording, 1, Some(undetermined), VIOLATING);
    judge(&mut recording, 2, Some(Verdict::Conforming), VIOLATING);
    // What comes then is.
    recording.take(first(&[(key(2, 1), 5)], b"frame"));
    recording.close(&Key::V4(key(2, 1)));
    judge(&mut recording, 1, Some(VIOLATING), Verdict::Conforming);
    recording.take(first(&[(key(1, 1), 5), (key(2, 1), 5)], b"frame"));
    assert_eq!(recording.recorder.close(PATIENCE).frames, 7);
    std::fs::remove_dir_all(folder).unwrap();
}
