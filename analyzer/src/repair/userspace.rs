//! Repairs in the table of ovs-vswitchd, each between two dumps of its zone.
//!
//! The daemon can only dump whole zones and does it in its main loop, so entries of one zone share the two dumps, some at
//! a time.

use std::collections::HashMap;

use super::journal::{Before, Journal, Number};
use super::plan::Step;
use super::rules::{Action, Refusal, Rules, recheck};
use super::{Outcome, Repair};
use crate::conntrack::flush::Flush;
use crate::engine::fact::Connection;
use crate::output::remedy::Datapath;
use crate::types::{Timestamp, Tuple};
use crate::unixctl::UnixctlError;
use crate::unixctl::conntrack::UserspaceTable;

const HERE: Option<Datapath> = Some(Datapath::Userspace);

/// Entries that share the dump before: what it shows may change while others are deleted.
const TOGETHER: usize = 16;

/// Says what each step would do. The dump that the entries were read from is not repeated.
pub fn rehearse(steps: Vec<Step>, rules: &Rules, at: Timestamp) -> Vec<Repair> {
    let rehearsed = steps.into_iter().map(|step| {
        let outcome = step.verdict.clone().map_or_else(Outcome::Refused, Outcome::Would);
        step.into_repair(rules, HERE, at, outcome)
    });
    rehearsed.collect()
}

/// Does the steps, and says what came of each, in their order within a zone. `is_over` says whether no further ones are to
/// be begun.
pub async fn repair(
    table: &mut UserspaceTable,
    journal: &mut Journal,
    steps: Vec<Step>,
    rules: &Rules,
    clock: impl Fn() -> Timestamp,
    is_over: impl Fn() -> bool,
) -> Vec<Repair> {
    let mut repairs = Vec::with_capacity(steps.len());
    let (wanted, refused): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.verdict.is_ok());
    for step in refused {
        let outcome = step.verdict.clone().map_or_else(Outcome::Refused, Outcome::Would);
        repairs.push(step.into_repair(rules, HERE, clock(), outcome));
    }
    for of_zone in wanted.chunk_by(|a, b| a.pin.connection.zone == b.pin.connection.zone) {
        for steps in of_zone.chunks(TOGETHER) {
            let outcomes = match is_over() {
                true => vec![Outcome::Refused(Refusal::Interrupted); steps.len()],
                false => together(table, journal, steps, rules, &clock).await,
            };
            let done = steps.iter().cloned().zip(outcomes);
            repairs.extend(done.map(|(step, outcome)| step.into_repair(rules, HERE, clock(), outcome)));
        }
    }
    repairs
}

/// Does steps of one zone.
async fn together(
    table: &mut UserspaceTable,
    journal: &mut Journal,
    steps: &[Step],
    rules: &Rules,
    clock: &impl Fn() -> Timestamp,
) -> Vec<Outcome> {
    let Some(zone) = steps.first().map(|step| step.pin.connection.zone) else { return Vec::new() };
    let before = match dump(table, zone, steps, clock).await {
        Ok(before) => before,
        Err(error) => {
            let failed = |step: &Step| failed(step, format!("{error}; nothing was changed"));
            return steps.iter().map(failed).collect();
        }
    };
    let mut begun = Vec::with_capacity(steps.len());
    for step in steps {
        begun.push(delete(table, journal, step, before.get(&step.pin.connection.orig), rules, clock).await);
    }
    let after = dump(table, zone, steps, clock).await;
    let mut outcomes = Vec::with_capacity(steps.len());
    for (step, begun) in steps.iter().zip(begun) {
        let (number, outcome) = match begun {
            Begun::Not(outcome) => {
                outcomes.push(outcome);
                continue;
            }
            Begun::Failed(number, reason) => (number, failed(step, reason)),
            Begun::Flushed(number) => {
                let is_there = after.as_ref().map(|after| after.contains_key(&step.pin.connection.orig));
                let outcome = match is_there {
                    Ok(false) => Outcome::Done { action: Action::Delete, seen: "it is gone".to_owned() },
                    Ok(true) => failed(step, "the entry is still there, or there again".to_owned()),
                    Err(error) => failed(step, format!("it was done, but cannot be read back: {error}")),
                };
                (number, outcome)
            }
        };
        outcomes.push(match journal.outcome(&number, &outcome, clock()) {
            Ok(()) => outcome,
            Err(error) => failed(step, format!("{outcome}; {error}")),
        });
    }
    outcomes
}

/// How far a deletion came.
enum Begun {
    /// Nothing was changed.
    Not(Outcome),
    /// The daemon did not do it, or did not say so.
    Failed(Number, String),
    /// The daemon says that it is done.
    Flushed(Number),
}

async fn delete(
    table: &UserspaceTable,
    journal: &mut Journal,
    step: &Step,
    now: Option<&Connection>,
    rules: &Rules,
    clock: &impl Fn() -> Timestamp,
) -> Begun {
    let judged = &step.pin.connection;
    if let Err(refusal) = recheck(judged, now) {
        return Begun::Not(Outcome::Refused(refusal));
    }
    let (Some(now), Ok(action)) = (now, &step.verdict) else {
        return Begun::Not(Outcome::Refused(Refusal::EntryGone));
    };
    let flush = match Flush::new(judged.orig, judged.zone, rules.ovs) {
        Ok(flush) => flush,
        Err(reason) => {
            let datapath = Datapath::Userspace;
            return Begun::Not(Outcome::Refused(Refusal::NotExpressible { datapath, reason }));
        }
    };
    let number = match journal.intent(Before::Userspace(now), rules.method, action, clock()) {
        Ok(number) => number,
        Err(error) => return Begun::Not(failed(step, format!("{error}; nothing was changed"))),
    };
    match table.flush(&flush).await {
        Ok(()) => Begun::Flushed(number),
        // It takes requests in turn, and this one stays in its queue.
        Err(error) => Begun::Failed(number, format!("{error}; it may still be done")),
    }
}

/// Those entries of the zone that the steps are about.
async fn dump(
    table: &mut UserspaceTable,
    zone: u16,
    steps: &[Step],
    clock: &impl Fn() -> Timestamp,
) -> Result<HashMap<Tuple, Connection>, UnixctlError> {
    let mut found = HashMap::new();
    let is_meant = |connection: &Connection| steps.iter().any(|step| step.pin.connection.orig == connection.orig);
    let keep = |connection: &Connection| {
        if is_meant(connection) {
            found.insert(connection.orig, connection.clone());
        }
    };
    table.dump(zone, clock, keep).await?;
    Ok(found)
}

fn failed(step: &Step, reason: String) -> Outcome {
    Outcome::Failed { action: step.verdict.clone().unwrap_or(Action::Delete), reason }
}
