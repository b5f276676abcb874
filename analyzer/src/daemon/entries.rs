//! The node's conntrack table, as far as the daemon asks it.

use crate::engine::fact::Connection;
use crate::output::remedy::Datapath;
use crate::ovn::local::{DatapathType, Node};
use crate::types::Tuple;

/// Labelled entries that are kept.
pub(crate) const MAX_ENTRIES: usize = 4_000_000;

/// Where entries are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Not chosen yet: the node's own database has not told which datapath it has.
    Open,
    /// From the kernel.
    Kernel,
    /// From ovs-vswitchd.
    Userspace,
    /// Not at all.
    None,
}

impl Way {
    /// Where the entries live, once it is known.
    pub(crate) fn datapath(self) -> Option<Datapath> {
        match self {
            Self::Kernel => Some(Datapath::Kernel),
            Self::Userspace => Some(Datapath::Userspace),
            Self::Open | Self::None => None,
        }
    }

    /// The way to the datapath of a node, as its own database tells it: the kernel's where it does not.
    pub(crate) fn of(node: Option<&Node>) -> Self {
        match node {
            Some(node) if node.datapath == DatapathType::Netdev => Self::Userspace,
            _ => Self::Kernel,
        }
    }
}

/// Zones of ovs-vswitchd's table, which only tells whole ones.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Zones {
    /// Those of routers' destination NAT, in which entries are labelled.
    pub routers: Vec<u16>,
    /// Where sources are translated, those that tell whose packets leave with an address of the node.
    pub senders: Vec<u16>,
}

/// The node's conntrack table.
pub trait Entries {
    /// Asks this way from now on, and has changes told.
    ///
    /// # Errors
    /// The table cannot be opened, in words.
    fn open(&mut self, way: Way) -> Result<(), String>;

    /// The entry one of whose tuples is this one, in a zone, as it is now. Only the kernel's table is asked.
    ///
    /// # Errors
    /// The table cannot be asked, in words.
    fn get(&self, tuple: Tuple, zone: u16) -> Result<Option<Connection>, String>;

    /// Begins a reading of all labelled entries, which comes as an event.
    fn read(&mut self, zones: Zones);
}
