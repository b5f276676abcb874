//! What may be done about an entry, and what forbids it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::conntrack::flush::Flush;
use crate::engine::fact::Connection;
use crate::engine::finding::Assumption;
use crate::engine::label::Rewrite;
use crate::engine::pins::{Moved, Pin, ZoneOwner};
use crate::engine::standing::Standing;
use crate::output::remedy::Datapath;
use crate::types::tuple::proto;
use crate::types::{MacAddr, Release, Timestamp};

/// How an entry is healed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Method {
    /// The entry is deleted; the flow's next packet makes a new one
    #[default]
    Delete,
    /// The port is cleared, so that OVN chooses a next hop; NAT and TCP state stay
    Unpin,
    /// The MAC that the same next hop has now is written in the place of the old one; all else stays
    Relabel,
}

impl Method {
    /// The method's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Unpin => "unpin",
            Self::Relabel => "relabel",
        }
    }
}

/// What the user allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// How entries are healed.
    pub method: Method,
    /// How long the next hops must have been what they are.
    pub settle: Duration,
    /// Whether TCP entries may be deleted.
    pub tcp: bool,
    /// Whether entries that OVN does not apply are healed too.
    pub unused: bool,
    /// A zone that the user named, whoever its owner is.
    pub zone: Option<u16>,
    /// Release of ovs-vswitchd, where it is known: which entries it can be told to delete depends on it.
    pub ovs: Option<Release>,
}

/// What is to be done about an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Delete it.
    Delete,
    /// Clear its port.
    Unpin(Rewrite),
    /// Write another MAC.
    Relabel {
        /// The next hop.
        nexthop: IpAddr,
        /// The MAC that it has.
        lladdr: MacAddr,
    },
}

impl Action {
    /// The bits that are written; `None` where the entry goes.
    pub fn rewrite(&self) -> Option<Rewrite> {
        match self {
            Self::Delete => None,
            Self::Unpin(rewrite) => Some(*rewrite),
            Self::Relabel { lladdr, .. } => Some(Rewrite::relabel(*lladdr)),
        }
    }
}

impl fmt::Display for Action {
    /// As in "it would ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete => f.write_str("delete the entry"),
            Self::Unpin(rewrite) if rewrite.mark().is_some() => {
                f.write_str("clear the port in the mark (bits 16 to 31)")
            }
            Self::Unpin(_) => f.write_str("clear the port in the label (bits 80 to 95)"),
            Self::Relabel { nexthop, lladdr } => write!(f, "write {lladdr}, the MAC that {nexthop} has now"),
        }
    }
}

