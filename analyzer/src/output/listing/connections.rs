//! Labelled conntrack entries as text.

use std::fmt;
use std::io;

use super::columns::write_columns;
use super::or_dash;
use crate::engine::finding::{Assumes, CtDirection};
use crate::engine::view::ConnectionView;
use crate::output::answer::Answer;
use crate::output::escape::escaped;

/// Labelled entries by how they stand, on which the exit status rests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EntryCounts {
    /// All of them.
    pub all: usize,
    /// Those that OVN applies though the MAC is no current next hop's.
    pub stale: usize,
    /// Those that could not be judged.
    pub undetermined: usize,
    /// Parts of the input that could not be read.
    pub gaps: usize,
}

impl EntryCounts {
    /// Counts the entries.
    pub fn of(views: &[ConnectionView], gaps: usize) -> Self {
        let count = |is: fn(&ConnectionView) -> bool| views.iter().filter(|view| is(view)).count();
        let (stale, undetermined) =
            (count(|view| view.standing.is_stale()), count(|view| view.standing.is_undetermined()));
        Self { all: views.len(), stale, undetermined, gaps }
    }

    /// Whether one is stale. Absence of data is never conformity.
    pub fn answer(&self) -> Answer {
        match self {
            Self { stale: 1.., .. } => Answer::Violating,
            Self { all: 1.., undetermined: 0, gaps: 0, .. } => Answer::Ok,
            _ => Answer::Undetermined,
        }
    }
}

impl fmt::Display for EntryCounts {
    /// `VIOLATING: 2 of 10 labelled conntrack entries send to a MAC that is no current next hop.`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, stale, undetermined, gaps } = *self;
        write!(f, "{}: ", self.answer().name())?;
        match (all, stale) {
            (0, _) => write!(f, "no labelled conntrack entries were found.")?,
            (_, 0) if self.answer() == Answer::Ok => write!(f, "none of {} sends", entries(all))?,
            (_, 0) => write!(f, "none of {} is known to send", entries(all))?,
            (_, 1) => write!(f, "1 of {} sends", entries(all))?,
            (_, stale) => write!(f, "{stale} of {} send", entries(all))?,
        }
        if all > 0 {
            write!(f, " to a MAC that is no current next hop.")?;
        }
        if undetermined > 0 {
            write!(f, " Not judged: {undetermined} (listed without --stale).")?;
        }
        match gaps {
            0 => Ok(()),
            1 => write!(f, " Not read: 1 part of the input."),
            parts => write!(f, " Not read: {parts} parts of the input."),
        }
    }
}

fn entries(count: usize) -> String {
    match count {
        1 => "1 labelled conntrack entry".to_owned(),
        count => format!("{count} labelled conntrack entries"),
    }
}

/// Writes the answer on all entries, and a line for each that is stale, which `views` holds.
///
/// # Errors
/// When `out` fails.
pub fn write_stale(out: &mut impl io::Write, views: &[ConnectionView], counts: &EntryCounts) -> io::Result<()> {
    writeln!(out, "{counts}")?;
    if views.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    write_connections(out, views)
}

/// Writes a line for each entry, under a heading.
///
/// # Errors
/// When `out` fails.
pub fn write_connections(out: &mut impl io::Write, views: &[ConnectionView]) -> io::Result<()> {
    if views.is_empty() {
        return writeln!(out, "No labelled conntrack entries.");
    }
    let heading = ["STANDING", "ZONE", "OWNER", "MAC", "PORT", "NEXT HOP", "FLOW THAT LEAVES"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(views.iter().map(row)).collect();
    write_columns(out, &rows)?;
    let stale = views.iter().filter(|view| view.standing.is_stale()).map(|view| &view.assumes);
    let all = stale.fold(Assumes::default(), |mut all, assumes| {
        all.insert_all(assumes);
        all
    });
    match all.is_empty() {
        true => Ok(()),
        false => {
            let codes: Vec<_> = all.codes().collect();
            writeln!(
                out,
                "What is stale takes for granted, as nothing tells it (docs/verdicts.md): {}.",
                codes.join(", ")
            )
        }
    }
}

fn row(view: &ConnectionView) -> [String; 7] {
    let entry = &view.connection;
    let nexthops: Vec<String> = view.standing.nexthops().iter().map(ToString::to_string).collect();
    let nexthop = match (&view.last_legal, nexthops.as_slice()) {
        (Some(last), []) => format!("{} until {}", last.nexthop, last.until),
        (None, []) => "-".to_owned(),
        (_, nexthops) => nexthops.join(","),
    };
    let leaving = match entry.direction {
        CtDirection::Orig => entry.orig,
        CtDirection::Reply => entry.reply,
    };
    [
        view.standing.name().to_owned(),
        entry.zone.to_string(),
        or_dash(entry.zone_name.as_deref().map(escaped)),
        entry.reply_eth.to_string(),
        entry.reply_port.to_string(),
        nexthop,
        leaving.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stands_first() {
        for (all, stale, undetermined, gaps, expected) in [
            (0, 0, 0, 0, "UNDETERMINED: no labelled conntrack entries were found."),
            (0, 0, 0, 1, "UNDETERMINED: no labelled conntrack entries were found. Not read: 1 part of the input."),
            (1, 0, 0, 0, "OK: none of 1 labelled conntrack entry sends to a MAC that is no current next hop."),
            (
                9,
                0,
                9,
                0,
                "UNDETERMINED: none of 9 labelled conntrack entries is known to send to a MAC that is no current next hop. \
                 Not judged: 9 (listed without --stale).",
            ),
            (
                9,
                2,
                0,
                2,
                "VIOLATING: 2 of 9 labelled conntrack entries send to a MAC that is no current next hop. Not read: 2 parts \
                 of the input.",
            ),
        ] {
            assert_eq!(EntryCounts { all, stale, undetermined, gaps }.to_string(), expected);
        }
    }
}
