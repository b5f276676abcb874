//! Which NICs frames may be taken away from: those that nobody else uses.
//!
//! Frames that AF_XDP sockets take, or that are consumed at XDP, go no further. On the uplink of a node that would be the
//! end of its traffic. So a NIC is refused where anything says that it is more than a mirror port, and a task of its own
//! goes on looking for as long as its frames are taken.

mod kernel;
mod open_vswitch;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::Config;
use super::event::Event;
use crate::types::{IpPrefix, MacAddr};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it is looked whether a NIC sends frames, before any are taken.
const WATCHED: Duration = Duration::from_secs(2);
/// Frames that a mirror port may send in this time: those that tell of itself.
const MAX_SENT: u64 = 10;
/// Looks between two at which what changes rarely and is long to list is looked at: routes, and ovs-vswitchd's own ports.
const RARELY: u64 = 10;

/// A device that frames are to be taken from: its index, and its name.
pub(super) type Device = (u32, Arc<str>);

/// What a NIC is used for beside being a mirror port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Open vSwitch has it as a port.
    OvsPort,
    /// Open vSwitch is there, and cannot be asked.
    OvsUnknown { place: String, why: String },
    /// It is a port of a bridge, bond, team, VRF or virtual switch.
    Port { master: Arc<str> },
    /// A VLAN or another link lies on it.
    Lower { upper: Arc<str> },
    /// It receives for another address than its own, as for a link on it that is in another namespace.
    Receives { mac: MacAddr },
    /// It has an address.
    Address(IpAddr),
    /// A route leads out by it.
    Route(IpPrefix),
    /// A nexthop object leads out by it.
    Nexthop { id: u32 },
    /// It sends frames.
    Sends { frames: u64 },
    /// The kernel does not tell.
    Unknown { why: String },
}

/// Frames may not be taken away from a NIC.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("NIC {nic} is no mirror port: {used}. Its frames would go no further than to us, so none are taken; {}", used.way_out())]
pub(super) struct Refused {
    /// Name of the NIC.
    pub(super) nic: Arc<str>,
    /// Why.
    pub(super) used: Use,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OvsPort => f.write_str("Open vSwitch has it as a port"),
            Self::OvsUnknown { place, why } => {
                write!(f, "Open vSwitch may have it as a port, and cannot be asked by {place}: {why}")
            }
            Self::Port { master } => write!(f, "it is a port of {master}"),
            Self::Lower { upper } => write!(f, "{upper} lies on it"),
            Self::Receives { mac } => write!(f, "it receives for {mac}, which a link on it may have"),
            Self::Address(addr) => write!(f, "it has the address {addr}"),
            Self::Route(prefix) => write!(f, "the route to {prefix} leads out by it"),
            Self::Nexthop { id } => write!(f, "the nexthop object {id} leads out by it"),
            Self::Sends { frames } => write!(f, "it has sent {frames} frames within {} s", WATCHED.as_secs()),
            Self::Unknown { why } => write!(f, "the kernel does not tell what uses it: {why}"),
        }
    }
}

impl Use {
    fn way_out(&self) -> &'static str {
        match self {
            Self::Sends { .. } => {
                "--force takes them all the same, and --ingress tc reads a mirror without taking anything"
            }
            Self::OvsUnknown { .. } => {
                "start Open vSwitch or remove what it left behind, or read the mirror by --ingress tc, which takes nothing"
            }
            _ => "--ingress tc reads a mirror without taking anything",
        }
    }
}

/// What was found of devices: nobody uses them, or somebody does.
pub(super) type Findings = Vec<(u32, Result<(), Use>)>;

/// What is known of the devices that frames are taken from.
#[derive(Debug)]
pub(super) struct Guarded {
    wanted: watch::Sender<Vec<Device>>,
    /// Without those that nothing is known of yet.
    found: BTreeMap<u32, Result<(), Use>>,
}

impl Guarded {
    /// Has these devices looked at from here on.
    pub(super) fn want(&mut self, mut devices: Vec<Device>) {
        devices.sort_unstable();
        self.found.retain(|ifindex, _| devices.iter().any(|(device, _)| device == ifindex));
        self.wanted.send_if_modified(|wanted| {
            let is_new = *wanted != devices;
            *wanted = devices;
            is_new
        });
    }

    /// Takes over what was found. Returns uses that were not known before.
    pub(super) fn take(&mut self, findings: Findings) -> Vec<(u32, Use)> {
        let mut told = Vec::new();
        for (ifindex, found) in findings {
            let is_wanted = self.wanted.borrow().iter().any(|(device, _)| *device == ifindex);
            let before = if is_wanted { self.found.insert(ifindex, found.clone()) } else { continue };
            if let Err(used) = found
                && before != Some(Err(used.clone()))
            {
                told.push((ifindex, used));
            }
        }
        told
    }

