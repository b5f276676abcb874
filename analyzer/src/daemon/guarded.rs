//! What is known of devices whose frames go no further than to us: whether anybody else uses them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::types::{IpPrefix, MacAddr};

/// How long it is looked whether a NIC sends frames, before any are taken.
pub(crate) const WATCHED: Duration = Duration::from_secs(2);

/// A device that frames are to be taken from: its index, and its name.
pub type Device = (u32, Arc<str>);

/// What a NIC is used for beside being a mirror port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Use {
    /// Open vSwitch has it as a port.
    OvsPort,
    /// Open vSwitch is there, and cannot be asked.
    OvsUnknown {
        /// Where it was asked.
        place: String,
        /// Why it cannot be.
        why: String,
    },
    /// It is a port of a bridge, bond, team, VRF or virtual switch.
    Port {
        /// Name of that one.
        master: Arc<str>,
    },
    /// A VLAN or another link lies on it.
    Lower {
        /// Name of that one.
        upper: Arc<str>,
    },
    /// It receives for another address than its own, as for a link on it that is in another namespace.
    Receives {
        /// The address.
        mac: MacAddr,
    },
    /// It has an address.
    Address(IpAddr),
    /// A route leads out by it.
    Route(IpPrefix),
    /// A nexthop object leads out by it.
    Nexthop {
        /// Its number.
        id: u32,
    },
    /// It sends frames.
    Sends {
        /// How many within the time that it was watched.
        frames: u64,
    },
    /// The kernel does not tell.
    Unknown {
        /// What it says.
        why: String,
    },
}

/// Frames may not be taken away from a NIC.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("NIC {nic} is no mirror port: {used}. Its frames would go no further than to us, so none are taken; {}", used.way_out())]
pub struct Refused {
    /// Name of the NIC.
    pub nic: Arc<str>,
    /// Why.
    pub used: Use,
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
pub type Findings = Vec<(u32, Result<(), Use>)>;

/// What is known of the devices that frames are taken from.
#[derive(Default, Debug)]
pub(crate) struct Guarded {
    wanted: Vec<Device>,
    /// Without those that nothing is known of yet.
    found: BTreeMap<u32, Result<(), Use>>,
}

impl Guarded {
    /// These devices are what is wanted from here on. Returns them where they are others than before: then they are to be
    /// looked at.
    pub(crate) fn want(&mut self, mut devices: Vec<Device>) -> Option<Vec<Device>> {
        devices.sort_unstable();
        self.found.retain(|ifindex, _| devices.iter().any(|(device, _)| device == ifindex));
        if self.wanted == devices {
            return None;
        }
        self.wanted.clone_from(&devices);
        Some(devices)
    }

    /// Takes over what was found. Returns uses that were not known before.
    pub(crate) fn take(&mut self, findings: Findings) -> Vec<(u32, Use)> {
        let mut told = Vec::new();
        for (ifindex, found) in findings {
            let is_wanted = self.wanted.iter().any(|(device, _)| *device == ifindex);
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
    pub(crate) fn used(&self) -> Option<(u32, &Use)> {
        self.found.iter().find_map(|(ifindex, found)| Some((*ifindex, found.as_ref().err()?)))
    }

    /// Whether frames may be taken from a device.
    pub(crate) fn is_free(&self, ifindex: u32) -> bool {
        self.found.get(&ifindex) == Some(&Ok(()))
    }

    /// Whether it is known if they may.
    pub(crate) fn is_known(&self, ifindex: u32) -> bool {
        self.found.contains_key(&ifindex)
    }
}
