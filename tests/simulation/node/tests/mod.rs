//! Whether the node is what it claims to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use analyzer::engine::fact::Connection;
use analyzer::netlink::conntrack::events::Event;
use analyzer::netlink::link::{Link, LinkChange};
use analyzer::ovsdb::row::{Change, Row};

use super::parts::SECOND;
use super::*;

mod eras;
mod frames;
mod verdicts;

const HOUR: Ns = 3_600 * SECOND;

/// What happens on a node in so much time, and all that happens at the moment at which it is over.
fn happenings(node: &mut Node, time: Ns) -> Vec<(Ns, Happening)> {
    let end = node.now + time;
    let mut happenings = Vec::new();
    while node.now < end || !node.ready.is_empty() {
        happenings.push(node.next());
    }
    happenings
}

#[test]
fn the_same_seed_gives_the_same() {
    let of = |seed| happenings(&mut Node::new(seed), HOUR / 4);
    for seed in 0..4 {
        assert_eq!(of(seed), of(seed));
        assert_ne!(of(seed), of(seed + 100));
    }
}

/// Whether a change of a row bears on next hops: not one that confirms what stands already.
fn is_of_next_hops(change: &Change) -> bool {
    let mac = |row: &Option<Arc<Row>>| row.as_ref().and_then(|row| row.text("mac").map(str::to_owned));
    match &*change.table {
        "Logical_Router_Static_Route" | "BFD" => true,
        "MAC_Binding" => mac(&change.old) != mac(&change.new),
        _ => false,
    }
}

/// Prints how much of what happens in an hour.
#[test]
fn an_hour_is_busy() {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..20 {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, happening) in happenings(&mut Node::new(seed), HOUR) {
            let mut count = |what| *counts.entry(what).or_default() += 1;
            match happening {
                Happening::Out(out) => {
                    count("runs");
                    match out.truth {
                        Truth { is_legal: true, .. } => {}
                        Truth { is_alive: true, .. } => count("runs to a box that lives and is no next hop"),
                        _ => count("runs to a dead MAC"),
                    }
                    if out.by_label.is_some() {
                        count("runs by label");
                    }
                }
                Happening::In { .. } => count("frames in"),
                Happening::Aside { .. } => count("frames that no pod sent"),
                Happening::Rows { changes, .. } => {
                    count("transactions");
                    if changes.iter().any(is_of_next_hops) {
                        count("changes of next hops");
                    }
                }
                Happening::Entry(_) => count("events of entries"),
                Happening::Links(_) => count("changes of links"),
            }
        }
        assert!(counts["runs"] >= 1_000 && counts["changes of next hops"] >= 10, "{seed}: {counts:?}");
        counts.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
    }
    all.iter().for_each(|(what, count)| println!("{what}: {} an hour", count / 20));
    assert!(all.keys().len() == 10, "all of it happens: {all:?}");
}

#[test]
fn nothing_comes_to_a_standstill() {
    for seed in 0..4 {
        let mut node = Node::new(seed);
        while node.now < 24 * HOUR {
            node.next();
        }
        let last = happenings(&mut node, HOUR);
        let runs = last.iter().filter(|(_, happening)| matches!(happening, Happening::Out(_)));
        assert!(runs.count() >= 1_000);
        let bears = |changes: &[Change]| changes.iter().any(is_of_next_hops);
        let changes = last.iter().filter(|(_, what)| matches!(what, Happening::Rows { changes, .. } if bears(changes)));
        assert!(changes.count() >= 40);
        assert!(node.queue.len() < 1_000 && node.table.iter().count() < 1_000, "nothing piles up");
    }
}

/// All rows and links of a node, as happenings.
fn dumps(node: &Node) -> Vec<Happening> {
    let rows = Which::ALL.map(|which| Happening::Rows { which, changes: node.rows(which) });
    rows.into_iter().chain([Happening::Links(node.links())]).collect()
}

/// What somebody knows who follows a node.
#[derive(Default, PartialEq, Debug)]
struct Followed {
    rows: BTreeMap<(Which, Arc<str>, Arc<str>), Arc<Row>>,
    links: BTreeMap<u32, Link>,
}

impl Followed {
    fn follow(&mut self, happening: Happening) {
        match happening {
            Happening::Rows { which, changes } => {
                for Change { table, old, new } in changes {
                    let row = old.as_ref().or(new.as_ref()).expect("a row");
                    let id = (which, table, Arc::clone(&row.uuid));
                    assert_eq!(self.rows.remove(&id), old, "{id:?}");
                    self.rows.extend(new.map(|row| (id, row)));
                }
            }
            Happening::Links(changes) => {
                for change in changes {
                    match change {
                        LinkChange::Present(link) => drop(self.links.insert(link.ifindex, link)),
                        LinkChange::Gone { ifindex } => assert!(self.links.remove(&ifindex).is_some()),
                    }
                }
            }
            Happening::Out(Out { ifindex, .. }) | Happening::In { ifindex, .. } | Happening::Aside { ifindex, .. } => {
                assert!(self.links[&ifindex].can_carry());
            }
            Happening::Entry(_) => {}
        }
    }
}

#[test]
fn changes_add_up_to_the_rows_and_the_links() {
    for seed in 0..10 {
        let mut node = Node::new(seed);
        let (mut followed, mut dumped) = (Followed::default(), Followed::default());
        dumps(&node).into_iter().for_each(|dump| followed.follow(dump));
        happenings(&mut node, HOUR).into_iter().for_each(|(_, happening)| followed.follow(happening));
        dumps(&node).into_iter().for_each(|dump| dumped.follow(dump));
        assert_eq!(followed, dumped);
    }
}

#[test]
fn events_tell_of_every_entry() {
    for seed in 0..10 {
        let mut node = Node::new(seed);
        let mut known: BTreeMap<Option<u32>, Option<Connection>> = BTreeMap::new();
        let mut deleted = 0;
        for _ in 0..20_000 {
            let happening = node.next().1;
            match happening {
                Happening::Entry(Event::Changed(entry)) => drop(known.insert(entry.id, Some(entry))),
                Happening::Entry(Event::Touched { id, .. }) => drop(known.entry(id).or_insert(None)),
                Happening::Entry(Event::Destroyed { id, .. }) => assert!(known.remove(&id).is_some()),
                _ => {}
            }
            if !node.ready.is_empty() {
                continue;
            }
            let labelled: Vec<&Connection> = node.labelled().collect();
            let mut told: Vec<&Connection> = known.values().flatten().collect();
            told.sort_by_key(|entry| entry.id);
            assert_eq!(labelled, told);
            assert_eq!(known.len(), node.table.iter().count());
            if node.numbers.clone().below(500) == 0
                && let Some(entry) = labelled.first().copied().cloned()
            {
                assert_eq!(node.entry(entry.reply, entry.zone).as_ref(), Some(&entry));
                assert_eq!(node.delete(entry.orig, entry.zone).as_ref(), Some(&entry));
                assert_eq!(node.entry(entry.orig, entry.zone), None);
                deleted += 1;
            }
        }
        assert!(deleted > 0);
    }
}
