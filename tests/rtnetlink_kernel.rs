//! Routes, nexthop objects, neighbours and links of a real kernel, changed by ip(8) in a namespace of the test's own,
//! and compared with what `ip -j` prints afterwards.

#![expect(clippy::disallowed_methods, reason = "deadlines, and figures that are printed")]

#[path = "common/netns.rs"]
mod netns;
#[path = "common/patience.rs"]
mod patience;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use analyzer::daemon::nics::{NicEvent, Nics};
use analyzer::engine::fact::{BfdRef, BfdStatus, Fact};
use analyzer::netlink::link::LinkChange;
use analyzer::netlink::route::state::Losses;
use analyzer::netlink::route::tables::Table;
use analyzer::netlink::route::{Event, Options, follow};
use analyzer::types::Timestamp;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use netns::{Missing, Netns, run};
use patience::patience;

/// How long the kernel and the test machine may take for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// eth0 and eth1, each with a peer.
const DEVICES: &str = "
    ip link set lo up
    for i in 0 1; do
        ip link add eth$i type veth peer name peer$i
        ip link set peer$i up
        ip link set eth$i address 02:00:00:00:00:0$i up
        ip address add 192.0.$i.1/24 dev eth$i
        ip address add 2001:db8:$i::1/64 dev eth$i nodad
    done";

/// What runs in the namespace: one that follows, in a thread of its own.
struct Fixture {
    netns: Netns,
    runtime: Runtime,
    events: mpsc::Receiver<Event>,
    devices: watch::Sender<Option<HashSet<Arc<str>>>>,
    thread: Option<JoinHandle<()>>,
    standing: HashSet<Fact>,
    links: Vec<LinkChange>,
    warnings: Vec<String>,
    /// What was lost by the last time that everything had been told.
    synchronised: Option<Losses>,
    deltas: usize,
}

struct How {
    routes: bool,
    receive_buffer: usize,
    reconcile: Duration,
    tables: Vec<Table>,
}

impl Default for How {
    /// Never reconciles within a test, so that what notifications do not tell shows.
    fn default() -> Self {
        Self { routes: true, receive_buffer: 8 << 20, reconcile: Duration::from_secs(3600), tables: Vec::new() }
    }
}

impl Fixture {
    fn new(how: How, devices: Option<&[&str]>) -> Result<Self, Missing> {
        let netns = Netns::new("rtnl")?;
        netns.sh(DEVICES);
        Ok(Self::follow(netns, how, devices))
    }

    fn follow(netns: Netns, how: How, devices: Option<&[&str]>) -> Self {
        let name = netns.sh("ip netns identify $$");
        let (devices, receiver) = watch::channel(devices.map(names));
        let (sender, events) = mpsc::channel(4);
        let started = Instant::now();
        let options = Options {
            routes: how.routes,
            neighbours: true,
            tables: how.tables,
            devices: receiver,
            clock: Arc::new(move || {
                let nanos = u64::try_from(started.elapsed().as_nanos()).expect("the test is short");
                Timestamp::from_millis(1_000_000_000).saturating_add(Duration::from_nanos(nanos))
            }),
            receive_buffer: how.receive_buffer,
            reconcile: how.reconcile,
        };
        let thread = thread::spawn(move || {
            let file = File::open(format!("/run/netns/{}", name.trim())).expect("ip keeps namespaces there");
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter");
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(follow(options, sender)).expect("a socket");
        });
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut fixture = Self {
            netns,
            runtime,
            events,
            devices,
            thread: Some(thread),
            standing: HashSet::new(),
            links: Vec::new(),
            warnings: Vec::new(),
            synchronised: None,
            deltas: 0,
        };
        fixture.wait("the first synchronisation", |fixture| fixture.synchronised.is_some());
        fixture
    }

    /// Takes events until the condition holds.
    fn wait(&mut self, what: &str, mut is_met: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + patience(DEADLINE);
        while !is_met(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.runtime.block_on(async { tokio::time::timeout(left, self.events.recv()).await });
            match event {
                Ok(Some(event)) => self.take(event),
                Ok(None) => panic!("waiting for {what}: it ended"),
                Err(_) => panic!("waiting for {what}: nothing after {DEADLINE:?}; standing: {:#?}", self.words()),
            }
        }
    }

