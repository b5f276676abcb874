//! Repairs by a daemon: the same rules, a limit per minute, and no entry twice within a minute.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use hashbrown::HashMap;

use super::plan::Step;
use super::rules::{Refusal, Rules, judge};
use crate::engine::Engine;
use crate::engine::finding::{Finding, Latent, LatentState};
use crate::engine::standing::{Left, Standing};
use crate::engine::verdict::{Verdict, Violating};
use crate::output::remedy::Datapath;
use crate::types::{Release, Timestamp, Tuple};

/// Entries that wait at most. A daemon whose limit is ten a minute does not come to the others for hours.
const MAX_WAITING: usize = 10_000;
/// Entries looked at in one go: the packets wait meanwhile.
const LOOKS: usize = 64;
/// The time that the limit is for, and for which an entry is left alone.
const MINUTE: Duration = Duration::from_secs(60);

/// How long ago an entry must have been found at fault, at most, when it is repaired. A flow that goes on is judged every
/// five seconds. One that was healed by itself, as OVN does where its routers are built anew, is not found again, though
/// its label stays.
const FRESH: Duration = Duration::from_secs(15);
/// How long an entry waits for more packets that follow it.
const NEXT_PACKETS: Duration = Duration::from_secs(5);
/// How long what was told of an entry is remembered that is not found again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// An entry's zone and original tuple.
type Key = (u16, Tuple);

/// Entries that a daemon is to repair, as fast as it may.
#[derive(Debug)]
pub struct Automatic {
    rules: Rules,
    per_minute: u32,
    waiting: BTreeMap<Key, Waiting>,
    /// Entries whose MAC packets of a flow on the wire left to.
    followed: HashMap<Tuple, Vec<Key>>,
    /// Where the next look goes on.
    next: Option<Key>,
    /// When each of the latest changes was begun.
    begun: VecDeque<Timestamp>,
    /// Entries that were changed not long ago, and when.
    changed: BTreeMap<Key, Timestamp>,
    displaced: u64,
    /// Whether it was told since the last change that there may be no more for now.
    limit_told: bool,
}

/// What is known of an entry that waits.
#[derive(Clone, Copy, Default, Debug)]
struct Waiting {
    /// When it was found at fault last.
    noted: Timestamp,
    /// When it is looked at again.
    due: Timestamp,
    /// Why it was not repaired, as was told.
    told: Option<&'static str>,
    /// The last packets that left to its MAC, unless the flow went elsewhere later.
    followed: Option<Followed>,
}

/// Packets that left to the MAC of an entry.
#[derive(Clone, Copy, Debug)]
struct Followed {
    /// Their flow on the wire.
    flow: Tuple,
    left: Left,
}

impl Automatic {
    /// Nothing is to be repaired yet. `per_minute` is the limit of changes, tried ones too.
    pub fn new(rules: Rules, per_minute: u32) -> Self {
        Self {
            rules,
            per_minute,
            waiting: BTreeMap::new(),
            followed: HashMap::new(),
            next: None,
            begun: VecDeque::new(),
            changed: BTreeMap::new(),
            displaced: 0,
            limit_told: false,
        }
    }

    /// What it goes by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Goes by this release of ovs-vswitchd from now on.
    pub fn set_release(&mut self, ovs: Option<Release>) {
        self.rules.ovs = ovs;
    }

    /// Entries that found no room to wait.
    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Takes note at `now` of the entries that make packets leave to a MAC that is none of the next hops', or that of one
    /// that is down. To be told each time that packets are found so, not the first time only, and of all others, too:
    /// packets that left to another MAC end the proof that OVN applies the entry, whatever their verdict.
    pub fn note_finding(&mut self, finding: &Finding, now: Timestamp) {
        let Some(eth_dst) = finding.eth_dst else { return };
        let left = Left { eth_src: finding.eth_src, eth_dst, at: finding.last_seen };
        self.end_proofs(finding.tuple, left);
        if !may_be_by_entry(finding.verdict) {
            return;
        }
        for entry in &finding.conntrack {
            let key = (entry.zone, entry.orig);
            if entry.reply_eth == eth_dst {
                self.note(key, now);
            }
            if let Some(waiting) = self.waiting.get_mut(&key)
                && waiting.followed.is_none_or(|followed| followed.left.at <= left.at)
            {
                let follows = entry.reply_eth == eth_dst;
                waiting.followed = follows.then_some(Followed { flow: finding.tuple, left });
                if follows {
                    let keys = self.followed.entry(finding.tuple).or_default();
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
        }
    }

    /// Packets of the flow left so: those that left to another MAC before prove no more that OVN applies a label.
    fn end_proofs(&mut self, flow: Tuple, left: Left) {
        for key in self.followed.get(&flow).into_iter().flatten() {
            if let Some(waiting) = self.waiting.get_mut(key) {
                let ends = |followed: &Followed| {
                    followed.flow == flow && followed.left.eth_dst != left.eth_dst && followed.left.at <= left.at
                };
                waiting.followed = waiting.followed.filter(|followed| !ends(followed));
            }
        }
    }

    /// Takes note of flows that left to a next hop, and when they last did: what they did before proves no more that OVN
    /// applies their labels.
    pub fn note_elsewhere(&mut self, left: impl IntoIterator<Item = (Tuple, Timestamp)>) {
        let left: HashMap<Tuple, Timestamp> = left.into_iter().collect();
        for waiting in self.waiting.values_mut() {
            let went = |followed: &Followed| left.get(&followed.flow).is_some_and(|&at| at > followed.left.at);
            waiting.followed = waiting.followed.filter(|followed| !went(followed));
        }
    }

    /// Takes note at `now` of an entry that would.
    pub fn note_latent(&mut self, latent: &Latent, now: Timestamp) {
        if latent.state == LatentState::Armed {
            self.note((latent.connection.zone, latent.connection.orig), now);
        }
    }

    fn note(&mut self, key: Key, now: Timestamp) {
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&key) {
            self.displaced += 1;
            return;
        }
        self.waiting.entry(key).or_default().noted = now;
    }

    /// Whether there is nothing to be looked at now.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        !self.waiting.iter().any(|waiting| self.is_due(&waiting, now))
    }

