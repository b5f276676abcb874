//! What the engine says of a flow, with all its evidence.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use super::assumes::{Assumes, Assumption};
use super::fact::{Gap, Policy};
pub use super::listed::Listed;
use super::verdict::Verdict;
use crate::types::{IpPrefix, MacAddr, Timestamp, Tuple, Validity};

/// One verdict on the packets of one flow to one MAC.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// Index of the NIC.
    pub nic: u8,
    /// 5-tuple as on the wire.
    pub tuple: Tuple,
    /// Later fragments that could not be attributed to their flow: the ports in `tuple` are 0 and mean nothing.
    pub later_fragments: bool,
    /// VLAN ids, outer first.
    pub vlan: Vec<u16>,
    /// Source MAC.
    pub eth_src: MacAddr,
    /// Destination MAC; `None` where the capture holds none.
    pub eth_dst: Option<MacAddr>,
    /// Packets with this verdict.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Whether packets and bytes are those of samples only. Of violations they never are.
    pub estimated: bool,
    /// Time of the first of them.
    pub first_seen: Timestamp,
    /// Time of the last of them.
    pub last_seen: Timestamp,
    /// The routes that decide: one, or several where the router cannot be told apart.
    pub routes: Listed<RouteId>,
    /// Every configured next hop of these routes at the time of the packets.
    pub expected: Listed<ExpectedNexthop>,
    /// The flow's own conntrack entries that bear on the verdict.
    pub conntrack: Listed<CitedConnection>,
    /// When the MAC was last legal for this route, and for which next hop.
    pub last_legal: Option<LastLegal>,
    /// Packets of the flow's other direction that came from the MAC.
    pub heard: Option<Heard>,
    /// What the verdict takes for granted.
    pub assumes: Assumes,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
    /// Remarks on the evidence, one sentence each.
    pub evidence: Listed<String>,
}

/// Names a route.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RouteId {
    /// Name of the router, where told.
    pub router: Option<Arc<str>>,
    /// Route table; empty is the main table.
    pub route_table: Arc<str>,
    /// Lookup by source or destination.
    pub policy: Policy,
    /// The prefix.
    pub prefix: IpPrefix,
}

/// State of a next hop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NexthopState {
    /// Up, and its MAC is known.
    Active,
    /// Up; its last known MAC has aged out of the source and nothing newer is known.
    Aged,
    /// Up, and its MAC is not known.
    Unresolved,
    /// A BFD session watches it and nothing tells its state.
    Unknown,
    /// Its BFD session is down.
    Down,
}

impl NexthopState {
    /// The state's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Aged => "aged",
            Self::Unresolved => "unresolved",
            Self::Unknown => "unknown",
            Self::Down => "down",
        }
    }
}

/// A configured next hop and its MAC.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExpectedNexthop {
    /// Address of the next hop.
    pub nexthop: IpAddr,
    /// Its MAC, where known.
    pub lladdr: Option<MacAddr>,
    /// Its state.
    pub state: NexthopState,
}

/// A conntrack entry that bears on a verdict.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CitedConnection {
    /// Tuple of the original direction.
    pub orig: Tuple,
    /// Tuple of the reply direction.
    pub reply: Tuple,
    /// The zone.
    pub zone: u16,
    /// The zone's owner with router names in place of UUIDs, where a dump tells it.
    pub zone_name: Option<Arc<str>>,
    /// Which tuple of the entry is the flow's.
    pub direction: CtDirection,
    /// The label.
    pub label: u128,
    /// The mark.
    pub mark: u32,
    /// MAC in the label.
    pub reply_eth: MacAddr,
    /// Port key in label or mark.
    pub reply_port: u16,
}

/// Direction of a conntrack tuple.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum CtDirection {
    /// The direction of the entry's first packet.
    Orig,
    /// The other.
    Reply,
}

/// When a MAC was last legal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastLegal {
    /// The end of its time in the set.
    pub until: Timestamp,
    /// The next hop whose MAC it was.
    pub nexthop: IpAddr,
}

/// Packets of a flow's other direction that came from a MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Time of the last of them.
    pub last: Timestamp,
    /// How many there were.
    pub packets: u64,
}

/// Something that knows a MAC.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KnownAs {
    /// `MAC_Binding`, `Static_MAC_Binding`, `nexthops.toml`, `heard`, `Port_Binding`, or the name of the file that
    /// lists owners.
    pub source: Arc<str>,
    /// An address that the MAC is bound to.
    pub ip: Option<IpAddr>,
    /// The router port on which it is.
    pub logical_port: Option<Arc<str>>,
    /// The owner in the source's own words.
    pub owner: Option<Arc<str>>,
    /// When the source said so.
    pub validity: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

