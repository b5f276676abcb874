//! Classes: flows of one combination share their verdict, and ids stay.

use core::net::IpAddr;

use analyzer_ebpf::abi::Direction;
use hashbrown::HashMap;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::live::live;
use super::random;
use super::world::*;
use crate::Engine;
use crate::classes::{ClassChange, Classes, Classifier, Combination};
use crate::fact::{Bfd, BfdStatus, Fact, Route, RouterPort};
use crate::observation::Observation;
use crate::types::{IpPrefix, Tuple, Validity};
use crate::verdict::Verdict;

fn apply(classes: &mut Classes, change: ClassChange) {
    for (prefix, class) in change.sources {
        match class {
            Some(class) => classes.sources.insert(prefix, class),
            None => classes.sources.remove(&prefix),
        };
    }
    for (prefix, class) in change.destinations {
        match class {
            Some(class) => classes.destinations.insert(prefix, class),
            None => classes.destinations.remove(&prefix),
        };
    }
}

/// Classes with ids by first appearance, by prefix.
fn renamed(classes: &Classes) -> impl PartialEq + core::fmt::Debug + use<> {
    let mut sources: Vec<_> = classes.sources.iter().collect();
    sources.sort_by_key(|(prefix, _)| **prefix);
    let mut destinations: Vec<_> = classes.destinations.iter().collect();
    destinations.sort_by_key(|(prefix, _)| **prefix);
    fn rename(ids: &mut HashMap<(bool, u16), usize>, prefix: IpPrefix, id: u16) -> usize {
        let next = ids.len();
        *ids.entry((prefix.addr().is_ipv4(), id)).or_insert(next)
    }
    let mut ids = HashMap::new();
    let sources: Vec<_> = sources
        .into_iter()
        .map(|(&prefix, class)| (prefix, rename(&mut ids, prefix, class.id), class.is_final, class.is_routed))
        .collect();
    let mut ids = HashMap::new();
    let destinations: Vec<_> =
        destinations.into_iter().map(|(&prefix, &id)| (prefix, rename(&mut ids, prefix, id))).collect();
    (sources, destinations)
}

/// Pods with two next hops each behind one gateway router, as OVN-Kubernetes sets them up.
fn pods(count: u32) -> Vec<Fact> {
    let on_router = |route: Route| Route { router: router(ROUTER), ..route };
    let mut facts = vec![
        Fact::RouterPort(RouterPort { router: router(ROUTER), ..port() }),
        Fact::Route(on_router(route_to("0.0.0.0/0", "198.19.3.1"))),
        Fact::Route(on_router(Route { output_port: None, ..route_to("10.128.0.0/14", "100.64.0.1") })),
        Fact::Binding(binding("198.19.3.1", GW1)),
        Fact::Binding(binding("198.19.3.15", GW15)),
        Fact::Binding(binding("198.19.3.16", GW16)),
    ];
    for number in 0..count {
        let mut nexthops = ["198.19.3.15", "198.19.3.16"];
        // Rows come in any order.
        nexthops.rotate_left(number as usize % 2);
        for nexthop in nexthops {
            facts.push(Fact::Route(pod_route(number, nexthop)));
        }
    }
    facts
}

fn pod_route(number: u32, nexthop: &str) -> Route {
    let addr = core::net::Ipv4Addr::from_bits(0x0a80_0000 + number);
    Route { router: router(ROUTER), ..route(&addr.to_string(), nexthop) }
}

fn told(facts: &[Fact]) -> Engine {
    let mut engine = Engine::new(World::empty().settings);
    facts.iter().for_each(|fact| engine.begin(fact.clone(), None));
    engine.epochs();
    engine
}

#[test]
fn pods_of_one_kind_share_a_class() {
    let mut engine = told(&pods(100));
    let mut classifier = Classifier::default();
    assert_eq!(engine.classify(&mut classifier, at(0)).sources.len(), 101);
    let class = |classifier: &Classifier, number: u32| classifier.classes().sources[&pod_route(number, "::1").prefix];
    let shared = class(&classifier, 0);
    assert!(shared.is_final && shared.is_routed);
    assert!((0..100).all(|number| class(&classifier, number) == shared));
    // The router's own address, and the two classes of destinations: the default route, and the link.
    let own = classifier.classes().sources[&IpPrefix::host(ip("198.19.3.8"))];
    assert!(!own.is_final && !own.is_routed && own.id != shared.id);
    assert_eq!(classifier.count(), (2, 3));
    // One pod loses a next hop: it is of another class, and nothing else changes.
    engine.end(&Fact::Route(pod_route(7, "198.19.3.15")), at(10));
    let change = engine.classify(&mut classifier, at(10));
    assert_eq!((change.sources.len(), change.destinations.len()), (1, 0));
    assert_ne!(class(&classifier, 7).id, shared.id);
    // A binding and a BFD session of nobody change nothing, a port of another router's that leads out makes nothing final.
    engine.begin(Fact::Binding(binding("198.19.3.15", DEAD)), at(20));
    engine.begin(Fact::Bfd(bfd("198.19.3.15", BfdStatus::Down)), at(20));
    assert!(engine.classify(&mut classifier, at(20)).is_empty());
    engine.begin(Fact::Route(Route { router: router("GR_other"), ..route_to("172.16.0.0/12", "198.19.3.1") }), at(30));
    let change = engine.classify(&mut classifier, at(30));
    assert_eq!((change.sources.len(), change.destinations.len()), (100, 1));
    assert!(!class(&classifier, 0).is_final && class(&classifier, 0).id == shared.id);
}

