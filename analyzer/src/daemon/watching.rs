//! The NICs that are watched: which they are, and our programs at them as they come and go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::Daemon;
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
    pub(crate) has_links: bool,
    /// Whether programs are to be attached: not before the set is known.
    is_open: bool,
    pub(crate) losses: Losses,
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
        }
    }

    /// Takes over what happened to links. What follows for our programs is done by [`Watching::settle`].
    pub(crate) fn take(&mut self, changes: Vec<LinkChange>, voice: &mut Voice) {
        self.has_links = true;
        let events = self.nics.apply(changes);
        self.note(events, voice);
    }

    /// Watches the NICs that the database names, beside those that the user named.
    fn find(&mut self, found: BTreeSet<Arc<str>>, voice: &mut Voice) {
        if found != self.found {
            self.found = found;
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
            guarded.want(lower.map(|device| (device.ifindex, Arc::clone(&device.name))).collect(), voice);
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

    /// Lets go of NICs where somebody removed a program of ours. Returns their names, and what could not be found out.
    fn check(&mut self) -> (Vec<Arc<str>>, Vec<anyhow::Error>) {
        let (mut lost, mut failed) = (Vec::new(), Vec::new());
        for &ifindex in self.attached.keys() {
            match self.hooks.is_in_place(ifindex) {
                Ok(true) => {}
                Ok(false) => lost.push(ifindex),
                Err(error) => failed.push(error),
            }
        }
        (lost.into_iter().filter_map(|ifindex| self.let_go(ifindex)).collect(), failed)
    }

    /// Lets go of a device. Returns its name, if it was held.
    fn let_go(&mut self, ifindex: u32) -> Option<Arc<str>> {
        let (name, _) = self.attached.remove(&ifindex)?;
        self.hooks.detach(ifindex);
        Some(name)
    }

    /// Takes over what was found of devices that frames are taken from, and lets go of those that somebody else uses. Returns
    /// what was not known before, with whether frames were taken until now.
    pub(crate) fn guarded(&mut self, findings: Findings) -> Vec<(Refused, bool)> {
        let Some(guarded) = &mut self.guarded else { return Vec::new() };
        let refused = guarded.take(findings);
        let told = refused.into_iter().filter_map(|(ifindex, used)| {
            let was_taken = self.let_go(ifindex).is_some();
            Some((self.refusal(ifindex, used)?, was_taken))
        });
        told.collect()
    }

    /// The first device that frames may not be taken from.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let (ifindex, used) = self.guarded.as_ref()?.used()?;
        self.refusal(ifindex, used.clone())
    }

    fn refusal(&self, ifindex: u32, used: Use) -> Option<Refused> {
        let device = self.lower.values().flatten().find(|device| device.ifindex == ifindex)?;
        Some(Refused { nic: Arc::clone(&device.name), used })
    }

    /// Whether it is known of all devices if frames may be taken from them; of none where it does not matter.
    pub(crate) fn is_decided(&self) -> bool {
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

    /// From now on programs are attached.
    ///
    /// # Errors
    /// A NIC that the user named is not there, or none was found.
    pub(crate) fn open(&mut self) -> Result<(), String> {
        self.nics.check().map_err(|error| error.to_string())?;
        if self.lower.is_empty() {
            return Err("no NIC to watch was found; name it with -i NIC".to_owned());
        }
        self.is_open = true;
        Ok(())
    }

    /// Whether all NICs that the user asked for are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.has_links && self.nics.check().is_ok() && !self.lower.is_empty()
    }

    /// Whether packets are seen at every NIC.
    pub(crate) fn is_whole(&self) -> bool {
        let nics = self.status();
        self.is_open && !nics.is_empty() && nics.iter().all(|nic| nic.egress.is_some())
    }

    /// Whether a NIC that the user named is not there.
    pub(crate) fn lacks_named(&self) -> bool {
        self.has_links && self.named.iter().any(|name| !self.lower.contains_key(name))
    }

    /// Whether only the database can tell which NICs are to be watched.
    pub(crate) fn is_left_to_database(&self) -> bool {
        self.is_auto && self.named.is_empty() && self.found.is_empty()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Names of devices by their index in flow keys.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.names.iter().map(|name| Some(name.to_string())).collect()
    }

    /// Names of the devices that our programs are at.
    fn attached(&self) -> BTreeSet<String> {
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

impl Daemon {
    /// Looks which NICs are to be watched, and attaches to those that came.
    pub(crate) fn find_nics(&mut self) {
        if self.watching.is_auto
            && let Some(uplinks) = self.databases.uplinks(|name| self.watching.hooks.lower(name))
        {
            for problem in uplinks.problems {
                self.voice.complain_once(&problem.to_string());
            }
            self.watching.find(uplinks.nics, &mut self.voice);
        }
        self.settle_nics();
    }

    /// Takes over whether anybody else uses the NICs that frames are taken from.
    pub(crate) fn guarded(&mut self, findings: Findings) {
        for (refused, was_taken) in self.watching.guarded(findings) {
            if !self.watching.is_open() {
                // It is why we do not start, and is told as that.
                continue;
            }
            if was_taken {
                self.voice.complain(format!("letting go of {}", refused.nic));
            }
            self.voice.complain(refused.to_string());
        }
        self.settle_nics();
    }

    /// Looks whether our programs are where they were attached, and attaches them anew where they are not.
    pub(crate) fn check_nics(&mut self) {
        let (lost, failed) = self.watching.check();
        for name in lost {
            self.lost_places += 1;
            self.voice.complain(format!("our programs at {name} were removed; attaching anew"));
        }
        failed.iter().for_each(|error| self.voice.failed(Trouble::KernelProgram, error));
        self.settle_nics();
    }

    /// Attaches to NICs that came, lets go of those that went. Returns what failed, which was said.
    pub(crate) fn settle_nics(&mut self) -> Vec<anyhow::Error> {
        let (done, failed) = self.watching.settle();
        let has_news = !done.is_empty() || !failed.is_empty();
        if !done.is_empty() {
            self.voice.ask(Effect::NicNames(self.watching.names()));
            self.alerting.nics(self.watching.names());
            let elsewhere = self.alerting.watch(self.watching.attached(), self.now);
            elsewhere.iter().for_each(|elsewhere| self.voice.say_once(elsewhere));
        }
        done.into_iter().for_each(|done| self.voice.say(done));
        failed.iter().for_each(|error| self.voice.failed(Trouble::KernelProgram, error));
        if has_news {
            self.voice.ask(Effect::Publish);
            self.tell_status();
        }
        failed
    }
}
