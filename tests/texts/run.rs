//! Many worlds, one damage each.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use crate::common::TempDir;
use crate::generate;
use crate::judge::{Answer, Damage, Texts, judge, packets};
use crate::many;
use crate::model::{Played, Verdict, play};
use crate::numbers::mix;
use crate::seeds::wanted;
use crate::shrink::shrink;
use crate::spoil::{Kind, Way};
use crate::world::World;

/// Worlds of the run of CI, and of a build that is not optimised.
const WORLDS: u64 = 4_000;
const FEW_WORLDS: u64 = 800;
/// Most kinds of faults that are made small and shown.
const MOST_SHOWN: usize = 12;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    /// What violates is called right, or nobody's, and nothing says that something could not be read.
    FalselyRight,
    /// A line of a capture tells of another packet than was printed.
    OtherPacket,
    /// A packet of a capture is lost, and nothing says so.
    LostPacket,
    /// What does not violate is called violating.
    FalseViolating,
    /// A command deletes an entry whose MAC does not violate.
    FalseCommand,
}

/// A fault by what was damaged, and the two verdicts where there are two.
type Found = (Fault, Damage, Option<(Verdict, Verdict)>);

/// The damage of a world: each has one.
fn damage_of(world: &World) -> Damage {
    let number = mix(world.seed ^ 0x5e7d) as usize;
    let kind = Kind::ALL[number % Kind::ALL.len()];
    Damage { kind, way: Way::ALL[number / Kind::ALL.len() % Way::ALL.len()] }
}

/// What came of a world.
#[derive(Default)]
struct Checked {
    faults: Vec<(Found, usize)>,
    /// Whether a text could not be read at all.
    is_refused: bool,
    /// Frames that the whole texts decide, and those of them that became undetermined.
    decided: u64,
    undetermined: u64,
}

fn check(world: &World, damage: Damage, folder: &Path) -> Checked {
    let played = play(world);
    let (whole, spoilt) = (Texts::of(world, &played, None), Texts::of(world, &played, Some(damage)));
    if damage.kind == Kind::Capture {
        return check_capture(&whole, &spoilt, damage, folder);
    }
    let by_whole = judge(world, &played, &whole, folder).expect("texts as the programs print them are read");
    let mut checked = Checked::default();
    let Ok(by_spoilt) = judge(world, &played, &spoilt, folder) else {
        checked.is_refused = true;
        return checked;
    };
    for index in 0..played.frames.len() {
        let (Some(right), Some(said)) = (by_whole.said.verdicts[index], by_spoilt.said.verdicts[index]) else {
            continue;
        };
        if right != Verdict::NotCovered && !right.is_undetermined() {
            checked.decided += 1;
            checked.undetermined += u64::from(said.is_undetermined());
        }
        // Who was heard is asked as of the last frame of those that are judged together, and lost next hops make that another.
        let is_of_time = matches!(right, Verdict::AsymmetricGateway | Verdict::OtherUndetermined);
        if is_of_time && by_whole.runs[index] != by_spoilt.runs[index] {
            continue;
        }
        let is_it = |fault: &Fault| !is_owned_up_to(*fault, index, &spoilt, &by_spoilt);
        if let Some(fault) = fault(right, said, by_spoilt.said.commands[index]).filter(is_it) {
            checked.faults.push(((fault, damage, Some((right, said))), index));
        }
    }
    checked
}

fn fault(right: Verdict, said: Verdict, names_entry: bool) -> Option<Fault> {
    match (right.is_violating(), said.is_violating()) {
        (false, true) if names_entry => Some(Fault::FalseCommand),
        (false, true) => Some(Fault::FalseViolating),
        (true, false) if !said.is_undetermined() => Some(Fault::FalselyRight),
        (false, false) if right.is_undetermined() && said == Verdict::Conforming => Some(Fault::FalselyRight),
        _ => None,
    }
}

/// Whether it is said: what is called right carries a gap, or the run tells of one. What is called violating though it is not
/// may only be so for what is missing without a trace, and says that it takes that for granted.
fn is_owned_up_to(fault: Fault, index: usize, spoilt: &Texts, by_spoilt: &Answer) -> bool {
    match fault {
        Fault::FalselyRight => !spoilt.shows_damage || by_spoilt.is_lossy,
        _ => !spoilt.shows_damage && !by_spoilt.said.assumes[index].is_empty(),
    }
}

