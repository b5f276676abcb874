//! The figures that `live_bench` prints: a line each, fields apart by tabs, the first field its kind.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project;

/// What one run printed.
pub(super) struct Figures {
    text: String,
}

impl Figures {
    /// Runs the command and takes what it prints. What it says on standard error is shown.
    pub(super) fn of(command: &mut Command) -> Result<Self> {
        project::announce(command);
        let output = command.stderr(std::process::Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        if !output.status.success() {
            bail!("the measurement failed: {}", output.status);
        }
        Ok(Self { text: String::from_utf8(output.stdout).context("figures are text")? })
    }

    /// The fields of all lines of a kind, behind the kind.
    pub(super) fn of_kind<'a, const N: usize>(&'a self, kind: &'a str) -> impl Iterator<Item = Result<[&'a str; N]>> {
        let lines = self.text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        lines.filter(move |fields| fields.first() == Some(&kind)).map(move |fields| {
            <[&str; N]>::try_from(&fields[1..]).ok().with_context(|| format!("{kind} has {N} fields, not {fields:?}"))
        })
    }
}

/// Values by name, in the order in which the names first came.
pub(super) fn grouped<V>(values: impl IntoIterator<Item = (String, V)>) -> Vec<(String, Vec<V>)> {
    let mut groups: Vec<(String, Vec<V>)> = Vec::new();
    for (name, value) in values {
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

/// The smallest of at least one value that so many of a hundred do not exceed.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent).div_ceil(100).clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_kind() {
        let figures = Figures { text: "a\t1\t2\nb\t3\na\t4\t5\n".to_owned() };
        let lines: Vec<[&str; 2]> = figures.of_kind("a").map(Result::unwrap).collect();
        assert_eq!(lines, [["1", "2"], ["4", "5"]]);
        assert!(figures.of_kind::<2>("b").next().unwrap().is_err());
        assert_eq!(figures.of_kind::<1>("c").count(), 0);
    }

    #[test]
    fn groups_keep_their_order() {
        let groups = grouped([("b", 1), ("a", 2), ("b", 3)].map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(groups, [("b".to_owned(), vec![1, 3]), ("a".to_owned(), vec![2])]);
    }

    #[test]
    fn percentiles() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&values, percent)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert_eq!(percentile(&[7.0, 9.0], 0), 7.0);
    }
}
