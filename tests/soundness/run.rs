//! Many worlds: what differs that is not known, what is known and no longer differs, and how much becomes undetermined.

use std::collections::BTreeMap;
use std::env;
use std::fmt::{self, Display, Formatter};

use crate::check::{Checked, Difference, Fault, Shown, check};
use crate::figures::{FIGURES, Figure};
use crate::flips::{FLIPS, Flips, is_known_flip};
use crate::known::{KNOWN, Known, known};
use crate::many;
use crate::model::Verdict;
use crate::seeds::wanted;
use crate::show;
use crate::shrink::shrink;
use crate::world::World;
use crate::{case, generate};

/// Worlds of the run of CI: a minute on two cores, where the engine is optimised. The lists hold for so many.
const WORLDS: u64 = 100_000;
/// Worlds where it is not: a first look.
const FEW_WORLDS: u64 = 1000;
/// `cargo xtask soundness` sets it.
const KNOWN_WANTED: &str = "ANALYZER_SOUNDNESS_KNOWN";
/// Most failures that are made small and shown.
const MOST_SHOWN: usize = 5;

/// Verdicts that the worlds have to reach.
const REACHED: [Verdict; 11] = [
    Verdict::NotCovered,
    Verdict::NoNexthopData,
    Verdict::Unresolved,
    Verdict::Conforming,
    Verdict::Grace,
    Verdict::AsymmetricGateway,
    Verdict::UnknownMac,
    Verdict::StaleNeighbour,
    Verdict::FormerNexthop,
    Verdict::NexthopDown,
    Verdict::StaleConntrack,
];

/// What a difference is told apart by.
type Kind = (Shown, Fault, Option<(Verdict, Verdict)>);

fn kind(one: &Difference) -> Kind {
    (one.shown, one.fault, one.verdicts)
}

/// How often something occurred, and the first world in which it did.
#[derive(Clone, Copy, Debug)]
struct Count {
    times: u64,
    seed: u64,
}

/// What many worlds gave.
#[derive(Default)]
struct Report {
    worlds: u64,
    frames: u64,
    at_the_edge: u64,
    verdicts: BTreeMap<Verdict, u64>,
    known: BTreeMap<&'static str, Count>,
    flips: BTreeMap<(Shown, Fault), Count>,
    unknown: BTreeMap<Kind, Count>,
    undetermined: BTreeMap<Shown, (u64, u64)>,
}

fn count<K: Ord>(counts: &mut BTreeMap<K, Count>, key: K, seed: u64) {
    counts.entry(key).or_insert(Count { times: 0, seed }).times += 1;
}

fn join<K: Ord>(counts: &mut BTreeMap<K, Count>, others: BTreeMap<K, Count>) {
    for (key, other) in others {
        let sum = counts.entry(key).or_insert(Count { times: 0, ..other });
        *sum = Count { times: sum.times + other.times, seed: sum.seed.min(other.seed) };
    }
}

impl Report {
    /// Tries so many worlds from the seed on, on all cores.
    fn of(first: u64, worlds: u64) -> Self {
        let of = |worlds: &mut dyn Iterator<Item = World>| {
            let mut report = Self::default();
            worlds.for_each(|world| report.add(&world, &check(&world)));
            report
        };
        many::on_all_cores(first, worlds, of, Self::with)
    }

    fn with(mut self, other: Self) -> Self {
        self.worlds += other.worlds;
        self.frames += other.frames;
        self.at_the_edge += other.at_the_edge;
        other.verdicts.into_iter().for_each(|(verdict, times)| *self.verdicts.entry(verdict).or_default() += times);
        for (shown, (decided, undetermined)) in other.undetermined {
            let sum = self.undetermined.entry(shown).or_default();
            *sum = (sum.0 + decided, sum.1 + undetermined);
        }
        join(&mut self.known, other.known);
        join(&mut self.flips, other.flips);
        join(&mut self.unknown, other.unknown);
        self
    }