#[test]
fn a_class_is_final_while_a_next_hop_is_up() {
    let mut engine = told(&[
        Fact::Route(Route { bfd: session("198.19.3.15"), ..route(POD, "198.19.3.15") }),
        Fact::Route(route_to("0.0.0.0/0", "198.19.3.1")),
    ]);
    let mut classifier = Classifier::default();
    let mut is_final = |engine: &Engine, seconds| {
        engine.classify(&mut classifier, at(seconds));
        classifier.classes().sources[&IpPrefix::host(ip(POD))].is_final
    };
    assert!(!is_final(&engine, 0), "nothing tells the session's state");
    let up = Fact::Bfd(bfd("198.19.3.15", BfdStatus::Up));
    engine.begin(up.clone(), at(10));
    assert!(is_final(&engine, 10));
    engine.end(&up, at(20));
    engine.begin(Fact::Bfd(Bfd { status: BfdStatus::Down, ..bfd("198.19.3.15", BfdStatus::Up) }), at(20));
    assert!(!is_final(&engine, 20));
    assert!(is_final(&engine, 15));
}

#[test]
fn a_look_up_takes_the_longest_prefix() {
    let engine = told(&[
        Fact::Route(route("10.0.0.0/8", "198.19.3.15")),
        Fact::Route(route("10.1.2.3", "198.19.3.16")),
        Fact::Route(route_to("172.16.0.0/12", "198.19.3.1")),
    ]);
    let mut classifier = Classifier::default();
    engine.classify(&mut classifier, at(0));
    let classes = classifier.classes();
    let look_up = |src: &str, dst: &str| {
        let tuple = Tuple { src: ip(src), dst: ip(dst), ..flow(1) };
        let Combination { source, destination, is_ipv4, .. } = classes.combination(&tuple, mac(NODE), mac(GW1));
        (source, destination, is_ipv4)
    };
    let id = |prefix: &str| classes.sources[&prefix.parse::<IpPrefix>().unwrap()].id;
    assert_eq!(look_up("10.9.9.9", "172.16.0.1"), (id("10.0.0.0/8"), 1, true));
    assert_eq!(look_up("10.1.2.3", "172.16.0.1"), (id("10.1.2.3/32"), 0, true));
    assert_eq!(look_up("11.0.0.1", "8.8.8.8"), (0, 0, true));
    assert_eq!(look_up("fd00::1", "fd00::2"), (0, 0, false));
}

