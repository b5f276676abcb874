//! Everything that is open, and what is to be told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alert::{Alert, Field, Kind};
use super::cause::{Cause, Seen, Subject};
use super::fields::Account;
use super::limiter::Limiter;
use super::losses::Losses;
use super::member::Member;
use super::place::Watched;
use super::saved::SavedCause;
use super::settings::Settings;
use super::sources::Sources;
use super::wording;
use crate::engine::finding::{Finding, Latent, LatentState};
use crate::engine::verdict::Verdict;
use crate::output::report::Report;
use crate::types::{MacAddr, Timestamp};

/// MACs that are kept open at most. A sender that makes them up must not take our memory.
pub(super) const MAX_CAUSES: usize = 4096;
/// Flows and entries that are followed one by one at most. What is beyond is counted.
const MAX_MEMBERS: usize = 1 << 18;
/// The part of a MAC's flows that gives way to another MAC's at a time.
const PART: usize = 16;
/// The losses that MACs and flows beyond the bounds are.
pub(super) const CAUSES_BEYOND: &str = "alert_causes_beyond";
const MEMBERS_BEYOND: &str = "alert_flows_beyond";

/// A packet is noticed within this, by an event or by the next sweep.
const NOTICED: Duration = Duration::from_secs(5);

/// Packets and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// Why a flow counts no more. The names are stable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// Its packets leave to a current next hop.
    Conforming,
    /// Its conntrack entry is gone, or holds the MAC no more.
    EntryGone,
    /// It sent nothing to the MAC for the hold time.
    Quiet,
    /// The MAC is that of a live router that is no next hop: information, no violation.
    Excused,
    /// Of a latent entry: it is there, and OVN no longer applies it.
    Unused,
    /// Of a latent entry: packets were seen, and another message tells of them.
    Seen,
}

impl End {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Conforming, Self::EntryGone, Self::Quiet, Self::Excused, Self::Unused, Self::Seen];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conforming => "conforming",
            Self::EntryGone => "entry-gone",
            Self::Quiet => "quiet",
            Self::Excused => "excused",
            Self::Unused => "unused",
            Self::Seen => "seen",
        }
    }

    /// The field that counts flows which ended so.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Conforming => "cleared_conforming",
            Self::EntryGone => "cleared_entry_gone",
            Self::Quiet => "cleared_quiet",
            Self::Excused => "cleared_excused",
            Self::Unused => "cleared_unused",
            Self::Seen => "cleared_seen",
        }
    }
}

/// A flow that sent nothing to a wrong MAC for a while.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Silent {
    /// The flow.
    pub member: Member,
    /// The MAC.
    pub mac: MacAddr,
    /// Time of its last packet to it.
    pub last: Timestamp,
    /// Whether a conntrack entry of the flow held the MAC.
    pub by_entry: bool,
}

/// What is new of a member: the times of its first and its last packet, and whether an entry of it held the MAC.
pub(super) struct Times {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) by_entry: bool,
}

/// Names a cause.
pub(super) type Key = (Subject, MacAddr);

/// Everything that is open.
#[derive(Debug)]
pub struct Alerts {
    pub(super) settings: Settings,
    pub(super) causes: BTreeMap<Key, Cause>,
    /// Causes of before a restart whose NICs nobody watches here.
    pub(super) elsewhere: Vec<SavedCause>,
    pub(super) watched: Watched,
    pub(super) members: usize,
    pub(super) max_members: usize,
    pub(super) sources: Sources,
    losses: Losses,
    limiter: Limiter,
    /// Beginnings of causes that were cleared lately: another of the same MAC must not have the name of one of these.
    ended: BTreeMap<Key, Timestamp>,
    /// What found no room: MACs, and how often a flow.
    pub(super) beyond: (u64, u64),
    /// Whether something may be due before [`Alerts::tick`].
    is_urgent: bool,
    changes: u64,
}

