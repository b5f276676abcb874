//! Bindings that begin, end and are forgotten.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::by_port::ByPort;
use super::{HeardRun, Neighbours, Told};
use crate::engine::fact::Binding;
use crate::engine::versions::{End, end_validity};
use crate::types::{MacAddr, Timestamp, Validity};

/// Most runs of one address's MACs that are kept when it is forgotten.
const MAX_RUNS_KEPT: usize = 512;

impl Neighbours {
    /// Adds a binding of a live source. A refreshed one goes on: it ends and begins at one moment, with another date of
    /// confirmation, as the same evidence.
    pub(in crate::engine) fn begin(&mut self, binding: Binding) {
        let port = &binding.logical_port;
        let told = self.by_ip.entry(binding.ip).or_insert_with(|| ByPort::new(port.clone())).entry(port);
        let continues = |told: &&mut Told| {
            let ended = told.binding.validity.until;
            ended.is_some() && ended == binding.validity.from && told.is_same_evidence(&binding)
        };
        match told.iter_mut().rev().find(continues) {
            Some(told) => {
                told.binding.validity.until = None;
                told.confirmed = binding.confirmed;
            }
            None => {
                let (ip, mac) = (binding.ip, binding.mac);
                told.push(Told { confirmed: binding.confirmed, binding, is_live: true });
                self.note_mac(mac, ip);
            }
        }
    }

    /// Ends the binding that says the same as `binding` and holds without end.
    pub(in crate::engine) fn end(&mut self, binding: &Binding, at: Timestamp) -> End {
        let Some(by_port) = self.by_ip.get_mut(&binding.ip) else { return End::Unknown };
        let Some(told) = by_port.on_mut(&binding.logical_port) else { return End::Unknown };
        let is_meant = |told: &Told| {
            told.binding.validity.until.is_none()
                && told.confirmed == binding.confirmed
                && told.is_same_evidence(binding)
        };
        let Some(index) = told.iter().rposition(is_meant) else { return End::Unknown };
        let ended = end_validity(&mut told[index].binding.validity, at);
        if ended == End::Vanished {
            told.remove(index);
            if !by_port.retain(|_| {}) {
                self.by_ip.remove(&binding.ip);
            }
            self.forget_mac(binding.mac, binding.ip);
        }
        ended
    }

    /// Forgets bindings, and what was heard before `before` but for the latest of it.
    ///
    /// Two kinds of a next hop's bindings stay on each port, however old they are: the last, which without a successor
    /// still tells the MAC, and the last to each MAC that is heard, which tells that this MAC is a former one and does
    /// not come back by a frame.
    pub(in crate::engine) fn forget(
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
        let mut gone: Vec<(IpAddr, MacAddr)> = Vec::new();
        self.by_ip.retain(|&ip, by_port| {
            let keeps_last = is_nexthop(ip);
            by_port.retain(|told| {
                let kept = if keeps_last { last_ends(told, heard.get(&ip)) } else { HashSet::new() };
                told.retain(|told| {
                    let stays = !is_forgotten(told.binding.validity) || kept.contains(&told.end());
                    gone.extend(told.binding.mac.filter(|_| !stays).map(|mac| (ip, mac)));
                    stays
                });
            })
        });
        gone.into_iter().for_each(|(ip, mac)| self.forget_mac(Some(mac), ip));
    }

    fn forget_mac(&mut self, mac: Option<MacAddr>, ip: IpAddr) {
        if let Some(mac) = mac
            && !self.of(ip, None).any(|binding| binding.mac == Some(mac))
        {
            self.by_mac.remove(&(mac, ip));
        }
    }
}

/// MAC and end of the binding that ended last, and of the last one to each MAC that is heard.
fn last_ends(told: &[Told], heard: Option<&Vec<HeardRun>>) -> HashSet<(Option<MacAddr>, Option<Timestamp>)> {
    let mut last: HashMap<MacAddr, Timestamp> = HashMap::new();
    for (mac, until) in told.iter().filter_map(|told| Some((told.binding.mac?, told.binding.validity.until?))) {
        let end = last.entry(mac).or_insert(until);
        *end = until.max(*end);
    }
    let latest = last.values().max().copied();
    let is_heard = |mac: MacAddr| heard.is_some_and(|runs| runs.iter().any(|run| run.mac == mac));
    let kept = last.into_iter().filter(|&(mac, until)| Some(until) == latest || is_heard(mac));
    kept.map(|(mac, until)| (Some(mac), Some(until))).collect()
}

impl Told {
    fn end(&self) -> (Option<MacAddr>, Option<Timestamp>) {
        (self.binding.mac, self.binding.validity.until)
    }

    fn is_same_evidence(&self, other: &Binding) -> bool {
        self.binding.kind == other.kind && self.binding.mac == other.mac
    }
}
