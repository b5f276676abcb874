//! Stable names that JSON, text and alerts share.

use crate::engine::fact::{Policy, Source};
use crate::engine::finding::CtDirection;

/// The value of `Logical_Router_Static_Route.policy`.
pub fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::SrcIp => "src-ip",
        Policy::DstIp => "dst-ip",
    }
}

/// The name that dump-conntrack gives a direction.
pub fn direction(direction: CtDirection) -> &'static str {
    match direction {
        CtDirection::Orig => "orig",
        CtDirection::Reply => "reply",
    }
}

/// Who told a route.
pub(super) fn route_source(source: Source) -> &'static str {
    match source {
        Source::NexthopsToml => "nexthops.toml",
        Source::Ovn => "Logical_Router_Static_Route",
        Source::LrRouteList => "lr-route-list",
        Source::Kernel => "kernel",
    }
}
