//! One MAC and the flows that leave to it, or the entries that hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;

use super::alert::Kind;
use super::book::{Counts, End, Times};
use super::fields::Account;
use super::member::Member;
use super::place::Namespace;
use super::settings::{Settings, doubled};
use crate::types::{MacAddr, Timestamp};

/// Members that a message names.
pub(super) const SAMPLE: usize = 8;

/// What a cause is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Subject {
    /// Packets.
    Packets,
    /// Entries without packets.
    Latent,
}

/// One MAC that flows leave to, or entries hold.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) subject: Subject,
    pub(super) mac: MacAddr,
    /// When it began.
    pub(super) since: Timestamp,
    /// The reason of its first flow.
    pub(super) reason: &'static str,
    /// What is said of its first flow, or of one that came by itself.
    pub(super) account: Account,
    /// When the packet left that is told of at once.
    pub(super) seen: Option<Timestamp>,
    /// By which NICs they leave, and in which network namespace.
    pub(super) nics: BTreeSet<String>,
    pub(super) namespace: Option<Namespace>,
    /// Flows that leave to it.
    pub(super) members: HashMap<Member, Seen>,
    /// Flows that were known before a restart and not seen since.
    pub(super) expected: u64,
    /// Until when these are waited for.
    pub(super) expected_until: Timestamp,
    /// All flows that ever left to it.
    pub(super) flows: u64,
    /// Those of them that no message counted yet.
    pub(super) new: u64,
    /// Some of these.
    pub(super) sample: Vec<Member>,
    /// Flows by the reason that was first given.
    pub(super) reasons: BTreeMap<&'static str, u64>,
    /// Flows that count no more, by why.
    pub(super) ended: BTreeMap<End, u64>,
    pub(super) counts: Counts,
    /// Packets that a message counted.
    pub(super) told_packets: u64,
    /// Time of the last packet.
    pub(super) last: Timestamp,
    /// Whether there was a message.
    pub(super) is_told: bool,
    /// Whether what heals it became known behind that message.
    pub(super) is_explained: bool,
    /// Until when flows are gathered.
    pub(super) gathers_until: Option<Timestamp>,
    pub(super) gather: Duration,
    /// When a reminder is due.
    pub(super) remind_at: Timestamp,
    pub(super) remind: Duration,
    /// Whether it waits for the rate limit.
    pub(super) is_held: bool,
}

/// What is known of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// Time of its last packet.
    pub(super) last: Timestamp,
    /// When somebody looked last what has become of it.
    pub(super) looked: Timestamp,
    /// Whether a conntrack entry of it held the MAC.
    pub(super) by_entry: bool,
}

impl Cause {
    pub(super) fn new(
        subject: Subject,
        mac: MacAddr,
        reason: &'static str,
        settings: &Settings,
        at: Timestamp,
    ) -> Self {
        Self {
            subject,
            mac,
            since: at,
            reason,
            account: Account::default(),
            seen: None,
            nics: BTreeSet::new(),
            namespace: None,
            members: HashMap::new(),
            expected: 0,
            expected_until: at,
            flows: 0,
            new: 0,
            sample: Vec::new(),
            reasons: BTreeMap::new(),
            ended: BTreeMap::new(),
            counts: Counts::default(),
            told_packets: 0,
            last: at,
            is_told: false,
            is_explained: false,
            gathers_until: None,
            gather: settings.gather,
            remind_at: Timestamp::MAX,
            remind: settings.remind,
            is_held: false,
        }
    }

    /// Its name, the same in all messages about it, also after a restart.
    pub(super) fn id(&self) -> String {
        let subject = match self.subject {
            Subject::Packets => "",
            Subject::Latent => "latent-",
        };
        format!("{subject}{:012x}-{:x}", self.mac.to_bits(), self.since.as_nanos() / 1_000_000_000)
    }

    /// Notes that a member goes on. Returns whether it is one.
    pub(super) fn goes_on(&mut self, member: &Member, last: Timestamp, by_entry: bool) -> bool {
        self.last = self.last.max(last);
        let Some(seen) = self.members.get_mut(member) else { return false };
        seen.last = seen.last.max(last);
        seen.by_entry |= by_entry;
        true
    }

