//! Plain words for verdicts and numbers.

use crate::engine::finding::LatentState;
use crate::engine::verdict::{Info, NotCovered, Undetermined, Verdict, Violating};

/// What is said beside the count of packets that violate, where nothing dates the next hops.
pub(in crate::output) const OLDER_PACKETS: &str =
    "Nothing dates the next hops: packets from before a change of them may be among those counted.";

/// What a verdict means, in a sentence.
pub(super) fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Conforming => "The MAC is that of a current next hop of the flow's route.",
        Verdict::Grace => {
            "The MAC was that of a next hop until shortly before these packets: less than the grace period."
        }
        Verdict::NotCovered(reason) => match reason {
            NotCovered::Group => "Multicast or broadcast: no route decides it.",
            NotCovered::Control => "Control traffic of the link: no route decides it.",
            NotCovered::Tunnel => "A tunnel between nodes: no route of a gateway router decides it.",
            NotCovered::Inbound => "Received by the node, not sent.",
            NotCovered::OtherSender => "Sent by another router or by the host itself.",
            NotCovered::OnLink => "The destination is on a connected network.",
            NotCovered::NoRoute => "No route of a known router matches.",
        },
        Verdict::Info(Info::AsymmetricGateway) => {
            "The MAC is no next hop's, but that of a live router, which OVN answers by design: packets of the flow's other \
             direction come from it, or it is a virtual router's, or one that was allowed."
        }
        Verdict::Info(Info::AsymmetricReply) => {
            "The MAC is that of a current next hop, but the flow's requests came in by another."
        }
        Verdict::Undetermined(reason) => match reason {
            Undetermined::NotObservable => "The destination MAC of these packets cannot be seen here.",
            Undetermined::NoNexthopData => {
                "Something that tells the next hops of these packets' route at their time is missing."
            }
            Undetermined::NexthopUnresolved => {
                "A next hop that is up, or may be, has no known MAC, so this MAC may be its own."
            }
            Undetermined::TranslatedSource => {
                "The source address is a translated one, and nothing tells whose packets these are."
            }
            Undetermined::DirectionUnknown => {
                "Both directions of the flow were captured, and nothing tells which of them was sent."
            }
            Undetermined::HeardUndated => {
                "Requests of the flow came from this MAC and stopped, and nothing tells whether its owner died before or \
                 after that, or since when it is no next hop."
            }
            Undetermined::UnreadableInput => {
                "The MAC is no current next hop's by what was read, but something that was given could not be read, and may \
                 make it one."
            }
        },
        Verdict::Violating(reason) => match reason {
            Violating::NexthopDown => "The MAC is that of a configured next hop whose BFD session is down.",
            Violating::StaleConntrack => {
                "The flow's conntrack entry holds this MAC in its label, so OVN answers to it, although it is no current \
                 next hop of the flow's route."
            }
            Violating::FormerNexthop => {
                "The MAC was that of a next hop until some time ago. No labelled conntrack entry of the flow is known \
                 that holds it."
            }
            Violating::StaleNeighbour => {
                "The MAC is what older evidence gives for a current next hop; newer evidence gives another."
            }
            Violating::UnknownMac => "The MAC is no current next hop's, and nothing that was given explains it.",
        },
    }
}

/// What to do where there is no entry to delete.
pub(super) fn advice(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Violating(Violating::StaleNeighbour) => {
            Some("Deleting conntrack entries does not help here: correct the next hop's binding or neighbour entry.")
        }
        Verdict::Violating(_) => Some("No entry to delete is known. A conntrack dump of the same moment tells more."),
        Verdict::Undetermined(Undetermined::NoNexthopData) => Some(
            "Give the next hops: --nexthops, or --lr-routes with --mac-bindings, or the databases; and where BFD \
                 watches them, its sessions: --bfd.",
        ),
        Verdict::Undetermined(Undetermined::NexthopUnresolved) => Some(
            "Give what knows the next hop's MAC: --mac-bindings, --static-mac-bindings, --port-bindings or \
                 --nexthops; and where BFD watches it, its session: --bfd.",
        ),
        Verdict::Undetermined(Undetermined::TranslatedSource) => {
            Some("Give a conntrack dump of the same moment (--conntrack): zone 0 tells whose packets these are.")
        }
        Verdict::Undetermined(Undetermined::DirectionUnknown) => {
            Some("Give the routers' ports: --port-bindings. Packets to their MACs were received.")
        }
        Verdict::Undetermined(Undetermined::HeardUndated) => {
            Some("Give what dates the next hops: the databases (--nb-db, --sb-db), or since and until in --nexthops.")
        }
        Verdict::Undetermined(Undetermined::UnreadableInput) => {
            Some("Give what could not be read again, whole: the warnings name file and line.")
        }
        _ => None,
    }
}

/// What a latent entry means, in a sentence.
pub(super) fn latent_meaning(state: LatentState) -> &'static str {
    match state {
        LatentState::Armed => {
            "The label holds a MAC that is no current next hop. No packet to it was seen, but the next one of the flow \
             would leave to it."
        }
        LatentState::Unused => {
            "The label holds a MAC that is no current next hop, to no effect: OVN does not apply it any more."
        }
    }
}

/// A number with its digits in groups of three: `48,123`.
pub(in crate::output) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things whose plural takes an s.
pub(in crate::output) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// The verb for a number of flows.
pub(super) fn leave(flows: u64) -> &'static str {
    if flows == 1 { "leaves" } else { "leave" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (48_123, "48,123"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((count(1, "flow"), count(2, "flow")), ("1 flow".to_owned(), "2 flows".to_owned()));
    }
}
