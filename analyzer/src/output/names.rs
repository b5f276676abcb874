//! Stable names that JSON and text share.

use crate::engine::fact::Policy;
use crate::engine::finding::CtDirection;

/// The value of `Logical_Router_Static_Route.policy`.
pub(super) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::SrcIp => "src-ip",
        Policy::DstIp => "dst-ip",
    }
}

/// The name that dump-conntrack gives a direction.
pub(super) fn direction(direction: CtDirection) -> &'static str {
    match direction {
        CtDirection::Orig => "orig",
        CtDirection::Reply => "reply",
    }
}
