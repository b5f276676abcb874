//! Gaps: what was given and could not be read.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;

use super::Policy;
use crate::types::{IpPrefix, Place, Position, Tuple, Validity};

/// Something that was given and could not be read, or not as a whole. A packet that it may decide is not called violating.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Gap {
    /// What the lost part may decide.
    pub scope: Scope,
    /// Where it was lost.
    pub place: Place,
    /// The time of which it told.
    pub validity: Validity,
}

/// What a lost part may decide. What of it could be read narrows it down; `None` stands for what could not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// A route: it may decide what has an address in its prefix.
    Routes {
        /// `Logical_Router.name`.
        router: Option<Arc<str>>,
        /// `policy`.
        policy: Option<Policy>,
        /// `ip_prefix`.
        prefix: Option<IpPrefix>,
    },
    /// A `MAC_Binding`, or what stands for one: it may tell the MAC of a next hop.
    Bindings {
        /// The address.
        ip: Option<IpAddr>,
    },
    /// A `Static_MAC_Binding`: it may overrule the MAC of a next hop.
    StaticBindings {
        /// The address.
        ip: Option<IpAddr>,
    },
    /// A BFD session: it may make a next hop go or come.
    Bfd {
        /// `dst_ip`.
        peer: Option<IpAddr>,
    },
    /// A port of a router or of a switch, or a datapath: networks, own MACs and route tables hang on it.
    Ports,
    /// A policy that may reroute, or a NAT rule.
    Policies,
    /// A conntrack entry.
    Connections(LostEntry),
    /// The name of a conntrack zone.
    Zones,
    /// What OVN itself is and does: whether it applies labels.
    Behaviour,
    /// All that a database tells from a moment on: its file ends there in the middle of a record, or is broken.
    End {
        /// Whether the record names, or may name, what bears on next hops.
        bears: bool,
    },
}

/// What of a conntrack entry could be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct LostEntry {
    /// The protocol.
    pub nw_proto: Option<u8>,
    /// Of the tuple of the first packet's direction.
    pub orig: LostTuple,
    /// Of the answer's.
    pub reply: LostTuple,
    /// Whether it holds a label, or may.
    pub may_be_labelled: bool,
}

/// What of a tuple could be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct LostTuple {
    /// `src`.
    pub src: Option<IpAddr>,
    /// `dst`.
    pub dst: Option<IpAddr>,
    /// `sport`.
    pub sport: Option<u16>,
    /// `dport`.
    pub dport: Option<u16>,
}

impl Gap {
    /// The code under which findings name it: `gap:FILE:LINE`.
    pub fn code(Place { file, position }: &Place) -> String {
        match position {
            Position::Whole => format!("gap:{file}"),
            Position::Line(line) | Position::Lines(line, _) | Position::LineColumn(line, _) => {
                format!("gap:{file}:{line}")
            }
            Position::Offset(offset) => format!("gap:{file}@{offset}"),
        }
    }
}

impl Scope {
    /// The same where nothing of the lost part could be read.
    #[must_use]
    pub fn widest(&self) -> Self {
        match self {
            Self::Routes { .. } => Self::Routes { router: None, policy: None, prefix: None },
            Self::Bindings { .. } => Self::Bindings { ip: None },
            Self::StaticBindings { .. } => Self::StaticBindings { ip: None },
            Self::Bfd { .. } => Self::Bfd { peer: None },
            Self::Connections(_) => Self::Connections(LostEntry { may_be_labelled: true, ..LostEntry::default() }),
            Self::Ports | Self::Policies | Self::Zones | Self::Behaviour => self.clone(),
            Self::End { .. } => Self::End { bears: true },
        }
    }

    /// What the lost part told of, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Routes { .. } => "routes",
            Self::Bindings { .. } => "the MACs of next hops",
            Self::StaticBindings { .. } => "static bindings",
            Self::Bfd { .. } => "BFD sessions",
            Self::Ports => "ports",
            Self::Policies => "policies and NAT rules",
            Self::Connections(_) => "conntrack entries",
            Self::Zones => "conntrack zones",
            Self::Behaviour => "what this OVN does",
            Self::End { .. } => "the time since then",
        }
    }

    /// The stable name of what the lost part told of.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Routes { .. } => "routes",
            Self::Bindings { .. } => "bindings",
            Self::StaticBindings { .. } => "static-bindings",
            Self::Bfd { .. } => "bfd",
            Self::Ports => "ports",
            Self::Policies => "policies",
            Self::Connections(_) => "conntrack",
            Self::Zones => "zones",
            Self::Behaviour => "behaviour",
            Self::End { .. } => "end",
        }
    }
}

impl LostEntry {
    /// Whether it may be an entry of the flow, before or after translation.
    pub fn may_be_of(&self, flow: Tuple) -> bool {
        self.nw_proto.is_none_or(|nw_proto| nw_proto == flow.nw_proto)
            && [self.orig, self.reply].iter().any(|lost| lost.may_be(flow) || lost.may_be(flow.reversed()))
    }
}

impl LostTuple {
    fn may_be(&self, tuple: Tuple) -> bool {
        let fits = |lost: Option<u16>, told| lost.is_none_or(|lost| lost == told);
        let do_ports_fit =
            !tuple.is_tracked_by_ports() || fits(self.sport, tuple.tp_src) && fits(self.dport, tuple.tp_dst);
        self.src.is_none_or(|src| src == tuple.src) && self.dst.is_none_or(|dst| dst == tuple.dst) && do_ports_fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tuple::proto;

    #[test]
    fn codes_name_file_and_line() {
        let place = |position| Place { file: "a b.txt".into(), position };
        assert_eq!(Gap::code(&place(Position::LineColumn(7, 3))), "gap:a b.txt:7");
        assert_eq!(Gap::code(&place(Position::Line(7))), "gap:a b.txt:7");
        assert_eq!(Gap::code(&place(Position::Offset(480))), "gap:a b.txt@480");
        assert_eq!(Gap::code(&place(Position::Whole)), "gap:a b.txt");
    }

    #[test]
    fn what_could_be_read_of_an_entry_tells_whose_it_is_not() {
        let flow = |sport| Tuple {
            src: "192.0.2.230".parse().unwrap(),
            dst: "203.0.113.13".parse().unwrap(),
            nw_proto: proto::UDP,
            tp_src: sport,
            tp_dst: 5005,
        };
        let orig = LostTuple { src: None, dst: Some(flow(0).src), sport: Some(5005), dport: Some(59943) };
        let reply = LostTuple { src: Some(flow(0).src), dst: Some(flow(0).dst), sport: Some(59943), dport: Some(5005) };
        let lost = LostEntry { nw_proto: None, orig, reply, may_be_labelled: true };
        assert!(lost.may_be_of(flow(59943)) && lost.may_be_of(flow(59943).reversed()));
        assert!(!lost.may_be_of(flow(42397)));
        assert!(!LostEntry { nw_proto: Some(proto::TCP), ..lost }.may_be_of(flow(59943)));
        assert!(LostEntry::default().may_be_of(flow(42397)), "nothing could be read");
    }
}
