//! The node's conntrack table, as far as the daemon asks it.

use super::connections::Way;
use crate::engine::fact::Connection;
use crate::types::Tuple;

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
