use super::*;
use crate::engine::Engine;
use crate::engine::fact::{
    Bfd, BfdRef, BfdStatus, Binding, BindingKind, EvidenceKind, Fact, Ovn, OvnSays, Policy, Route, RouteOrigin,
    RouterPort, Source, Zone,
};
use crate::engine::observation::HeardNeighbour;
use crate::engine::settings::Settings;
use crate::engine::standing::Left;
use crate::repair::plan::{Selection, plan};
use crate::types::{Tuple, Validity};

const DEAD: MacAddr = MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]);
const GW1: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
const GW2: MacAddr = MacAddr([2, 0, 0, 0, 1, 2]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

/// What both of OVN's databases tell.
const DATABASES: [EvidenceKind; 5] = [
    EvidenceKind::WholeRoutes,
    EvidenceKind::Policies,
    EvidenceKind::Bfd,
    EvidenceKind::Bindings,
    EvidenceKind::StaticBindings,
];

const LEAVING: &str = "udp 10.244.0.5:4000 -> 198.51.100.7:53";

fn entry(leaving: &str, mac: MacAddr) -> Connection {
    let leaving: Tuple = leaving.parse().unwrap();
    Connection {
        orig: leaving.reversed(),
        reply: leaving,
        zone: 35,
        mark: 0x2_0002,
        label: u128::from(mac.to_bits()) << 32,
        id: Some(7),
        offloaded: false,
        dying: false,
    }
}

fn route(nexthop: &str) -> Route {
    Route {
        router: Some("GR_worker-08".into()),
        route_table: "".into(),
        policy: Policy::SrcIp,
        prefix: "10.244.0.5/32".parse().unwrap(),
        nexthop: Some(nexthop.parse().unwrap()),
        output_port: Some("rtoe-GR_worker-08".into()),
        symmetric_reply: true,
        override_connected: false,
        origin: RouteOrigin::Static,
        bfd: BfdRef::None,
        port_key: None,
        source: Source::Ovn,
        validity: Validity::ALWAYS,
    }
}

fn binding(ip: &str, mac: Option<MacAddr>) -> Binding {
    Binding {
        logical_port: Some("rtoe-GR_worker-08".into()),
        ip: ip.parse().unwrap(),
        mac,
        kind: BindingKind::MacBinding,
        confirmed: None,
        validity: Validity::ALWAYS,
    }
}

fn zone(zone: u16, name: &str) -> Zone {
    Zone { zone, name: name.into(), validity: Validity::ALWAYS }
}

/// A release that applies labels wherever one may.
fn northd() -> Fact {
    Fact::Ovn(Ovn { says: OvnSays::Northd(Release::new(25, 3, 0)), validity: Validity::ALWAYS })
}

/// A node whose pod has two gateways, and an entry that names a third.
struct Node {
    routes: Vec<Route>,
    bindings: Vec<Binding>,
    zones: Vec<Zone>,
    others: Vec<Fact>,
    entries: Vec<Connection>,
    settings: Settings,
    rules: Rules,
    datapath: Option<Datapath>,
    /// Kinds of evidence that the running system tells all of.
    kinds: Vec<EvidenceKind>,
}

impl Node {
    fn new() -> Self {
        let port = RouterPort {
            router: Some("GR_worker-08".into()),
            datapath: None,
            name: "rtoe-GR_worker-08".into(),
            mac: None,
            addresses: vec!["172.18.0.4".parse().unwrap()],
            networks: vec!["172.18.0.0/24".parse().unwrap()],
            port_key: Some(2),
            route_table: None,
            validity: Validity::ALWAYS,
        };
        Self {
            routes: vec![route("172.18.0.101"), route("172.18.0.102")],
            bindings: vec![binding("172.18.0.101", Some(GW1)), binding("172.18.0.102", Some(GW2))],
            zones: vec![zone(35, "GR_worker-08_dnat"), zone(36, "pod")],
            others: vec![Fact::RouterPort(port), northd()],
            entries: vec![entry(LEAVING, DEAD)],
            settings: Settings::default(),
            rules: Rules {
                method: Method::Delete,
                settle: Duration::from_secs(60),
                tcp: false,
                unused: false,
                zone: None,
                ovs: None,
            },
            datapath: Some(Datapath::Kernel),
            kinds: DATABASES.to_vec(),
        }
    }

    fn engine(&self) -> Engine {
        let mut engine = Engine::new(self.settings.clone());
        engine.set_given(self.kinds.iter().copied().collect());
        self.routes.iter().cloned().for_each(|route| engine.add(Fact::Route(route)));
        self.bindings.iter().cloned().for_each(|binding| engine.add(Fact::Binding(binding)));
        self.zones.iter().cloned().for_each(|zone| engine.add(Fact::Zone(zone)));
        self.others.iter().cloned().for_each(|fact| engine.add(fact));
        self.entries.iter().cloned().for_each(|entry| engine.add(Fact::Connection(entry)));
        engine
    }

    /// What is to be done about the first entry at a time.
    fn judged_by(&self, engine: &Engine) -> Result<Action, Refusal> {
        let entry = &self.entries[0];
        let pin = engine.pin(entry.orig, entry.zone, None, at(1000)).expect("it is labelled");
        judge(&pin, &self.rules, self.datapath, at(1000))
    }

    fn judged(&self) -> Result<Action, Refusal> {
        self.judged_by(&self.engine())
    }

    fn refusal(&self) -> &'static str {
        self.judged().map_or_else(|refusal| refusal.name(), |action| panic!("{action}"))
    }
}

