//! The parts that are asked and told while suspects are judged, lent for that time.

use super::alerting::Alerting;
use super::connections::Connections;
use super::evidence::Evidence;
use super::kernel::Kernel;
use super::record::Record;
use super::repairing::Repairing;
use super::voice::Voice;
use crate::engine::Engine;
use crate::types::Timestamp;

/// What stands around the suspects.
pub(super) struct Around<'a> {
    pub(super) now: Timestamp,
    pub(super) kernel: &'a mut Kernel,
    pub(super) engine: &'a mut Engine,
    pub(super) evidence: &'a mut Evidence,
    pub(super) connections: &'a mut Connections,
    pub(super) alerting: &'a mut Alerting,
    /// Where stale entries are healed without being asked.
    pub(super) repairing: Option<&'a mut Repairing>,
    /// Where frames are recorded.
    pub(super) record: Option<&'a mut Box<dyn Record>>,
    pub(super) voice: &'a mut Voice,
}
