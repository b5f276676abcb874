//! Evidence that is damaged: rows that are lost, each with a gap of its scope. What of a row can be read all the same differs.

use std::collections::BTreeSet;
use std::mem;

use analyzer_engine::fact::{BindingKind, Connection, Fact, Gap, LostEntry, LostTuple, Scope};
use analyzer_engine::types::{Place, Position, Timestamp, Tuple, Validity};

use crate::numbers::{Numbers, mix};
use crate::world::World;

/// A kind of evidence of which rows are lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Damage {
    /// Rows of routes, learned ones too.
    Routes,
    /// `MAC_Binding`.
    Bindings,
    /// `Static_MAC_Binding`.
    StaticBindings,
    /// `BFD`.
    Bfd,
    /// `Logical_Router_Port` and `Port_Binding`.
    Ports,
    /// Names of conntrack zones.
    Zones,
    /// Lines of the conntrack table.
    Conntrack,
    /// What OVN itself is and does.
    Behaviour,
    /// All that the databases tell from some moment on.
    End,
}

impl Damage {
    /// Every kind.
    pub(crate) const ALL: [Self; 9] = [
        Self::Routes,
        Self::Bindings,
        Self::StaticBindings,
        Self::Bfd,
        Self::Ports,
        Self::Zones,
        Self::Conntrack,
        Self::Behaviour,
        Self::End,
    ];

    /// The kind that a world is damaged by: one for each, so that the run takes no longer.
    pub(crate) fn of(world: &World) -> Self {
        Self::ALL[(mix(world.seed) % Self::ALL.len() as u64) as usize]
    }

    fn may_lose(self, fact: &Fact) -> bool {
        match (self, fact) {
            (Self::Bindings, Fact::Binding(binding)) => binding.kind == BindingKind::MacBinding,
            (Self::StaticBindings, Fact::Binding(binding)) => binding.kind != BindingKind::MacBinding,
            (Self::Routes, Fact::Route(_))
            | (Self::Bfd, Fact::Bfd(_))
            | (Self::Ports, Fact::RouterPort(_))
            | (Self::Zones, Fact::Zone(_))
            | (Self::Conntrack, Fact::Connection(_))
            | (Self::Behaviour, Fact::Ovn(_)) => true,
            _ => false,
        }
    }
}

/// The facts without what is lost, with gaps in the place of that.
pub(crate) fn damaged(world: &World, mut facts: Vec<Fact>, damage: Damage) -> Vec<Fact> {
    let mut numbers = Numbers::new(mix(!world.seed));
    if damage == Damage::End {
        return without_end(facts, &mut numbers);
    }
    let count = facts.iter().filter(|fact| damage.may_lose(fact)).count();
    let always = if count > 0 { numbers.next() as usize % count } else { 0 };
    for (number, fact) in facts.iter_mut().filter(|fact| damage.may_lose(fact)).enumerate() {
        let is_lost = number == always || numbers.percent(25);
        if is_lost {
            let gap = gap(fact, &mut numbers);
            *fact = Fact::Gap(gap);
        }
    }
    facts
}

fn place(line: u64) -> Place {
    Place { file: "lost".into(), position: Position::Line(line as usize) }
}

/// The gap that a lost row leaves.
fn gap(fact: &Fact, numbers: &mut Numbers) -> Gap {
    let mut readable = || numbers.percent(50);
    let scope = match fact {
        Fact::Route(route) => Scope::Routes {
            router: route.router.clone().filter(|_| readable()),
            policy: Some(route.policy).filter(|_| readable()),
            prefix: Some(route.prefix).filter(|_| readable()),
        },
        Fact::Binding(row) if row.kind == BindingKind::MacBinding => {
            Scope::Bindings { ip: Some(row.ip).filter(|_| readable()) }
        }
        Fact::Binding(row) => Scope::StaticBindings { ip: Some(row.ip).filter(|_| readable()) },
        Fact::Bfd(row) => Scope::Bfd { peer: Some(row.dst_ip).filter(|_| readable()) },
        Fact::RouterPort(_) => Scope::Ports,
        Fact::Zone(_) => Scope::Zones,
        Fact::Ovn(_) => Scope::Behaviour,
        Fact::Connection(entry) => Scope::Connections(lost_entry(entry, &mut readable)),
        other => panic!("none that is lost: {other:?}"),
    };
    let validity = fact.validity().unwrap_or(Validity::ALWAYS);
    Gap { scope, place: place(numbers.next() % 1000), validity }
}

fn lost_entry(entry: &Connection, readable: &mut impl FnMut() -> bool) -> LostEntry {
    let nw_proto = Some(entry.orig.nw_proto).filter(|_| readable());
    let mut tuple = |tuple: Tuple| LostTuple {
        src: Some(tuple.src).filter(|_| readable()),
        dst: Some(tuple.dst).filter(|_| readable()),
        sport: Some(tuple.tp_src).filter(|_| readable()),
        dport: Some(tuple.tp_dst).filter(|_| readable()),
    };
    LostEntry { nw_proto, orig: tuple(entry.orig), reply: tuple(entry.reply), may_be_labelled: entry.label != 0 }
}

/// The databases end at the date of one of their changes.
fn without_end(mut facts: Vec<Fact>, numbers: &mut Numbers) -> Vec<Fact> {
    let bounds = facts.iter().filter_map(Fact::validity).flat_map(|validity| [validity.from, validity.until]);
    let dates: BTreeSet<Timestamp> = bounds.flatten().collect();
    let Some(&end) = dates.iter().nth((numbers.next() % dates.len().max(1) as u64) as usize) else { return facts };
    facts.retain(|fact| fact.validity().is_none_or(|validity| validity.from.is_none_or(|from| from <= end)));
    for validity in facts.iter_mut().filter_map(Fact::validity_mut) {
        let until = mem::take(&mut validity.until);
        validity.until = until.filter(|&until| until <= end);
    }
    let validity = Validity { from: Some(end), until: None };
    facts.push(Fact::Gap(Gap { scope: Scope::End { bears: true }, place: place(0), validity }));
    facts
}
