//! Whether OVN applies a label: every kind of evidence by itself, and which of two counts.

use super::world::{DEAD, GW15, NODE, POD, ROUTER, World, at, binding, entry, flow, label, mac, packet, zone};
use crate::assumes::Assumption;
use crate::fact::{Connection, Fact, Ovn, OvnSays, Policy, PortForm, PortRead, ReplyFlow};
use crate::finding::LatentState;
use crate::standing::{Left, Standing};
use crate::types::{Release, Timestamp, Tuple, Validity, tuple::proto};

fn fact(says: OvnSays) -> Fact {
    Fact::Ovn(Ovn { says, validity: Validity::ALWAYS })
}

fn northd(release: &str) -> Fact {
    fact(OvnSays::Northd(Release::parse(release).unwrap()))
}

fn chassis(name: &str, no_masked_label: bool) -> Fact {
    fact(OvnSays::Chassis { name: name.into(), no_masked_label })
}

fn logical(flow: ReplyFlow) -> Fact {
    fact(OvnSays::Flow { router: Some(ROUTER.into()), flow })
}

/// What a release since 24.09 reads.
const MARK: PortRead = PortRead { form: PortForm::Mark, port: 2, of_replies: false, while_learned: false };
const LABEL: PortRead = PortRead { form: PortForm::Label, ..MARK };

/// All flows of the router, of which those of the pod read `read`.
fn flows(read: impl IntoIterator<Item = PortRead>) -> Vec<Fact> {
    let prefix = format!("{POD}/32").parse().unwrap();
    let reading = read.into_iter().flat_map(|read| {
        [ReplyFlow::Resolves(read), ReplyFlow::Routes { read, policy: Policy::SrcIp, prefix }].map(logical)
    });
    reading.chain([logical(ReplyFlow::Default)]).collect()
}

/// The incident with the router named, and its entry with the port in the mark or in the label.
fn world(form: PortForm, facts: impl IntoIterator<Item = Fact>) -> World {
    let mut world = World::incident();
    world.each_route(|route| route.router = Some(ROUTER.into()));
    world.facts.push(zone(35, &format!("{ROUTER}_dnat")));
    if form == PortForm::Mark {
        world.each_connection(|connection| (connection.label, connection.mark) = (label(DEAD, 0), 2 << 16));
    }
    world.facts.extend(facts);
    world.seen.clear();
    world
}

/// With one route left.
fn alone(form: PortForm, facts: impl IntoIterator<Item = Fact>) -> World {
    let mut world = world(form, facts);
    let first = world.facts.iter().position(|fact| matches!(fact, Fact::Route(_))).unwrap();
    world.facts.remove(first);
    world
}

/// With the entry of an ICMP session.
fn icmp(mut world: World) -> World {
    world.each_connection(|connection| {
        let ends = Tuple { nw_proto: proto::ICMP, tp_src: 77, tp_dst: 0, ..connection.reply };
        (connection.reply, connection.orig) = (ends, ends.reversed());
    });
    world
}

/// With the entry of a session that the pod opened.
fn opened(mut world: World) -> World {
    world.each_connection(|connection| core::mem::swap(&mut connection.orig, &mut connection.reply));
    world
}

#[track_caller]
fn stands(world: &World, name: &str, why: &str) {
    let views = world.engine().connections(Timestamp::MAX);
    let [view] = &views[..] else { panic!("{views:?}") };
    let reason = view.standing.reason().unwrap_or_default();
    assert!(view.standing.name() == name && reason.contains(why), "{:?}, not {name}: {why}", view.standing);
    let armed = world.conclude().summary.latent_armed;
    assert_eq!(armed > 0, view.standing == Standing::Stale, "latent entries say the same");
}

#[test]
fn nothing_tells() {
    stands(&world(PortForm::Label, []), "stale", "");
    stands(&alone(PortForm::Mark, []), "stale", "");
}

#[test]
fn logical_flows() {
    use PortForm::{Label, Mark};
    stands(&world(Mark, flows([MARK])), "stale", "");
    stands(&alone(Mark, flows([MARK])), "stale", "");
    stands(&world(Label, flows([LABEL])), "stale", "");
    stands(&world(Label, flows([MARK])), "unused", "in the label, where OVN does not read it");
    stands(&world(Mark, flows([LABEL])), "unused", "in the mark, where OVN does not read it");
    stands(&world(Mark, flows([PortRead { port: 3, ..MARK }])), "unused", "no logical flow");
    stands(&alone(Mark, flows([])), "unused", "one route");
    // Without the default flow it is not known what is lacking.
    stands(&alone(Mark, flows([]).into_iter().take(0)), "stale", "");
    let learned = PortRead { while_learned: true, of_replies: true, ..MARK };
    stands(&world(Mark, flows([learned])), "undetermined", "30 s");
    stands(&icmp(world(Mark, flows([learned]))), "unused", "TCP, UDP and SCTP");
    let of_replies = PortRead { of_replies: true, ..MARK };
    stands(&world(Mark, flows([of_replies])), "stale", "");
    stands(&opened(world(Mark, flows([of_replies]))), "unused", "the pod opened the flow");
    stands(&opened(world(Mark, flows([MARK]))), "stale", "");
    let unclear = flows([]).into_iter().chain([logical(ReplyFlow::Unclear)]);
    stands(&world(Mark, unclear), "undetermined", "not known");
    // Read for the sake of another pod's routes.
    let of_another = flows([]).into_iter().chain([logical(ReplyFlow::Resolves(MARK))]);
    stands(&world(Mark, of_another), "undetermined", "for other flows");
}