fn node(change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node::new();
    change(&mut node);
    node
}

#[test]
fn nothing_is_changed_where_missing_evidence_could_turn_it() {
    let without = |kind| move |node: &mut Node| node.kinds.retain(|&told| told != kind);
    for kind in
        [EvidenceKind::WholeRoutes, EvidenceKind::Policies, EvidenceKind::Bindings, EvidenceKind::StaticBindings]
    {
        assert_eq!(node(without(kind)).refusal(), "taken-for-granted", "{kind:?}");
        let dumps = node(|node| (without(kind)(node), node.datapath = None).1);
        assert_eq!(dumps.judged(), Ok(Action::Delete), "of dumps nothing is changed");
    }
    // What a user writes down is whole.
    let by_file = node(|node| {
        node.routes.iter_mut().for_each(|route| route.source = Source::NexthopsToml);
        node.kinds.clear();
    });
    assert_eq!(by_file.judged(), Ok(Action::Delete));
}

#[test]
fn a_stale_entry_is_healed_by_each_method() {
    assert_eq!(Node::new().judged(), Ok(Action::Delete));
    let unpin = node(|node| node.rules.method = Method::Unpin).judged();
    let Ok(Action::Unpin(rewrite)) = unpin else { panic!("{unpin:?}") };
    assert_eq!(rewrite.of(entry(LEAVING, DEAD).label, 0x2_0002), (entry(LEAVING, DEAD).label, 2));
    let moved = node(|node| {
        node.rules.method = Method::Relabel;
        let until = Validity { from: None, until: Some(at(500)) };
        node.bindings.push(Binding { validity: until, ..binding("172.18.0.101", Some(DEAD)) });
        node.bindings[0].validity.from = Some(at(500));
    });
    let nexthop = "172.18.0.101".parse().unwrap();
    assert_eq!(moved.judged(), Ok(Action::Relabel { nexthop, lladdr: GW1 }));
}

#[test]
fn what_is_not_known_is_not_changed() {
    assert_eq!(node(|node| node.routes.clear()).refusal(), "nexthops-undetermined");
    assert_eq!(node(|node| node.bindings[0].mac = None).refusal(), "nexthops-undetermined");
    assert_eq!(node(|node| drop(node.bindings.remove(1))).refusal(), "nexthops-undetermined");
    assert_eq!(node(|node| node.routes[0].bfd = BfdRef::Attached).refusal(), "nexthops-undetermined");
    let aged = node(|node| node.bindings[0].validity.until = Some(at(500)));
    assert_eq!(aged.refusal(), "nexthops-undetermined");
    // Whose packets they are is not known where the source is the router's own address.
    let translated = node(|node| node.entries = vec![entry("udp 172.18.0.4:4000 -> 198.51.100.7:53", DEAD)]);
    assert_eq!(translated.refusal(), "nexthops-undetermined");
    // Nothing else forbids it before that.
    let mut engine = Node::new().engine();
    engine.set_blind(at(900));
    assert_eq!(Node::new().judged_by(&engine).unwrap_err().name(), "source-too-old");
    engine.set_sighted(at(930));
    assert_eq!(Node::new().judged_by(&engine), Ok(Action::Delete));
}

