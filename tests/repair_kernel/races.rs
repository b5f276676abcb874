//! What changes between the decision and the deed is left alone.

use analyzer::engine::Engine;
use analyzer::engine::fact::{Connection, Fact};
use analyzer::engine::label::Rewrite;
use analyzer::engine::settings::Settings;
use analyzer::inputs::{self, Paths};
use analyzer::netlink::conntrack::Table;
use analyzer::netlink::conntrack::change::{Answer, Deletion, Update};
use analyzer::output::remedy::Datapath;
use analyzer::repair::journal::{By, Journal};
use analyzer::repair::plan::{Selection, Step, plan};
use analyzer::repair::rules::{Method, Refusal, Rules};
use analyzer::repair::{Outcome, kernel};
use analyzer::types::Timestamp;

use crate::ctnetlink::Writer;
use crate::netns::run;
use crate::world::{DEAD, Form, GW1, GW2, ROUTER_ZONE, World, flows, labelled};

fn rules(method: Method) -> Rules {
    Rules { method, settle: std::time::Duration::ZERO, tcp: true, unused: false, zone: None, ovs: None }
}

/// What is decided about the world as it is now.
fn decided(world: &World, method: Method) -> Vec<Step> {
    let paths = Paths {
        nexthops: vec![world.path("nexthops.toml")],
        ct_zones: vec![world.path("zones.txt")],
        logical_flows: vec![world.path("lflow-list.txt")],
        ..Paths::default()
    };
    let mut engine = Engine::new(Settings::default());
    inputs::load(&paths, &mut |fact| engine.add(fact)).expect("the files are ours");
    for (_, entry) in world.table() {
        engine.add(Fact::Connection(entry.connection));
    }
    let at = now();
    plan(engine.pins(at), &Selection::default(), &rules(method), 100, Some(Datapath::Kernel), at)
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn outcome(world: &World, method: Method, step: Step) -> Outcome {
    world.netns.inside(|| {
        let table = Table::open().expect("there is conntrack");
        let mut journal = Journal::new(world.path("journal.jsonl"), By::Command);
        kernel::repair(&table, &mut journal, step, &rules(method), now, false).outcome
    })
}

/// Neither the entry nor the journal is touched.
#[test]
fn what_a_signal_leaves_is_left_alone() {
    run(|| {
        let world = World::new("repair-signal")?;
        world.create(&[labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark)]);
        let before = world.table();
        for method in [Method::Delete, Method::Unpin, Method::Relabel] {
            let step = decided(&world, method).remove(0);
            let outcome = world.netns.inside(|| {
                let table = Table::open().expect("there is conntrack");
                let mut journal = Journal::new(world.path("journal.jsonl"), By::Command);
                kernel::repair(&table, &mut journal, step, &rules(method), now, true).outcome
            });
            assert_eq!(outcome, Outcome::Refused(Refusal::Interrupted));
        }
        assert_eq!(world.table(), before);
        assert!(world.journal().is_empty());
        Ok(())
    });
}

#[test]
fn an_entry_that_changes_meanwhile_is_left_alone() {
    run(|| {
        let world = World::new("repair-race")?;
        let entry = labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark);
        let other = labelled(flows(4001)[0], ROUTER_ZONE, GW1, Form::Mark);
        let mut writer = world.netns.inside(Writer::open);
        writer.create([&entry, &other]);
        for method in [Method::Delete, Method::Unpin, Method::Relabel] {
            type Change = fn(&mut Writer, &Connection);
            let changes: [(&str, Change, Refusal); 4] = [
                // The client's next packet came in by another gateway.
                (
                    "relabelled",
                    |writer, entry| {
                        let other = labelled(entry.reply, ROUTER_ZONE, GW2, Form::Mark);
                        writer.change(&other);
                    },
                    Refusal::EntryChanged("label"),
                ),
                (
                    "by another port",
                    |writer, entry| writer.change(&Connection { mark: 3 << 16 | 2, ..entry.clone() }),
                    Refusal::EntryChanged("port in the mark"),
                ),
                (
                    "made anew",
                    |writer, entry| {
                        // An id is made of the tuple and of the entry's place in memory: another takes that first.
                        let filler: Vec<Connection> =
                            (1..100).map(|port| labelled(flows(port)[0], 9, DEAD, Form::Mark)).collect();
                        writer.delete(entry);
                        writer.create(&filler);
                        writer.create([entry]);
                        filler.iter().for_each(|entry| writer.delete(entry));
                    },
                    Refusal::EntryChanged("id"),
                ),
                ("gone", |writer, entry| writer.delete(entry), Refusal::EntryGone),
            ];
            for (name, change, expected) in changes {
                let steps = decided(&world, method);
                let [step] = &steps[..] else { panic!("{name}: {steps:#?}") };
                change(&mut writer, &entry);
                let before = world.table();
                let outcome = outcome(&world, method, step.clone());
                assert_eq!(outcome, Outcome::Refused(expected), "{method:?} {name}");
                assert_eq!(world.table(), before, "{method:?} {name}");
                match name {
                    "gone" => writer.create([&entry]),
                    _ => writer.change(&entry),
                }
            }
            assert!(!world.path("journal.jsonl").exists(), "nothing was to be done");
            // Bits of the mark that mean other things may change at any time.
            let steps = decided(&world, method);
            writer.change(&Connection { mark: entry.mark ^ 1, ..entry.clone() });
            let outcome = outcome(&world, method, steps[0].clone());
            assert!(matches!(outcome, Outcome::Done { .. }), "{method:?}: {outcome}");
            std::fs::remove_file(world.path("journal.jsonl")).expect("it was written");
            if method != Method::Delete {
                writer.delete(&entry);
            }
            writer.create([&entry]);
        }
        Ok(())
    });
}