impl KnownAs {
    /// The validity as a value for [`KnownAs::validity`]: `None` where it has no bound.
    pub fn bounds(validity: Validity) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
        (validity != Validity::ALWAYS).then_some((validity.from, validity.until))
    }
}

/// A labelled conntrack entry whose MAC is outside the set while no packet to that MAC was seen.
#[derive(Clone, PartialEq, Debug)]
pub struct Latent {
    /// Whether the pin can still apply.
    pub state: LatentState,
    /// The entry; `direction` is that of the tuple that leaves the node.
    pub connection: CitedConnection,
    /// The routes that would apply to the flow.
    pub routes: Listed<RouteId>,
    /// Their next hops.
    pub expected: Listed<ExpectedNexthop>,
    /// When the MAC was last legal.
    pub last_legal: Option<LastLegal>,
    /// What is taken for granted.
    pub assumes: Assumes,
    /// What else knows the MAC.
    pub known_as: Listed<KnownAs>,
    /// Remarks on the evidence, one sentence each.
    pub evidence: Listed<String>,
}

/// Whether the pin of a latent entry can still apply.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum LatentState {
    /// A packet of the flow would leave to the MAC.
    Armed,
    /// It would not, or did not.
    Unused,
}

impl LatentState {
    /// The state's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Unused => "unused",
        }
    }
}

/// Counts over a whole run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Summary {
    /// Frames read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows seen: distinct 5-tuples per NIC and VLANs.
    pub flows: u64,
    /// Flows with at least one packet that a route decides.
    pub covered_flows: u64,
    /// Covered flows whose worst verdict is conforming.
    pub conforming_flows: u64,
    /// Flows with at least one violating packet.
    pub violating_flows: u64,
    /// Violating packets.
    pub violating_packets: u64,
    /// Packets in grace.
    pub grace_packets: u64,
    /// Flows whose worst verdict is undetermined.
    pub undetermined_flows: u64,
    /// Flows whose worst verdict is info.
    pub info_flows: u64,
    /// Frames that no route decides.
    pub uncovered_packets: u64,
    /// Latent entries whose pin can apply.
    pub latent_armed: u64,
    /// Latent entries whose pin cannot.
    pub latent_unused: u64,
    /// What was given, could not be read, and may decide what was judged.
    pub gaps: Vec<Gap>,
    /// Conforming flows that one of them may decide.
    pub conforming_in_gaps: u64,
    /// Packets per next-hop MAC that conformed.
    pub nexthops: Vec<NexthopCount>,
    /// Flows that were counted in full but not kept, because the flow table was full. All of them conformed or were not
    /// covered.
    pub evicted_flows: u64,
    /// Packets of flows that found no place in the flow table. They are judged by nobody.
    pub untracked_packets: u64,
    /// Later fragments whose first fragment was not seen before them. They are judged without ports.
    pub unattributed_fragments: u64,
    /// Findings that were counted but not kept, because there were too many.
    pub omitted_findings: u64,
    /// Frames of neighbours that were not listened to, because their address changed its MAC too often.
    pub ignored_neighbours: u64,
    /// Changes of the next-hop set that were not told apart in time, because there were too many.
    pub unsplit_epochs: u64,
    /// Whether counts of conforming flows are estimates from samples. Counts of packets and of violating flows never are.
    pub estimated: bool,
    /// Start of the next-hop history; `None` where dumps hold for the whole capture.
    pub history: Option<Timestamp>,
    /// Time of the first frame.
    pub first_seen: Option<Timestamp>,
    /// Time of the last frame.
    pub last_seen: Option<Timestamp>,
}

impl Summary {
    /// Counts a flow by the worst verdict on its packets.
    pub fn count_flow(&mut self, worst: Verdict) {
        self.flows += 1;
        self.covered_flows += u64::from(!matches!(worst, Verdict::NotCovered(_)));
        match worst {
            Verdict::NotCovered(_) | Verdict::Grace => {}
            Verdict::Conforming => self.conforming_flows += 1,
            Verdict::Info(_) => self.info_flows += 1,
            Verdict::Undetermined(_) => self.undetermined_flows += 1,
            Verdict::Violating(_) => self.violating_flows += 1,
        }
    }
}

/// Puts findings in the order of output: violations, then what is undetermined, then information; each by time.
pub fn sort(findings: &mut [Finding]) {
    let class = |finding: &Finding| match finding.verdict {
        Verdict::Violating(_) => 0,
        Verdict::Undetermined(_) => 1,
        _ => 2,
    };
    findings.sort_by_key(|finding| {
        (class(finding), finding.first_seen, finding.tuple, finding.nic, finding.vlan.clone(), finding.eth_dst)
    });
}

/// Conforming packets per MAC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NexthopCount {
    /// The MAC.
    pub lladdr: MacAddr,
    /// The next hops whose MAC it is.
    pub nexthops: Vec<IpAddr>,
    /// Packets to it.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
}