    /// Takes what comes within a time.
    fn linger(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.runtime.block_on(async { tokio::time::timeout(left, self.events.recv()).await });
            match event {
                Ok(event) => self.take(event.expect("it goes on")),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Facts(delta) => {
                self.deltas += 1;
                for fact in delta.ended {
                    assert!(self.standing.remove(&fact), "ended without having begun: {fact:?}");
                }
                for fact in delta.begun {
                    assert!(self.standing.insert(fact.clone()), "began twice: {fact:?}");
                }
            }
            Event::Links(changes) => self.links.extend(changes),
            Event::Warning(warning) => self.warnings.push(warning),
            Event::Synchronised(losses) => self.synchronised = Some(losses),
        }
    }

    /// Routes that stand, as `destination via gateway dev device`.
    fn words(&self) -> BTreeSet<String> {
        let word = |fact: &Fact| match fact {
            Fact::Route(route) => {
                let mut word = route.prefix.to_string();
                word.extend(route.nexthop.map(|nexthop| format!(" via {nexthop}")));
                word.extend(route.output_port.as_ref().map(|port| format!(" dev {port}")));
                word.push_str(if route.bfd == BfdRef::Status(BfdStatus::Down) { " down" } else { "" });
                Some(word)
            }
            _ => None,
        };
        self.standing.iter().filter_map(word).collect()
    }

    /// The same from `ip -j route show`, of both families.
    fn oracle(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for family in ["-4", "-6"] {
            let text = self.netns.sh(&format!("ip -j {family} route show table main"));
            let routes: Vec<Value> = serde_json::from_str(&text).expect("ip prints JSON");
            // Of routes to the same destination the first of the lowest metric.
            let mut best: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
            for route in &routes {
                let dst = destination(route["dst"].as_str().expect("a destination"), family);
                let metric = route["metric"].as_u64().unwrap_or(0);
                let new = hops(&dst, route);
                match best.get_mut(&dst) {
                    Some((known, hops)) if *known == metric && family == "-6" => hops.extend(new),
                    Some((known, _)) if *known <= metric => {}
                    _ => drop(best.insert(dst, (metric, new))),
                }
            }
            words.extend(best.into_values().flat_map(|(_, hops)| hops));
        }
        words
    }

    /// Runs a script, and waits until what stands is what `ip -j` prints.
    fn agrees_after(&mut self, script: &str) -> BTreeSet<String> {
        self.netns.sh(script);
        self.agrees(script)
    }

    fn agrees(&mut self, what: &str) -> BTreeSet<String> {
        let expected = self.oracle();
        let deadline = Instant::now() + patience(DEADLINE);
        while self.words() != expected {
            let missing: Vec<_> = expected.difference(&self.words()).take(5).cloned().collect();
            let besides: Vec<_> = self.words().difference(&expected).take(5).cloned().collect();
            assert!(Instant::now() < deadline, "{what}: missing {missing:?}, besides {besides:?}");
            self.linger(Duration::from_millis(50));
        }
        expected
    }

    /// Whether a route by that gateway stands, without putting all into words.
    fn has_route(&self, prefix: &str, gateway: &str) -> bool {
        let (prefix, gateway) = (prefix.parse().expect("a prefix"), gateway.parse().ok());
        let is_it = |fact: &Fact| matches!(fact, Fact::Route(it) if it.prefix == prefix && it.nexthop == gateway);
        self.standing.iter().any(is_it)
    }

    fn bindings(&self) -> BTreeSet<String> {
        let word = |fact: &Fact| match fact {
            Fact::Binding(binding) => {
                let mac = binding.mac.map_or("unresolved".to_owned(), |mac| mac.to_string());
                Some(format!("{} {mac} {}", binding.ip, binding.logical_port.as_deref().unwrap_or("any")))
            }
            _ => None,
        };
        self.standing.iter().filter_map(word).collect()
    }

    fn ip_batch(&self, lines: &str) {
        let mut command = self.netns.shell("ip -batch -");
        let mut child = command.stdin(Stdio::piped()).spawn().expect("ip can be run");
        child.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("ip reads");
        assert!(child.wait().expect("ip ends").success(), "ip -batch failed");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // With its receiver gone, follow ends.
        self.events.close();
        while self.events.try_recv().is_ok() {}
        let (_, closed) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.events, closed));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the thread that follows panicked");
        }
    }
}

