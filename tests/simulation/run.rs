//! Many hours of many nodes; what fails is made small, and told as a command.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;

use crate::faults::{Fault, SECOND};
use crate::node::Ns;
use crate::play::{Play, Played};
use crate::seeds::{self, wanted};

/// `cargo xtask simulate` sets these: the first seed, how many hours, how long each node is watched, and what does not go
/// wrong.
const SEED: &str = "ANALYZER_SIMULATION_SEED";
const HOURS: &str = "ANALYZER_SIMULATION_HOURS";
const MINUTES: &str = "ANALYZER_SIMULATION_MINUTES";
const WITHOUT: &str = "ANALYZER_SIMULATION_WITHOUT";

/// Hours where nobody says how many. In these each kind of fault and of check comes about.
const HOURS_OF_CI: u64 = 16;
const HOUR: Ns = 3600 * SECOND;
const MINUTE: Ns = 60 * SECOND;
/// Most failures that are made small and shown.
const MOST_SHOWN: usize = 3;
/// Most others that are named.
const MOST_NAMED: usize = 20;

/// What is to be checked at least once in many hours.
const CHECKS: [&str; 8] = [
    "findings told",
    "findings counted",
    "violating packets that had to be told",
    "alerts that open or go on",
    "alerts cleared",
    "clearings checked",
    "entries healed",
    "books closed",
];

/// What many hours gave.
#[derive(Default)]
struct Sum {
    hours: u64,
    steps: u64,
    packets: u64,
    faults: BTreeMap<Fault, u64>,
    checks: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, (Ns, String)>,
}

impl Sum {
    /// What the node of one seed gave.
    fn of(seed: u64, played: Played) -> Self {
        let Played { failures, checks, faults, steps, packets, .. } = played;
        let failed = failures.into_iter().next().map(|failure| (seed, failure)).into_iter().collect();
        Self { hours: 1, steps, packets, faults, checks, failed }
    }

    fn with(mut self, other: Self) -> Self {
        let Self { hours, steps, packets, faults, checks, failed } = other;
        self.hours += hours;
        self.steps += steps;
        self.packets += packets;
        faults.into_iter().for_each(|(fault, times)| *self.faults.entry(fault).or_default() += times);
        checks.into_iter().for_each(|(check, times)| *self.checks.entry(check).or_default() += times);
        self.failed.extend(failed);
        self
    }
}

#[test]
fn the_daemon_says_what_the_observer_knows() {
    let first = wanted(SEED).unwrap_or(0);
    let hours = wanted(HOURS).unwrap_or(HOURS_OF_CI);
    let lasts = wanted(MINUTES).map_or(HOUR, |minutes| minutes * MINUTE);
    let without = without();
    let of = |seeds: &mut dyn Iterator<Item = u64>| {
        let of_seed = |seed| Sum::of(seed, Play::new(seed, &without).play(lasts));
        seeds.map(of_seed).fold(Sum::default(), Sum::with)
    };
    let sum = seeds::on_all_cores(first, hours, of, Sum::with);
    println!("{} nodes, {} steps, {} packets", sum.hours, sum.steps, sum.packets);
    println!("faults: {:?}\nchecks: {:?}", sum.faults, sum.checks);
    let mut told = String::new();
    for (seed, (at, what)) in sum.failed.iter().skip(MOST_SHOWN).take(MOST_NAMED) {
        let _ = writeln!(told, "seed {seed} after {:.3} s: {what}", *at as f64 / SECOND as f64);
    }
    for (&seed, failure) in sum.failed.iter().take(MOST_SHOWN) {
        let _ = writeln!(told, "{}", small(seed, lasts, &without, failure));
    }
    assert!(sum.failed.is_empty(), "{} of {} nodes:\n{told}", sum.failed.len(), sum.hours);
    if hours >= HOURS_OF_CI && without.is_empty() {
        let missing = Fault::ALL.into_iter().filter(|fault| !sum.faults.contains_key(fault)).collect::<Vec<_>>();
        assert!(missing.is_empty(), "never went wrong: {missing:?}");
        let missing = CHECKS.into_iter().filter(|check| !sum.checks.contains_key(check)).collect::<Vec<_>>();
        assert!(missing.is_empty(), "never checked: {missing:?}");
    }
}

#[test]
fn a_seed_decides_everything() {
    let told = || Play::new(3, &[]).play(20 * MINUTE);
    let (one, other) = (told(), told());
    assert_eq!(
        (one.steps, one.packets, one.checks, one.digest),
        (other.steps, other.packets, other.checks, other.digest)
    );
}

/// The failure with as few kinds of faults and in as short a time as it takes, and the command that shows it again.
fn small(seed: u64, lasts: Ns, without: &[Fault], failure: &(Ns, String)) -> String {
    let mut without = without.to_vec();
    let mut failure = failure.clone();
    let mut until = lasts.min(failure.0 + MINUTE);
    for fault in Fault::ALL {
        if without.contains(&fault) {
            continue;
        }
        without.push(fault);
        let played = Play::new(seed, &without).play(lasts);
        match played.failures.into_iter().next() {
            Some(other) if other.0 <= until => {
                until = other.0 + MINUTE;
                failure = other;
            }
            _ => drop(without.pop()),
        }
    }
    let minutes = until.div_ceil(MINUTE);
    let names: Vec<String> = without.iter().map(|fault| fault.name()).collect();
    let names = if names.is_empty() { String::new() } else { format!(" --without {}", names.join(",")) };
    let (at, what) = failure;
    format!(
        "after {:.3} s: {what}\n  cargo xtask simulate --seed {seed} --hours 1 --minutes {minutes}{names}",
        at as f64 / SECOND as f64
    )
}

fn without() -> Vec<Fault> {
    let names = env::var(WITHOUT).unwrap_or_default();
    let names = names.split(',').filter(|name| !name.is_empty());
    let known = || Fault::ALL.map(Fault::name).join(", ");
    names
        .map(|name| Fault::of(name).unwrap_or_else(|| panic!("no fault is called {name}; there are {}", known())))
        .collect()
}
