//! Settings of the daemon.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::connections::Way;
use crate::alerts;
use crate::engine::fact::EvidenceKinds;
use crate::engine::settings::Settings as Judging;
use crate::repair::rules::Rules;

/// What the daemon is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of the NICs to watch.
    pub nics: BTreeSet<Arc<str>>,
    /// Whether those are watched too that the Open_vSwitch database names.
    pub is_auto: bool,
    /// Whether frames are taken away from NICs, which has to be known to be harmless.
    pub is_consuming: bool,
    /// Where conntrack entries are; `None` to go by the datapath that the Open_vSwitch database names.
    pub conntrack: Option<Way>,
    /// How packets are judged.
    pub judging: Judging,
    /// Kinds of evidence that the daemon's own looking gives.
    pub seen: EvidenceKinds,
    /// When and how often people are told.
    pub alerts: alerts::Settings,
    /// How stale entries are healed, and how many in a minute at most; `None` for not at all.
    pub repair: Option<(Rules, u32)>,
    /// Entries of the map of suspects, for each IP version.
    pub max_suspects: u32,
    /// How long flows are judged at the end.
    pub end_within: Duration,
    /// Name of the node.
    pub node: Option<String>,
    /// What may change while the daemon runs.
    pub changing: Changing,
}

/// Settings that may change while the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changing {
    /// One in so many conforming packets is sampled; 0 for none.
    pub sample: u32,
    /// Time between two readings of all labelled entries; `None` for none but at the start and after a loss.
    pub conntrack_interval: Option<Duration>,
    /// Facts of a source that was lost longer ago are unknown.
    pub max_age: Duration,
    /// How long the end of a next hop is remembered.
    pub history_age: Duration,
}