/// A label pins the flow to the route by source; a packet to the MAC conforms by the route that decides it unpinned.
#[test]
fn the_route_that_the_flow_takes_unpinned_counts_too() {
    let unpinned = |change: &dyn Fn(&mut Node)| {
        node(|node| {
            let prefix = "198.51.100.7/32".parse().unwrap();
            let by_destination =
                Route { policy: Policy::DstIp, prefix, symmetric_reply: false, ..route("172.18.0.103") };
            node.routes.push(by_destination);
            node.bindings.push(binding("172.18.0.103", Some(DEAD)));
            change(node);
        })
    };
    assert_eq!(unpinned(&|_| {}).refusal(), "active-nexthop");
    let replaced = |seconds: u64| {
        unpinned(&|node| {
            node.bindings[2].validity.until = Some(at(seconds));
            let from = Validity { from: Some(at(seconds)), until: None };
            node.bindings
                .push(Binding { validity: from, ..binding("172.18.0.103", Some(MacAddr([2, 0, 0, 0, 1, 3]))) });
        })
    };
    assert_eq!(replaced(999).refusal(), "recent-change");
    assert_eq!(replaced(900).judged(), Ok(Action::Delete));
    assert_eq!(unpinned(&|node| node.bindings[2].mac = None).refusal(), "nexthops-undetermined");
    assert_eq!(
        unpinned(&|node| {
            node.bindings[2] = Binding {
                validity: Validity { from: None, until: Some(at(500)) },
                ..binding("172.18.0.103", Some(MacAddr([2, 0, 0, 0, 1, 3])))
            };
        })
        .refusal(),
        "nexthops-undetermined"
    );
}

#[test]
fn next_hops_that_changed_just_now() {
    let changed = |seconds: u64| node(|node| node.routes[1].validity.from = Some(at(seconds)));
    assert_eq!(changed(941).refusal(), "recent-change");
    assert_eq!(changed(940).judged(), Ok(Action::Delete));
    // One that went.
    let gone = |seconds: u64| {
        node(|node| {
            let until = Validity { from: None, until: Some(at(seconds)) };
            node.routes.push(Route { validity: until, ..route("172.18.0.103") });
            node.bindings.push(binding("172.18.0.103", Some(DEAD)));
        })
    };
    assert_eq!(gone(999).refusal(), "recent-change");
    assert_eq!(gone(900).judged(), Ok(Action::Delete));
    // A source that confirms what it told changes nothing.
    assert_eq!(node(|node| node.bindings[0].confirmed = Some(at(999))).judged(), Ok(Action::Delete));
    // There and back again.
    let flapping = node(|node| {
        node.routes[1].validity.until = Some(at(960));
        let back = Validity { from: Some(at(980)), until: None };
        node.routes.push(Route { validity: back, ..route("172.18.0.102") });
    });
    assert_eq!(flapping.refusal(), "recent-change");
    // Nobody looked before.
    let mut engine = Node::new().engine();
    engine.set_blind(at(0));
    engine.set_sighted(at(950));
    assert_eq!(Node::new().judged_by(&engine).unwrap_err().name(), "recent-change");
    assert_eq!(node(|node| node.rules.settle = Duration::from_secs(50)).judged_by(&engine), Ok(Action::Delete));
}

