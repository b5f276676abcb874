//! What is attached to NICs, as far as the daemon decides it.

use std::sync::Arc;

/// A NIC that is to be watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// Its name.
    pub name: String,
    /// Its index in the kernel.
    pub ifindex: u32,
    /// Its index in flow keys.
    pub index: u8,
}

/// What was attached to a NIC.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Attached {
    /// How: what judges comes first.
    pub modes: Vec<&'static str>,
    /// What is to be said of it.
    pub remarks: Vec<String>,
}

/// The NICs of the machine, to be watched and let go.
pub trait Hooks {
    /// Watches a NIC.
    ///
    /// # Errors
    /// It cannot be watched; nothing stays attached.
    fn attach(&mut self, nic: &Nic) -> anyhow::Result<Attached>;

    /// Whether what was attached to a NIC is where it was.
    ///
    /// # Errors
    /// That cannot be told.
    fn is_in_place(&self, ifindex: u32) -> anyhow::Result<bool>;

    /// Lets go of a NIC.
    fn detach(&mut self, ifindex: u32);

    /// Whether frames of a NIC that was let go are counted yet, so that it cannot be watched again.
    fn is_closing(&mut self, ifindex: u32) -> bool;

    /// Frames that passed sockets by so far: those of queues without one, and those that NICs had no room for.
    fn passed_by(&self) -> (u64, u64);

    /// Names of the devices that a device stands on.
    fn lower(&self, name: &str) -> Vec<Arc<str>>;
}
