//! Who is told what replay meets on its way.

use crate::engine::Engine;
use crate::engine::observation::{HeardNeighbour, Observation};
use crate::types::Timestamp;

/// Takes what depends on the order of frames in the capture.
///
/// It is called by one thread at a time, and hears neighbours in the order of the capture.
pub trait OrderedSink: Send {
    /// A neighbour was heard. Returns the moments, if any, at which a verdict may change because of it: packets behind
    /// this frame in the capture are counted apart before and after these.
    fn heard(&mut self, heard: HeardNeighbour) -> [Option<Timestamp>; 2];

    /// Asked when the flow table is full. `true` takes the observation over for good: what it counts will not be told
    /// again, though later packets of the flow may be. Called with conforming and violating observations alike, so
    /// that the sink can let conforming ones go and keep the others in the table.
    fn retire(&mut self, observation: &Observation) -> bool;
}

impl OrderedSink for Engine {
    fn heard(&mut self, heard: HeardNeighbour) -> [Option<Timestamp>; 2] {
        self.hear(heard)
    }

    fn retire(&mut self, observation: &Observation) -> bool {
        Self::retire(self, observation)
    }
}