#[test]
fn macs_that_are_right_or_alive() {
    let labelled = |mac: MacAddr| node(|node| node.entries = vec![entry(LEAVING, mac)]);
    assert_eq!(labelled(GW2).refusal(), "active-nexthop");
    assert_eq!(labelled(MacAddr([0, 0, 0x5e, 0, 1, 9])).refusal(), "virtual-router");
    assert_eq!(labelled(MacAddr([0, 0, 0x0c, 7, 0xac, 9])).refusal(), "virtual-router");
    assert_eq!(node(|node| node.settings.allowed = vec![DEAD]).refusal(), "allowed-mac");

    let heard = |seconds: u64| {
        let node = node(|node| {
            let past = Validity { from: None, until: Some(at(500)) };
            node.routes.push(Route { validity: past, ..route("172.18.0.103") });
        });
        let mut engine = node.engine();
        engine.hear(HeardNeighbour { ip: "172.18.0.103".parse().unwrap(), mac: DEAD, at: at(seconds) });
        node.judged_by(&engine)
    };
    assert_eq!(heard(941), Err(Refusal::HeardAlive(at(941))));
    assert_eq!(heard(940), Ok(Action::Delete), "a minute ago");
    // A router that is no next hop, and forwards packets to us: nothing but these tells of it.
    let forwards = |seconds: u64| {
        let mut engine = Node::new().engine();
        engine.set_senders([(DEAD, at(seconds)), (GW1, at(1000))].into());
        Node::new().judged_by(&engine)
    };
    assert_eq!(forwards(941), Err(Refusal::HeardAlive(at(941))));
    assert_eq!(forwards(940), Ok(Action::Delete), "a minute ago");
    let down = node(|node| {
        node.routes.push(Route { bfd: BfdRef::Status(BfdStatus::Down), ..route("172.18.0.103") });
        node.bindings.push(binding("172.18.0.103", Some(DEAD)));
    });
    assert_eq!(down.judged(), Ok(Action::Delete), "its session tells that it is dead");
    let neighbour = |confirmed: u64| {
        node(|node| {
            let alive =
                Binding { logical_port: None, kind: BindingKind::Neighbour, ..binding("172.18.0.99", Some(DEAD)) };
            node.bindings.push(Binding { confirmed: Some(at(confirmed)), ..alive });
        })
    };
    assert_eq!(neighbour(990).refusal(), "heard-alive");
    assert_eq!(neighbour(930).judged(), Ok(Action::Delete));
    // Heard while it was a next hop, and not since.
    let former = |until: u64| {
        node(|node| {
            node.rules.settle = Duration::ZERO;
            let past = Validity { from: None, until: Some(at(until)) };
            node.routes.push(Route { validity: past, ..route("172.18.0.103") });
            let alive =
                Binding { logical_port: None, kind: BindingKind::Neighbour, ..binding("172.18.0.103", Some(DEAD)) };
            node.bindings.push(Binding { confirmed: Some(at(980)), ..alive });
        })
    };
    assert_eq!(former(990).judged(), Ok(Action::Delete));
    assert_eq!(former(970).refusal(), "heard-alive");
}

#[test]
fn zones() {
    let owned = |zones: Vec<Zone>| node(|node| node.zones = zones);
    assert_eq!(owned(vec![]).refusal(), "zone-owner-unknown");
    assert_eq!(node(|node| (node.zones.clear(), node.rules.zone = Some(35)).1).judged(), Ok(Action::Delete));
    assert_eq!(node(|node| (node.zones.clear(), node.rules.zone = Some(36)).1).refusal(), "zone-owner-unknown");
    for name in ["GR_worker-08_snat", "pod", "pod_dnat"] {
        assert_eq!(owned(vec![zone(35, name)]).refusal(), "zone-not-routers", "{name}");
        let named = node(|node| (node.zones = vec![zone(35, name)], node.rules.zone = Some(35)).1);
        assert_eq!(named.refusal(), "zone-not-routers", "its owner is known to be another: {name}");
    }
    // Two names for one zone: it may be either's.
    for other in ["pod", "GR_other_dnat", "GR_worker-08_snat"] {
        let both = |first: &str, second: &str| owned(vec![zone(35, first), zone(35, second)]).refusal();
        assert_eq!(both("GR_worker-08_dnat", other), "zone-owner-unknown", "{other}");
        assert_eq!(both(other, "GR_worker-08_dnat"), "zone-owner-unknown", "{other}");
    }
    assert_eq!(owned(vec![zone(35, "GR_worker-08_dnat"), zone(35, "GR_worker-08_dnat")]).judged(), Ok(Action::Delete));
    // A zone that was another's just now.
    let taken_over = |seconds: u64| {
        owned(vec![
            Zone { validity: Validity { from: None, until: Some(at(seconds)) }, ..zone(35, "pod") },
            Zone { validity: Validity { from: Some(at(seconds)), until: None }, ..zone(35, "GR_worker-08_dnat") },
        ])
    };
    assert_eq!(taken_over(941).refusal(), "recent-change");
    assert_eq!(taken_over(940).judged(), Ok(Action::Delete));
    for own in [0, 64000] {
        let host = node(|node| (node.entries[0].zone = own, node.rules.zone = Some(own)).1);
        assert_eq!(host.refusal(), "zone-not-routers", "{own}");
    }
}

