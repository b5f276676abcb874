//! Bindings that begin, end and are forgotten.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::by_port::ByPort;
use super::told::Told;
use super::{HeardRun, Neighbours};
use crate::fact::Binding;
use crate::types::{MacAddr, Timestamp, Validity};
use crate::versions::{End, Versions};

/// Most runs of one address's MACs that are kept when it is forgotten.
const MAX_RUNS_KEPT: usize = 512;

impl Neighbours {
    /// Adds a binding of a live source. A refreshed one goes on: it ends and begins at one moment, with another date of
    /// confirmation, as the same evidence.
    pub(crate) fn begin(&mut self, binding: Binding) {
        let port = &binding.logical_port;
        let by_port = self.by_ip.entry(binding.ip).or_insert_with(|| ByPort::new(port.clone()));
        let (told, new) = (by_port.entry(port), Told::new(binding, true));
        match told.continued_by(&new) {
            Some(number) => told.update(number, |told| {
                told.binding.validity.until = None;
                told.confirmed = new.confirmed;
            }),
            None => {
                self.note(&new.binding);
                self.told_on(&new.binding).push(new);
            }
        }
    }

    /// Ends the binding that says the same as `binding` and holds without end.
    pub(crate) fn end(&mut self, binding: &Binding, at: Timestamp) -> End {
        let Some(by_port) = self.by_ip.get_mut(&binding.ip) else { return End::Unknown };
        let Some(told) = by_port.on_mut(&binding.logical_port) else { return End::Unknown };
        let meant = Told::new(binding.clone(), true);
        let Some(number) = told.latest(&meant, None, |told| told.confirmed == meant.confirmed) else {
            return End::Unknown;
        };
        let ended = told.end_at(number, at);
        if ended == End::Vanished {
            if !by_port.retain(|_| {}) {
                self.by_ip.remove(&binding.ip);
            }
            self.hide(binding);
        }
        ended
    }

    /// Forgets bindings, and what was heard before `before` but for the latest of it.
    ///
    /// Two kinds of a next hop's bindings stay on each port, however old they are: the last, which without a successor
    /// still tells the MAC, and the last to each MAC that is heard, which tells that this MAC is a former one and does
    /// not come back by a frame.
    pub(crate) fn forget(
        &mut self,
        is_forgotten: impl Fn(Validity) -> bool,
        is_nexthop: impl Fn(IpAddr) -> bool,
        before: Timestamp,
    ) {
        self.heard.retain(|&ip, runs| {
            let current = runs.partition_point(|run| run.first <= before).saturating_sub(1);
            runs.drain(..current.max(runs.len().saturating_sub(MAX_RUNS_KEPT)));
            is_nexthop(ip)
        });
        let heard = &self.heard;
        let mut gone: Vec<Binding> = Vec::new();
        self.by_ip.retain(|&ip, by_port| {
            let keeps_last = is_nexthop(ip);
            by_port.retain(|told| {
                let kept = if keeps_last { last_ends(told, heard.get(&ip)) } else { HashSet::new() };
                told.retain(|told| {
                    let stays = !is_forgotten(told.binding.validity) || kept.contains(&told.end());
                    gone.extend((!stays).then(|| told.binding.clone()));
                    stays
                });
            })
        });
        gone.iter().for_each(|binding| self.hide(binding));
        self.heard_as = self.heard.iter().flat_map(|(&ip, runs)| runs.iter().map(move |run| (run.mac, ip))).collect();
    }

    /// Finds the binding no longer by its MAC, unless another one of the address on the port has it too.
    fn hide(&mut self, binding: &Binding) {
        if let Some(mac) = binding.mac
            && !self.told(binding.ip, &binding.logical_port, mac).any(|_| true)
        {
            self.by_mac.remove(&(mac, binding.ip, binding.logical_port.clone()));
        }
    }
}

/// MAC and end of the binding that ended last, and of the last one to each MAC that is heard.
fn last_ends(told: &Versions<Told>, heard: Option<&Vec<HeardRun>>) -> HashSet<(Option<MacAddr>, Option<Timestamp>)> {
    let mut last: HashMap<MacAddr, Timestamp> = HashMap::new();
    for (mac, until) in told.iter().filter_map(|told| Some((told.binding.mac?, told.binding.validity.until?))) {
        let end = last.entry(mac).or_insert(until);
        *end = until.max(*end);
    }
    let latest = last.values().max().copied();
    let heard: HashSet<MacAddr> = heard.into_iter().flatten().map(|run| run.mac).collect();
    let kept = last.into_iter().filter(|&(mac, until)| Some(until) == latest || heard.contains(&mac));
    kept.map(|(mac, until)| (Some(mac), Some(until))).collect()
}

impl Told {
    fn end(&self) -> (Option<MacAddr>, Option<Timestamp>) {
        (self.binding.mac, self.binding.validity.until)
    }
}