    fn add(&mut self, world: &World, checked: &Checked) {
        self.worlds += 1;
        self.frames += checked.truth.len() as u64;
        self.at_the_edge += checked.at_the_edge;
        checked.truth.iter().for_each(|&verdict| *self.verdicts.entry(verdict).or_default() += 1);
        for &(shown, decided, undetermined) in &checked.undetermined {
            let sum = self.undetermined.entry(shown).or_default();
            *sum = (sum.0 + decided, sum.1 + undetermined);
        }
        for one in &checked.differences {
            match name(world, checked, one) {
                Name::Difference(name) => count(&mut self.known, name, world.seed),
                Name::Flip => count(&mut self.flips, (one.shown, one.fault), world.seed),
                Name::Unknown => count(&mut self.unknown, kind(one), world.seed),
            }
        }
    }

    /// Percent of the frames that become undetermined where a kind is left out or damaged.
    fn share(&self, shown: Shown) -> f64 {
        let (decided, undetermined) = self.undetermined.get(&shown).copied().unwrap_or_default();
        100.0 * undetermined as f64 / decided.max(1) as f64
    }

    /// Shows the smallest worlds of a known difference, of all of them, or of a flip: `Bfd/FalseCommand`.
    fn present_known(&self, wanted: &str) {
        for (known, count) in self.known.iter().filter(|(known, _)| wanted == "all" || **known == wanted) {
            let shows = |world: &World, checked: &Checked| {
                checked.differences.iter().any(|one| name(world, checked, one) == Name::Difference(known))
            };
            present(known, count.seed, &shows);
        }
        let wanted_flips = self.flips.iter().filter(|((shown, fault), _)| flip_name(*shown, *fault) == wanted);
        for (&(shown, fault), count) in wanted_flips {
            let shows = |world: &World, checked: &Checked| {
                let is_it = |one: &Difference| (one.shown, one.fault) == (shown, fault);
                checked.differences.iter().any(|one| is_it(one) && name(world, checked, one) == Name::Flip)
            };
            present(&wanted.replace('/', "-"), count.seed, &shows);
        }
    }

    /// Shows the smallest worlds of what is not known, the worst first.
    fn present_unknown(&self) {
        for (number, (unknown, count)) in self.unknown.iter().rev().take(MOST_SHOWN).enumerate() {
            let shows = |world: &World, checked: &Checked| {
                checked
                    .differences
                    .iter()
                    .any(|one| kind(one) == *unknown && name(world, checked, one) == Name::Unknown)
            };
            present(&format!("not-known-{number}"), count.seed, &shows);
        }
    }

    /// Entries of the lists that did not occur.
    fn gone(&self) -> Vec<String> {
        let is_gone = |known: &&Known| !known.is_seldom && !self.known.contains_key(known.name);
        let known = KNOWN.iter().filter(is_gone).map(|known| known.name.to_owned());
        let of_kind = |flips: &'static Flips| flips.faults.iter().map(|&(fault, _)| (flips.shown, fault));
        let flips = FLIPS.iter().flat_map(of_kind).filter(|flip| !self.flips.contains_key(flip));
        known.chain(flips.map(|(shown, fault)| flip_name(shown, fault))).collect()
    }

    /// Flips that occur more often than they did.
    fn grown(&self) -> Vec<String> {
        let of_kind = |flips: &'static Flips| flips.faults.iter().map(|&(fault, most)| (flips.shown, fault, most));
        let times = |shown, fault| self.flips.get(&(shown, fault)).map_or(0, |count| count.times);
        let grown = FLIPS.iter().flat_map(of_kind).filter(|&(shown, fault, most)| times(shown, fault) > most);
        grown
            .map(|(shown, fault, most)| format!("{} {}, not {most}", flip_name(shown, fault), times(shown, fault)))
            .collect()
    }

    /// Figures that are not what is committed.
    fn moved(&self) -> Vec<String> {
        let is_moved = |figure: &&Figure| (self.share(figure.shown) - figure.percent).abs() > figure.tolerance;
        let moved = FIGURES.iter().filter(is_moved);
        moved.map(|it| format!("{:?}: {:.2} %, not {} %", it.shown, self.share(it.shown), it.percent)).collect()
    }
}