#[test]
fn packets_that_follow_a_label_prove_that_ovn_applies_it() {
    let untold = node(|node| node.others.retain(|fact| !matches!(fact, Fact::Ovn(_))));
    assert!(untold.judged().unwrap_err().to_string().contains("version-unknown"));
    let old = node(|node| {
        let release = OvnSays::Northd(Release::new(23, 3, 1));
        node.others.pop();
        node.others.push(Fact::Ovn(Ovn { says: release, validity: Validity::ALWAYS }));
    });
    assert_eq!(old.refusal(), "ovn-undetermined");
    for node in [untold, old] {
        let (engine, entry) = (node.engine(), &node.entries[0]);
        let judged = |eth_dst| {
            let last = Left { eth_src: MacAddr([2, 0, 0, 0, 0, 4]), eth_dst, at: at(990) };
            let pin = engine.pin(entry.orig, entry.zone, Some(last), at(1000)).expect("it is labelled");
            judge(&pin, &node.rules, node.datapath, at(1000))
        };
        assert_eq!(judged(DEAD), Ok(Action::Delete));
        assert!(judged(GW1).is_err(), "they went elsewhere");
    }
}

#[test]
fn entries_that_ovn_does_not_apply() {
    assert_eq!(node(|node| node.entries[0].mark = 2).refusal(), "not-pinned");
    let unused: [fn(&mut Node); 4] = [
        |node| node.entries = vec![entry("udp 10.9.9.9:1 -> 198.51.100.7:53", DEAD)],
        |node| node.entries[0].mark = 3 << 16,
        |node| node.routes.iter_mut().for_each(|route| route.symmetric_reply = false),
        |node| {
            node.entries[0].label |= 2 << 80;
            node.entries[0].mark = 0;
            node.entries.push(entry("udp 10.244.0.5:4001 -> 198.51.100.7:53", GW1));
        },
    ];
    for change in unused {
        assert_eq!(node(change).refusal(), "unused");
        let wanted = node(|node| {
            change(node);
            node.rules.unused = true;
        });
        assert_eq!(wanted.judged(), Ok(Action::Delete));
    }
    // The others are not told one by one.
    let label_form = node(|node| {
        node.entries[0].label |= 2 << 80;
        node.entries[0].mark = 0;
        node.others.retain(|fact| !matches!(fact, Fact::Ovn(_)));
        node.datapath = None;
    });
    let mut engine = label_form.engine();
    assert_eq!(label_form.judged_by(&engine), Ok(Action::Delete));
    engine.set_mark_zones([36].into());
    assert_eq!(label_form.judged_by(&engine), Ok(Action::Delete), "a pod's");
    engine.set_mark_zones([35].into());
    assert_eq!(label_form.judged_by(&engine).unwrap_err().name(), "unused");
    let of_other_router = node(|node| node.zones[0] = zone(35, "GR_other_dnat"));
    assert_eq!(of_other_router.refusal(), "unused");
}

