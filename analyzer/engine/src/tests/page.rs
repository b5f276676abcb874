//! docs/verdicts.md and the code have the same rows, in the same order, with the same verdicts.

use alloc::collections::BTreeSet;

use crate::table::{OF_FRAMES, OF_ROUTES, Row};
use crate::verdict::Verdict;

const PAGE: &str = include_str!("../../../../docs/verdicts.md");

/// A row: its name, and its verdicts with their reasons.
type Named = (String, BTreeSet<(String, Option<String>)>);

/// The rows of the page's first table.
fn rows_of_page() -> Vec<Named> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    table.take_while(|line| line.starts_with('|')).map(row_of_page).collect()
}

fn row_of_page(line: &str) -> Named {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, id, verdict, when, _] = cells[..] else { panic!("not three cells: {line}") };
    assert!(!when.is_empty(), "{line}");
    let (name, reasons) = verdict.split_once(' ').unwrap_or((verdict, ""));
    let mut gives: BTreeSet<_> =
        reasons.split('`').skip(1).step_by(2).map(|reason| (name.to_owned(), Some(reason.to_owned()))).collect();
    if gives.is_empty() {
        gives.insert((name.to_owned(), None));
    }
    (id.to_owned(), gives)
}

fn rows_of_code() -> impl Iterator<Item = &'static Row> {
    OF_FRAMES.iter().chain(&OF_ROUTES)
}

#[test]
fn the_page_and_the_code_have_the_same_rows() {
    let of_code: Vec<Named> = rows_of_code()
        .map(|row| {
            let named = |verdict: &Verdict| (verdict.name().to_owned(), verdict.reason().map(str::to_owned));
            (row.id.to_owned(), row.gives.iter().map(named).collect())
        })
        .collect();
    assert_eq!(rows_of_page(), of_code);
}

#[test]
fn each_row_has_a_name_of_its_own_and_each_verdict_a_row() {
    let ids: BTreeSet<&str> = rows_of_code().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows_of_code().count());
    let given: BTreeSet<Verdict> = rows_of_code().flat_map(|row| row.gives).copied().collect();
    assert_eq!(given, Verdict::ALL.into());
}
