//! Which NICs frames may be taken away from: those that nobody else uses.
//!
//! Frames that AF_XDP sockets take, or that are consumed at XDP, go no further. On the uplink of a node that would be the
//! end of its traffic. So a NIC is refused where anything says that it is more than a mirror port, and a task of its own
//! goes on looking for as long as its frames are taken.

mod kernel;
mod open_vswitch;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::Config;
use crate::daemon::event::Event;
use crate::daemon::guarded::{Device, Findings, Use, WATCHED};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Frames that a mirror port may send in this time: those that tell of itself.
const MAX_SENT: u64 = 10;
/// Looks between two at which what changes rarely and is long to list is looked at: routes, and ovs-vswitchd's own ports.
const RARELY: u64 = 10;

/// Starts to look at devices, as they are told and each second, and to tell what is found. Returns where they are told.
pub(super) fn start(config: &Config, sender: mpsc::Sender<Event>) -> watch::Sender<Vec<Device>> {
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
    wanted
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