#[test]
fn releases() {
    use PortForm::{Label, Mark};
    for (form, release, name, why) in [
        (Mark, "23.06.2", "stale", ""),
        (Mark, "26.03.1", "stale", ""),
        (Mark, "23.03.1", "undetermined", "30 s"),
        (Mark, "20.12.0", "undetermined", "30 s"),
        (Label, "24.09.0", "unused", "does not read it"),
        (Label, "24.03.2", "undetermined", "in the label"),
    ] {
        stands(&world(form, [northd(release)]), name, why);
    }
    for (release, name) in [
        ("24.03.3", "undetermined"),
        ("24.03.4", "stale"),
        ("24.09.0", "undetermined"),
        ("24.09.1", "stale"),
        ("25.03.0", "stale"),
    ] {
        stands(&alone(Mark, [northd(release)]), name, "");
    }
    stands(&opened(world(Mark, [northd("24.03.4")])), "undetermined", "the pod opened the flow");
    stands(&opened(world(Mark, [northd("24.09.0")])), "stale", "");
    // Of two releases both count: one database tells of an upgrade before the other.
    stands(&alone(Mark, [northd("24.09.0"), northd("25.03.0")]), "undetermined", "one route");
}

#[test]
fn chassis_and_entries() {
    use PortForm::{Label, Mark};
    let all = || [chassis("a", true), chassis("b", true)];
    let some = || [chassis("a", true), chassis("b", false)];
    let with = |release: &str, facts: [Fact; 2]| facts.into_iter().chain([northd(release)]).collect::<Vec<_>>();
    stands(&world(Label, with("23.06.2", all())), "unused", "does not read it");
    stands(&world(Label, with("23.06.2", some())), "stale", "");
    stands(&world(Mark, with("23.06.2", some())), "undetermined", "in the mark");
    // northd is older than what the controllers can do.
    stands(&world(Label, with("22.03.0", all())), "undetermined", "");
    stands(&world(Label, with("24.09.0", some())), "unused", "does not read it");
    stands(&world(Label, all()), "undetermined", "in the label");

    let mut world = world(Label, [northd("23.06.2")]);
    stands(&world, "undetermined", "in the label");
    world.connections([Connection { mark: 2 << 16, ..entry(35, flow(7), label(DEAD, 0)) }]);
    let views = world.engine().connections(Timestamp::MAX);
    let reasons: Vec<_> = views.iter().map(|view| (view.standing.name(), view.connection.reply.tp_src)).collect();
    assert_eq!(reasons, [("stale", 7), ("unused", 59943)], "an entry with its port in the mark tells");
}

#[test]
fn logical_flows_count_more_than_releases() {
    let facts = |release| flows([LABEL]).into_iter().chain([northd(release)]).collect::<Vec<_>>();
    stands(&world(PortForm::Label, facts("26.03.1")), "stale", "");
    stands(&world(PortForm::Mark, facts("20.12.0")), "unused", "in the mark");
}

#[test]
fn a_flow_that_was_seen_going_elsewhere_proves_that_its_label_is_out_of_use() {
    let mut world = world(PortForm::Mark, [northd("23.03.1")]);
    assert_eq!(world.conclude().summary.latent_unused, 0, "nothing tells");
    world.seen.push(packet(100, flow(59943), NODE, GW15));
    assert_eq!(world.conclude().summary.latent_unused, 1);
}

/// The pin of the incident's flow, whose last packets left to the dead gateway's MAC.
#[track_caller]
fn followed(world: &World, live: bool, seconds: u64) -> (Standing, Vec<alloc::borrow::Cow<'static, str>>) {
    let engine = if live { super::live::live(world) } else { world.engine() };
    let entry = entry(35, flow(59943), 0).orig;
    let last = Left { eth_src: mac(NODE), eth_dst: mac(DEAD), at: at(seconds) };
    let pin = engine.pin(entry, 35, Some(last), at(1000)).unwrap();
    (pin.standing, pin.assumes.codes().filter(|code| code == "version-unknown").collect())
}