fn names(names: &[&str]) -> HashSet<Arc<str>> {
    names.iter().map(|&name| name.into()).collect()
}

fn destination(dst: &str, family: &str) -> String {
    let (all, host) = if family == "-4" { ("0.0.0.0/0", "/32") } else { ("::/0", "/128") };
    match dst {
        "default" => all.to_owned(),
        dst if dst.contains('/') => dst.to_owned(),
        dst => format!("{dst}{host}"),
    }
}

fn hops(dst: &str, route: &Value) -> BTreeSet<String> {
    let hop = |hop: &Value| {
        let mut word = dst.to_owned();
        let gateway = hop["gateway"].as_str().or_else(|| hop["via"]["host"].as_str());
        word.extend(gateway.map(|gateway| format!(" via {gateway}")));
        word.extend(hop["dev"].as_str().map(|dev| format!(" dev {dev}")));
        let flags = hop["flags"].as_array().into_iter().flatten();
        let is_down = flags.filter_map(Value::as_str).any(|flag| ["dead", "linkdown"].contains(&flag));
        word.push_str(if is_down { " down" } else { "" });
        word
    };
    match route["nexthops"].as_array() {
        Some(hops) => hops.iter().map(hop).collect(),
        None => [hop(route)].into(),
    }
}

#[test]
fn routes_and_nexthop_objects() {
    run(|| {
        let mut fixture = Fixture::new(How::default(), None)?;
        fixture.agrees("at the start");
        for script in [
            "ip route add default via 192.0.0.2",
            "ip route add 198.51.100.0/24 via 192.0.0.2; ip route add 198.51.101.1 dev eth1",
            "ip route replace 198.51.100.0/24 via 192.0.1.2",
            "ip route add 203.0.113.0/24 nexthop via 192.0.0.2 nexthop via 192.0.1.2 weight 3",
            "ip route replace 203.0.113.0/24 nexthop via 192.0.0.3 nexthop via 192.0.1.2 weight 3",
            "ip -6 route add 2001:db8:8::/48 nexthop via 2001:db8:0::2 nexthop via 2001:db8:1::2",
            "ip -6 route append 2001:db8:8::/48 via fe80::9 dev eth0",
            "ip -6 route del 2001:db8:8::/48 via 2001:db8:1::2",
            "ip -6 route replace 2001:db8:8::/48 via fe80::1 dev eth1",
            "ip route add 198.51.102.0/24 via inet6 fe80::9 dev eth0",
            "ip route add 198.51.103.0/24 via 10.9.9.9 dev eth0 onlink",
            "ip route add blackhole 198.51.104.0/24",
            // Several of one metric, and several metrics.
            "ip route append 198.51.100.0/24 via 192.0.0.4; ip route prepend 198.51.100.0/24 via 192.0.0.5",
            "ip route add 198.51.100.0/24 via 192.0.0.6 metric 10; ip route del 198.51.100.0/24 via 192.0.0.5",
            "ip route replace 198.51.100.0/24 via 192.0.0.7",
            "ip nexthop add id 1 via 192.0.0.2 dev eth0; ip nexthop add id 2 via 192.0.1.2 dev eth1
             ip nexthop add id 3 via fe80::3 dev eth1; ip nexthop add id 10 group 1/2,3; ip nexthop add id 11 group 3",
            "ip route add 198.18.0.0/16 nhid 10; ip route add 198.19.0.0/16 nhid 2
             ip -6 route add 2001:db8:9::/48 nhid 11",
            "ip nexthop replace id 2 via 192.0.1.7 dev eth1; ip nexthop replace id 3 via fe80::4 dev eth0",
            "ip nexthop del id 1",
            "ip nexthop add id 1 via 192.0.0.9 dev eth0; ip nexthop replace id 10 group 1/2",
            // Routes of the object go without a word.
            "ip nexthop del id 2",
            "ip route flush 203.0.113.0/24",
            // An address that routes name as their source: they go without a word too.
            "ip address add 192.0.0.77/24 dev eth0; ip route add 198.51.107.0/24 via 192.0.0.2 src 192.0.0.77",
            "ip address del 192.0.0.77/24 dev eth0",
        ] {
            fixture.agrees_after(script);
        }
        let standing = fixture.agrees("at the end");
        assert!(standing.contains("198.18.0.0/16 via 192.0.0.9 dev eth0"), "{standing:?}");
        assert!(standing.contains("198.51.104.0/24"), "{standing:?}");
        assert!(!standing.iter().any(|word| word.starts_with("198.51.107.0")), "{standing:?}");
        Ok(())
    });
}

