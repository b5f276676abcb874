//! What the daemon begins with.

use hashbrown::DefaultHashBuilder;

use super::databases::Following;
use super::entries::Entries;
use super::history::History;
use super::hooks::Hooks;
use super::packets::Packets;
use super::record::Record;
use crate::alerts::Namespace;
use crate::bpf::counted::Axis;
use crate::types::Timestamp;

/// What the daemon asks of the machine, and is told at once.
pub struct Machine {
    /// Where packets are counted.
    pub packets: Box<dyn Packets>,
    /// The conntrack table.
    pub entries: Box<dyn Entries>,
    /// The NICs.
    pub hooks: Box<dyn Hooks>,
    /// Where frames are recorded, if they are.
    pub record: Option<Box<dyn Record>>,
}

/// What the daemon begins with.
#[derive(Debug)]
pub struct Beginning {
    /// The run's axis of time.
    pub axis: Axis,
    /// When the run began.
    pub started: Timestamp,
    /// When the sources are asked first.
    pub asked: Timestamp,
    /// The history that an earlier run kept.
    pub history: History,
    /// The network namespace.
    pub namespace: Option<Namespace>,
    /// What the keys of suspects are hashed by, where a table of ours holds them.
    pub hasher: DefaultHashBuilder,
    /// A number that is another on each node, for moments that are to be apart.
    pub seed: u64,
}

/// Who tells facts.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Databases.
    pub databases: Vec<Following>,
    /// Places of files of next hops.
    pub files: Vec<String>,
    /// Whether the kernel's routes tell next hops.
    pub kernel_routes: bool,
}