/// Where a difference belongs.
#[derive(PartialEq)]
enum Name {
    Difference(&'static str),
    Flip,
    Unknown,
}

fn name(world: &World, checked: &Checked, one: &Difference) -> Name {
    match (!one.shown.is_less()).then(|| known(world, &checked.played, one)).flatten() {
        Some(known) => Name::Difference(known.name),
        None if is_known_flip(one) => Name::Flip,
        None => Name::Unknown,
    }
}

fn flip_name(shown: Shown, fault: Fault) -> String {
    match shown {
        Shown::Without(omitted) => format!("{omitted:?}/{fault:?}"),
        Shown::Damaged(damage) => format!("damaged-{damage:?}/{fault:?}"),
        Shown::Whole | Shown::TableOfAnotherMoment => format!("{shown:?}/{fault:?}"),
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} worlds, {} frames", self.worlds, self.frames)?;
        writeln!(out, "{} differences at the edge of the window passed over", self.at_the_edge)?;
        for (verdict, times) in &self.verdicts {
            writeln!(out, "  {times:>9} {verdict:?}")?;
        }
        writeln!(
            out,
            "undetermined where a kind is left out or damaged, of the frames that are decided with all of it"
        )?;
        for &shown in self.undetermined.keys() {
            writeln!(out, "  {:>8.2} % {shown:?}", self.share(shown))?;
        }
        writeln!(out, "known differences")?;
        for known in KNOWN {
            let Some(Count { times, seed }) = self.known.get(known.name) else { continue };
            writeln!(out, "  {times:>9} {} (world {seed}): {}", known.name, known.reason)?;
        }
        writeln!(out, "known flips where a kind is left out or damaged")?;
        for flips in FLIPS {
            writeln!(out, "  {:?}: {}", flips.shown, flips.reason)?;
            for (&(shown, fault), Count { times, seed }) in &self.flips {
                if shown == flips.shown {
                    writeln!(out, "    {times:>9} {fault:?} (world {seed})")?;
                }
            }
        }
        for (kind, Count { times, seed }) in self.unknown.iter().rev() {
            writeln!(out, "NOT KNOWN: {times} times {kind:?} (world {seed})")?;
        }
        Ok(())
    }
}

/// Prints the smallest world that still shows what `shows` says, and writes it as a case.
fn present(title: &str, seed: u64, shows: &dyn Fn(&World, &Checked) -> bool) {
    let small = shrink(generate::world(seed), &|world| shows(world, &check(world)));
    let checked = check(&small);
    println!("\n{title}\n{}", show::Shown(&small, &checked));
    match case::write(&small, &checked.played, title) {
        Ok(folder) => println!("as a case for `analyzer replay`: {}", folder.display()),
        Err(error) => println!("no case was written: {error}"),
    }
}

#[test]
fn the_engine_says_what_the_model_says() {
    let worlds = wanted(many::WORLDS);
    let first = wanted(many::SEED).unwrap_or(0);
    let is_optimised = !cfg!(debug_assertions);
    let report = Report::of(first, worlds.unwrap_or(if is_optimised { WORLDS } else { FEW_WORLDS }));
    println!("{report}");
    if let Ok(wanted) = env::var(KNOWN_WANTED) {
        report.present_known(&wanted);
    }
    report.present_unknown();
    assert!(report.unknown.is_empty(), "{} kinds of differences are not known", report.unknown.len());
    if worlds.is_none() && is_optimised {
        let unreached: Vec<_> = REACHED.iter().filter(|verdict| !report.verdicts.contains_key(verdict)).collect();
        assert!(unreached.is_empty(), "no world gives {unreached:?}");
        let gone = report.gone();
        assert!(gone.is_empty(), "these no longer occur, take them off the lists: {}", gone.join(", "));
        let grown = report.grown();
        assert!(grown.is_empty(), "these occur more often than before: {}", grown.join(", "));
        let moved = report.moved();
        assert!(moved.is_empty(), "what becomes undetermined has changed: {}", moved.join("; "));
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let once: Vec<World> = (0..50).map(generate::world).collect();
    let again: Vec<World> = (0..50).map(generate::world).collect();
    assert_eq!(once, again);
    assert!(once.windows(2).all(|pair| pair[0] != pair[1]));
}
