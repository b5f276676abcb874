//! The NICs that are watched: which they are, and our programs at them as they come and go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::databases::Databases;
use super::effect::Effect;
use super::guarded::{Findings, Guarded, Refused, Use};
use super::hooks::{Attached, Hooks, Nic};
use super::nics::{self, NicEvent, Nics};
use super::voice::{Trouble, Voice};
use crate::netlink::link::LinkChange;
use crate::netlink::route::state::Losses;
use crate::output::status::NicStatus;

/// NICs that have an index in flow keys at most.
const MAX_NICS: usize = 256;

/// The NICs that are watched.
pub(crate) struct Watching {
    hooks: Box<dyn Hooks>,
    nics: Nics,
    named: BTreeSet<Arc<str>>,
    is_auto: bool,
    /// NICs that the Open_vSwitch database names.
    found: BTreeSet<Arc<str>>,
    /// Devices by which the frames of each NIC leave.
    lower: BTreeMap<Arc<str>, Vec<nics::Device>>,
    attached: BTreeMap<u32, (Arc<str>, Attached)>,
    /// Names of devices by their index in flow keys.
    names: Vec<Arc<str>>,
    /// Where frames are taken away: of which devices, and what else they are used for.
    guarded: Option<Guarded>,
    /// Devices whose neighbours are followed.
    devices: Option<HashSet<Arc<str>>>,
    /// Whether links were told: before, that a NIC is missing means nothing.
    has_links: bool,
    /// Whether programs are to be attached: not before the set is known.
    is_open: bool,
    /// What was lost of what the kernel tells.
    losses: Losses,
    /// How often programs of ours were removed by others.
    removed: u64,
}

/// What it depends on whether NICs are watched by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// The next hops are known.
    pub(crate) is_sighted: bool,
    /// The node's own database is followed, and has not told.
    pub(crate) is_untold: bool,
    /// It was waited for both long enough.
    pub(crate) is_late: bool,
}

impl Watching {
    /// Watches NICs of these names, and those that the database names where `is_auto`. Where frames are taken away,
    /// `is_guarded` has it looked whether somebody else uses them.
    pub(crate) fn new(hooks: Box<dyn Hooks>, named: BTreeSet<Arc<str>>, is_auto: bool, is_guarded: bool) -> Self {
        Self {
            hooks,
            nics: Nics::new(named.iter().cloned()),
            named,
            is_auto,
            found: BTreeSet::new(),
            lower: BTreeMap::new(),
            attached: BTreeMap::new(),
            names: Vec::new(),
            guarded: is_guarded.then(Guarded::default),
            devices: None,
            has_links: false,
            is_open: false,
            losses: Losses::default(),
            removed: 0,
        }
    }

    /// Takes over what happened to links. What follows for our programs is done by [`Watching::settle`].
    pub(crate) fn take(&mut self, changes: Vec<LinkChange>, voice: &mut Voice) {
        self.has_links = true;
        let events = self.nics.apply(changes);
        self.note(events, voice);
    }

    /// Takes note that the kernel has told all, and of what was lost of it so far.
    pub(crate) fn note_losses(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// What was lost of what the kernel tells.
    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }

    /// How often programs of ours were removed by others.
    pub(crate) fn removed(&self) -> u64 {
        self.removed
    }

    /// Watches the NICs that the database names, beside those that the user named, where that is asked for.
    pub(crate) fn find(&mut self, databases: &Databases, voice: &mut Voice) {
        if !self.is_auto {
            return;
        }
        let Some(uplinks) = databases.uplinks(|name| self.hooks.lower(name)) else { return };
        for problem in uplinks.problems {
            voice.complain_once(&problem.to_string());
        }
        if uplinks.nics != self.found {
            self.found = uplinks.nics;
            let events = self.nics.watch(self.named.union(&self.found).cloned());
            self.note(events, voice);
        }
    }

