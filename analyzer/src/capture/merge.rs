//! Several captures as one, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::nics::Nics;
use super::{CaptureError, CaptureReader, FileRead, Interface, Item, Progress, Skipped};
use crate::types::{Place, Timestamp, Warning};

/// Several captures as one.
///
/// The earliest frame comes first; of frames of the same time, that of the capture given first. Within a capture
/// the order of its frames stays as it is. NICs of the same name are one, and so are all that have none.
pub struct Merge {
    inputs: Vec<Input>,
    /// The next frame's time and the input, of every input but the current one.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    current: Option<usize>,
    started: bool,
    nics: Nics,
}

struct Input {
    reader: Box<dyn CaptureReader + Send>,
    /// Index in the merged table of every NIC of the reader's own table.
    nics: Vec<u8>,
    place: Place,
    frames: u64,
}

impl Merge {
    /// Merges captures, each given with its place for messages.
    pub fn new(captures: impl IntoIterator<Item = (Place, Box<dyn CaptureReader + Send>)>) -> Self {
        let inputs =
            captures.into_iter().map(|(place, reader)| Input { reader, nics: Vec::new(), place, frames: 0 }).collect();
        Self { inputs, heads: BinaryHeap::new(), current: None, started: false, nics: Nics::default() }
    }

    /// What became of each capture so far.
    pub fn files(&self) -> Vec<FileRead> {
        let read = |input: &Input| FileRead {
            place: input.place.clone(),
            frames: input.frames,
            skipped: input.reader.skipped(),
        };
        self.inputs.iter().map(read).collect()
    }

    /// Steps one input and puts its next frame among the heads.
    fn step(&mut self, index: usize) -> Result<(), CaptureError> {
        let Some(input) = self.inputs.get_mut(index) else { return Ok(()) };
        let advanced = input.reader.advance()?;
        for interface in input.reader.interfaces().iter().skip(input.nics.len()) {
            let nic = self.nics.intern(interface.name.as_deref());
            input.nics.push(nic.ok_or_else(|| CaptureError::TooManyInterfaces { file: input.place.file.clone() })?);
        }
        if let (true, Some(item)) = (advanced, input.reader.item()) {
            input.frames += 1;
            self.heads.push(Reverse((item.at(), index)));
        }
        Ok(())
    }
}

impl CaptureReader for Merge {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if !self.started {
            self.started = true;
            for index in 0..self.inputs.len() {
                self.step(index)?;
            }
        } else if let Some(index) = self.current.take() {
            self.step(index)?;
        }
        self.current = self.heads.pop().map(|Reverse((_, index))| index);
        Ok(self.current.is_some())
    }

    fn item(&self) -> Option<Item<'_>> {
        let input = self.inputs.get(self.current?)?;
        let item = input.reader.item()?;
        let nic = input.nics.get(usize::from(item.interface()))?;
        Some(item.with_interface(*nic))
    }

    fn interfaces(&self) -> &[Interface] {
        self.nics.as_slice()
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        self.inputs.iter_mut().flat_map(|input| input.reader.take_warnings()).collect()
    }

    fn skipped(&self) -> Skipped {
        self.inputs.iter().map(|input| input.reader.skipped()).fold(Skipped::default(), |sum, one| Skipped {
            frames: sum.frames + one.frames,
            lines: sum.lines + one.lines,
            ends: sum.ends + one.ends,
        })
    }

    fn progress(&self) -> Progress {
        let nothing = Progress { consumed: 0, total: Some(0) };
        self.inputs.iter().map(|input| input.reader.progress()).fold(nothing, |sum, one| Progress {
            consumed: sum.consumed.saturating_add(one.consumed),
            total: sum.total.zip(one.total).map(|(sum, one)| sum.saturating_add(one)),
        })
    }

    fn lacks_times(&self) -> bool {
        self.inputs.iter().any(|input| input.reader.lacks_times())
    }
}

#[cfg(test)]
mod tests;