    /// The entry that makes a member leave to the MAC became known. Returns whether that was not known of any.
    pub(super) fn explain(&mut self, account: impl FnOnce() -> Account) -> bool {
        let is_first = self.account.remedy.is_empty();
        if is_first {
            self.account = account();
            self.is_explained = self.is_told;
        }
        is_first
    }

    /// Adds a member that is none. `account` is asked for where it will be told of by itself.
    pub(super) fn add(
        &mut self,
        member: Member,
        reason: &'static str,
        Times { first, last, by_entry }: Times,
        account: impl FnOnce() -> Account,
    ) {
        self.members.insert(member, Seen { last, looked: last, by_entry });
        if self.expected > 0 {
            self.expected -= 1;
            return;
        }
        if self.new == 0 {
            self.account = account();
            self.seen = (!self.gathers(last)).then_some(first);
            self.sample.clear();
        }
        if self.sample.len() < SAMPLE {
            self.sample.push(member);
        }
        self.flows = self.flows.saturating_add(1);
        self.new = self.new.saturating_add(1);
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// Whether flows are gathered at `at`.
    fn gathers(&self, at: Timestamp) -> bool {
        self.gathers_until.is_some_and(|until| at < until)
    }

    /// Takes a member away. Returns whether it was one.
    pub(super) fn end(&mut self, member: &Member, end: End) -> bool {
        let was_there = self.members.remove(member).is_some();
        if was_there {
            self.ended(end, 1);
        }
        was_there
    }

    /// Takes members away that were quiet since `before`, and those of before a restart that nobody has seen for long
    /// enough. Returns how many of the former.
    pub(super) fn end_quiet(&mut self, before: Timestamp, at: Timestamp) -> usize {
        let count = self.members.len();
        self.members.retain(|_, seen| seen.last > before);
        let quiet = count - self.members.len();
        if quiet > 0 {
            self.ended(End::Quiet, quiet as u64);
        }
        if self.expected > 0 && self.expected_until <= at {
            let missing = std::mem::take(&mut self.expected);
            self.ended(End::Quiet, missing);
        }
        quiet
    }

    /// Nobody watches: that nothing is seen means nothing.
    pub(super) fn hold_off(&mut self, at: Timestamp, hold: Duration) {
        self.members.values_mut().for_each(|seen| seen.last = seen.last.max(at));
        self.last = self.last.max(at);
        self.expected_until = self.expected_until.max(at.saturating_add(hold));
    }

    fn ended(&mut self, end: End, count: u64) {
        let ended = self.ended.entry(end).or_default();
        *ended = ended.saturating_add(count);
    }

    /// Whether nothing leaves to the MAC any more.
    pub(super) fn is_over(&self) -> bool {
        self.members.is_empty() && self.expected == 0
    }

    /// What is to be told of it at `at`.
    pub(super) fn due(&self, at: Timestamp) -> Option<Kind> {
        let new = match self.subject {
            Subject::Packets => Kind::Violation,
            Subject::Latent => Kind::Latent,
        };
        let is_active = self.subject == Subject::Latent || self.counts.packets > self.told_packets;
        if !self.is_told {
            Some(new)
        } else if self.is_over() {
            Some(Kind::Cleared)
        } else if self.new > 0 && !self.gathers(at) {
            Some(new)
        } else if self.is_explained && !self.gathers(at) || self.remind_at <= at && is_active {
            Some(Kind::Repeated)
        } else {
            None
        }
    }

    /// Notes that it was told.
    pub(super) fn told(&mut self, kind: Kind, settings: &Settings, at: Timestamp) {
        if kind == Kind::Repeated {
            self.remind = doubled(self.remind, Settings::MAX_REMIND);
        } else {
            let gathered = self.gathers_until.is_some_and(|until| at.since(until) < self.gather);
            self.gather = match gathered {
                true => doubled(self.gather, Settings::MAX_GATHER),
                false => settings.gather,
            };
            self.gathers_until = Some(at.saturating_add(self.gather));
        }
        if kind == Kind::Repeated || !self.is_told {
            self.remind_at = at.saturating_add(self.remind);
        }
        self.is_told = true;
        self.is_explained = false;
        self.is_held = false;
        self.new = 0;
        self.told_packets = self.counts.packets;
    }
}
