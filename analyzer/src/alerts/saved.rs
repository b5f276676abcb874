//! What is kept over a restart: the causes that are open, so that none is told twice and each is cleared.
//!
//! Causes of NICs that are not watched are kept as they were read: they are neither told nor cleared.
//!
//! Of a cause with many flows some are kept by name and the others by number: as they show up again they are taken for
//! those of before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alert::Field;
use super::book::{Alerts, Counts, End};
use super::cause::{Cause, SAMPLE, Seen, Subject};
use super::fields::Account;
use super::place::Namespace;
use super::settings::Settings;
use crate::engine::finding::LatentState;
use crate::engine::verdict::{Verdict, Violating};
use crate::types::{MacAddr, Timestamp};

/// Version of the format. Version 1 names no NICs and no network namespace.
const SCHEMA: u32 = 2;
const WITHOUT_PLACES: u32 = 1;
/// Flows of a cause that are kept by name.
const NAMED: usize = 256;
/// Sources that can be told lost.
const SOURCES: [&str; 7] = ["nb", "sb", "ovs", "kernel", "nexthops.toml", "conntrack", "nexthops"];
/// Fields that are kept of what is said of a flow.
const FIELDS: usize = 64;

/// Open causes as text: JSON.
#[derive(Serialize, Deserialize, Debug)]
struct Saved {
    schema: u32,
    causes: Vec<SavedCause>,
    /// Sources that were told lost: what they are, and where.
    lost: Vec<(String, String)>,
}

/// An open cause as it is kept.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct SavedCause {
    subject: String,
    mac: String,
    /// By which NICs its flows leave.
    #[serde(default)]
    pub(super) nics: BTreeSet<String>,
    #[serde(default)]
    pub(super) namespace: Option<Namespace>,
    /// Times are in nanoseconds since 1970.
    since: u64,
    last: u64,
    reason: String,
    text: String,
    flow: Vec<(String, String)>,
    nexthops: Vec<(String, String)>,
    remedy: Vec<(String, String)>,
    rest: Vec<(String, String)>,
    members: Vec<String>,
    /// Those of which a conntrack entry held the MAC.
    by_entry: Vec<String>,
    open: u64,
    flows: u64,
    new: u64,
    reasons: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
    packets: u64,
    bytes: u64,
    told_packets: u64,
    is_told: bool,
    gather: u64,
    remind: u64,
    remind_at: u64,
}

/// Why a text holds no causes.
#[derive(Debug, thiserror::Error)]
pub enum NotSaved {
    /// It is no such JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is of a later version of this program.
    #[error("it is in format {0}, and this program reads formats up to {SCHEMA}")]
    Schema(u32),
}

impl Alerts {
    /// The open causes as text.
    pub fn save(&self) -> String {
        let lost = self.sources.told_lost().map(|(name, place)| ((*name).to_owned(), place.clone())).collect();
        let causes = self.causes.values().map(saved).chain(self.elsewhere.iter().cloned()).collect();
        let saved = Saved { schema: SCHEMA, causes, lost };
        serde_json::to_string(&saved).expect("strings and numbers can be written as JSON")
    }

    /// Takes over what was open when [`Alerts::save`] was called last: at once or, where it is of NICs that are not
    /// watched yet, once [`Alerts::watch`] names them. What makes no sense in a cause is left out.
    ///
    /// # Errors
    /// The text is not what `save` writes. Nothing is taken over then.
    pub fn restore(&mut self, text: &str, at: Timestamp) -> Result<(), NotSaved> {
        let Saved { schema, mut causes, lost } = serde_json::from_str(text)?;
        match schema {
            SCHEMA => {}
            WITHOUT_PLACES => causes.iter_mut().for_each(SavedCause::place),
            other => return Err(NotSaved::Schema(other)),
        }
        for (name, place) in lost {
            if let Some(name) = SOURCES.into_iter().find(|known| *known == name) {
                self.sources.was_lost((name, place), at);
            }
        }
        self.set_aside(causes, at);
        Ok(())
    }
}

fn saved(cause: &Cause) -> SavedCause {
    let Account { text, flow, nexthops, remedy, rest } = &cause.account;
    let pairs = |fields: &[Field]| {
        fields.iter().take(FIELDS).map(|field| (field.name.to_owned(), field.value.clone())).collect()
    };
    SavedCause {
        subject: subject_name(cause.subject).to_owned(),
        mac: cause.mac.to_string(),
        nics: cause.nics.clone(),
        namespace: cause.namespace.clone(),
        since: cause.since.as_nanos(),
        last: cause.last.as_nanos(),
        reason: cause.reason.to_owned(),
        text: text.clone(),
        flow: pairs(flow),
        nexthops: pairs(nexthops),
        remedy: pairs(remedy),
        rest: pairs(rest),
        members: named(cause, false),
        by_entry: named(cause, true),
        open: cause.members.len() as u64 + cause.expected,
        flows: cause.flows,
        new: cause.new,
        reasons: cause.reasons.iter().map(|(&reason, &flows)| (reason.to_owned(), flows)).collect(),
        ended: cause.ended.iter().map(|(&end, &flows)| (end.name().to_owned(), flows)).collect(),
        packets: cause.counts.packets,
        bytes: cause.counts.bytes,
        told_packets: cause.told_packets,
        is_told: cause.is_told,
        gather: nanos(cause.gather),
        remind: nanos(cause.remind),
        remind_at: cause.remind_at.as_nanos(),
    }
}

