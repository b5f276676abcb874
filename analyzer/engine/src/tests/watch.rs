//! Watched entries: what is looked at again step by step is what a look at all of them gives.

use hashbrown::HashSet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::random;
use super::world::*;
use crate::Engine;
use crate::fact::{Binding, Connection, Fact, Route, RouterPort};
use crate::standing::Standing;
use crate::types::work::steps_of;
use crate::types::{Timestamp, Tuple};
use crate::watch::{Place, Watch};

/// Entries with their places, as a daemon keeps them.
struct Kept {
    watch: Watch,
    entries: Vec<(Connection, Place)>,
}

impl Kept {
    fn new(entries: &[Connection]) -> Self {
        let entries = entries.iter().map(|entry| (entry.clone(), Place::NONE)).collect();
        Self { watch: Watch::default(), entries }
    }

    /// The entries that lie outside.
    fn outside(&mut self, engine: &Engine, at: Timestamp) -> Vec<Connection> {
        engine.watch(&mut self.watch, at);
        self.watch.make_room(self.entries.len());
        for (entry, place) in &mut self.entries {
            *place = self.watch.place_anew(entry, *place, false);
        }
        self.watch.settle();
        engine.watch(&mut self.watch, at);
        let outside = self.entries.iter().filter(|(_, place)| self.watch.is_outside(*place));
        outside.map(|(entry, _)| entry.clone()).collect()
    }
}

/// Labelled entries, each of a flow of its own.
fn entries() -> impl Strategy<Value = Vec<Connection>> {
    let entry_of = |(seen, lladdr, port, zone, is_swapped): (crate::observation::Observation, _, _, _, bool)| {
        let mut entry = entry(zone, seen.tuple.reversed(), label(lladdr, port));
        if is_swapped {
            core::mem::swap(&mut entry.orig, &mut entry.reply);
        }
        entry
    };
    let lladdr = select(vec![DEAD, GW15, GW16, GW1]);
    let one = (random::leaving(), lladdr, 0_u16..4, select(vec![35_u16, 36, 0]), any::<bool>()).prop_map(entry_of);
    vec(one, 1..20).prop_map(|mut entries| {
        let mut seen: HashSet<Tuple> = HashSet::new();
        entries.retain(|entry| seen.insert(entry.orig.min(entry.reply)));
        entries
    })
}

proptest! {
    #[test]
    fn step_by_step_is_a_look_at_all(world in random::world(), entries in entries(), times in vec(0_u64..100, 3)) {
        let told = |fact: &Fact| !matches!(fact, Fact::Connection(_));
        let facts: Vec<&Fact> = world.facts.iter().filter(|fact| told(fact)).collect();
        let mut engine = Engine::new(world.settings.clone());
        engine.epochs();
        entries.iter().cloned().for_each(|entry| engine.add(Fact::Connection(entry)));
        let mut kept = Kept::new(&entries);
        let bounds = |fact: &Fact| fact.validity().map_or((None, None), |validity| (validity.from, validity.until));
        let mut moments: Vec<Timestamp> = facts.iter().flat_map(|fact| [bounds(fact).0, bounds(fact).1]).flatten().collect();
        moments.extend(world.heard.iter().map(|heard| heard.at).chain(times.into_iter().map(at)));
        moments.sort_unstable();
        moments.dedup();
        for moment in core::iter::once(None).chain(moments.into_iter().map(Some)) {
            for fact in facts.iter().filter(|fact| moment.is_some() && bounds(fact).1 == moment) {
                engine.end(fact, moment.unwrap_or_default());
            }
            for fact in facts.iter().filter(|fact| bounds(fact).0 == moment) {
                engine.begin((*fact).clone(), moment);
            }
            for &heard in world.heard.iter().filter(|heard| Some(heard.at) == moment) {
                engine.hear(heard);
            }
            let now = moment.unwrap_or_default();
            let outside = kept.outside(&engine, now);
            prop_assert_eq!(&outside, &Kept::new(&entries).outside(&engine, now), "at {:?}", now);
            for view in engine.connections(now) {
                let is_outside = outside.iter().any(|entry| (entry.zone, entry.orig) == (view.connection.zone, view.connection.orig));
                let is_told = matches!(view.standing, Standing::Stale | Standing::Unused(_));
                prop_assert!(is_outside || !is_told, "{:?} at {:?}", view, now);
            }
        }
    }
}

