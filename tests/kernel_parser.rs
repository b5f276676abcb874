//! The kernel program, loaded into this kernel, against the parser on the slice: both must make the same of a frame.
//!
//! Most frames go through `BPF_PROG_TEST_RUN`. What it cannot make goes over a veth pair: packets whose linear part ends
//! behind the Ethernet header, tags that stand beside the frame, and super-packets.

#[path = "common/frames.rs"]
mod frames;
#[path = "kernel_parser/kernel.rs"]
mod kernel;
#[path = "common/netns.rs"]
mod netns;
#[path = "kernel_parser/ways.rs"]
mod ways;
#[path = "kernel_parser/wire.rs"]
mod wire;

use std::cell::RefCell;
use std::fs;

use analyzer_ebpf::abi::Direction;
use analyzer_ebpf::maps::{Counter, program};
use frames::{captures, ethernet_frames, frame};
use kernel::{Expected, Kernel, NIC, expected};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The programs that judge, what they return, and the direction that their hook tells.
const JUDGES: [(&str, i32, Direction); 3] = [
    (program::EGRESS, -1, Direction::Outbound),
    (program::MIRROR, -1, Direction::Unknown),
    (program::MIRROR_XDP, 2, Direction::Unknown),
];

/// Longer frames do not fit into the one page that a test run has. All headers are in front of that.
const MAX_LEN: usize = 3000;
/// Shorter frames are not taken.
const MIN_LEN: usize = 14;

/// Whether a test run makes an skb of a frame: one that ends inside of an IP header it refuses.
fn is_taken(frame: &[u8]) -> bool {
    match frame[12..14] {
        [0x08, 0x00] => frame.len() >= 34,
        [0x86, 0xdd] => frame.len() >= 54,
        _ => true,
    }
}

/// Runs all programs on a frame, and compares what they made of it.
fn assert_same(kernel: &mut Kernel, frame: &[u8]) {
    let frame = &frame[..frame.len().min(MAX_LEN)];
    if frame.len() < MIN_LEN {
        return;
    }
    for (program, returned, direction) in JUDGES {
        if program != program::MIRROR_XDP && !is_taken(frame) {
            continue;
        }
        let context = || format!("{program}: {frame:02x?}");
        let expected = expected(frame, direction, NIC);
        let counter = match expected {
            Expected::Suspect(_) => Counter::Suspect,
            Expected::Counted(counter) => counter,
        };
        let before = [Counter::Seen, counter].map(|counter| kernel.counter(counter));
        assert_eq!(kernel.run(program, frame), returned, "{}", context());
        let after = [Counter::Seen, counter].map(|counter| kernel.counter(counter));
        let one_more = before.map(|[packets, bytes]| [packets + 1, bytes + frame.len() as u64]);
        assert_eq!(after, one_more, "Seen and {counter:?}; {}", context());
        if let Expected::Suspect(key) = &expected {
            let Some([packets, bytes, first, last]) = kernel.take(key) else {
                panic!("{}\nexpected {key:02x?}\ncounted  {:02x?}", context(), kernel.suspects());
            };
            assert_eq!([packets, bytes], [1, frame.len() as u64], "{}", context());
            assert!(first > 0 && first == last, "{}", context());
        }
    }
    // Who listens has nothing to say about keys, but must come through.
    if is_taken(frame) {
        assert_eq!(kernel.run(program::INGRESS, frame), -1);
    }
    assert_eq!(kernel.run(program::INGRESS_XDP, frame), 2);
}

#[test]
fn frames_of_all_captures() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        for path in captures() {
            let file = fs::read(&path).unwrap();
            for frame in ethernet_frames(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
                assert_same(&mut kernel, frame);
            }
        }
        assert_eq!(kernel.suspects(), []);
        assert!(kernel.counter(Counter::Suspect)[0] > 1000, "{:?}", kernel.counter(Counter::Suspect));
        Ok(())
    });
}

#[test]
fn generated_frames_whole_and_cut() {
    netns::run(|| {
        let kernel = RefCell::new(Kernel::new()?);
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) };
        let cut = (frame(), any::<prop::sample::Index>());
        TestRunner::new(config)
            .run(&cut, |(frame, len)| {
                let mut kernel = kernel.borrow_mut();
                assert_same(&mut kernel, &frame);
                assert_same(&mut kernel, &frame[..len.index(frame.len())]);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(kernel.borrow_mut().suspects(), []);
        Ok(())
    });
}

#[test]
fn without_a_set_everything_is_sampled_and_nothing_suspect() {
    netns::run(|| {
        let mut kernel = Kernel::new()?;
        kernel.set_config(0, 1);
        let file = fs::read(captures().first().expect("there are captures")).unwrap();
        let frames = ethernet_frames(&file).unwrap();
        for frame in frames.iter().take(200).filter(|frame| frame.len() <= MAX_LEN) {
            kernel.run(program::EGRESS, frame);
        }
        assert_eq!(kernel.counter(Counter::Suspect), [0; 2]);
        assert_eq!(kernel.suspects(), []);
        let [unloaded, _] = kernel.counter(Counter::Unloaded);
        assert!(unloaded > 0);
        assert_eq!(kernel.sampled(), unloaded);
        Ok(())
    });
}
