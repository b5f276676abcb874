//! Captures of any format, one frame after the other.

use std::sync::Arc;

use analyzer_ebpf::parse::{Frame, ParseError};

use super::counted::Counted;
use super::counter::{Counter, Record};
use super::hash::Seed;
use super::link::{frame_of_text, parse_frame};
use super::ordered::{Effect, Ordered};
use super::sink::OrderedSink;
use super::{Options, cut_before_frames};
use crate::capture::{CaptureError, CaptureReader, FrameRef, Item, TextRecord};
use crate::engine::epoch::Epochs;

/// Frames between two calls of the progress hook. A power of two.
const PROGRESS_INTERVAL: u64 = 1 << 14;

/// Counts what a reader yields.
///
/// # Errors
/// As the reader's.
pub fn count_reader(
    reader: &mut dyn CaptureReader,
    epochs: Epochs,
    options: &Options<'_>,
    sink: &mut dyn OrderedSink,
) -> Result<Counted, CaptureError> {
    let ordered = Ordered::new(sink, epochs);
    let counter = Counter::new(&Seed::random(), options.max_flows, Arc::clone(ordered.epochs()));
    let mut serial = Serial { ordered, counter };
    let mut warnings = Vec::new();
    let mut frames: u64 = 0;
    loop {
        let item = match reader.next() {
            Ok(Some(item)) => item,
            Ok(None) => break,
            // Too little was read to see what it is.
            Err(error) if options.was_interrupted() => {
                warnings.push(cut_before_frames("captures".into(), &error));
                break;
            }
            Err(error) => return Err(error),
        };
        serial.count(&item);
        frames += 1;
        if frames.is_multiple_of(PROGRESS_INTERVAL) {
            warnings.append(&mut reader.take_warnings());
            if let Some(progress) = options.progress {
                progress(reader.progress());
            }
        }
    }
    warnings.append(&mut reader.take_warnings());
    let mut counted = serial.ordered.finish(serial.counter);
    counted.interfaces = reader.interfaces().to_vec();
    counted.skipped_by_reader = reader.skipped();
    counted.lacks_times = reader.lacks_times();
    counted.warnings = warnings;
    Ok(counted)
}

struct Serial<'a> {
    ordered: Ordered<'a>,
    counter: Counter,
}

impl Serial<'_> {
    fn count(&mut self, item: &Item<'_>) {
        match item {
            Item::Frame(frame) => self.count_frame(frame),
            Item::Text(record) => self.count_text(record),
        }
        if self.counter.must_settle() {
            self.counter.settle(self.ordered.sink());
        }
    }

    fn count_frame(&mut self, frame: &FrameRef<'_>) {
        let record = Record::of(frame);
        let mut parsed = parse_frame(frame);
        let effect = self.ordered.observe(frame.data, &mut parsed, record);
        self.count_parsed(effect, &parsed, record);
    }

    fn count_text(&mut self, text: &TextRecord) {
        let record = Record { at: text.at, wire_len: text.length, is_cut: false, nic: text.interface };
        let effect = self.ordered.observe_text(text);
        self.count_parsed(effect, &Ok(frame_of_text(text)), record);
    }

    fn count_parsed(&mut self, effect: Effect, parsed: &Result<Frame, ParseError>, record: Record) {
        if effect == Effect::EpochsChanged {
            self.counter.enter(self.ordered.epochs());
        }
        self.counter.count_parsed(parsed, record);
    }
}