/// Pods with two of so many gateways each, behind one router; entries of each pod, labelled with both.
struct Node {
    engine: Engine,
    entries: Vec<Connection>,
}

const GATEWAYS: u32 = 50;

fn gateway(number: u32) -> (String, String) {
    (format!("198.19.3.{}", 100 + number), format!("02:00:00:00:01:{number:02x}"))
}

fn pod(number: u32) -> core::net::Ipv4Addr {
    core::net::Ipv4Addr::from_bits(0x0a80_0000 + number)
}

impl Node {
    fn new(pods: u32, per_pod: u16) -> Self {
        let on_router = |route: Route| Route { router: router(ROUTER), ..route };
        let mut facts = vec![
            Fact::RouterPort(RouterPort { router: router(ROUTER), ..port() }),
            Fact::Route(on_router(route_to("0.0.0.0/0", "198.19.3.1"))),
            Fact::Binding(binding("198.19.3.1", GW1)),
            zone(35, "GR_worker-08_dnat"),
        ];
        for (addr, lladdr) in (0..GATEWAYS).map(gateway) {
            facts.push(Fact::Binding(binding(&addr, &lladdr)));
        }
        let mut entries = Vec::new();
        for number in 0..pods {
            let own = [number % GATEWAYS, (number + 1) % GATEWAYS].map(gateway);
            for (addr, _) in &own {
                facts.push(Fact::Route(on_router(route(&pod(number).to_string(), addr))));
            }
            for flow_number in 0..per_pod {
                let leaving = Tuple { src: pod(number).into(), ..flow(flow_number) };
                entries.push(entry(35, leaving, label(&own[usize::from(flow_number % 2)].1, 2)));
            }
        }
        let mut engine = Engine::new(World::empty().settings);
        facts.into_iter().for_each(|fact| engine.begin(fact, None));
        engine.epochs();
        Self { engine, entries }
    }
}

#[test]
fn a_change_looks_at_what_it_touches() {
    let steps = |pods: u32| {
        let Node { mut engine, entries } = Node::new(pods, 5);
        let mut kept = Kept::new(&entries);
        let all = steps_of(|| assert_eq!(kept.outside(&engine, at(10)), []));
        let (addr, lladdr) = gateway(7);
        engine.end(&Fact::Binding(binding(&addr, &lladdr)), at(20));
        engine.begin(Fact::Binding(Binding { ..binding(&addr, DEAD) }), at(20));
        let mut stale = 0;
        let one = steps_of(|| stale = kept.outside(&engine, at(20)).len());
        assert!(stale as u32 * GATEWAYS >= pods * 4, "{stale} of {pods} pods");
        let none = steps_of(|| assert_eq!(kept.outside(&engine, at(20)).len(), stale));
        assert!(none < 10, "{none} steps, though nothing changed");
        (all, one)
    };
    let (all, one) = steps(1_000);
    assert!(one * 10 < all, "{one} steps for one hop, {all} for all");
    let (_, for_more) = steps(4_000);
    assert!(for_more * 10 <= one * 11, "{one} steps, {for_more} for four times as many pods and entries");
}

#[test]
fn the_set_of_the_flow_counts_not_that_of_the_node() {
    let Node { engine, mut entries } = Node::new(100, 2);
    // The MAC is another pod's gateway's.
    entries[0].label = label(&gateway(9).1, 2);
    assert_eq!(Kept::new(&entries).outside(&engine, at(10)), [entries[0].clone()]);
}

#[test]
fn bundles_of_entries_that_went_make_room() {
    let Node { engine, mut entries } = Node::new(100, 40);
    for (number, entry) in entries.iter_mut().enumerate().filter(|(number, _)| number % 3 != 0) {
        entry.label = label(&format!("02:00:00:01:{:02x}:{:02x}", number / 256, number % 256), 2);
    }
    let mut kept = Kept::new(&entries);
    assert!(kept.outside(&engine, at(10)).len() > 2_000);
    // Those that stay come in another order, so that none gets the number back that its bundle had.
    kept.entries.truncate(50);
    kept.entries.reverse();
    let staying: Vec<Connection> = kept.entries.iter().map(|(entry, _)| entry.clone()).collect();
    let outside = Kept::new(&staying).outside(&engine, at(20));
    assert!(!outside.is_empty() && outside.len() < staying.len());
    assert_eq!(kept.outside(&engine, at(20)), outside);
    assert!(kept.watch.bundle_count() <= staying.len());
}
