//! Repairs in the kernel's table, each with a look before and after.

use super::journal::{Before, Journal};
use super::plan::Step;
use super::rules::{Action, Refusal, Rules, recheck};
use super::{Outcome, Repair};
use crate::engine::fact::Connection;
use crate::netlink::conntrack::change::{Answer, Deletion, Update};
use crate::netlink::conntrack::entry::Entry;
use crate::netlink::conntrack::{Error, Table};
use crate::output::remedy::Datapath;
use crate::types::Timestamp;

const HERE: Option<Datapath> = Some(Datapath::Kernel);

/// Says what each step would do, after a look whether the entry is still as it was judged.
///
/// # Errors
/// The table cannot be asked.
pub fn rehearse(table: &Table, steps: Vec<Step>, rules: &Rules, at: Timestamp) -> Result<Vec<Repair>, Error> {
    let rehearsed = steps.into_iter().map(|step| {
        let outcome = match step.verdict.clone() {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(action) => match look(table, &step.pin.connection)? {
                Ok(_) => Outcome::Would(action),
                Err(refusal) => Outcome::Refused(refusal),
            },
        };
        Ok(step.into_repair(rules, HERE, at, outcome))
    });
    rehearsed.collect()
}

/// Does a step: looks at the entry, writes the journal, looks whether the entry is still the same, changes it, and looks
/// what came of it. `is_over` says whether it is not to be begun.
pub fn repair(
    table: &Table,
    journal: &mut Journal,
    step: Step,
    rules: &Rules,
    clock: impl Fn() -> Timestamp,
    is_over: bool,
) -> Repair {
    let outcome = match step.verdict.clone() {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(_) if is_over => Outcome::Refused(Refusal::Interrupted),
        Ok(action) => act(table, journal, &step.pin.connection, &action, rules, &clock),
    };
    step.into_repair(rules, HERE, clock(), outcome)
}

fn act(
    table: &Table,
    journal: &mut Journal,
    judged: &Connection,
    action: &Action,
    rules: &Rules,
    clock: &impl Fn() -> Timestamp,
) -> Outcome {
    let failed = |reason: String| Outcome::Failed { action: *action, reason };
    let before = match look(table, judged) {
        Ok(Ok(before)) => before,
        Ok(Err(refusal)) => return Outcome::Refused(refusal),
        Err(error) => return failed(format!("{error}; nothing was changed")),
    };
    let Some(id) = before.connection.id else {
        return failed("the kernel does not tell the entry's id; nothing was changed".to_owned());
    };
    let number = match journal.intent(Before::Kernel(&before), rules.method, action, clock()) {
        Ok(number) => number,
        Err(error) => return failed(format!("{error}; nothing was changed")),
    };
    // The journal waits for the disk, which may take seconds; a packet takes none.
    let outcome = match look(table, judged) {
        Ok(Ok(before)) => change(table, &before, id, action),
        Ok(Err(refusal)) => Outcome::Refused(refusal),
        Err(error) => failed(format!("{error}; nothing was changed")),
    };
    match journal.outcome(&number, &outcome, clock()) {
        Ok(()) => outcome,
        Err(error) => failed(format!("{outcome}; {error}")),
    }
}

/// Changes the entry, and compares what is there afterwards.
fn change(table: &Table, before: &Entry, id: u32, action: &Action) -> Outcome {
    let failed = |reason: String| Outcome::Failed { action: *action, reason };
    let Connection { orig, zone, .. } = before.connection;
    let answer = match action.rewrite() {
        None => table.delete(Deletion::new(orig, zone, id)),
        Some(rewrite) => table.update(Update::new(orig, zone, rewrite)),
    };
    match answer {
        Ok(Answer::NoSuchEntry) => Outcome::Refused(Refusal::EntryGone),
        Ok(Answer::Done) => match table.get(orig, zone) {
            Ok(after) => compared(before, after.as_ref(), action),
            Err(error) => failed(format!("it was done, but cannot be read back: {error}")),
        },
        Err(error) => failed(error.to_string()),
    }
}

/// The entry as it is now, where it is the one that was judged.
fn look(table: &Table, judged: &Connection) -> Result<Result<Entry, Refusal>, Error> {
    let found = table.get(judged.orig, judged.zone)?;
    let checked = recheck(judged, found.as_ref().map(|entry| &entry.connection));
    Ok(checked.and(found.ok_or(Refusal::EntryGone)))
}

/// What the look afterwards shows.
fn compared(before: &Entry, after: Option<&Entry>, action: &Action) -> Outcome {
    let failed = |reason: &str| Outcome::Failed { action: *action, reason: reason.to_owned() };
    let done = |seen: &str| Outcome::Done { action: *action, seen: seen.to_owned() };
    let was = &before.connection;
    let Some(rewrite) = action.rewrite() else {
        return match after {
            None => done("it is gone"),
            Some(after) if after.connection.id != was.id => done("it is gone, and a new entry has its tuple"),
            // An id is made of the tuple and the place in memory: a packet that came at once may have made the same.
            Some(_) => failed("the kernel says that it is done, and an entry with the same id is there"),
        };
    };
    let Some(after) = after else {
        return failed("the kernel says that it is done, and the entry is gone since");
    };
    let (label, mark) = rewrite.of(was.label, was.mark);
    let expected = Connection { label, mark, ..was.clone() };
    if after.connection == expected {
        done("it reads back so, and all else is as before")
    } else if after.connection.id != was.id {
        failed("the kernel says that it is done, and another entry has the tuple since")
    } else {
        failed("the kernel says that it is done, and the entry has changed again since: look at it once more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::label::Rewrite;
    use crate::types::Tuple;

    fn entry() -> Entry {
        let orig: Tuple = "udp 172.27.0.13:5005 -> 192.168.16.230:59943".parse().unwrap();
        let connection = Connection {
            orig,
            reply: orig.reversed(),
            zone: 35,
            mark: 0x2_0002,
            label: 0xce73296639a400000000,
            id: Some(7),
            offloaded: false,
            dying: false,
        };
        Entry { connection, counters: None, started: None, status: 14, timeout: Some(30), protoinfo: None }
    }

    fn changed(change: impl FnOnce(&mut Entry)) -> Entry {
        let mut entry = entry();
        change(&mut entry);
        entry
    }

    #[test]
    fn what_a_deletion_leaves() {
        let compared = |after: Option<&Entry>| compared(&entry(), after, &Action::Delete).name();
        assert_eq!(compared(None), "done");
        assert_eq!(compared(Some(&changed(|entry| entry.connection.id = Some(8)))), "done");
        assert_eq!(compared(Some(&entry())), "failed");
    }

    #[test]
    fn what_an_update_leaves() {
        let action = Action::Unpin(Rewrite::unpin(entry().connection.label, entry().connection.mark).unwrap());
        let compared = |after: Option<&Entry>| compared(&entry(), after, &action).name();
        assert_eq!(compared(Some(&changed(|entry| entry.connection.mark = 2))), "done");
        // Time goes on.
        let later = changed(|entry| (entry.connection.mark, entry.timeout) = (2, Some(29)));
        assert_eq!(compared(Some(&later)), "done");
        assert_eq!(compared(None), "failed");
        assert_eq!(compared(Some(&entry())), "failed");
        assert_eq!(compared(Some(&changed(|entry| entry.connection.mark = 0))), "failed");
        let replaced = changed(|entry| (entry.connection.mark, entry.connection.id) = (2, Some(8)));
        assert_eq!(compared(Some(&replaced)), "failed");
    }
}