impl Alerts {
    /// Nothing is open.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            causes: BTreeMap::new(),
            elsewhere: Vec::new(),
            watched: Watched::default(),
            members: 0,
            max_members: MAX_MEMBERS,
            sources: Sources::default(),
            losses: Losses::default(),
            limiter: Limiter::new(&settings),
            ended: BTreeMap::new(),
            beyond: (0, 0),
            is_urgent: false,
            changes: 0,
        }
    }

    /// A flow was found violating. `report` tells names of NICs and of the node. A finding that is no violation, or has
    /// no MAC, is passed over.
    pub fn violating(&mut self, finding: &Finding, report: &Report, at: Timestamp) {
        let (Verdict::Violating(_), Some(reason), Some(mac)) =
            (finding.verdict, finding.verdict.reason(), finding.eth_dst)
        else {
            return;
        };
        let by_entry = finding.conntrack.iter().any(|entry| entry.reply_eth == mac);
        let times = Times { first: finding.first_seen.min(at), last: finding.last_seen, by_entry };
        let key = (Subject::Packets, mac);
        // What is found out so late was quiet for as long as it takes to be over.
        let is_over = finding.last_seen.saturating_add(self.settings.hold) <= at;
        if is_over && !self.causes.contains_key(&key) {
            return;
        }
        self.add(key, Member::of_finding(finding), reason, times, at, || Account::of_finding(report, finding));
        if let (Some(cause), Some(nic)) = (self.causes.get_mut(&key), report.nic_name(finding.nic))
            && !cause.nics.contains(nic)
        {
            cause.nics.insert(nic.to_owned());
            self.changes += 1;
        }
    }

    /// Packets of a flow left to a MAC that is wrong, the last of them at `last`.
    pub fn count(&mut self, member: &Member, mac: MacAddr, counts: Counts, last: Timestamp) {
        let Some(cause) = self.causes.get_mut(&(Subject::Packets, mac)) else { return };
        cause.counts.packets = cause.counts.packets.saturating_add(counts.packets);
        cause.counts.bytes = cause.counts.bytes.saturating_add(counts.bytes);
        cause.goes_on(member, last, false);
    }

    /// Packets of a flow left to a MAC at `last`, and whether that is wrong is not known, or not yet.
    pub fn goes_on(&mut self, member: &Member, mac: MacAddr, last: Timestamp) {
        if let Some(cause) = self.causes.get_mut(&(Subject::Packets, mac))
            && cause.members.contains_key(member)
        {
            cause.goes_on(member, last, false);
        }
    }

    /// The flow conformed at `last`, to whatever MAC it left before.
    pub fn conforms(&mut self, member: &Member, last: Timestamp) {
        let mut ended = 0;
        for ((subject, _), cause) in &mut self.causes {
            let is_older = |seen: &Seen| seen.last < last;
            if *subject == Subject::Packets && cause.members.get(member).is_some_and(is_older) {
                ended += usize::from(cause.end(member, End::Conforming));
            }
        }
        self.lessen(ended);
    }

    /// Packets of a flow to a MAC are excused: it counts no more under it, unless some that violate came behind them.
    pub fn excused(&mut self, member: &Member, mac: MacAddr, last: Timestamp) {
        let cause = self.causes.get(&(Subject::Packets, mac));
        if cause.and_then(|cause| cause.members.get(member)).is_some_and(|seen| seen.last < last) {
            self.end(member, mac, End::Excused);
        }
    }

    /// A flow counts no more under this MAC.
    pub fn end(&mut self, member: &Member, mac: MacAddr, end: End) {
        let ended = self.causes.get_mut(&(Subject::Packets, mac)).is_some_and(|cause| cause.end(member, end));
        self.lessen(usize::from(ended));
    }

    /// All latent entries as they are at `at`. Those whose pin cannot apply are no alert. `is_cited` says of an entry that
    /// a finding tells of it: its flow was seen to follow it.
    pub fn latent(
        &mut self,
        latent: &[Latent],
        is_cited: impl Fn(&Member, MacAddr) -> bool,
        report: &Report,
        at: Timestamp,
    ) {
        let in_state = |state: LatentState| latent.iter().filter(move |latent| latent.state == state);
        let keys = |state: LatentState| -> BTreeSet<(MacAddr, Member)> {
            in_state(state).map(|latent| (latent.connection.reply_eth, Member::of_latent(latent))).collect()
        };
        let (present, unused) = (keys(LatentState::Armed), keys(LatentState::Unused));
        let mut ended = 0;
        for ((subject, mac), cause) in &mut self.causes {
            if *subject == Subject::Packets {
                continue;
            }
            let gone: Vec<Member> =
                cause.members.keys().filter(|member| !present.contains(&(*mac, **member))).copied().collect();
            let end = |member: &Member| match is_cited(member, *mac) {
                true => End::Seen,
                false if unused.contains(&(*mac, *member)) => End::Unused,
                false => End::EntryGone,
            };
            ended += gone.iter().filter(|member| cause.end(member, end(member))).count();
        }
        self.lessen(ended);
        for latent in in_state(LatentState::Armed) {
            let mac = latent.connection.reply_eth;
            let times = Times { first: at, last: at, by_entry: true };
            self.add((Subject::Latent, mac), Member::of_latent(latent), latent.state.name(), times, at, || {
                Account::of_latent(report, latent)
            });
        }
    }

    /// The state of a source of facts: `error` says why it is lost. A source that is only on its way is not told of.
    pub fn source(&mut self, name: &'static str, place: &str, error: Option<&str>, at: Timestamp) {
        self.is_urgent |= self.sources.note((name, place.to_owned()), error, at);
    }

    /// What was lost in all so far, by cause.
    pub fn loss(&mut self, cause: &'static str, count: u64) {
        self.is_urgent |= self.losses.note(cause, count);
    }

    /// Flows whose last packet to a MAC was before `before`: what has become of them is to be found out. Those that nobody
    /// looked at for longest come first.
    pub fn silent(&self, before: Timestamp) -> Vec<Silent> {
        let mut silent: Vec<(Timestamp, Silent)> = self
            .causes
            .iter()
            .filter(|((subject, _), _)| *subject == Subject::Packets)
            .flat_map(|((_, mac), cause)| cause.members.iter().map(move |(member, seen)| (*mac, *member, seen)))
            .filter(|(.., seen)| seen.last < before)
            .map(|(mac, member, &Seen { last, looked, by_entry })| (looked, Silent { member, mac, last, by_entry }))
            .collect();
        silent.sort_unstable();
        silent.into_iter().map(|(_, silent)| silent).collect()
    }

    /// Notes that somebody looked what has become of a flow.
    pub fn looked(&mut self, member: &Member, mac: MacAddr, at: Timestamp) {
        let cause = self.causes.get_mut(&(Subject::Packets, mac));
        if let Some(seen) = cause.and_then(|cause| cause.members.get_mut(member)) {
            seen.looked = at;
        }
    }

    /// Lets go of flows that were quiet for the hold time. To be called about each second; what is due by time alone is
    /// told behind it. Where nobody watches packets, that a flow is quiet means nothing.
    pub fn tick(&mut self, is_watching: bool, at: Timestamp) {
        self.is_urgent = true;
        self.take_back(at);
        if self.settings.hold == Duration::MAX {
            return;
        }
        let before = at.saturating_sub(self.settings.hold);
        let packets = self.causes.iter_mut().filter(|((subject, _), _)| *subject == Subject::Packets);
        if !is_watching {
            return packets.for_each(|(_, cause)| cause.hold_off(at, self.settings.hold));
        }
        let ended = packets.map(|(_, cause)| cause.end_quiet(before, at)).sum();
        self.lessen(ended);
    }

    /// What is to be told at `at`, in order.
    pub fn poll(&mut self, report: &Report, at: Timestamp) -> Vec<Alert> {
        if !std::mem::take(&mut self.is_urgent) {
            return Vec::new();
        }
        let mut told = Vec::new();
        // These are few, and grow rarer by themselves.
        let mut waits = self.poll_states(&mut told, at);
        for (key, kind) in self.due(at) {
            let Some(cause) = self.causes.get_mut(&key) else { continue };
            if !self.limiter.take(at) {
                waits = true;
                wait(&mut cause.is_held, &mut self.limiter, at);
                continue;
            }
            told.push(wording::message(cause, kind, report, &self.settings, at));
            if kind == Kind::Cleared {
                let before = at.saturating_sub(NOTICED);
                self.ended.retain(|_, since| *since >= before);
                let ended = self.causes.remove(&key).map(|cause| cause.since);
                self.ended.extend(ended.filter(|since| *since >= before).map(|since| (key, since)));
            } else {
                cause.told(kind, &self.settings, at);
            }
        }
        if !told.is_empty() {
            self.changes += 1;
        }
        if !waits && let Some((since, count)) = self.limiter.held() {
            told.push(self.held_back(since, count, at));
            self.limiter.release();
        }
        told
    }

    /// Ends all windows: whatever was gathered is due.
    pub fn end_windows(&mut self) {
        self.is_urgent = true;
        self.causes.values_mut().for_each(|cause| cause.gathers_until = None);
    }

    /// Causes that are open, by what they are about: packets, latent entries.
    pub fn open(&self) -> [usize; 2] {
        let packets = self.causes.keys().filter(|key| key.0 == Subject::Packets).count();
        [packets, self.causes.len() - packets]
    }

    /// Grows with each change that is worth saving.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Messages that wait for the rate limit, and since when.
    pub fn held(&self) -> Option<(Timestamp, u64)> {
        self.limiter.held()
    }

    /// Causes of which there is something to tell. What is over and what is new take turns, as the one frees the room that
    /// the other needs; the rest comes behind.
    fn due(&self, at: Timestamp) -> Vec<(Key, Kind)> {
        let due = self.causes.iter().filter_map(|(key, cause)| Some((*key, cause.due(at)?, cause.since)));
        let (mut urgent, mut rest): (Vec<_>, Vec<_>) =
            due.partition(|(_, kind, _)| matches!(kind, Kind::Violation | Kind::Cleared));
        urgent.sort_by_key(|(_, kind, since)| (*kind, *since));
        rest.sort_by_key(|(_, kind, since)| (*kind, *since));
        let new = urgent.iter().filter(|(_, kind, _)| *kind == Kind::Violation);
        let over = urgent.iter().filter(|(_, kind, _)| *kind == Kind::Cleared);
        let mut turns: Vec<_> = new.enumerate().chain(over.enumerate()).collect();
        turns.sort_by_key(|(turn, (_, kind, _))| (*turn, *kind));
        turns.into_iter().map(|(_, due)| due).chain(&rest).map(|(key, kind, _)| (*key, *kind)).collect()
    }

    /// Tells of sources and losses. Returns whether some have to wait.
    fn poll_states(&mut self, told: &mut Vec<Alert>, at: Timestamp) -> bool {
        let mut waits = false;
        let mut sources = Vec::new();
        for (name, is_held) in self.sources.due(at) {
            if self.limiter.take(at) {
                sources.push(name);
            } else {
                waits = true;
                wait(is_held, &mut self.limiter, at);
            }
        }
        let mut losses = Vec::new();
        for (cause, is_held) in self.losses.due(at) {
            if self.limiter.take(at) {
                losses.push(cause);
            } else {
                waits = true;
                wait(is_held, &mut self.limiter, at);
            }
        }
        told.extend(sources.iter().filter_map(|name| self.sources.tell(name, &self.settings, at)));
        told.extend(losses.iter().filter_map(|cause| self.losses.tell(cause, &self.settings, at)));
        waits
    }

    fn held_back(&self, since: Timestamp, count: u64, at: Timestamp) -> Alert {
        let seconds = at.since(since).as_secs();
        let limit = self.limiter.per_minute();
        let text = format!(
            "the limit of {limit} messages a minute held {count} back for up to {seconds} s; by now they were told, what \
             belongs together in one"
        );
        let field = |name, value: String| Field { name, value };
        let fields = vec![
            field("cause", "alerts_held_back".to_owned()),
            field("count", count.to_string()),
            field("seconds", seconds.to_string()),
        ];
        Alert { kind: Kind::Loss, reason: None, at, seen: None, text, fields }
    }

    fn add(
        &mut self,
        key: Key,
        member: Member,
        reason: &'static str,
        times: Times,
        at: Timestamp,
        account: impl FnOnce() -> Account,
    ) {
        if !self.causes.contains_key(&key) {
            if self.causes.len() >= MAX_CAUSES {
                self.beyond.0 += 1;
                self.loss(CAUSES_BEYOND, self.beyond.0);
                return;
            }
            // What the kernel counted before the last time that this was over is not of this time.
            let since = times.first.max(at.saturating_sub(NOTICED));
            // Names have seconds. One from before the clock was set back is far from any.
            let lately = self.ended.get(&key).filter(|ended| ended.since(at) <= NOTICED);
            let next = lately.map(|ended| ended.saturating_add(Duration::from_secs(1)));
            let since = next.map_or(since, |next| since.max(next));
            let namespace = self.watched.namespace.clone();
            let cause = Cause { namespace, ..Cause::new(key.0, key.1, reason, &self.settings, since) };
            self.causes.insert(key, cause);
        }
        let Some(cause) = self.causes.get_mut(&key) else { return };
        let is_explained = times.by_entry && cause.members.get(&member).is_some_and(|seen| !seen.by_entry);
        if cause.goes_on(&member, times.last, times.by_entry) {
            if is_explained && cause.explain(account) {
                self.is_urgent = true;
                self.changes += 1;
            }
            return;
        }
        let own = cause.members.len();
        // Each cause has room for its first.
        if self.members >= self.max_members && own > 0 && !self.make_room(own) {
            self.beyond.1 += 1;
            self.loss(MEMBERS_BEYOND, self.beyond.1);
            return;
        }
        let Some(cause) = self.causes.get_mut(&key) else { return };
        cause.add(member, reason, times, account);
        self.members += 1;
        self.is_urgent = true;
        self.changes += 1;
    }

    /// Has the MAC with most flows give way to one that has `own` of them, and not more than what is left to it. A part at a
    /// time, so that this is rare. Returns whether there is room.
    fn make_room(&mut self, own: usize) -> bool {
        let Some(cause) = self.causes.values_mut().max_by_key(|cause| cause.members.len()) else { return false };
        let part = (cause.members.len() / PART).max(1);
        if cause.members.len() <= own + part {
            return false;
        }
        let mut seen = 0;
        cause.members.retain(|_, _| {
            seen += 1;
            seen > part
        });
        self.beyond.1 += part as u64;
        self.loss(MEMBERS_BEYOND, self.beyond.1);
        self.lessen(part);
        true
    }

    /// Members are followed no more.
    fn lessen(&mut self, ended: usize) {
        if ended > 0 {
            self.members -= ended;
            self.is_urgent = true;
            self.changes += 1;
        }
    }
}

fn wait(is_held: &mut bool, limiter: &mut Limiter, at: Timestamp) {
    if !std::mem::replace(is_held, true) {
        limiter.hold(at);
    }
}
