//! How a daemon is doing: its sources, its NICs, what it has lost.

use std::time::Duration;

use crate::types::Timestamp;

/// How a daemon is doing at some moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Status {
    /// The moment.
    pub at: Timestamp,
    /// Whether the next hops are known.
    pub nexthops_known: bool,
    /// The sources of facts.
    pub sources: Vec<SourceStatus>,
    /// The NICs that are watched.
    pub nics: Vec<NicStatus>,
    /// What was lost since the start, by cause. Causes without loss are in it too.
    pub losses: Vec<Loss>,
    /// The kernel's maps.
    pub maps: Vec<MapStatus>,
}

/// A source of facts.
#[derive(Clone, PartialEq, Debug)]
pub struct SourceStatus {
    /// What it is: `nb`, `sb`, `ovs`, `kernel`, `nexthops.toml`, `conntrack`.
    pub name: &'static str,
    /// Its address or path.
    pub place: String,
    /// `connecting`, `synchronised` or `lost`.
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// How old what it told is; `None` where it has told nothing yet.
    pub age: Option<Duration>,
    /// Why it is not there.
    pub error: Option<String>,
}

/// A NIC that is watched.
#[derive(Clone, PartialEq, Debug)]
pub struct NicStatus {
    /// Its name.
    pub name: String,
    /// How the egress program is attached, or of a mirror port the one that sees its frames, by the name of its mode, such as
    /// `tcx`; `None` while it is not.
    pub egress: Option<&'static str>,
    /// How the ingress program is.
    pub ingress: Option<&'static str>,
}

/// Something lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Its stable name.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// A map of the kernel program.
#[derive(Clone, PartialEq, Debug)]
pub struct MapStatus {
    /// Its name.
    pub name: String,
    /// Entries it has room for.
    pub capacity: u64,
    /// Bytes of kernel memory that it takes, as the kernel tells.
    pub bytes: u64,
}