/// The property below says something only where flows share an answer.
#[test]
fn random_worlds_have_flows_that_share_a_verdict() {
    let mut runner = TestRunner::deterministic();
    let (mut shared, mut finals) = (0, 0);
    for _ in 0..1000 {
        let world = random::world().new_tree(&mut runner).unwrap().current();
        let flows = vec(random::leaving(), 40).new_tree(&mut runner).unwrap().current();
        let mut engine = world.engine();
        let mut classifier = Classifier::default();
        engine.classify(&mut classifier, at(40));
        let mut ends: HashMap<Combination, (IpAddr, IpAddr)> = HashMap::new();
        for seen in flows {
            let seen = Observation { first: at(40), last: at(40), ..seen };
            let combination = classifier.classes().combination(&seen.tuple, seen.eth_src, seen.eth_dst);
            let own = (seen.tuple.src, seen.tuple.dst);
            if engine.plain_verdict(&seen).is_some() && *ends.entry(combination).or_insert(own) != own {
                shared += 1;
                finals += usize::from(
                    classifier
                        .classes()
                        .sources
                        .values()
                        .any(|class| class.is_final && class.id == combination.source && combination.is_ipv4),
                );
            }
        }
    }
    assert!(shared > 100 && finals > 10, "{shared} shared, {finals} of final classes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn flows_of_one_combination_share_their_plain_verdict(
        world in random::world(),
        flows in vec(random::leaving(), 2..40),
        seconds in 0_u64..80,
    ) {
        let mut engine = world.engine();
        let mut classifier = Classifier::default();
        engine.classify(&mut classifier, at(seconds));
        let mut verdicts: HashMap<Combination, (Option<Verdict>, Tuple)> = HashMap::new();
        for mut seen in flows {
            (seen.first, seen.last) = (at(seconds), at(seconds));
            let combination = classifier.classes().combination(&seen.tuple, seen.eth_src, seen.eth_dst);
            let verdict = engine.plain_verdict(&seen);
            let (known, first) = *verdicts.entry(combination).or_insert((verdict, seen.tuple));
            prop_assert_eq!(known, verdict, "{:?} {:?}: {} and {}", seen.eth_src, seen.eth_dst, first, seen.tuple);
        }
    }

    /// Also of frames of a mirror port, which do not tell their direction.
    #[test]
    fn where_classes_tell_all_one_verdict_is_that_of_all(
        world in random::world(),
        flows in vec(random::leaving(), 2..40),
        is_mirrored in any::<bool>(),
        seconds in 0_u64..80,
    ) {
        let mut engine = world.engine();
        let mut classifier = Classifier::default();
        engine.classify(&mut classifier, at(seconds));
        let mut said: HashMap<Combination, Verdict> = HashMap::new();
        for mut seen in flows {
            (seen.first, seen.last) = (at(seconds), at(seconds));
            if is_mirrored {
                seen.tags = seen.tags.with_direction(Direction::Unknown);
            }
            let combination = classifier.classes().combination(&seen.tuple, seen.eth_src, seen.eth_dst);
            let plain = engine.plain_verdict(&seen);
            if let Some(&said) = said.get(&combination) && classifier.classes().tell_all_of(&seen) {
                prop_assert_eq!(plain, Some(said), "{:?}", seen);
            }
            said.extend(plain.map(|verdict| (combination, verdict)));
        }
    }

    #[test]
    fn a_plain_verdict_is_the_verdict_of_a_flow_without_entries(
        world in random::world(),
        flows in vec(random::leaving(), 1..20),
    ) {
        let mut engine = world.engine();
        engine.clear_connections();
        for seen in flows {
            if let Some(plain) = engine.plain_verdict(&seen) {
                prop_assert_eq!(plain, engine.verdict(&seen), "{:?}", seen);
            }
        }
    }

    #[test]
    fn classes_follow_step_by_step(world in random::world(), steps in vec(0_u64..80, 1..6)) {
        let mut steps = steps;
        steps.sort_unstable();
        let mut step_by_step = Classifier::default();
        let mut followed = Classes::default();
        for &step in &steps {
            // What a daemon has been told by then.
            let mut facts = world.facts.clone();
            facts.retain(|fact| fact.validity().is_none_or(|validity| validity.from <= Some(at(step))));
            for validity in facts.iter_mut().filter_map(Fact::validity_mut) {
                validity.until = validity.until.filter(|until| *until <= at(step));
            }
            let engine = live(&World { facts, ..World::empty() });
            let mut fresh = Classifier::default();
            engine.classify(&mut fresh, at(step));
            step_by_step.forget_what_was_read();
            apply(&mut followed, engine.classify(&mut step_by_step, at(step)));
            prop_assert_eq!(&followed, step_by_step.classes());
            prop_assert_eq!(renamed(&followed), renamed(fresh.classes()));
        }
    }

    #[test]
    fn small_changes_are_found(world in random::world(), order in vec(any::<prop::sample::Index>(), 1..12)) {
        prop_assume!(!world.facts.is_empty());
        let mut engine = Engine::new(World::empty().settings);
        let mut classifier = Classifier::default();
        let mut followed = Classes::default();
        let mut open: Vec<Fact> = Vec::new();
        for (second, index) in order.into_iter().enumerate() {
            let now = at(second as u64);
            let mut fact = index.get(&world.facts).clone();
            fact.validity_mut().into_iter().for_each(|validity| *validity = Validity::ALWAYS);
            match open.iter().position(|told| *told == fact) {
                Some(told) => prop_assert!(engine.end(&open.swap_remove(told), now) || fact.validity().is_none()),
                None => {
                    engine.begin(fact.clone(), now);
                    open.push(fact);
                }
            }
            if second % 5 == 4 {
                engine.forget(now, 2);
            }
            apply(&mut followed, engine.classify(&mut classifier, now));
            let mut fresh = Classifier::default();
            engine.classify(&mut fresh, now);
            prop_assert_eq!(&followed, classifier.classes());
            prop_assert_eq!(renamed(&followed), renamed(fresh.classes()));
        }
    }
}