/// The journal waits for the disk; what changes meanwhile is seen, and is left alone.
#[test]
fn an_entry_that_changes_while_the_journal_is_written_is_left_alone() {
    run(|| {
        let world = World::new("repair-journal-race")?;
        let entry = labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark);
        world.create(std::slice::from_ref(&entry));
        for method in [Method::Delete, Method::Unpin, Method::Relabel] {
            let steps = decided(&world, method);
            let [step] = &steps[..] else { panic!("{steps:#?}") };
            let outcome = world.netns.inside(|| {
                let table = Table::open().expect("there is conntrack");
                let mut journal = Journal::new(world.path("journal.jsonl"), By::Command);
                // Asked for the time of the intent, which is after the first look.
                let clock = || {
                    Writer::open().change(&labelled(entry.reply, ROUTER_ZONE, GW2, Form::Mark));
                    now()
                };
                kernel::repair(&table, &mut journal, step.clone(), &rules(method), clock, false).outcome
            });
            assert_eq!(outcome, Outcome::Refused(Refusal::EntryChanged("label")), "{method:?}");
            let after = world.table();
            let label = labelled(entry.reply, ROUTER_ZONE, GW2, Form::Mark).label;
            let is_as_it_came = |left: &Connection| (left.label, left.mark) == (label, entry.mark);
            assert!(after.len() == 1 && after.values().all(|left| is_as_it_came(&left.connection)), "{after:#?}");
            let journal = world.journal();
            let last = journal.last().expect("the intent and its outcome were written");
            assert_eq!((&last["type"], &last["outcome"]), (&"outcome".into(), &"refused".into()));
            world.netns.inside(|| Writer::open().change(&entry));
        }
        assert_eq!(world.journal().len(), 6);
        Ok(())
    });
}

/// What the kernel itself refuses: another id, another zone, another tuple. And an update makes nothing.
#[test]
fn the_kernel_touches_nothing_but_the_entry_that_is_named() {
    run(|| {
        let world = World::new("repair-named")?;
        let entries: Vec<_> =
            flows(4000).into_iter().map(|flow| labelled(flow, ROUTER_ZONE, DEAD, Form::Mark)).collect();
        world.create(&entries);
        let before = world.table();
        world.netns.inside(|| {
            let table = Table::open().expect("there is conntrack");
            for (&(zone, orig), entry) in &before {
                let id = entry.connection.id.expect("the kernel tells it");
                let rewrite = Rewrite::relabel(GW1);
                let unknown = analyzer::types::Tuple { tp_src: 9, ..orig };
                for (orig, zone, id) in [(orig, zone, id ^ 1), (orig, 0, id), (orig, 36, id), (unknown, zone, id)] {
                    let answer = table.delete(Deletion::new(orig, zone, id)).expect("it answers");
                    assert_eq!(answer, Answer::NoSuchEntry, "{orig} {zone} {id}");
                }
                for (orig, zone) in [(orig, 0), (orig, 36), (unknown, zone)] {
                    let answer = table.update(Update::new(orig, zone, rewrite)).expect("it answers");
                    assert_eq!(answer, Answer::NoSuchEntry, "{orig} {zone}");
                }
            }
        });
        assert_eq!(world.table(), before);
        Ok(())
    });
}

/// A journal that cannot be written at the moment of the deed: nothing is done.
#[test]
fn without_a_journal_nothing_is_done() {
    run(|| {
        let world = World::new("repair-full")?;
        world.create(&[labelled(flows(4000)[0], ROUTER_ZONE, DEAD, Form::Mark)]);
        let before = world.table();
        let steps = decided(&world, Method::Delete);
        let outcome = world.netns.inside({
            let step = steps[0].clone();
            let path = world.path("no-folder").join("journal.jsonl");
            std::fs::write(world.path("no-folder"), "a file in the folder's place").expect("the folder is ours");
            move || {
                let table = Table::open().expect("there is conntrack");
                let mut journal = Journal::new(path, By::Daemon);
                kernel::repair(&table, &mut journal, step, &rules(Method::Delete), now, false).outcome
            }
        });
        assert!(
            matches!(&outcome, Outcome::Failed { reason, .. } if reason.contains("nothing was changed")),
            "{outcome}"
        );
        assert_eq!(world.table(), before);
        Ok(())
    });
}