#[test]
fn methods_that_do_not_fit() {
    let tcp = |change: fn(&mut Node)| {
        node(|node| {
            node.entries = vec![entry("tcp 10.244.0.5:4000 -> 198.51.100.7:53", DEAD)];
            change(node);
        })
    };
    assert_eq!(tcp(|_| {}).refusal(), "tcp-delete");
    assert_eq!(tcp(|node| node.rules.tcp = true).judged(), Ok(Action::Delete));
    assert!(matches!(tcp(|node| node.rules.method = Method::Unpin).judged(), Ok(Action::Unpin(_))));
    let relabel = |change: fn(&mut Node)| {
        node(|node| {
            node.rules.method = Method::Relabel;
            change(node);
        })
    };
    assert_eq!(relabel(|_| {}).refusal(), "relabel-target-unknown");
    let gone = relabel(|node| {
        let past = Validity { from: None, until: Some(at(500)) };
        node.routes.push(Route { validity: past, ..route("172.18.0.103") });
        node.bindings.push(binding("172.18.0.103", Some(DEAD)));
    });
    assert_eq!(gone.refusal(), "relabel-target-unknown");
    let down = relabel(|node| {
        let dead = Bfd {
            logical_port: "rtoe-GR_worker-08".into(),
            dst_ip: "172.18.0.103".parse().unwrap(),
            status: BfdStatus::Down,
            validity: Validity::ALWAYS,
        };
        node.others.push(Fact::Bfd(dead));
        node.routes.push(Route { bfd: BfdRef::Attached, ..route("172.18.0.103") });
        node.bindings.push(binding("172.18.0.103", Some(DEAD)));
    });
    assert_eq!(down.refusal(), "relabel-target-unknown");

    // The same address behind two ports is two next hops, each with a MAC of its own: the entry's port tells which.
    let two_ports = |port: u32, own: Option<u16>, other: Option<u16>| {
        node(|node| {
            node.rules.method = Method::Relabel;
            node.entries[0].mark = port << 16;
            node.routes[0].port_key = own;
            let until = Validity { from: None, until: Some(at(500)) };
            node.bindings.push(Binding { validity: until, ..binding("172.18.0.101", Some(DEAD)) });
            node.bindings[0].validity.from = Some(at(500));
            let by_other = Some("rtos-b".into());
            let behind = Route { output_port: by_other.clone(), port_key: other, ..route("172.18.0.101") };
            node.routes.insert(0, behind);
            let gw3 = MacAddr([2, 0, 0, 0, 1, 3]);
            node.bindings.insert(0, Binding { logical_port: by_other, ..binding("172.18.0.101", Some(gw3)) });
        })
    };
    let nexthop = "172.18.0.101".parse().unwrap();
    assert_eq!(two_ports(2, Some(2), Some(3)).judged(), Ok(Action::Relabel { nexthop, lladdr: GW1 }));
    let gw3 = MacAddr([2, 0, 0, 0, 1, 3]);
    assert_eq!(two_ports(3, Some(2), Some(3)).judged(), Ok(Action::Relabel { nexthop, lladdr: gw3 }));
    assert_eq!(two_ports(2, Some(2), Some(2)).refusal(), "relabel-target-unknown", "they differ");
    // A MAC that two next hops had: the entry does not tell which of them it was made for.
    let shared = relabel(|node| {
        for (ip, until) in [("172.18.0.101", 500), ("172.18.0.102", 400)] {
            let until = Validity { from: None, until: Some(at(until)) };
            node.bindings.push(Binding { validity: until, ..binding(ip, Some(DEAD)) });
        }
        node.bindings[0].validity.from = Some(at(500));
        node.bindings[1].validity.from = Some(at(400));
    });
    assert_eq!(shared.refusal(), "relabel-target-unknown");

    let userspace = |change: fn(&mut Node)| {
        node(|node| {
            node.datapath = Some(Datapath::Userspace);
            change(node);
        })
    };
    assert_eq!(userspace(|_| {}).judged(), Ok(Action::Delete));
    assert_eq!(userspace(|node| node.rules.method = Method::Unpin).refusal(), "not-expressible");
    assert_eq!(
        userspace(|node| node.entries = vec![entry("udp 10.244.0.5:0 -> 198.51.100.7:53", DEAD)]).refusal(),
        "not-expressible"
    );
    let echo = "icmp 10.244.0.5 -> 198.51.100.7 type 0 code 0 id 7";
    assert_eq!(node(|node| node.entries = vec![entry(echo, DEAD)]).judged(), Ok(Action::Delete));
    assert_eq!(node(|node| node.entries[0].id = None).refusal(), "not-expressible");
    let dump = node(|node| (node.datapath = None, node.entries[0].id = None).1);
    assert_eq!(dump.judged(), Ok(Action::Delete));
}

