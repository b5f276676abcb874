//! What the user may set.

use alloc::vec::Vec;
use core::time::Duration;

use crate::types::{MacAddr, Tuple};

/// Settings of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long a MAC that left the set still counts as legal: packets queued before the change may follow it.
    pub grace: Duration,
    /// How old the last packet of a flow's other direction may be for its sender to count as alive.
    pub heard_window: Duration,
    /// A packet that left so long after the last one heard from its receiver left to one that was alive.
    pub still: Duration,
    /// MACs that are never a violation: physical MACs of VRRP or HSRP routers, say.
    pub allowed: Vec<MacAddr>,
    /// A flow whose conntrack entries are all kept. Of others those without label and translation bear on no verdict.
    pub followed: Option<Tuple>,
    /// Most findings kept; violations push out others. What is not kept is counted.
    pub max_findings: usize,
}

impl Default for Settings {
    /// Five seconds of grace, the time in which BFD as OVN sets it up (1 s, five times) sees a gateway die; a minute for
    /// the other direction.
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(5),
            heard_window: Duration::from_secs(60),
            still: Duration::from_secs(1),
            allowed: Vec::new(),
            followed: None,
            max_findings: 100_000,
        }
    }
}