    /// The first device that somebody else uses, and what for.
    pub(super) fn used(&self) -> Option<(u32, &Use)> {
        self.found.iter().find_map(|(ifindex, found)| Some((*ifindex, found.as_ref().err()?)))
    }

    /// Whether frames may be taken from a device.
    pub(super) fn is_free(&self, ifindex: u32) -> bool {
        self.found.get(&ifindex) == Some(&Ok(()))
    }

    /// Whether it is known if they may.
    pub(super) fn is_known(&self, ifindex: u32) -> bool {
        self.found.contains_key(&ifindex)
    }
}

/// Starts to look at devices, as they are told and each second, and to tell what is found.
pub(super) fn start(config: &Config, sender: mpsc::Sender<Event>) -> Guarded {
    let (wanted, mut devices) = watch::channel(Vec::new());
    let mut sources = open_vswitch::Sources::of(config);
    let mut watch = Watch { force: config.force, looks: 0, first: HashMap::new(), last: HashMap::new() };
    tokio::spawn(async move {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = devices.changed() => if changed.is_err() { return },
            }
            let wanted = devices.borrow_and_update().clone();
            let findings = watch.look(wanted, &mut sources).await;
            if !findings.is_empty() && sender.send(Event::Guarded(findings)).await.is_err() {
                return;
            }
        }
    });
    Guarded { wanted, found: BTreeMap::new() }
}

/// What is known from one look to the next.
struct Watch {
    force: bool,
    looks: u64,
    /// Since when a device is watched, and what it had sent by then; `None` of one that sent nothing and is watched no more.
    first: HashMap<u32, Option<(Instant, u64)>>,
    /// What is looked at rarely, as it was found last.
    last: HashMap<u32, Option<Use>>,
}

impl Watch {
    /// What is found of the devices; nothing yet of those that are to be watched for longer.
    async fn look(&mut self, devices: Vec<Device>, sources: &mut open_vswitch::Sources) -> Findings {
        self.first.retain(|ifindex, _| devices.iter().any(|(device, _)| device == ifindex));
        self.last.retain(|ifindex, _| devices.iter().any(|(device, _)| device == ifindex));
        if devices.is_empty() {
            return Vec::new();
        }
        let is_due =
            self.looks.is_multiple_of(RARELY) || devices.iter().any(|(device, _)| !self.last.contains_key(device));
        self.looks += 1;
        let facts = tokio::task::spawn_blocking(move || kernel::Facts::read(is_due)).await;
        let facts = facts.unwrap_or_else(|error| Err(io::Error::other(error)));
        let ports = sources.ports(is_due).await;
        let mut findings = Vec::new();
        for (ifindex, name) in devices {
            let facts = match &facts {
                Ok(facts) => facts,
                Err(error) => {
                    findings.push((ifindex, Err(Use::Unknown { why: error.to_string() })));
                    continue;
                }
            };
            if is_due {
                self.last.insert(ifindex, facts.route_by(ifindex));
            }
            let rarely = self.last.get(&ifindex).cloned().flatten();
            let used = facts.used(ifindex).or(rarely).or_else(|| ports.has(&facts.names(ifindex, &name)));
            match used {
                Some(used) => findings.push((ifindex, Err(used))),
                None => findings.extend(self.sends(ifindex, facts).map(|finding| (ifindex, finding))),
            }
        }
        findings
    }

    /// Whether a device that is not used otherwise sends frames; `None` while that cannot be told. One whose frames are taken
    /// is watched no more: that it begins to send is no reason to stop.
    fn sends(&mut self, ifindex: u32, facts: &kernel::Facts) -> Option<Result<(), Use>> {
        let Some(sent) = facts.sent(ifindex) else {
            return Some(Err(Use::Unknown { why: "it does not tell how much the NIC has sent".to_owned() }));
        };
        let now = Instant::now();
        let Some((since, before)) = *self.first.entry(ifindex).or_insert(Some((now, sent))) else {
            return Some(Ok(()));
        };
        if self.force {
            return Some(Ok(()));
        }
        if now - since < WATCHED {
            return None;
        }
        let frames = sent.saturating_sub(before);
        let is_quiet = frames <= MAX_SENT;
        self.first.insert(ifindex, (!is_quiet).then_some((now, sent)));
        Some(if is_quiet { Ok(()) } else { Err(Use::Sends { frames }) })
    }
}
