//! Where frames of flows are recorded, as far as it depends on what is said of them.

use crate::bpf::counted::Key;
use crate::engine::finding::Finding;
use crate::engine::verdict::Verdict;

/// A recording of frames of violating flows.
pub trait Record {
    /// A flow was judged, of which so many packets were counted. What was said of it before tells whether the frames that
    /// are held are from before.
    fn judged(&mut self, key: Key, packets: u64, before: Option<Verdict>, now: (Verdict, Option<&Finding>));

    /// So many packets were counted of a flow.
    fn counted(&mut self, key: Key, packets: u64);

    /// A flow is not looked at any more.
    fn close(&mut self, key: &Key);
}
