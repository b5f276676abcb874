//! What a cause counts: flows that leave to a MAC, or entries that hold it.

use std::fmt;
use std::str::FromStr;

use crate::engine::finding::{Finding, Latent};
use crate::types::Tuple;

/// A flow or a conntrack entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Member {
    /// A flow: its VLAN ids, outer first, and its 5-tuple. By which NIC it leaves does not make it another.
    Flow {
        /// VLAN ids.
        vlan: [Option<u16>; 2],
        /// 5-tuple as on the wire.
        tuple: Tuple,
    },
    /// An entry: its zone and the tuple of its original direction.
    Entry {
        /// The zone.
        zone: u16,
        /// The tuple.
        orig: Tuple,
    },
}

impl Member {
    /// The flow that a finding is about.
    pub fn of_finding(finding: &Finding) -> Self {
        let vid = |index: usize| finding.vlan.get(index).copied();
        Self::Flow { vlan: [vid(0), vid(1)], tuple: finding.tuple }
    }

    /// The entry that may apply.
    pub fn of_latent(latent: &Latent) -> Self {
        Self::Entry { zone: latent.connection.zone, orig: latent.connection.orig }
    }
}

/// `udp 192.0.2.1:5005 -> 198.51.100.7:40000`, behind it ` vlan 5` or ` vlan 5.7`, before it `zone 35 ` for an entry.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow { vlan: [None, _], tuple } => write!(f, "{tuple}"),
            Self::Flow { vlan: [Some(outer), None], tuple } => write!(f, "{tuple} vlan {outer}"),
            Self::Flow { vlan: [Some(outer), Some(inner)], tuple } => write!(f, "{tuple} vlan {outer}.{inner}"),
            Self::Entry { zone, orig } => write!(f, "zone {zone} {orig}"),
        }
    }
}

/// A text is no member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it names neither a flow nor an entry")]
pub struct NoMember;

impl FromStr for Member {
    type Err = NoMember;

    fn from_str(text: &str) -> Result<Self, NoMember> {
        let tuple = |text: &str| text.parse::<Tuple>().map_err(|_| NoMember);
        let id = |text: &str| text.parse::<u16>().map_err(|_| NoMember);
        if let Some(rest) = text.strip_prefix("zone ") {
            let (zone, orig) = rest.split_once(' ').ok_or(NoMember)?;
            return Ok(Self::Entry { zone: id(zone)?, orig: tuple(orig)? });
        }
        let Some((flow, vlan)) = text.rsplit_once(" vlan ") else {
            return Ok(Self::Flow { vlan: [None; 2], tuple: tuple(text)? });
        };
        let vlan = match vlan.split_once('.') {
            None => [Some(id(vlan)?), None],
            Some((outer, inner)) => [Some(id(outer)?), Some(id(inner)?)],
        };
        Ok(Self::Flow { vlan, tuple: tuple(flow)? })
    }
}