impl SavedCause {
    /// Names the NIC that the account of a flow names: an old file says no more of where it left.
    fn place(&mut self) {
        let named = self.flow.iter().filter(|(name, _)| name == "nic").map(|(_, nic)| nic.clone());
        self.nics.extend(named);
    }

    /// The cause; none where it makes no sense.
    pub(super) fn restored(&self, settings: &Settings, at: Timestamp) -> Option<Cause> {
        restored(self.clone(), settings, at)
    }
}

fn restored(saved: SavedCause, settings: &Settings, at: Timestamp) -> Option<Cause> {
    let subject = [Subject::Packets, Subject::Latent].into_iter().find(|it| subject_name(*it) == saved.subject)?;
    let mac: MacAddr = saved.mac.parse().ok()?;
    let reason = reason_of(&saved.reason)?;
    // It is a part of the cause's name, so it stays as it was told, whatever the clock shows since.
    let mut cause = Cause::new(subject, mac, reason, settings, Timestamp::from_nanos(saved.since));
    (cause.nics, cause.namespace) = (saved.nics, saved.namespace);
    cause.account = Account {
        text: saved.text,
        flow: fields(saved.flow),
        nexthops: fields(saved.nexthops),
        remedy: fields(saved.remedy),
        rest: fields(saved.rest),
    };
    for (members, by_entry) in [(&saved.members, false), (&saved.by_entry, true)] {
        for member in members.iter().take(NAMED).filter_map(|text| text.parse().ok()) {
            cause.members.insert(member, Seen { last: at, looked: Timestamp::default(), by_entry });
        }
    }
    cause.expected = saved.open.saturating_sub(cause.members.len() as u64);
    cause.expected_until = at.saturating_add(settings.hold);
    (cause.flows, cause.new) = (saved.flows, saved.new.min(saved.flows));
    cause.sample = cause.members.keys().take(SAMPLE).copied().collect();
    cause.reasons = saved.reasons.iter().filter_map(|(name, &flows)| Some((reason_of(name)?, flows))).collect();
    let end = |name: &str| End::ALL.into_iter().find(|end| end.name() == name);
    cause.ended = saved.ended.iter().filter_map(|(name, &flows)| Some((end(name)?, flows))).collect();
    cause.counts = Counts { packets: saved.packets, bytes: saved.bytes };
    cause.told_packets = saved.told_packets.min(saved.packets);
    // Its flows have the hold time from now on to show up.
    cause.last = at;
    cause.is_told = saved.is_told;
    // Flows of before come back one by one: they are gathered.
    cause.gather = settings.gather.max(Duration::from_nanos(saved.gather)).min(Settings::MAX_GATHER);
    cause.gathers_until = cause.is_told.then(|| at.saturating_add(cause.gather));
    cause.remind = settings.remind.max(Duration::from_nanos(saved.remind)).min(Settings::MAX_REMIND);
    cause.remind_at = Timestamp::from_nanos(saved.remind_at).min(at.saturating_add(cause.remind));
    Some(cause)
}

/// Some of the members, by whether an entry of them held the MAC.
fn named(cause: &Cause, by_entry: bool) -> Vec<String> {
    let members = cause.members.iter().filter(|(_, seen)| seen.by_entry == by_entry);
    members.take(NAMED).map(|(member, _)| member.to_string()).collect()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn subject_name(subject: Subject) -> &'static str {
    match subject {
        Subject::Packets => "packets",
        Subject::Latent => "latent",
    }
}

/// The reason of this name.
fn reason_of(name: &str) -> Option<&'static str> {
    let violating = [
        Violating::NexthopDown,
        Violating::StaleConntrack,
        Violating::FormerNexthop,
        Violating::StaleNeighbour,
        Violating::UnknownMac,
    ];
    let mut reasons = violating.into_iter().filter_map(|reason| Verdict::Violating(reason).reason());
    reasons.find(|reason| *reason == name).or((name == LatentState::Armed.name()).then_some("armed"))
}

/// Fields by names that this program knows.
fn fields(pairs: Vec<(String, String)>) -> Vec<Field> {
    let known = |name: &str| super::fields::NAMES.iter().find(|known| **known == name).copied();
    let field = |(name, value): (String, String)| Some(Field { name: known(&name)?, value });
    pairs.into_iter().take(FIELDS).filter_map(field).filter(|field| !field.value.is_empty()).collect()
}