#[test]
fn too_many() {
    let node = node(|node| {
        node.entries.push(entry("udp 10.244.0.5:4001 -> 198.51.100.7:53", DEAD));
        node.entries.push(entry("tcp 10.244.0.5:4001 -> 198.51.100.7:53", DEAD));
    });
    let planned = |max: usize| {
        let pins = node.engine().pins(at(1000));
        plan(pins, &Selection::default(), &node.rules, max, node.datapath, at(1000))
    };
    let refusals = |max: usize| -> Vec<&'static str> {
        planned(max).iter().map(|step| step.verdict.as_ref().map_or_else(Refusal::name, |_| "-")).collect()
    };
    assert_eq!(refusals(2), ["tcp-delete", "-", "-"]);
    assert_eq!(refusals(1), ["tcp-delete", "too-many", "too-many"]);
    assert_eq!(refusals(0), ["tcp-delete", "too-many", "too-many"]);
}

#[test]
fn the_second_look() {
    let judged = entry(LEAVING, DEAD);
    let changed = |change: fn(&mut Connection)| {
        let mut now = judged.clone();
        change(&mut now);
        recheck(&judged, Some(&now)).map_err(|refusal| refusal.name())
    };
    assert_eq!(changed(|_| {}), Ok(()));
    assert_eq!(changed(|now| now.mark ^= 0xffff), Ok(()), "bits that mean other things");
    assert_eq!(changed(|now| now.id = None), Ok(()), "a datapath that tells none");
    assert_eq!(changed(|now| now.id = Some(8)), Err("entry-changed"));
    assert_eq!(changed(|now| now.label ^= 1), Err("entry-changed"));
    assert_eq!(changed(|now| now.label ^= 1 << 127), Err("entry-changed"));
    assert_eq!(changed(|now| now.mark ^= 1 << 16), Err("entry-changed"));
    assert_eq!(changed(|now| now.zone = 0), Err("entry-changed"));
    assert_eq!(changed(|now| now.reply.tp_dst ^= 1), Err("entry-changed"));
    assert_eq!(changed(|now| now.dying = true), Err("entry-dying"));
    assert_eq!(recheck(&judged, None), Err(Refusal::EntryGone));
}

/// Names are for scripts, sentences for people: all are different, and none ends like another.
#[test]
fn names_and_sentences() {
    let all = [
        Refusal::SourceTooOld,
        Refusal::Undetermined("x"),
        Refusal::RecentChange { changed: at(1), settle: Duration::from_secs(60) },
        Refusal::ActiveNexthop(vec!["172.18.0.101".parse().unwrap()]),
        Refusal::AllowedMac,
        Refusal::VirtualRouter,
        Refusal::HeardAlive(at(1)),
        Refusal::ZoneOwnerUnknown(35),
        Refusal::ZoneNotRouters { zone: 36, owner: Some("pod".to_owned()) },
        Refusal::NotPinned,
        Refusal::Unused("x"),
        Refusal::TcpDelete,
        Refusal::TooMany { count: 2, max: 1 },
        Refusal::RelabelTargetUnknown("x"),
        Refusal::NotExpressible { datapath: Datapath::Userspace, reason: "x" },
        Refusal::EntryGone,
        Refusal::EntryChanged("label"),
        Refusal::EntryDying,
        Refusal::RateLimit { per_minute: 10 },
    ];
    let mut names: Vec<_> = all.iter().map(Refusal::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/repair.md")).unwrap();
    for refusal in &all {
        assert!(manual.contains(&format!("`{}`", refusal.name())), "docs/repair.md lacks {}", refusal.name());
        let text = refusal.to_string();
        assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
    }
}
