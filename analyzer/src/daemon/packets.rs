//! Where packets are counted, and judged by the set that is told to it: the kernel program, AF_XDP sockets, or a simulated
//! node.

use analyzer_ebpf::maps::{Counter, FlowCounts, Outcome, PacketCount};
use hashbrown::{HashMap, HashSet};

use super::mirrored::Mirrored;
use crate::bpf::counted::{Counted, Heard, Key, MapUse, Request};
use crate::engine::classes::{Classes, Combination};
use crate::types::{MacAddr, Tuple};

/// What was counted, by [`Counter`].
pub type Counters = [PacketCount; Counter::COUNT as usize];

/// A request was refused, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The place where packets are counted.
///
/// Every method fails with [`Refused`] where the place cannot be asked or written to.
pub trait Packets {
    /// Brings a set into force, and returns its generation. Packets are judged by the one before until this one is whole.
    fn install(
        &mut self,
        classes: &Classes,
        outcomes: Vec<(Combination, Outcome)>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<u32, Refused>;

    /// Adds an outcome to the generation in force.
    fn add_outcome(&mut self, combination: &Combination, outcome: Outcome) -> Result<(), Refused>;

    /// No set is in force any more: packets are judged by nobody.
    fn unload(&mut self) -> Result<(), Refused>;

    /// What is counted under a key of a suspect; `None` where it was taken away.
    fn suspect(&self, key: &Key) -> Result<Option<FlowCounts>, Refused>;

    /// All suspects, those in the reserve too.
    fn suspects(&self) -> Result<Vec<Counted>, Refused>;

    /// Takes away those of which no packet has come since they were read. Returns these, also where it fails in between.
    fn remove(&mut self, suspects: &[Counted]) -> (Vec<Counted>, Result<(), Refused>);

    /// Sets right how many keys the reserve holds for each MAC.
    fn clear_reserve(&mut self, held: &HashMap<MacAddr, u64>) -> Result<(), Refused>;

    /// Waits until what was detached counts no more.
    fn settle(&self) -> Result<(), Refused>;

    /// Flows that conform, as far as they were sampled. Counts are of the samples.
    fn samples(&self) -> Result<Vec<Counted>, Refused>;

    /// What came in of a flow from a MAC. The tuple is that of the packets that came in.
    fn request(&self, tuple: &Tuple, eth_src: MacAddr) -> Result<Option<FlowCounts>, Refused>;

    /// All that came in and was noted.
    fn requests(&self) -> Result<Vec<Request>, Refused>;

    /// All neighbours that were heard.
    fn heard(&self) -> Result<Vec<Heard>, Refused>;

    /// Conforming packets of the first `len` next hops, by their index.
    fn nexthops(&self, len: u32) -> Result<Vec<PacketCount>, Refused>;

    /// What was counted.
    fn counters(&self) -> Result<Counters, Refused>;

    /// How many keys the kernel program's maps of samples, requests and neighbours hold.
    fn present(&self) -> [Result<usize, Refused>; 3] {
        [
            self.samples().map(|samples| samples.len()),
            self.requests().map(|requests| requests.len()),
            self.heard().map(|heard| heard.len()),
        ]
    }

    /// The maps in use.
    fn map_uses(&self) -> Vec<MapUse>;

    /// The table of flows, where sockets count them and not the kernel program.
    fn mirrored(&self) -> Option<&Mirrored> {
        None
    }

    /// The same, to be written to.
    fn mirrored_mut(&mut self) -> Option<&mut Mirrored> {
        None
    }
}