/// Each packet of a damaged capture is one that was printed, and if one is missing, lines were passed over.
fn check_capture(whole: &Texts, spoilt: &Texts, damage: Damage, folder: &Path) -> Checked {
    let (printed, _) = packets(whole, folder).unwrap_or_default();
    let mut checked = Checked::default();
    let Ok((read, is_lossy)) = packets(spoilt, folder) else {
        checked.is_refused = true;
        return checked;
    };
    let mut others = printed.iter();
    if !spoilt.shows_damage {
        return checked;
    }
    if let Some(index) = read.iter().position(|packet| !others.any(|printed| printed == packet)) {
        checked.faults.push(((Fault::OtherPacket, damage, None), index));
    } else if read.len() < printed.len() && !is_lossy {
        checked.faults.push(((Fault::LostPacket, damage, None), read.len()));
    }
    checked
}

/// What many worlds gave.
#[derive(Default)]
struct Report {
    worlds: u64,
    refused: u64,
    faults: BTreeMap<Found, (u64, u64)>,
    undetermined: BTreeMap<Damage, (u64, u64)>,
}

impl Report {
    fn of(first: u64, worlds: u64) -> Self {
        let of = |worlds: &mut dyn Iterator<Item = World>| {
            let folder = TempDir::new();
            let mut report = Self::default();
            for world in worlds {
                let damage = damage_of(&world);
                report.add(&world, damage, &check(&world, damage, folder.path()));
            }
            report
        };
        many::on_all_cores(first, worlds, of, Self::with)
    }

    fn add(&mut self, world: &World, damage: Damage, checked: &Checked) {
        self.worlds += 1;
        self.refused += u64::from(checked.is_refused);
        let sum = self.undetermined.entry(damage).or_default();
        *sum = (sum.0 + checked.decided, sum.1 + checked.undetermined);
        for (found, _) in &checked.faults {
            self.faults.entry(*found).or_insert((0, world.seed)).0 += 1;
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.worlds += other.worlds;
        self.refused += other.refused;
        for (damage, (decided, undetermined)) in other.undetermined {
            let sum = self.undetermined.entry(damage).or_default();
            *sum = (sum.0 + decided, sum.1 + undetermined);
        }
        for (found, (times, seed)) in other.faults {
            let sum = self.faults.entry(found).or_insert((0, seed));
            *sum = (sum.0 + times, sum.1.min(seed));
        }
        self
    }

    /// Shows the smallest worlds of what is wrong, the worst first.
    fn present(&self) {
        let folder = TempDir::new();
        for (number, (found, (_, seed))) in self.faults.iter().rev().take(MOST_SHOWN).enumerate() {
            let damage = found.1;
            let shows = |world: &World| check(world, damage, folder.path()).faults.iter().any(|one| one.0 == *found);
            let small = shrink(generate::world(*seed), &shows);
            let played = play(&small);
            let (whole, spoilt) = (Texts::of(&small, &played, None), Texts::of(&small, &played, Some(damage)));
            println!("\n{found:?} (world {seed})");
            for (_, index) in check(&small, damage, folder.path()).faults.iter().filter(|one| one.0 == *found).take(1) {
                match damage.kind {
                    Kind::Capture => {
                        let told = packets(&spoilt, folder.path()).unwrap_or_default().0;
                        println!("packet {index}: {:?}", told.get(*index));
                    }
                    _ => println!("frame {index}: {:?}", played.frames.get(*index)),
                }
            }
            println!("whole:\n{}damaged:\n{}", whole.text(damage.kind), spoilt.text(damage.kind));
            for (name, texts) in [("whole", whole), ("damaged", spoilt)] {
                let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("texts/{number}/{name}"));
                fs::create_dir_all(&written).expect("the folder of the build is ours");
                texts.write(&written).expect("the folder of the build is ours");
                println!("as a folder for `analyzer replay`: {}", written.display());
            }
        }
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} worlds, {} with a text that could not be read at all", self.worlds, self.refused)?;
        writeln!(out, "undetermined where a text is damaged, of the frames that the whole texts decide")?;
        for (Damage { kind, way }, (decided, undetermined)) in &self.undetermined {
            let share = 100.0 * *undetermined as f64 / (*decided).max(1) as f64;
            writeln!(out, "  {share:>8.2} % of {decided:>7} {kind:?} {way:?}")?;
        }
        for (found, (times, seed)) in self.faults.iter().rev() {
            writeln!(out, "WRONG: {times} times {found:?} (world {seed})")?;
        }
        Ok(())
    }
}

#[test]
fn damaged_texts_make_nobody_guilty() {
    let is_optimised = !cfg!(debug_assertions);
    let worlds = wanted(many::WORLDS).unwrap_or(if is_optimised { WORLDS } else { FEW_WORLDS });
    let report = Report::of(wanted(many::SEED).unwrap_or(0), worlds);
    println!("{report}");
    report.present();
    assert!(report.faults.is_empty(), "{} kinds of faults", report.faults.len());
    assert!(report.refused * 3 < report.worlds, "most texts are read in part: {} are refused", report.refused);
}
