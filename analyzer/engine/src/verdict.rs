//! Verdicts and their names.
//!
//! A verdict here is a finding about packets that have left. It has nothing to do with netfilter's verdicts and never
//! touches a packet.

/// What is to be said of packets of one flow to one MAC. The strings of [`Verdict::name`] and [`Verdict::reason`] are
/// stable: users script against them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// No route of ours decides the packet.
    NotCovered(NotCovered),
    /// The MAC is that of an active next hop.
    Conforming,
    /// The MAC was legal until less than the grace period ago.
    Grace,
    /// Worth knowing, no violation.
    Info(Info),
    /// Something that the verdict needs is not known.
    Undetermined(Undetermined),
    /// The MAC is no current next hop of the packet's route.
    Violating(Violating),
}

/// Why no route of ours decides a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NotCovered {
    /// Multicast or broadcast, by MAC or IP address.
    Group,
    /// ARP, neighbour discovery, BFD, LLDP, LACP: control traffic of the link.
    Control,
    /// A tunnel between nodes (Geneve, VXLAN).
    Tunnel,
    /// Received by the node, not sent.
    Inbound,
    /// Sent by another router or by the host itself.
    OtherSender,
    /// The destination is on a connected network.
    OnLink,
    /// No route of any known router matches.
    NoRoute,
}

/// What is worth knowing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Info {
    /// The MAC is no next hop's, but a live router's: the flow's requests come in by it. OVN pins to it by design.
    AsymmetricGateway,
    /// The packets conform, but the flow's requests came in by another next hop.
    AsymmetricReply,
}

/// What is not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Undetermined {
    /// The hook or the capture does not show the destination MAC of these packets.
    NotObservable,
    /// No source told next hops for this packet at its time, or the state of one.
    NoNexthopData,
    /// An active next hop has no known MAC, so this MAC may be its.
    NexthopUnresolved,
    /// The source address is a translated one and nothing tells whose packet this is.
    TranslatedSource,
    /// Nothing tells whether the packets were sent or received.
    DirectionUnknown,
    /// The flow's requests came in by the MAC and stopped, and nothing tells since when it is no next hop's.
    HeardUndated,
    /// What was given and could not be read may make the MAC right.
    UnreadableInput,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Violating {
    /// The MAC of a configured next hop whose BFD session is down.
    NexthopDown,
    /// A labelled conntrack entry of the flow holds the MAC.
    StaleConntrack,
    /// The MAC was a next hop's until some time ago, and no labelled entry holds it.
    FormerNexthop,
    /// Older evidence for an active next hop names the MAC, newer evidence names another.
    StaleNeighbour,
    /// Nothing explains the MAC.
    UnknownMac,
}

impl Verdict {
    /// Each verdict with each of its reasons.
    pub const ALL: [Self; 23] = [
        Self::NotCovered(NotCovered::Group),
        Self::NotCovered(NotCovered::Control),
        Self::NotCovered(NotCovered::Tunnel),
        Self::NotCovered(NotCovered::Inbound),
        Self::NotCovered(NotCovered::OtherSender),
        Self::NotCovered(NotCovered::OnLink),
        Self::NotCovered(NotCovered::NoRoute),
        Self::Conforming,
        Self::Grace,
        Self::Info(Info::AsymmetricGateway),
        Self::Info(Info::AsymmetricReply),
        Self::Undetermined(Undetermined::NotObservable),
        Self::Undetermined(Undetermined::NoNexthopData),
        Self::Undetermined(Undetermined::NexthopUnresolved),
        Self::Undetermined(Undetermined::TranslatedSource),
        Self::Undetermined(Undetermined::DirectionUnknown),
        Self::Undetermined(Undetermined::HeardUndated),
        Self::Undetermined(Undetermined::UnreadableInput),
        Self::Violating(Violating::NexthopDown),
        Self::Violating(Violating::StaleConntrack),
        Self::Violating(Violating::FormerNexthop),
        Self::Violating(Violating::StaleNeighbour),
        Self::Violating(Violating::UnknownMac),
    ];

    /// The verdict's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotCovered(_) => "not-covered",
            Self::Conforming => "conforming",
            Self::Grace => "grace",
            Self::Info(_) => "info",
            Self::Undetermined(_) => "undetermined",
            Self::Violating(_) => "violating",
        }
    }

    /// The stable name of the reason, where the verdict has one.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Conforming | Self::Grace => return None,
            Self::NotCovered(NotCovered::Group) => "group-address",
            Self::NotCovered(NotCovered::Control) => "control",
            Self::NotCovered(NotCovered::Tunnel) => "tunnel",
            Self::NotCovered(NotCovered::Inbound) => "inbound",
            Self::NotCovered(NotCovered::OtherSender) => "other-sender",
            Self::NotCovered(NotCovered::OnLink) => "on-link",
            Self::NotCovered(NotCovered::NoRoute) => "no-route",
            Self::Info(Info::AsymmetricGateway) => "asymmetric-gateway",
            Self::Info(Info::AsymmetricReply) => "asymmetric-reply",
            Self::Undetermined(Undetermined::NotObservable) => "not-observable",
            Self::Undetermined(Undetermined::NoNexthopData) => "no-nexthop-data",
            Self::Undetermined(Undetermined::NexthopUnresolved) => "nexthop-unresolved",
            Self::Undetermined(Undetermined::TranslatedSource) => "translated-source",
            Self::Undetermined(Undetermined::DirectionUnknown) => "direction-unknown",
            Self::Undetermined(Undetermined::HeardUndated) => "heard-undated",
            Self::Undetermined(Undetermined::UnreadableInput) => "unreadable-input",
            Self::Violating(Violating::NexthopDown) => "nexthop-down",
            Self::Violating(Violating::StaleConntrack) => "stale-conntrack",
            Self::Violating(Violating::FormerNexthop) => "former-nexthop",
            Self::Violating(Violating::StaleNeighbour) => "stale-neighbour",
            Self::Violating(Violating::UnknownMac) => "unknown-mac",
        })
    }
}

impl From<NotCovered> for Verdict {
    fn from(reason: NotCovered) -> Self {
        Self::NotCovered(reason)
    }
}

impl From<Info> for Verdict {
    fn from(reason: Info) -> Self {
        Self::Info(reason)
    }
}

impl From<Undetermined> for Verdict {
    fn from(missing: Undetermined) -> Self {
        Self::Undetermined(missing)
    }
}

impl From<Violating> for Verdict {
    fn from(reason: Violating) -> Self {
        Self::Violating(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_verdicts_stand_in_their_order_and_have_names_of_their_own() {
        assert!(Verdict::ALL.is_sorted_by(|a, b| a < b));
        let mut names: Vec<_> = Verdict::ALL.iter().map(|verdict| (verdict.name(), verdict.reason())).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Verdict::ALL.len());
    }
}
