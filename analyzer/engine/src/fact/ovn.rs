//! What sources tell of the OVN that wrote the routers' flows.

use alloc::sync::Arc;

use super::Policy;
pub use crate::label::PortForm;
use crate::types::{IpPrefix, Release, Validity};

/// What a source tells of OVN itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ovn {
    /// What it tells.
    pub says: OvnSays,
    /// When it holds.
    pub validity: Validity,
}

/// What a source may tell of OVN itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OvnSays {
    /// northd's release (`options:northd_internal_version` of `SB_Global` and `NB_Global`).
    Northd(Release),
    /// What a chassis can do (`Chassis.other_config`).
    Chassis {
        /// `name`.
        name: Arc<str>,
        /// `ct-no-masked-label`: northd may put port keys into the mark.
        no_masked_label: bool,
    },
    /// A logical flow of a router's.
    Flow {
        /// Name of the router, where told.
        router: Option<Arc<str>>,
        /// What it does.
        flow: ReplyFlow,
    },
}

/// A logical flow that bears on symmetric replies (ovn-northd(8)).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ReplyFlow {
    /// The default flow of `lr_in_arp_resolve`: with it all flows of the router are told.
    Default,
    /// One of `lr_in_arp_resolve` that sends to the MAC in the label.
    Resolves(PortRead),
    /// One of `lr_in_ip_routing` that sends packets out of the port in the entry.
    Routes {
        /// Which entries.
        read: PortRead,
        /// Which of the packet's addresses it goes by.
        policy: Policy,
        /// Where that address must be.
        prefix: IpPrefix,
    },
    /// One of these stages that asks for the port in words that are not known.
    Unclear,
    /// No flow: what the flows rest on changed since they were told, so that they tell nothing now.
    Outdated,
}

/// Which entries a logical flow applies to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortRead {
    /// Where it reads the port.
    pub form: PortForm,
    /// The port's tunnel key.
    pub port: u16,
    /// Whether it is for answers alone (`ct.rpl`).
    pub of_replies: bool,
    /// Whether it applies only while a flow that the last packet from outside left behind lives (`chk_ecmp_nh`): 30 s at
    /// most, and for TCP, UDP and SCTP alone.
    pub while_learned: bool,
}
