//! Conntrack entries.

use crate::types::Tuple;

/// Zone of br-ex. Its entries bear a mark of their own where the host itself is the sender.
pub const BR_EX_ZONE: u16 = 64000;
/// `ct_mark` of the host's own traffic in [`BR_EX_ZONE`] (OVN-Kubernetes, gateway_shared_intf.go).
const HOST_MARK: u32 = 2;

/// A conntrack entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Connection {
    /// Tuple of the first packet's direction.
    pub orig: Tuple,
    /// Tuple of the answer. Not the mirror of `orig` where NAT is at work.
    pub reply: Tuple,
    /// The zone.
    pub zone: u16,
    /// The mark.
    pub mark: u32,
    /// The label, as a 128-bit number.
    pub label: u128,
    /// `CTA_ID`, where told.
    pub id: Option<u32>,
    /// Whether the entry is marked as offloaded (`IPS_OFFLOAD`, `IPS_HW_OFFLOAD`).
    pub offloaded: bool,
    /// Whether the entry is going away (`IPS_DYING`).
    pub dying: bool,
}

impl Connection {
    /// Whether br-ex tracks its packets as the host's own.
    pub fn is_of_host(&self) -> bool {
        self.zone == BR_EX_ZONE && self.mark == HOST_MARK
    }

    /// Whether br-ex tracks its packets as OVN's: those of a network of pods, each of which has a mark.
    pub fn is_of_ovn(&self) -> bool {
        self.zone == BR_EX_ZONE && self.mark != HOST_MARK && self.mark != 0
    }
}
