//! Frames on their way to a file.

use std::sync::Arc;

use crate::types::Timestamp;

/// Frames of one NIC, copied one behind the other. What is said of them is said of all.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Name of the NIC.
    pub(super) interface: Arc<str>,
    /// What each of them is commented with.
    pub(super) comment: Option<Arc<str>>,
    /// Where each ends in the bytes.
    ends: Vec<Head>,
    bytes: Vec<u8>,
}

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug)]
struct Head {
    at: Timestamp,
    orig_len: u32,
    end: usize,
}

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// When it was seen.
    pub at: Timestamp,
    /// Bytes on the wire.
    pub orig_len: u32,
    /// Its first bytes, or all.
    pub data: &'a [u8],
}

impl Frames {
    /// No frames yet, of the NIC with this name.
    pub fn new(interface: Arc<str>) -> Self {
        Self { interface, comment: None, ends: Vec::new(), bytes: Vec::new() }
    }

    /// Name of the NIC.
    pub fn interface(&self) -> &Arc<str> {
        &self.interface
    }

    /// Copies a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.data);
        self.ends.push(Head { at: frame.at, orig_len: frame.orig_len, end: self.bytes.len() });
    }

    /// Has them commented.
    #[must_use]
    pub fn commented(self, comment: Arc<str>) -> Self {
        Self { comment: Some(comment), ..self }
    }

    /// Keeps the first of them.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().map_or(0, |head| head.end));
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Memory that they take.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<Head>()
    }

    /// A frame by its place.
    pub fn get(&self, index: usize) -> Option<Frame<'_>> {
        let &Head { at, orig_len, end } = self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].end);
        Some(Frame { at, orig_len, data: &self.bytes[start..end] })
    }

    /// The frames in their order.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Takes them out, and goes on without any.
    pub fn take(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.interface));
        std::mem::replace(self, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let all = [&b"one"[..], b"", b"three"].map(|data| Frame {
            at: Timestamp::from_nanos(data.len() as u64),
            orig_len: 60,
            data,
        });
        let mut frames = Frames::new("ens1".into());
        all.iter().for_each(|frame| frames.push(frame));
        assert_eq!(frames.iter().collect::<Vec<_>>(), all);
        frames.truncate(2);
        frames.push(&all[2]);
        assert_eq!(frames.iter().collect::<Vec<_>>(), all);
        assert_eq!((frames.take().len(), frames.is_empty()), (3, true));
    }
}