/// Why nothing is done about an entry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The next hops are not known now.
    #[error("a source of the next hops or of the zones' names has told nothing, is lost, or cannot be read")]
    SourceTooOld,
    /// Whether the MAC is a next hop's cannot be told.
    #[error("whether the MAC is a next hop's cannot be told: {0}")]
    Undetermined(&'static str),
    /// Whether OVN applies the entry cannot be told.
    #[error("whether OVN applies the entry cannot be told: {0}")]
    MayNotApply(&'static str),
    /// The next hops are not what they are for long.
    #[error("the next hops of the flow, or the owner of its zone, changed less than {} s ago, at {changed}", settle.as_secs_f64())]
    RecentChange {
        /// When they changed.
        changed: Timestamp,
        /// How long they must have stood.
        settle: Duration,
    },
    /// The MAC is that of an active next hop.
    #[error("the MAC is that of the active next hop {}", joined(.0))]
    ActiveNexthop(Vec<IpAddr>),
    /// The MAC is allowed.
    #[error("the MAC is on the allow-list (--allow-mac)")]
    AllowedMac,
    /// The MAC is a virtual router's.
    #[error("the MAC is a virtual router's (VRRP, HSRP)")]
    VirtualRouter,
    /// Evidence is missing that could turn it.
    #[error("what nothing tells could turn it: {0} (docs/verdicts.md)")]
    TakenForGranted(String),
    /// The router is alive.
    #[error("a router with the MAC was heard at {0}, after the MAC had left the set: it is alive")]
    HeardAlive(Timestamp),
    /// Nobody is known to track in the zone.
    #[error("nothing tells for certain who tracks in zone {0}; --zone {0} takes the entry all the same")]
    ZoneOwnerUnknown(u16),
    /// Somebody tracks in the zone whose labels mean something else.
    #[error("zone {zone} is not a router's own but {}: labels mean other things there", owner.as_deref().unwrap_or("the host's or br-ex's"))]
    ZoneNotRouters {
        /// The zone.
        zone: u16,
        /// Its name.
        owner: Option<String>,
    },
    /// The port is not set.
    #[error("the port field of the entry is 0: OVN does not apply its MAC")]
    NotPinned,
    /// OVN does not apply the entry.
    #[error("the pin cannot apply: {0}; --unused takes the entry all the same")]
    Unused(&'static str),
    /// TCP is not to be deleted.
    #[error(
        "it is a TCP connection, which a firewall may not let go on without its entry; --tcp deletes it all the same, --method unpin keeps the entry"
    )]
    TcpDelete,
    /// There are too many.
    #[error("{count} entries would be changed, more than --max {max}: none is")]
    TooMany {
        /// How many.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// The MAC to write is not known.
    #[error("the MAC to write cannot be told: {0}")]
    RelabelTargetUnknown(&'static str),
    /// The datapath has no words for it.
    #[error("the {} datapath cannot be told to do exactly this: {reason}", datapath.name())]
    NotExpressible {
        /// The datapath.
        datapath: Datapath,
        /// Why.
        reason: &'static str,
    },
    /// The entry is no more.
    #[error("the entry is gone meanwhile")]
    EntryGone,
    /// The entry is not what it was.
    #[error("the entry changed meanwhile: its {0} is another")]
    EntryChanged(&'static str),
    /// The entry is going.
    #[error("the entry is going away by itself (IPS_DYING)")]
    EntryDying,
    /// A daemon has done enough for now.
    #[error("{per_minute} entries were changed in the last minute, which is the limit (--repair-rate)")]
    RateLimit {
        /// The limit.
        per_minute: u32,
    },
    /// Whoever started the run has ended it.
    #[error("a signal ended the run before its turn came")]
    Interrupted,
}

impl Refusal {
    /// The refusal's stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SourceTooOld => "source-too-old",
            Self::Undetermined(_) => "nexthops-undetermined",
            Self::MayNotApply(_) => "ovn-undetermined",
            Self::RecentChange { .. } => "recent-change",
            Self::ActiveNexthop(_) => "active-nexthop",
            Self::AllowedMac => "allowed-mac",
            Self::VirtualRouter => "virtual-router",
            Self::TakenForGranted(_) => "taken-for-granted",
            Self::HeardAlive(_) => "heard-alive",
            Self::ZoneOwnerUnknown(_) => "zone-owner-unknown",
            Self::ZoneNotRouters { .. } => "zone-not-routers",
            Self::NotPinned => "not-pinned",
            Self::Unused(_) => "unused",
            Self::TcpDelete => "tcp-delete",
            Self::TooMany { .. } => "too-many",
            Self::RelabelTargetUnknown(_) => "relabel-target-unknown",
            Self::NotExpressible { .. } => "not-expressible",
            Self::EntryGone => "entry-gone",
            Self::EntryChanged(_) => "entry-changed",
            Self::EntryDying => "entry-dying",
            Self::RateLimit { .. } => "rate-limit",
            Self::Interrupted => "interrupted",
        }
    }
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What is to be done about the entry at `at`, as far as the engine tells. `datapath` is where it lives; `None` for one
/// from a dump.
///
/// # Errors
/// Why nothing is.
pub fn judge(pin: &Pin, rules: &Rules, datapath: Option<Datapath>, at: Timestamp) -> Result<Action, Refusal> {
    let Connection { orig, zone, label, mark, .. } = pin.connection;
    match &pin.standing {
        Standing::Blind => return Err(Refusal::SourceTooOld),
        Standing::Undetermined(why) => return Err(Refusal::Undetermined(why)),
        Standing::MayApply(why) => return Err(Refusal::MayNotApply(why)),
        Standing::Nexthop(nexthops) => return Err(Refusal::ActiveNexthop(nexthops.clone())),
        Standing::Allowed => return Err(Refusal::AllowedMac),
        Standing::VirtualRouter => return Err(Refusal::VirtualRouter),
        Standing::NotPinned => return Err(Refusal::NotPinned),
        // Who tracks in the zone is asked next.
        Standing::Stale | Standing::Unused(_) | Standing::NotHonoured => {}
    }
    if let Some(why) = pin.doubt {
        return Err(Refusal::Undetermined(why));
    }
    match pin.owner {
        ZoneOwner::Other => {
            return Err(Refusal::ZoneNotRouters { zone, owner: pin.cited.zone_name.as_deref().map(str::to_owned) });
        }
        ZoneOwner::Unknown if rules.zone != Some(zone) => return Err(Refusal::ZoneOwnerUnknown(zone)),
        ZoneOwner::Unknown | ZoneOwner::Router => {}
    }
    // Who tracks in the zone was asked before, and may be left to the user.
    let open = pin.assumes.after_looking().beside(&[Assumption::NoZoneOwners].into_iter().collect());
    if datapath.is_some() && !open.is_empty() {
        return Err(Refusal::TakenForGranted(open.codes().collect::<Vec<_>>().join(", ")));
    }
    if let Some(last) = pin.heard {
        return Err(Refusal::HeardAlive(last));
    }
    if let Some(changed) = pin.changed.filter(|&changed| at.since(changed) < rules.settle) {
        return Err(Refusal::RecentChange { changed, settle: rules.settle });
    }
    if let Standing::Unused(why) = pin.standing
        && !rules.unused
    {
        return Err(Refusal::Unused(why));
    }
    let action = match rules.method {
        Method::Delete if orig.nw_proto == proto::TCP && !rules.tcp => return Err(Refusal::TcpDelete),
        Method::Delete => Action::Delete,
        Method::Unpin => Action::Unpin(Rewrite::unpin(label, mark).ok_or(Refusal::NotPinned)?),
        Method::Relabel => match pin.moved {
            Moved::To { nexthop, lladdr } => Action::Relabel { nexthop, lladdr },
            Moved::Unknown(why) => return Err(Refusal::RelabelTargetUnknown(why)),
        },
    };
    expressible(&pin.connection, &action, datapath, rules.ovs).map(|()| action)
}

/// Whether the datapath has words for it.
fn expressible(
    entry: &Connection,
    action: &Action,
    datapath: Option<Datapath>,
    ovs: Option<Release>,
) -> Result<(), Refusal> {
    let cannot = |datapath, reason| Err(Refusal::NotExpressible { datapath, reason });
    match datapath {
        Some(Datapath::Userspace) if *action != Action::Delete => {
            cannot(Datapath::Userspace, "it can only delete entries; use --method delete")
        }
        Some(Datapath::Userspace) => match Flush::new(entry.orig, entry.zone, ovs) {
            Ok(_) => Ok(()),
            Err(reason) => cannot(Datapath::Userspace, reason),
        },
        Some(Datapath::Kernel) if entry.id.is_none() => cannot(Datapath::Kernel, "it does not tell the entry's id"),
        Some(Datapath::Kernel) | None => Ok(()),
    }
}

/// Whether the entry, looked at once more just now, is the one that was judged, and as it was.
///
/// # Errors
/// What is different.
pub fn recheck(judged: &Connection, now: Option<&Connection>) -> Result<(), Refusal> {
    /// `ct_mark.ecmp_reply_port`; the bits below it mean other things.
    const PORT: u32 = 0xffff_0000;
    let now = now.ok_or(Refusal::EntryGone)?;
    if (now.orig, now.reply, now.zone) != (judged.orig, judged.reply, judged.zone) {
        return Err(Refusal::EntryChanged("tuple"));
    }
    // Told by one look and not by the other, as the userspace datapath does, it says nothing.
    if let (Some(id), Some(was)) = (now.id, judged.id)
        && id != was
    {
        return Err(Refusal::EntryChanged("id"));
    }
    if now.label != judged.label {
        return Err(Refusal::EntryChanged("label"));
    }
    if now.mark & PORT != judged.mark & PORT {
        return Err(Refusal::EntryChanged("port in the mark"));
    }
    if now.dying { Err(Refusal::EntryDying) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