#[test]
fn links_go_down_and_away() {
    run(|| {
        let mut fixture = Fixture::new(How::default(), None)?;
        fixture.agrees_after(
            "ip route add 198.51.100.0/24 via 192.0.0.2; ip -6 route add 2001:db8:7::/48 via 2001:db8::2
             ip route add 203.0.113.0/24 nexthop via 192.0.0.2 nexthop via 192.0.1.2
             ip nexthop add id 1 via 192.0.0.2 dev eth0; ip nexthop add id 2 via 192.0.1.2 dev eth1
             ip nexthop add id 10 group 1/2; ip route add 198.18.0.0/16 nhid 10",
        );
        // No carrier: routes stay, their next hops are down.
        let standing = fixture.agrees_after("ip link set peer0 down");
        assert!(standing.contains("203.0.113.0/24 via 192.0.0.2 dev eth0 down"), "{standing:?}");
        let standing = fixture.agrees_after("ip link set peer0 up");
        assert!(standing.contains("203.0.113.0/24 via 192.0.0.2 dev eth0"), "{standing:?}");
        // Down: IPv4 routes go without a word, but for the next hop of a multipath route, which is dead.
        let standing = fixture.agrees_after("ip link set eth0 down");
        assert!(!standing.iter().any(|word| word.starts_with("198.51.100.0/24")), "{standing:?}");
        fixture.agrees_after("ip link set eth0 up; ip route add 198.51.100.0/24 via 192.0.0.2");
        fixture.agrees_after("ip link del eth0");
        fixture.agrees_after(
            "ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up
             ip address add 192.0.0.1/24 dev eth0; ip route add 198.51.100.0/24 via 192.0.0.2",
        );
        fixture.agrees_after("ip link set eth0 down; ip link set eth0 name wan; ip link set wan up");
        fixture.agrees_after("ip route add 198.51.106.0/24 via 192.0.0.2");
        let standing = fixture.words();
        assert!(standing.contains("198.51.106.0/24 via 192.0.0.2 dev wan"), "{standing:?}");
        Ok(())
    });
}