/// The gateway's replacement at 50 s in a history, and its entry.
fn replaced(facts: impl IntoIterator<Item = Fact>) -> World {
    let mut world = World::with_history();
    world.each_connection(|connection| (connection.label, connection.mark) = (label(DEAD, 0), 2 << 16));
    world.each_route(|route| route.router = Some(ROUTER.into()));
    world.facts.push(zone(35, &format!("{ROUTER}_dnat")));
    world.facts.extend(facts);
    world
}

#[test]
fn what_rests_on_no_word_of_the_version_says_so() {
    let codes = |world: &World| {
        let armed = world.conclude().latent.remove(0).assumes;
        let listed = world.engine().connections(Timestamp::MAX).remove(0).assumes;
        assert!(armed == listed, "{armed:?}, {listed:?}");
        let left = armed.after_looking().contains(Assumption::VersionUnknown);
        assert_eq!(left, armed.contains(Assumption::VersionUnknown), "no look answers it");
        left
    };
    assert!(codes(&world(PortForm::Mark, [])));
    assert!(!codes(&world(PortForm::Mark, [northd("26.03.1")])));
    assert!(!codes(&world(PortForm::Mark, flows([MARK]))));
    // A flow that was seen going elsewhere is out of use, whatever OVN this is.
    let mut elsewhere = world(PortForm::Mark, []);
    elsewhere.seen.push(packet(100, flow(59943), NODE, GW15));
    let latent = elsewhere.conclude().latent.remove(0);
    assert_eq!(latent.state, LatentState::Unused);
    assert!(!latent.assumes.contains(Assumption::VersionUnknown));
    // Packets prove their pin, unless a binding of a next hop explains them, too.
    let mut seen = world(PortForm::Mark, []);
    seen.seen.push(packet(100, flow(59943), NODE, DEAD));
    let is_open = |world: &World| world.conclude().findings[0].assumes.contains(Assumption::VersionUnknown);
    assert!(!is_open(&seen));
    seen.hear(90, "198.19.3.15", GW15);
    seen.unbind("198.19.3.15");
    seen.bindings([binding("198.19.3.15", DEAD)]);
    assert_eq!(seen.verdicts(), ["violating stale-conntrack"]);
    assert!(is_open(&seen));
    seen.facts.push(northd("26.03.1"));
    assert!(!is_open(&seen));
}

#[test]
fn packets_that_follow_a_label_prove_it_once_no_learned_flow_can_be_left() {
    for live in [false, true] {
        // Era B may be: 30 s.
        for (facts, name) in [(vec![], "stale"), (vec![northd("23.03.1")], "undetermined")] {
            let world = replaced(facts);
            let (standing, codes) = followed(&world, live, 79);
            assert_eq!((standing.name(), codes.is_empty()), (name, name != "stale"), "{live}");
            assert_eq!(followed(&world, live, 80), (Standing::Stale, vec![]), "{live}");
        }
        // Where it cannot be, the grace period: one route is left, or so the release.
        let mut world = replaced([northd("24.09.0")]);
        world.facts.remove(1);
        assert_eq!(followed(&world, live, 54).0.name(), "undetermined");
        assert_eq!(followed(&world, live, 55).0, Standing::Stale);
        let learned = PortRead { while_learned: true, of_replies: true, ..MARK };
        let by_flows = replaced(flows([learned]).into_iter().chain([northd("26.03.1")]));
        assert_eq!(followed(&by_flows, live, 79).0.name(), "undetermined");
        assert_eq!(followed(&by_flows, live, 80).0, Standing::Stale);
    }
    let mut watched = replaced([]);
    watched.facts.retain(|fact| !matches!(fact, Fact::Binding(binding) if binding.mac == Some(mac(DEAD))));
    let mut engine = watched.engine();
    engine.set_blind(at(0));
    engine.set_sighted(at(900));
    let orig = entry(35, flow(59943), 0).orig;
    let proved = |seconds| {
        let last = Left { eth_src: mac(NODE), eth_dst: mac(DEAD), at: at(seconds) };
        let pin = engine.pin(orig, 35, Some(last), at(1000)).unwrap();
        !pin.assumes.contains(Assumption::VersionUnknown)
    };
    assert!(!proved(929) && proved(930), "it may have left the set just before anybody looked");
}

#[test]
fn flows_that_are_out_of_date_tell_nothing() {
    let mut facts = flows([LABEL]);
    facts.push(northd("26.03.1"));
    stands(&world(PortForm::Mark, facts.clone()), "unused", "in the mark");
    facts.push(logical(ReplyFlow::Outdated));
    stands(&world(PortForm::Mark, facts.clone()), "stale", "");
    facts.pop();
    facts.pop();
    facts.push(logical(ReplyFlow::Outdated));
    let world = world(PortForm::Mark, facts);
    stands(&world, "stale", "");
    assert!(world.conclude().latent[0].assumes.contains(Assumption::VersionUnknown));
}