    fn note(&mut self, events: Vec<NicEvent>, voice: &mut Voice) {
        for event in events {
            match event {
                NicEvent::Present(nic) => {
                    self.lower.insert(nic.name, nic.lower);
                }
                NicEvent::Gone { name } => {
                    self.lower.remove(&name);
                }
            }
        }
        let devices = self.lower.values().flatten().map(|device| Arc::clone(&device.name));
        let devices: HashSet<Arc<str>> = devices.chain(self.lower.keys().cloned()).collect();
        if let Some(guarded) = &mut self.guarded {
            let lower = self.lower.values().flatten();
            let wanted = guarded.want(lower.map(|device| (device.ifindex, Arc::clone(&device.name))).collect());
            wanted.into_iter().for_each(|devices| voice.ask(Effect::Guard(devices)));
        }
        if self.devices.as_ref() != Some(&devices) {
            self.devices = Some(devices.clone());
            voice.ask(Effect::FollowNeighbours(devices));
        }
    }

    /// Attaches to what is there and lets go of what is not. Returns what was done, in words, and what failed.
    pub(crate) fn settle(&mut self) -> (Vec<String>, Vec<anyhow::Error>) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        if !self.is_open {
            return (done, failed);
        }
        let wanted: BTreeMap<u32, Arc<str>> =
            self.lower.values().flatten().map(|device| (device.ifindex, Arc::clone(&device.name))).collect();
        let gone: Vec<u32> = self.attached.keys().filter(|ifindex| !wanted.contains_key(ifindex)).copied().collect();
        done.extend(gone.into_iter().filter_map(|ifindex| self.let_go(ifindex)).map(|name| format!("{name} is gone")));
        for (ifindex, name) in wanted {
            if self.attached.contains_key(&ifindex) {
                continue;
            }
            let Some(index) = self.index_of(&name) else { continue };
            let nic = Nic { name: name.to_string(), ifindex, index };
            let is_free = self.guarded.as_ref().is_none_or(|guarded| guarded.is_free(ifindex));
            if !is_free || self.hooks.is_closing(ifindex) {
                continue;
            }
            match self.hooks.attach(&nic) {
                Ok(attached) => {
                    done.push(format!("watching {name} ({})", attached.modes.join(", ")));
                    done.extend(attached.remarks.iter().cloned());
                    self.attached.insert(ifindex, (name, attached));
                }
                Err(error) => failed.push(error),
            }
        }
        (done, failed)
    }

    /// Lets go of NICs where somebody removed a program of ours: it is attached anew.
    pub(crate) fn check(&mut self, voice: &mut Voice) {
        let (mut lost, mut failed) = (Vec::new(), Vec::new());
        for &ifindex in self.attached.keys() {
            match self.hooks.is_in_place(ifindex) {
                Ok(true) => {}
                Ok(false) => lost.push(ifindex),
                Err(error) => failed.push(error),
            }
        }
        for name in lost.into_iter().filter_map(|ifindex| self.let_go(ifindex)).collect::<Vec<_>>() {
            self.removed += 1;
            voice.complain(format!("our programs at {name} were removed; attaching anew"));
        }
        failed.iter().for_each(|error| voice.failed(Trouble::KernelProgram, error));
    }

    /// Lets go of a device. Returns its name, if it was held.
    fn let_go(&mut self, ifindex: u32) -> Option<Arc<str>> {
        let (name, _) = self.attached.remove(&ifindex)?;
        self.hooks.detach(ifindex);
        Some(name)
    }

    /// Takes over what was found of devices that frames are taken from, and lets go of those that somebody else uses.
    pub(crate) fn guarded(&mut self, findings: Findings, voice: &mut Voice) {
        let Some(guarded) = &mut self.guarded else { return };
        for (ifindex, used) in guarded.take(findings) {
            let was_taken = self.let_go(ifindex).is_some();
            let Some(refused) = self.refusal(ifindex, used) else { continue };
            if !self.is_open {
                // It is why we do not start, and is told as that.
                continue;
            }
            if was_taken {
                voice.complain(format!("letting go of {}", refused.nic));
            }
            voice.complain(refused.to_string());
        }
    }

    /// The first device that frames may not be taken from.
    fn refused(&self) -> Option<Refused> {
        let (ifindex, used) = self.guarded.as_ref()?.used()?;
        self.refusal(ifindex, used.clone())
    }

    fn refusal(&self, ifindex: u32, used: Use) -> Option<Refused> {
        let device = self.lower.values().flatten().find(|device| device.ifindex == ifindex)?;
        Some(Refused { nic: Arc::clone(&device.name), used })
    }

    /// Whether it is known of all devices if frames may be taken from them; of none where it does not matter.
    fn is_decided(&self) -> bool {
        let mut devices = self.lower.values().flatten();
        self.guarded.as_ref().is_none_or(|guarded| devices.all(|device| guarded.is_known(device.ifindex)))
    }

    /// Lets go of all NICs.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        for ifindex in std::mem::take(&mut self.attached).into_keys() {
            self.hooks.detach(ifindex);
        }
    }

    /// Frames that passed sockets by: those of queues without one, and those that a NIC had no room for.
    pub(crate) fn passed_by(&self) -> (u64, u64) {
        self.hooks.passed_by()
    }

    /// From now on programs are attached, if it is time for it. Returns whether it is.
    ///
    /// # Errors
    /// A NIC that the user named is not there, frames may not be taken from it, or none was found.
    pub(crate) fn open(&mut self, readiness: Readiness, voice: &mut Voice) -> anyhow::Result<bool> {
        let Readiness { is_sighted, is_untold, is_late } = readiness;
        if self.is_open || !self.has_links {
            return Ok(false);
        }
        if is_untold && self.is_left_to_database() {
            // A daemon that is started with the machine may be there before the database.
            const MESSAGE: &str = "-i auto waits for the Open_vSwitch database, which has not told which NIC it is";
            if is_late {
                voice.complain_once(MESSAGE);
            }
            return Ok(false);
        }
        let is_ready = self.is_complete() && is_sighted;
        if !is_ready && !is_late && !self.lacks_named() || !self.is_decided() {
            return Ok(false);
        }
        if let Some(refused) = self.refused() {
            return Err(refused.into());
        }
        self.nics.check()?;
        anyhow::ensure!(!self.lower.is_empty(), "no NIC to watch was found; name it with -i NIC");
        self.is_open = true;
        Ok(true)
    }

    /// Whether all NICs that the user asked for are there.
    fn is_complete(&self) -> bool {
        self.has_links && self.nics.check().is_ok() && !self.lower.is_empty()
    }

    /// Whether packets are seen at every NIC.
    pub(crate) fn is_whole(&self) -> bool {
        let nics = self.status();
        self.is_open && !nics.is_empty() && nics.iter().all(|nic| nic.egress.is_some())
    }

    /// Whether a NIC that the user named is not there.
    fn lacks_named(&self) -> bool {
        self.has_links && self.named.iter().any(|name| !self.lower.contains_key(name))
    }

    /// Whether only the database can tell which NICs are to be watched.
    fn is_left_to_database(&self) -> bool {
        self.is_auto && self.named.is_empty() && self.found.is_empty()
    }

    /// Names of devices by their index in flow keys.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.names.iter().map(|name| Some(name.to_string())).collect()
    }

    /// Names of the devices that our programs are at.
    pub(crate) fn attached(&self) -> BTreeSet<String> {
        self.attached.values().map(|(name, _)| name.to_string()).collect()
    }

    pub(crate) fn status(&self) -> Vec<NicStatus> {
        let devices: BTreeMap<u32, &Arc<str>> =
            self.lower.values().flatten().map(|device| (device.ifindex, &device.name)).collect();
        let status = |(ifindex, name): (u32, &Arc<str>)| {
            // What judges comes first, at the egress or of a mirror port at the ingress.
            let mut modes = self.attached.get(&ifindex).into_iter().flat_map(|(_, attached)| &attached.modes).copied();
            NicStatus { name: name.to_string(), egress: modes.next(), ingress: modes.next() }
        };
        devices.into_iter().map(status).collect()
    }

    /// The index of a device in flow keys; a NIC that comes back has the one that it had.
    fn index_of(&mut self, name: &Arc<str>) -> Option<u8> {
        let index = match self.names.iter().position(|known| known == name) {
            Some(index) => index,
            None if self.names.len() < MAX_NICS => {
                self.names.push(Arc::clone(name));
                self.names.len() - 1
            }
            None => return None,
        };
        u8::try_from(index).ok()
    }
}
