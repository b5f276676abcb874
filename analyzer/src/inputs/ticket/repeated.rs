//! What stands in a ticket more than once, as it does where an answer quotes what it answers.

use std::sync::Arc;

use hashbrown::HashSet;

use super::lines::{Line, Lines};
use super::{Block, Kind};
use crate::types::{MacAddr, Place, Warning};

/// Takes out blocks that repeat another, and lines of captures that stand in another block: their packets would count twice.
pub(super) fn removed(blocks: Vec<Block>, file: &Arc<str>) -> (Vec<Block>, Vec<Warning>) {
    let (mut known, mut packets) = (HashSet::new(), HashSet::new());
    let (mut kept, mut warnings) = (Vec::with_capacity(blocks.len()), Vec::new());
    let mut warn = |block: &Block, message: &str| {
        let place = Place { file: Arc::clone(file), position: block.position() };
        warnings.push(Warning { place, message: message.to_owned() });
    };
    for mut block in blocks {
        let text = Lines::new(&block.bytes);
        let lines = text.undecorated(&(0..text.len()));
        let content: Vec<String> =
            lines.iter().filter(|line| line.is_data()).map(|line| line.text.trim().to_owned()).collect();
        if !content.is_empty() && !known.insert((block.kind.clone(), content)) {
            warn(&block, "this text stands in the ticket before; it is read once");
            continue;
        }
        if block.kind == Kind::Capture {
            let mut is_repeated = false;
            let mut repeats = |line: &Line| {
                // Further lines of a packet (`tcpdump -v`) go with its first.
                if let Some(packet) = dated(line) {
                    is_repeated = packets.contains(packet);
                } else if !line.text.starts_with([' ', '\t']) {
                    is_repeated = false;
                }
                is_repeated
            };
            let repeated: Vec<bool> = lines.iter().map(&mut repeats).collect();
            packets.extend(lines.iter().filter_map(|line| dated(line).map(str::to_owned)));
            if repeated.contains(&true) {
                let keep = |at: usize| if repeated[at] { &b"\n"[..] } else { text.bytes(&(at..at + 1)) };
                let bytes: Vec<u8> = (0..text.len()).flat_map(keep).copied().collect();
                warn(&block, "some of these packets stand in the ticket before; they are read once");
                block.bytes = bytes.into();
            }
        }
        kept.push(block);
    }
    (kept, warnings)
}

/// A line that begins with the time of a packet: without one, two packets may look alike.
fn dated(line: &Line) -> Option<&str> {
    let text = line.text.trim();
    let first = text.split(' ').next()?;
    let is_dated = line.is_data() && first.starts_with(|first: char| first.is_ascii_digit());
    (is_dated && first.parse::<MacAddr>().is_err() && crate::capture::looks(text).is_some()).then_some(text)
}