#[test]
fn devices_are_chosen_and_tables_named() {
    run(|| {
        let netns = Netns::new("rtnl")?;
        netns.sh(DEVICES);
        netns.sh("ip route add 198.51.100.0/24 via 192.0.0.2; ip route add 198.51.101.0/24 via 192.0.1.2
             ip route add 198.51.102.0/24 via 192.0.0.3 table 77; ip route add 198.51.103.0/24 via 192.0.0.3 table 78
             ip rule add from 192.0.2.0/24 lookup 77 pref 100; ip -6 rule add fwmark 7 lookup 78 pref 200
             ip link add mv0 link eth0 type macvlan; ip address add 192.0.5.1/24 dev mv0; ip link set mv0 up
             ip route add 198.51.105.0/24 via 192.0.5.2
             ip link add br0 type bridge; ip link set br0 up; ip address add 192.0.6.1/24 dev br0
             ip link add mv1 link eth0 type macvlan; ip link set mv1 up; ip link set mv1 master br0");
        let tables = vec![Table::find("77").expect("a number")];
        let mut fixture = Fixture::follow(netns, How { tables, ..How::default() }, Some(&["eth0"]));
        let words = fixture.words();
        for expected in [
            "198.51.100.0/24 via 192.0.0.2 dev eth0",
            "198.51.101.0/24",
            "198.51.102.0/24 via 192.0.0.3 dev eth0",
            "198.51.105.0/24 via 192.0.5.2 dev mv0",
            "192.0.6.0/24 dev br0",
            "192.0.1.0/24",
        ] {
            assert!(words.contains(expected), "{expected} is missing: {words:#?}");
        }
        assert!(!words.iter().any(|word| word.starts_with("198.51.103.0")), "{words:?}");
        let in_table = |fact: &Fact| matches!(fact, Fact::Route(route) if &*route.route_table == "77");
        assert_eq!(fixture.standing.iter().filter(|fact| in_table(fact)).count(), 1);
        let [warning] = &fixture.warnings[..] else { panic!("{:?}", fixture.warnings) };
        assert!(warning.starts_with("the IPv6 policy rule of priority 200 leads to table 78"), "{warning}");
        let ports: BTreeMap<String, Vec<String>> = fixture
            .standing
            .iter()
            .filter_map(|fact| match fact {
                Fact::RouterPort(port) => {
                    let networks = port.networks.iter().filter(|network| network.addr().is_ipv4());
                    let networks: Vec<String> = networks.map(ToString::to_string).collect();
                    (!networks.is_empty()).then(|| (port.name.to_string(), networks))
                }
                _ => None,
            })
            .collect();
        let expected = [("br0", "192.0.6.0/24"), ("eth0", "192.0.0.0/24"), ("mv0", "192.0.5.0/24")];
        let expected = expected.map(|(name, network)| (name.to_owned(), vec![network.to_owned()]));
        assert_eq!(ports, BTreeMap::from(expected));

        fixture.devices.send(Some(names(&["eth1"]))).expect("it is followed");
        fixture.wait("other devices", |fixture| {
            let words = fixture.words();
            words.contains("198.51.100.0/24") && words.contains("198.51.101.0/24 via 192.0.1.2 dev eth1")
        });
        Ok(())
    });
}

#[test]
fn neighbours_move_and_fail() {
    run(|| {
        let mut fixture = Fixture::new(How::default(), None)?;
        let stands = |fixture: &Fixture, word: &str| fixture.bindings().contains(word);
        for (script, word) in [
            (
                "ip neigh add 192.0.0.2 lladdr 02:00:00:00:01:02 dev eth0 nud reachable",
                "192.0.0.2 02:00:00:00:01:02 eth0",
            ),
            (
                "ip neigh replace 192.0.0.2 lladdr 02:00:00:00:01:03 dev eth0 nud stale",
                "192.0.0.2 02:00:00:00:01:03 eth0",
            ),
            ("ip neigh add fe80::2 lladdr 02:00:00:00:01:04 dev eth1 nud permanent", "fe80::2 02:00:00:00:01:04 eth1"),
            ("ip neigh add 192.0.1.9 lladdr 02:00:00:00:01:05 dev eth1 nud noarp", "192.0.1.9 02:00:00:00:01:05 eth1"),
            // The kernel asks for the address, and nobody has it.
            ("ip neigh add 192.0.1.77 dev eth1 use", "192.0.1.77 unresolved eth1"),
        ] {
            fixture.netns.sh(script);
            fixture.wait(script, |fixture| stands(fixture, word));
        }
        let confirmed = fixture.standing.iter().any(|fact| match fact {
            Fact::Binding(binding) => binding.confirmed.is_some_and(|at| at >= Timestamp::from_millis(900_000_000)),
            _ => false,
        });
        assert!(confirmed, "{:?}", fixture.standing);
        fixture.netns.sh("ip neigh del 192.0.0.2 dev eth0");
        fixture.wait("deletion", |fixture| !fixture.bindings().iter().any(|word| word.starts_with("192.0.0.2 ")));

        // A neighbour that flaps as fast as ip can: a delta covers at least 10 ms of it.
        let before = (fixture.deltas, Instant::now());
        let mut lines = String::new();
        for round in 0..5000 {
            writeln!(lines, "neigh replace 192.0.0.3 lladdr 02:00:00:00:02:{:02x} dev eth0", round % 250).unwrap();
        }
        lines.push_str("neigh replace 192.0.0.3 lladdr 02:00:00:00:03:00 dev eth0\n");
        fixture.ip_batch(&lines);
        fixture.wait("the last of many", |fixture| stands(fixture, "192.0.0.3 02:00:00:00:03:00 eth0"));
        let (deltas, took) = (fixture.deltas - before.0, before.1.elapsed());
        println!("5,001 changes of a neighbour within {took:?} came as {deltas} deltas");
        assert!(deltas as u128 <= took.as_millis() / 10 + 2, "{deltas} deltas in {took:?}");
        Ok(())
    });
}

#[test]
fn twenty_thousand_routes() {
    run(|| {
        let mut fixture = Fixture::new(How::default(), None)?;
        let began = Instant::now();
        fixture.ip_batch(&many("add", 0..20_000, 2));
        let inserted = began.elapsed();
        fixture.wait("20,000 routes", |fixture| fixture.standing.len() >= 20_000);
        println!("20,000 routes by ip -batch in {inserted:?}, told after {:?}", began.elapsed());
        assert!(fixture.agrees("20,000 routes").len() >= 20_000);

        // ip(8) runs already and waits for its next line.
        let mut ip = fixture.netns.shell("ip -batch -").stdin(Stdio::piped()).spawn().expect("ip can be run");
        let mut lines = ip.stdin.take().expect("it is piped");
        lines.write_all(b"route replace 10.1.70.3/32 via 192.0.1.8\n").expect("ip reads");
        fixture.wait("a first update", |fixture| fixture.has_route("10.1.70.3/32", "192.0.1.8"));
        let began = Instant::now();
        lines.write_all(b"route replace 10.1.70.3/32 via 192.0.1.9\n").expect("ip reads");
        fixture.wait("one update", |fixture| fixture.has_route("10.1.70.3/32", "192.0.1.9"));
        println!("one update beside them, from ip(8) to the delta: {:?}", began.elapsed());
        drop(lines);
        ip.wait().expect("ip ends");

        fixture.ip_batch(&many("replace", 5_000..10_000, 3));
        fixture.ip_batch(&many("del", 0..5_000, 2));
        assert!(fixture.agrees("half of them changed").len() >= 15_000);
        assert_eq!(fixture.synchronised.map(|losses| losses.malformed), Some(0));

        // The same set to one who comes later.
        let Fixture { standing, .. } = &fixture;
        let expected: HashSet<Fact> = standing.iter().filter(|fact| matches!(fact, Fact::Route(_))).cloned().collect();
        let began = Instant::now();
        fixture.devices.send(Some(names(&["none"]))).expect("it is followed");
        fixture.wait("no device", |fixture| !fixture.words().iter().any(|word| word.contains("dev")));
        fixture.devices.send(None).expect("it is followed");
        fixture.wait("all devices", |fixture| expected.iter().all(|fact| fixture.standing.contains(fact)));
        println!("15,000 routes told anew twice in {:?}", began.elapsed());
        Ok(())
    });
}

fn many(verb: &str, numbers: std::ops::Range<u32>, gateway: u8) -> String {
    numbers.fold(String::new(), |mut lines, number| {
        let (high, low) = (number / 250, number % 250);
        let via = format!("192.0.{}.{gateway}", number % 2);
        writeln!(lines, "route {verb} 10.{}.{}.{low}/32 via {via}", high / 250 + 1, high % 250).unwrap();
        lines
    })
}

/// With room for a few notifications only, the kernel drops most of them. What stands afterwards is what the kernel has.
#[test]
fn notifications_that_the_kernel_drops() {
    run(|| {
        let how = How { receive_buffer: 2304, ..How::default() };
        let mut fixture = Fixture::new(how, None)?;
        fixture.ip_batch(&many("add", 0..3_000, 2));
        fixture.agrees("3,000 routes");
        fixture.ip_batch(&many("del", 0..1_500, 2));
        fixture.ip_batch(&many("replace", 1_500..2_500, 3));
        fixture.netns.sh("ip neigh add 192.0.0.2 lladdr 02:00:00:00:01:02 dev eth0 nud permanent");
        assert!(fixture.agrees("half of them").len() >= 1_500);
        fixture.wait("the neighbour", |fixture| fixture.bindings().contains("192.0.0.2 02:00:00:00:01:02 eth0"));
        fixture.netns.sh("ip link set eth1 down");
        fixture.wait("a clean synchronisation", |fixture| fixture.synchronised.is_some_and(|it| it.overruns > 0));
        fixture.agrees("a link down");
        println!("{:?}", fixture.synchronised);
        Ok(())
    });
}

/// What notifications did not tell, and no loss betrayed, a reconciliation finds.
#[test]
fn reconciliation_goes_on() {
    run(|| {
        let how = How { reconcile: Duration::from_millis(200), ..How::default() };
        let mut fixture = Fixture::new(how, None)?;
        for _ in 0..3 {
            fixture.synchronised = None;
            fixture.wait("a reconciliation", |fixture| fixture.synchronised.is_some());
        }
        let deltas = fixture.deltas;
        fixture.linger(Duration::from_secs(1));
        // IPv6 addresses settle in the first seconds; but nothing is told again and again.
        assert!(fixture.deltas <= deltas + 2, "{} deltas of nothing", fixture.deltas - deltas);
        fixture.agrees("after reconciliations");
        Ok(())
    });
}

#[test]
fn nics_come_and_go() {
    run(|| {
        let netns = Netns::new("rtnl")?;
        let other = Netns::new("rtnl")?;
        netns.sh(DEVICES);
        let how = How { routes: false, ..How::default() };
        let mut fixture = Fixture::follow(netns, how, Some(&["eth0"]));
        let mut nics = Nics::new(["eth0".into(), "mv0".into()]);
        nics.apply(std::mem::take(&mut fixture.links));
        let missing = nics.check().expect_err("there is no mv0").to_string();
        assert!(missing.starts_with("there is no NIC mv0; there are eth0, eth1, peer0, peer1"), "{missing}");
        let other = other.sh("ip netns identify $$");
        let mut step = |script: &str, expected: &[&str]| {
            fixture.netns.sh(script);
            let mut words: Vec<String> = Vec::new();
            let deadline = Instant::now() + patience(DEADLINE);
            while !expected.iter().all(|expected| words.iter().any(|word| word == expected)) {
                assert!(Instant::now() < deadline, "{script}: {words:?} lacks some of {expected:?}");
                fixture.linger(Duration::from_millis(20));
                let events = nics.apply(std::mem::take(&mut fixture.links));
                words.extend(events.iter().map(|event| match event {
                    NicEvent::Gone { name } => format!("gone {name}"),
                    NicEvent::Present(nic) => {
                        let lower: Vec<&str> = nic.lower.iter().map(|device| &*device.name).collect();
                        let state = if nic.is_up { "up" } else { "down" };
                        let kind = nic.kind.as_deref().unwrap_or("none");
                        format!("{} {kind} {state} on {}", nic.name, lower.join("+"))
                    }
                }));
            }
        };
        step("ip link add mv0 link eth0 type macvlan; ip link set mv0 up", &["mv0 macvlan up on eth0"]);
        step("ip link set peer0 down", &["eth0 veth down on eth0", "mv0 macvlan down on eth0"]);
        step("ip link set peer0 up", &["eth0 veth up on eth0", "mv0 macvlan up on eth0"]);
        step("ip link del mv0", &["gone mv0"]);
        step("ip link set eth0 down; ip link set eth0 name eth7", &["gone eth0"]);
        step("ip link set eth7 name eth0; ip link set eth0 up", &["eth0 veth up on eth0"]);
        step(&format!("ip link set eth0 netns {}", other.trim()), &["gone eth0"]);
        step("ip link add eth0 type veth peer name peer9", &["eth0 veth down on eth0"]);
        step("ip link del eth0; ip link add eth0 type veth peer name peer9", &["gone eth0", "eth0 veth down on eth0"]);
        step("ip link del eth0; ip link property add dev eth1 altname eth0", &["eth0 veth up on eth1"]);
        Ok(())
    });
}

/// Who has which MAC: the same as `ip -d link` tells, as our own reader of its text and its JSON understands it.
#[test]
fn owners_of_macs() {
    run(|| {
        let netns = Netns::new("owners")?;
        netns.sh(&format!(
            "{DEVICES}
            ip link add mv0 link eth0 type macvlan
            ip link add a-name-of-15-xx link eth1 type macvlan"
        ));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let told = netns.inside(|| runtime.block_on(analyzer::netlink::owners::owners()).expect("the kernel answers"));
        let told: BTreeSet<(String, String)> =
            told.into_iter().map(|owner| (owner.mac.to_string(), owner.owner.to_string())).collect();
        for command in ["ip -d link", "ip -j -d link"] {
            let text = netns.sh(command);
            let facts = analyzer::ovn::mac_owners::parse(text.as_bytes(), &command.into()).expect("a listing").facts;
            let expected: BTreeSet<(String, String)> = facts
                .into_iter()
                .filter_map(|fact| match fact {
                    Fact::MacOwner(owner) => Some((owner.mac.to_string(), owner.owner.to_string())),
                    _ => None,
                })
                .collect();
            assert_eq!(expected.len(), 6, "{expected:?}");
            assert_eq!(told, expected, "{command}");
        }
        Ok(())
    });
}