    fn is_due(&self, &(key, waiting): &(&Key, &Waiting), now: Timestamp) -> bool {
        waiting.due <= now && now.since(waiting.noted) <= FRESH && !self.changed.contains_key(key)
    }

    /// What is to be done at `now`: steps to be carried out, and steps that are refused for a reason that was not told
    /// before of that entry; of those that the limit keeps waiting the first. Each step with an action counts as begun,
    /// whatever comes of it. Where `is_current` is not so, what the engine was told may be over, and nothing is done.
    pub fn steps(
        &mut self,
        engine: &Engine,
        datapath: Option<Datapath>,
        is_current: bool,
        now: Timestamp,
    ) -> Vec<Step> {
        self.forget(now);
        let mut steps = Vec::new();
        for key in self.turn(now) {
            let followed = self.waiting.get(&key).and_then(|waiting| waiting.followed);
            let Some(pin) = engine.pin(key.1, key.0, followed.map(|followed| followed.left), now) else {
                // It is gone, or not known any more; should it make packets leave, a finding says so again.
                self.waiting.remove(&key);
                continue;
            };
            let mut verdict = match is_current {
                true => judge(&pin, &self.rules, datapath, now),
                false => Err(Refusal::SourceTooOld),
            };
            if matches!(pin.standing, Standing::Nexthop(_) | Standing::NotPinned) {
                self.waiting.remove(&key);
                continue;
            }
            if verdict.is_ok() && self.begun.len() >= usize::try_from(self.per_minute).unwrap_or(usize::MAX) {
                verdict = Err(Refusal::RateLimit { per_minute: self.per_minute });
            }
            match &verdict {
                Ok(_) => {
                    self.begun.push_back(now);
                    self.limit_told = false;
                    self.changed.insert(key, now);
                    self.waiting.remove(&key);
                    steps.push(Step { pin, verdict });
                }
                Err(refusal) => {
                    if self.refuse(key, refusal, now) {
                        steps.push(Step { pin, verdict });
                    }
                }
            }
        }
        steps
    }

    /// The entries whose turn it is.
    fn turn(&mut self, now: Timestamp) -> Vec<Key> {
        let is_due = |waiting: &(&Key, &Waiting)| self.is_due(waiting, now);
        let start = self.next.map_or(Bound::Unbounded, Bound::Included);
        let behind = self.waiting.range((start, Bound::Unbounded)).filter(is_due);
        let before = self.next.into_iter().flat_map(|next| self.waiting.range(..next)).filter(is_due);
        let mut keys: Vec<Key> = behind.chain(before).map(|(key, _)| *key).take(LOOKS + 1).collect();
        self.next = if keys.len() > LOOKS { keys.pop() } else { None };
        keys
    }

    /// Puts an entry off. Returns whether the reason is news.
    fn refuse(&mut self, key: Key, refusal: &Refusal, now: Timestamp) -> bool {
        let Some(waiting) = self.waiting.get_mut(&key) else { return false };
        waiting.due = match refusal {
            Refusal::RecentChange { changed, settle } => changed.saturating_add(*settle).max(now),
            // The first change that is a minute ago makes room.
            Refusal::RateLimit { .. } => self.begun.front().map_or(now, |begun| begun.saturating_add(MINUTE)).max(now),
            // Packets that go on may prove that OVN applies the entry.
            Refusal::MayNotApply(_) | Refusal::TakenForGranted(_) if waiting.followed.is_some() => {
                now.saturating_add(NEXT_PACKETS)
            }
            _ => now.saturating_add(MINUTE),
        };
        match refusal {
            Refusal::RateLimit { .. } => !std::mem::replace(&mut self.limit_told, true),
            _ => waiting.told.replace(refusal.name()) != Some(refusal.name()),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while self.begun.front().is_some_and(|&begun| now.since(begun) >= MINUTE) {
            self.begun.pop_front();
        }
        self.waiting.retain(|_, waiting| now.since(waiting.noted) < REMEMBERED);
        let follows = |flow: Tuple, key: &Key| {
            self.waiting.get(key).and_then(|waiting| waiting.followed).is_some_and(|followed| followed.flow == flow)
        };
        self.followed.retain(|flow, keys| {
            keys.retain(|key| follows(*flow, key));
            !keys.is_empty()
        });
        self.changed.retain(|_, &mut changed| now.since(changed) < MINUTE);
    }
}

/// Whether packets of the verdict may leave as they do because of a conntrack entry. A gateway whose BFD session is down
/// keeps its MAC, which holds flows there just like one that is gone.
fn may_be_by_entry(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Violating(Violating::StaleConntrack | Violating::NexthopDown))
}

#[cfg(test)]
mod tests;
