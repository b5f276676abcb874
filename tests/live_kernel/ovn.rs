//! The three databases of a worker under OVN-Kubernetes, on real ovsdb-servers.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use analyzer::engine::fact::Connection;
use analyzer::types::MacAddr;
use serde_json::{Value, json};

use crate::common::{command, run as run_command};
use crate::daemon::{Live, pause};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, labelled, unlabelled};
use crate::netns::{Missing, require, run};
use crate::ovsdb::Server;
use crate::patience::patience;
use crate::syslog::Receiver;
use crate::wire::{Count, Flow};

pub(crate) const ZONE: u16 = 35;
/// northd's release: one that applies labels wherever one may.
const NORTHD: &str = "26.03.1-21.8.0-82.14";

/// A worker with its databases.
pub(crate) struct Worker {
    pub(crate) lab: Lab,
    nb: Server,
    pub(crate) sb: Server,
    ovs: Server,
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> Value {
    json!(["map", pairs])
}

fn named(names: &[&str]) -> Value {
    json!(["set", names.iter().map(|name| json!(["named-uuid", name])).collect::<Vec<_>>()])
}

/// Routes of a pod as OVN-Kubernetes writes them, by next hop.
fn route(uuid_name: &str, nexthop: &str) -> Value {
    json!({"op": "insert", "table": "Logical_Router_Static_Route", "uuid-name": uuid_name, "row": {
        "policy": "src-ip", "ip_prefix": "10.244.0.5/32", "nexthop": nexthop, "output_port": "rtoe-GR_worker-08",
        "options": map(&[("ecmp_symmetric_reply", "true")])}})
}

fn mac_binding(ip: &str, mac: MacAddr) -> Value {
    json!({"op": "insert", "table": "MAC_Binding", "row": {
        "logical_port": "rtoe-GR_worker-08", "ip": ip, "mac": mac.to_string(), "datapath": ["named-uuid", "gr"]}})
}

impl Worker {
    pub(crate) fn new(purpose: &str) -> Result<Self, Missing> {
        for (program, package) in [
            ("ovsdb-server", "openvswitch-switch"),
            ("ovsdb-tool", "openvswitch-switch"),
            ("ovsdb-client", "openvswitch-switch"),
            ("ovn-nbctl", "ovn-central"),
        ] {
            require(program, package)?;
        }
        let lab = Lab::new(purpose)?;
        let server = |name: &'static str, database: &'static str, schema: &str| {
            let file = lab.folder.path().join(format!("{name}.db"));
            run_command(command("ovsdb-tool").arg("create").arg(file).arg(schema));
            Server::start_with(&lab.folder, name, database, &[])
        };
        let nb = server("nb", "OVN_Northbound", "/usr/share/ovn/ovn-nb.ovsschema");
        let sb = server("sb", "OVN_Southbound", "/usr/share/ovn/ovn-sb.ovsschema");
        let ovs = server("ovs", "Open_vSwitch", "/usr/share/openvswitch/vswitch.ovsschema");
        let worker = Self { lab, nb, sb, ovs };
        worker.fill();
        Ok(worker)
    }

    fn fill(&self) {
        self.nb.transact(&[
            json!({"op": "insert", "table": "Logical_Router_Port", "uuid-name": "port", "row": {
                "name": "rtoe-GR_worker-08", "mac": ROUTER.to_string(), "networks": "172.18.0.4/24"}}),
            route("first", "172.18.0.101"),
            route("second", "172.18.0.102"),
            json!({"op": "insert", "table": "Logical_Router", "row": {
                "name": "GR_worker-08", "options": map(&[("chassis", "0fe3"), ("snat-ct-zone", "0")]),
                "ports": named(&["port"]), "static_routes": named(&["first", "second"])}}),
        ]);
        self.sb.transact(&[
            json!({"op": "insert", "table": "SB_Global", "row": {
                "options": map(&[("northd_internal_version", NORTHD)])}}),
            json!({"op": "insert", "table": "Chassis", "row": {
                "name": "0fe3", "hostname": "worker-08", "other_config": map(&[("ct-no-masked-label", "true")]),
                "encaps": ["named-uuid", "encap"]}}),
            json!({"op": "insert", "table": "Encap", "uuid-name": "encap", "row": {
                "type": "geneve", "ip": "172.18.0.4", "chassis_name": "0fe3"}}),
            json!({"op": "insert", "table": "Datapath_Binding", "uuid-name": "gr", "row": {
                "tunnel_key": 3, "external_ids": map(&[("name", "GR_worker-08"), ("logical-router", "x")])}}),
            json!({"op": "insert", "table": "Port_Binding", "row": {
                "logical_port": "rtoe-GR_worker-08", "tunnel_key": 2, "datapath": ["named-uuid", "gr"], "type": "l3gateway",
                "options": map(&[("l3gateway-chassis", "0fe3")]), "mac": format!("{ROUTER} 172.18.0.4/24")}}),
            mac_binding("172.18.0.101", GW1),
            mac_binding("172.18.0.102", GW2),
            // Known, but no next hop.
            mac_binding("172.18.0.103", GW3),
        ]);
        self.ovs.transact(&[
            json!({"op": "insert", "table": "Interface", "uuid-name": "uplink", "row": {"name": "out0"}}),
            json!({"op": "insert", "table": "Port", "uuid-name": "port", "row": {
                "name": "out0", "interfaces": ["named-uuid", "uplink"]}}),
            json!({"op": "insert", "table": "Bridge", "uuid-name": "ex", "row": {
                "name": "br-ex", "ports": ["named-uuid", "port"]}}),
            json!({"op": "insert", "table": "Bridge", "uuid-name": "int", "row": {
                "name": "br-int", "external_ids": map(&[
                    ("ct-zone-GR_worker-08_dnat", "35"), ("ct-zone-GR_worker-08_snat", "0"), ("ct-zone-pod", "36")])}}),
            json!({"op": "insert", "table": "Open_vSwitch", "row": {
                "bridges": named(&["ex", "int"]), "external_ids": map(&[
                    ("system-id", "0fe3"), ("hostname", "worker-08"), ("ovn-bridge-mappings", "physnet:br-ex")])}}),
        ]);
    }

    /// northd is of this release now.
    pub(crate) fn set_northd(&self, release: &str) {
        self.sb.transact(&[json!({"op": "update", "table": "SB_Global", "where": [], "row": {
            "options": map(&[("northd_internal_version", release)])}})]);
    }

    /// The options that lead to the databases.
    fn sources(&self) -> Vec<String> {
        let option = |name: &str, server: &Server| [format!("--{name}"), server.remote()];
        [option("nb", &self.nb), option("sb", &self.sb), option("ovs", &self.ovs)].into_iter().flatten().collect()
    }

    pub(crate) fn live(&self, arguments: &[&str]) -> Live {
        let sources = self.sources();
        self.lab.live(sources.iter().map(String::as_str).chain(arguments.iter().copied()))
    }

    /// Runs another command on the system.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let mut command: Command = self.lab.netns.command(env!("CARGO_BIN_EXE_analyzer"));
        command.args(arguments).args(self.sources()).stdin(Stdio::null());
        command.output().expect("ip can be run")
    }
}

pub(crate) fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

fn state<'a>(object: &'a Value, source: &str) -> Option<&'a str> {
    let sources = object["sources"].as_array()?;
    sources.iter().find(|known| known["name"] == source)?["state"].as_str()
}

/// Waits until so many packets are counted under the reason.
fn wait_judged(lab: &Lab, reason: &str, packets: u64) {
    let reason = format!("reason=\"{reason}\"");
    let mut text = String::new();
    for _ in 0..300 {
        text = lab.get(9479, "/metrics");
        let own = |line: &&str| line.starts_with("analyzer_judged_packets_total{") && line.contains(&reason);
        if text.lines().filter(own).any(|line| line.rsplit(' ').next() == Some(&*packets.to_string())) {
            return;
        }
        pause(100);
    }
    panic!("{packets} packets {reason} are waited for\n{text}");
}

/// The NIC is found by itself; the zone's name decides which of two entries OVN honours; another sender's packets are no
/// router's.
#[test]
fn next_hops_zones_and_the_nic_from_ovn() {
    run(|| {
        let worker = Worker::new("live-ovn")?;
        let (stale, pod_zone) = (flow(4000, GW3), flow(4001, GW3));
        worker.lab.conntrack().create(&[
            labelled(stale.tuple, ZONE, GW3),
            labelled(stale.tuple, 36, GW3),
            labelled(pod_zone.tuple, 36, GW3),
        ]);
        let mut live = worker.live(&["-i", "auto", "--sample", "1", "--metrics", "9479"]);
        live.ready();
        let mut wire = worker.lab.wire();
        let to_gw1 = wire.send("out0", &flow(1, GW1), 11);
        let to_gw2 = wire.send("out0", &flow(2, GW2), 12);
        let to_stale = wire.send("out0", &stale, 13);
        let to_unknown = wire.send("out0", &pod_zone, 14);
        let finding = live.wait_finding(&stale, "stale-conntrack");
        let cited = finding["conntrack"].as_array().expect("a list");
        assert_eq!(cited.len(), 1, "{finding}");
        assert_eq!((&cited[0]["zone"], &cited[0]["zone_name"]), (&json!(ZONE), &json!("GR_worker-08_dnat")));
        assert_eq!(finding["route"]["router"], "GR_worker-08");
        let known = json!([{"source": "MAC_Binding", "ip": "172.18.0.103", "logical_port": "rtoe-GR_worker-08",
                            "owner": null, "from": null, "until": null}]);
        assert_eq!(finding["known_as"], known);
        live.wait_finding(&pod_zone, "unknown-mac");
        let stranger = Flow { eth_src: MacAddr([2, 0, 0, 0, 0, 0x77]), ..flow(5, GW3) };
        let mut to_stranger = wire.send("out0", &stranger, 15);
        wait_judged(&worker.lab, "other-sender", to_stranger.packets);
        // From here on the kernel program passes them by itself, and knows why.
        to_stranger += wire.send("out0", &stranger, 16);
        wait_judged(&worker.lab, "other-sender", to_stranger.packets);
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(to_gw1 + to_gw2 + to_stale + to_unknown + to_stranger);
        assert_eq!((ended.conforming(GW1), ended.conforming(GW2)), (to_gw1, to_gw2));
        assert_eq!(Count::of(ended.finding(&stale, "stale-conntrack")), to_stale);
        assert_eq!(Count::of(ended.finding(&pod_zone, "unknown-mac")), to_unknown);
        assert_eq!(ended.number("uncovered_packets"), to_stranger.packets);
        Ok(())
    });
}

/// A row of the server's that cannot be read may bind the MAC to a next hop: packets to it are not called wrong, until a
/// better row stands in its place.
#[test]
fn a_row_that_cannot_be_read_leaves_open_what_it_may_decide() {
    run(|| {
        let worker = Worker::new("live-unreadable")?;
        let judged = |reason: &str| {
            let mut live = worker.live(&["-i", "auto"]);
            live.ready();
            worker.lab.wire().send("out0", &flow(1, GW3), 3);
            live.wait_finding(&flow(1, GW3), reason);
            let ended = live.stop();
            (ended.code, ended.summary["gaps"].clone())
        };
        let row = |ip: &str| json!({"logical_port": "rtoe-GR_worker-08", "ip": ip, "mac": GW3.to_string()});
        worker.nb.transact(&[json!({"op": "insert", "table": "Static_MAC_Binding", "row": row("172.18.0.10x")})]);
        let gap = json!([{"code": format!("gap:{}", worker.nb.remote()), "of": "static-bindings"}]);
        assert_eq!(judged("unreadable-input"), (Some(3), gap.clone()));
        let mut live = worker.live(&["-i", "auto", "--grace", "0"]);
        live.ready();
        worker.nb.transact(&[json!({"op": "update", "table": "Static_MAC_Binding", "where": [],
            "row": row("172.18.0.109")})]);
        let is_over = |number| {
            worker.lab.wire().send("out0", &flow(number, GW3), 1);
            pause(100);
            live.has(|object| object["reason"] == "unknown-mac")
        };
        assert!((2..200).any(is_over), "the better row counts");
        assert_eq!(live.stop().summary["gaps"], gap, "a run had it, though it is over");
        assert_eq!(judged("unknown-mac"), (Some(1), json!([])));
        Ok(())
    });
}

/// The Northbound server is killed and comes back; then it is killed again and a route goes while nobody looks.
#[test]
fn a_server_that_is_killed_and_comes_back() {
    run(|| {
        let mut worker = Worker::new("live-ovn-kill")?;
        let mut live = worker.live(&["-i", "auto", "--grace", "2"]);
        live.ready();
        let mut wire = worker.lab.wire();
        let (first, second) = (flow(1, GW1), flow(2, GW2));
        let mut to_gw1 = Count::default();
        let mut to_gw2 = Count::default();
        let mut both = |wire: &mut crate::wire::Wire, times| {
            to_gw1 += wire.send("out0", &first, times);
            to_gw2 += wire.send("out0", &second, times);
        };
        both(&mut wire, 1);
        worker.nb.kill();
        both(&mut wire, 2);
        live.wait("the loss", |object| state(object, "nb") == Some("lost"));
        both(&mut wire, 4);
        worker.nb.restart();
        both(&mut wire, 8);
        live.wait("the return", |object| state(object, "nb") == Some("synchronised"));
        both(&mut wire, 16);

        worker.nb.kill();
        live.wait("the loss", |object| state(object, "nb") == Some("lost"));
        let gone = json!(["OVN_Northbound", {"op": "mutate", "table": "Logical_Router", "where": [],
            "mutations": [["static_routes", "delete", ["set", [["uuid", route_uuid(&worker)]]]]]}]);
        run_command(command("ovsdb-tool").arg("transact").arg(worker.nb.path("db")).arg(gone.to_string()));
        both(&mut wire, 32);
        worker.nb.restart();
        let probe = flow(3, GW2);
        let json = probe.json();
        let mut probed = Count::default();
        while !live.has(|object: &Value| object["type"] == "finding" && object["flow"] == json) {
            probed += wire.send("out0", &probe, 1);
            assert!(probed.packets < 1000, "the set does not change");
            pause(200);
        }
        let late = wire.send("out0", &second, 64);
        to_gw1 += wire.send("out0", &first, 64);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(to_gw1 + to_gw2 + probed + late);
        assert_eq!(ended.conforming(GW1), to_gw1, "{}", ended.summary);
        assert_eq!(Count::of(ended.finding(&second, "former-nexthop")), late);
        let of_probe = Count::of(ended.finding(&probe, "former-nexthop"));
        let conforming = ended.conforming(GW2).packets;
        assert_eq!(conforming + ended.number("grace_packets") + of_probe.packets, (to_gw2 + probed).packets);
        assert!(conforming >= to_gw2.packets, "nothing is missed before the route went: {}", ended.summary);
        assert_eq!(ended.findings.len(), 2, "{:#?}", ended.findings);
        assert_eq!(ended.number("undetermined_flows"), 0);
        Ok(())
    });
}

/// A next hop's MAC changes, and OVN flushes the entries that hold the old one at once, as it does with its own monitor.
/// Of these nobody is told; an entry that stays is told once the grace period is over.
#[test]
fn entries_that_are_flushed_at_once_are_not_told() {
    run(|| {
        let worker = Worker::new("live-ovn-flush")?;
        let [before, flushed, stays] = [(4000, GW3), (4001, GW2), (4002, GW2)]
            .map(|(port, gateway)| labelled(flow(port, gateway).tuple, ZONE, gateway));
        let mut conntrack = worker.lab.conntrack();
        conntrack.create([&before, &flushed, &stays]);
        let receiver = Receiver::new(worker.lab.folder.path());
        let target = receiver.arguments();
        let arguments = ["-i", "auto", "--grace", "2"].into_iter().chain(target.iter().map(String::as_str));
        let mut live = worker.live(&arguments.collect::<Vec<_>>());
        live.ready();
        let is_latent = |object: &Value| object["type"] == "latent";
        // Then the entries are read.
        let first = live.wait("an entry that was latent before", is_latent);
        assert_eq!(first["eth_dst"], GW3.to_string());
        worker.sb.transact(&[json!({"op": "update", "table": "MAC_Binding", "where": [["ip", "==", "172.18.0.102"]],
            "row": {"mac": "02:00:00:00:01:04"}})]);
        crate::daemon::sit_out(Duration::from_millis(20));
        conntrack.delete(&flushed);
        let told = live.wait("the entry that stays", is_latent);
        assert_eq!(told["flow"], crate::wire::json_of(&stays.reply), "{told}");
        assert_eq!(told["last_legal"]["nexthop"], "172.18.0.102", "{told}");
        worker.lab.wire().send("out0", &flow(1, GW1), 1);
        let ids = [receiver.wait("LATENT"), receiver.wait("LATENT")];
        let of_macs = ids.each_ref().map(|message| (message.value("eth_dst"), message.value("flows")));
        assert_eq!(of_macs, [GW3, GW2].map(|mac| mac.to_string()).each_ref().map(|mac| (Some(&**mac), Some("1"))));
        let ended = live.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        let flows: Vec<&Value> = ended.latent.iter().map(|latent| &latent["flow"]["sport"]).collect();
        assert_eq!(flows, [4000, 4002], "{:#?}", ended.latent);
        assert_eq!(ended.summary["latent"], json!({"armed": 2, "unused": 0}));
        Ok(())
    });
}

/// The daemon is there before the database that names the NIC.
#[test]
fn the_nic_is_waited_for() {
    run(|| {
        let mut worker = Worker::new("live-ovn-late")?;
        worker.ovs.kill();
        let mut live = worker.live(&["-i", "auto"]);
        live.wait_message("-i auto waits for the Open_vSwitch database");
        worker.ovs.restart();
        live.ready();
        let flow = flow(1, GW1);
        let sent = worker.lab.wire().send("out0", &flow, 7);
        let ended = live.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        ended.assert_complete(sent);
        assert_eq!(ended.conforming(GW1), sent);
        Ok(())
    });
}

/// What a server told is believed for as long as the user says; then nobody judges until it is back.
#[test]
fn a_server_that_is_away_for_too_long() {
    run(|| {
        let mut worker = Worker::new("live-ovn-old")?;
        let receiver = Receiver::new(worker.lab.folder.path());
        let target = receiver.arguments();
        let age = patience(Duration::from_secs(1)).as_secs().to_string();
        let mut arguments = vec!["-i", "auto", "--max-age", &age, "--alert-gather", "1"];
        arguments.extend(target.iter().map(String::as_str));
        let mut live = worker.live(&arguments);
        live.ready();
        let mut wire = worker.lab.wire();
        let (good, bad) = (flow(1, GW1), flow(2, GW3));
        let mut to_gw1 = wire.send("out0", &good, 3);
        let mut violating = wire.send("out0", &bad, 4);
        worker.nb.kill();
        live.wait("too old facts", |object| object["nexthops_known"] == false);
        let unjudged = wire.send_all("out0", [(&good, 5), (&bad, 6)]);
        // Who is on call learns that nobody judges.
        for source in ["nb", "nexthops"] {
            assert_eq!(receiver.wait("SOURCE-LOST").value("source"), Some(source));
        }
        worker.nb.restart();
        live.ready();
        to_gw1 += wire.send("out0", &good, 7);
        violating += wire.send("out0", &bad, 8);
        let mut back = [(); 2].map(|()| receiver.wait("SOURCE-BACK").value("source").map(str::to_owned));
        back.sort();
        assert_eq!(back, ["nb", "nexthops"].map(|source| Some(source.to_owned())));
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(to_gw1 + violating + unjudged);
        assert_eq!(ended.conforming(GW1), to_gw1);
        assert_eq!(Count::of(ended.finding(&bad, "unknown-mac")), violating);
        assert_eq!(ended.number("untracked_packets"), unjudged.packets);
        assert_eq!(ended.findings.len(), 1, "{:#?}", ended.findings);
        Ok(())
    });
}

/// The UUID of the route by the second gateway, from the server's own file.
fn route_uuid(worker: &Worker) -> String {
    let query = json!(["OVN_Northbound", {"op": "select", "table": "Logical_Router_Static_Route",
        "where": [["nexthop", "==", "172.18.0.102"]], "columns": ["_uuid"]}]);
    let answer = run_command(command("ovsdb-tool").arg("query").arg(worker.nb.path("db")).arg(query.to_string()));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer[0]["rows"][0]["_uuid"][1].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// A daemon that repairs, by the names that the databases give to zones.
#[test]
fn the_daemon_heals_a_violating_flow() {
    run(|| {
        crate::repairing::heals_a_violating_flow(&Worker::new("live-repair")?);
        Ok(())
    });
}

/// Nothing tells for certain that this OVN applies labels, but packets that go on show it.
#[test]
fn the_daemon_heals_what_packets_prove() {
    run(|| {
        let worker = Worker::new("live-repair-proof")?;
        worker.set_northd("23.03.1-20.27.1-70.6");
        crate::repairing::heals_what_packets_prove(&worker);
        Ok(())
    });
}

/// A daemon that repairs no faster than it may.
#[test]
fn the_daemon_keeps_the_limit() {
    run(|| {
        crate::repairing::keeps_the_limit(&Worker::new("live-repair-rate")?);
        Ok(())
    });
}

/// `analyzer repair` by the databases: the owner of a zone decides; a next hop that goes while it watches is noticed; a
/// server that is away forbids all.
#[test]
fn entries_are_repaired_by_the_databases() {
    run(|| {
        let mut worker = Worker::new("live-repair-ask")?;
        let journal = worker.lab.folder.path().join("journal.jsonl");
        let journal = journal.to_str().expect("its name is ours").to_owned();
        let (stale, fine) = (flow(4000, GW3), flow(4001, GW2));
        let entries = [
            labelled(stale.tuple, ZONE, GW3),
            labelled(stale.tuple, 36, GW3),
            labelled(stale.tuple, 99, GW3),
            labelled(fine.tuple, ZONE, GW2),
        ];
        worker.lab.conntrack().create(&entries);
        let repair = |worker: &Worker, arguments: &[&str]| -> (Option<i32>, Vec<Value>, String) {
            let output = worker.ask(&[&["repair", "--format", "jsonl", "--journal", &journal], arguments].concat());
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            let objects = String::from_utf8_lossy(&output.stdout);
            let objects = objects.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            let objects = objects.filter(|object: &Value| object["type"] == "repair").collect();
            (output.status.code(), objects, stderr)
        };
        let outcomes = |objects: &[Value]| -> Vec<(u64, String)> {
            let name = |object: &Value| object["reason"].as_str().or(object["outcome"].as_str()).map(str::to_owned);
            let zone = |object: &Value| object["conntrack"]["zone"].as_u64();
            objects.iter().map(|object| (zone(object).expect("a zone"), name(object).expect("a name"))).collect()
        };
        let (code, objects, stderr) = repair(&worker, &["--all"]);
        let expected = [(35, "would".to_owned()), (99, "zone-owner-unknown".to_owned())];
        assert_eq!((code, outcomes(&objects)), (Some(1), expected.to_vec()), "{stderr}");
        assert!(stderr.contains("nothing tells how long the next hops"), "{stderr}");
        assert_eq!(objects[0]["conntrack"]["zone_name"], "GR_worker-08_dnat");

        // A server that is away: what it told nobody knows.
        worker.sb.kill();
        let (code, objects, stderr) = repair(&worker, &["--zone", "35", "--apply", "--settle", "0"]);
        assert_eq!((code, objects.is_empty()), (Some(1), false), "{stderr}");
        assert!(objects.iter().all(|object| object["outcome"] == "refused"), "{objects:#?}");
        assert!(outcomes(&objects).iter().all(|(_, reason)| reason == "source-too-old"), "{objects:#?}\n{stderr}");
        worker.sb.restart();

        // The second gateway goes while the next hops are watched: its flow is stale from now on, and not yet settled.
        let gone = [json!({"op": "mutate", "table": "Logical_Router", "where": [],
            "mutations": [["static_routes", "delete", ["set", [["uuid", route_uuid(&worker)]]]]]})];
        let settle = patience(Duration::from_secs(6)).as_secs().to_string();
        let (watched, _) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| repair(&worker, &["--all", "--apply", "--settle", &settle]));
            // A pause may end early, for what woke the thread before.
            (0..30).for_each(|_| pause(100));
            worker.nb.transact(&gone);
            (watching.join().expect("it ends"), ())
        });
        let (code, objects, stderr) = watched;
        assert!(stderr.contains(&format!("watching for {settle} s")), "{stderr}");
        let expected = [(35, "recent-change"), (35, "recent-change"), (99, "zone-owner-unknown")];
        let expected: Vec<_> = expected.iter().map(|&(zone, name)| (zone, name.to_owned())).collect();
        assert_eq!((code, outcomes(&objects)), (Some(1), expected), "{objects:#?}\n{stderr}");

        let (code, objects, stderr) = repair(&worker, &["--all", "--apply", "--settle", "1"]);
        let expected = [(35, "done"), (35, "done"), (99, "zone-owner-unknown")];
        let expected: Vec<_> = expected.iter().map(|&(zone, name)| (zone, name.to_owned())).collect();
        assert_eq!((code, outcomes(&objects)), (Some(1), expected), "{objects:#?}\n{stderr}");
        let left = worker.lab.netns.sh("conntrack -L 2>/dev/null");
        let zones: Vec<bool> = ["zone=35 ", "zone=36 ", "zone=99 "].map(|zone| left.contains(zone)).to_vec();
        assert_eq!((zones, left.lines().count()), (vec![false, true, true], 2), "{left}");
        Ok(())
    });
}

/// The commands that watch no packets, on the running system.
#[test]
fn the_running_system_is_listed_and_explained() {
    run(|| {
        let worker = Worker::new("live-ask")?;
        let flow = flow(4000, GW3);
        let fine = labelled(self::flow(4001, GW1).tuple, ZONE, GW1);
        worker.lab.conntrack().create(&[labelled(flow.tuple, ZONE, GW3), Connection { ..fine }]);
        let json = |output: &Output, code: i32| -> Value {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(code), "{stderr}\n{stdout}");
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
        };
        let nexthops = json(&worker.ask(&["nexthops", "--format", "json"]), 0);
        let rows = nexthops["entries"].as_array().expect("a list");
        let found: Vec<(&Value, &Value)> =
            rows.iter().map(|row| (&row["nexthop"], &row["expected"][0]["lladdr"])).collect();
        let (first, second) = (json!("172.18.0.101"), json!("172.18.0.102"));
        let (gw1, gw2) = (json!(GW1.to_string()), json!(GW2.to_string()));
        assert_eq!(found, [(&first, &gw1), (&second, &gw2)], "{nexthops}");

        let all = json(&worker.ask(&["conntrack", "--format", "json"]), 1);
        assert_eq!(all["entries"].as_array().map(Vec::len), Some(2), "{all}");
        let stale = json(&worker.ask(&["conntrack", "--stale", "--format", "json"]), 1);
        let rows = stale["entries"].as_array().expect("a list");
        assert_eq!(rows.len(), 1, "{stale}");
        assert!(
            stale.to_string().contains(&GW3.to_string()) && stale.to_string().contains("GR_worker-08_dnat"),
            "{stale}"
        );

        let explained = json(&worker.ask(&["explain", &flow.tuple.to_string(), "--format", "json"]), 1).to_string();
        for said in ["GR_worker-08", &GW1.to_string(), &GW3.to_string(), "GR_worker-08_dnat"] {
            assert!(explained.contains(said), "{said}: {explained}");
        }
        Ok(())
    });
}

/// Whose MAC it was and until when, whose it is now, what the other zones hold, and commands that run.
#[test]
fn a_flow_is_explained_with_all_that_the_node_knows() {
    run(|| {
        require("conntrack", "conntrack")?;
        const NEW: MacAddr = MacAddr([2, 0, 0, 0, 1, 7]);
        let worker = Worker::new("live-explain")?;
        let history = worker.lab.folder.path().join("history").display().to_string();
        let mut live = worker.live(&["-i", "auto", "--grace", "0", "--history", &history]);
        live.ready();
        worker.sb.transact(&[json!({"op": "update", "table": "MAC_Binding", "where": [["ip", "==", "172.18.0.102"]],
            "row": {"mac": NEW.to_string()}})]);
        let flow = flow(4000, GW2);
        let json = flow.json();
        let mut wire = worker.lab.wire();
        for attempt in 0.. {
            wire.send("out0", &flow, 1);
            if live.has(|object: &Value| object["type"] == "finding" && object["flow"] == json) {
                break;
            }
            assert!(attempt < 1000, "the set does not change");
            pause(100);
        }
        assert_eq!(live.stop().code, Some(1));

        worker.lab.netns.sh(&format!("ip link set wan1 address {GW2}"));
        worker.lab.conntrack().create(&[labelled(flow.tuple, ZONE, GW2), unlabelled(flow.tuple, 36)]);
        let owners = format!("7: ens5f1: <UP> mtu 1500\n    vf 48     link/ether {GW2} brd ff:ff:ff:ff:ff:ff\n");
        let owners = worker.lab.write("mac-owners.worker-07.txt", &owners).display().to_string();
        let tuple = flow.tuple.to_string();
        let arguments =
            ["explain", &tuple, "--history", &history, "--mac-owners", &owners, "--format", "json", "--node", "w8"];
        let output = worker.ask(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(1), ""));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");

        let held = &told["connections"][0];
        assert_eq!((&held["standing"], &held["conntrack"]["zone"]), (&json!("stale"), &json!(ZONE)), "{told}");
        assert_eq!(held["last_legal"]["nexthop"], "172.18.0.102", "{told}");
        let known: Vec<(&Value, &Value)> =
            held["known_as"].as_array().unwrap().iter().map(|known| (&known["source"], &known["owner"])).collect();
        for expected in [(json!("rtnetlink"), json!("interface wan1")), (json!(owners), json!("VF 48 of ens5f1"))] {
            assert!(known.contains(&(&expected.0, &expected.1)), "{expected:?}: {told}");
        }
        let zones: Vec<&Value> = told["unlabelled"].as_array().unwrap().iter().map(|entry| &entry["zone"]).collect();
        assert_eq!(zones, [36], "{told}");

        let lladdrs =
            |hops: &Value| -> Vec<Value> { hops.as_array().unwrap().iter().map(|hop| hop["lladdr"].clone()).collect() };
        let sets = told["sets"].as_array().unwrap();
        assert_eq!(sets.len(), 2, "{told}");
        assert_eq!(lladdrs(&sets[0]["expected"]), [GW1, GW2].map(|mac| json!(mac.to_string())));
        assert_eq!(sets[0]["until"], held["last_legal"]["at"]);
        let now = [GW1, NEW].map(|mac| json!(mac.to_string()));
        assert_eq!(
            (lladdrs(&sets[1]["expected"]), lladdrs(&told["new_flow"]["nexthops"])),
            (now.to_vec(), now.to_vec())
        );

        let commands = told["commands"].as_array().unwrap();
        let of = |purpose: &str| -> Vec<&str> {
            let own = commands.iter().filter(|command| command["purpose"] == purpose);
            own.map(|command| command["command"].as_str().unwrap()).collect()
        };
        assert_eq!(of("repair"), [format!("analyzer repair --flow '{tuple}' --apply")]);
        assert_eq!(of("routes"), ["ovn-nbctl lr-route-list GR_worker-08"]);
        let show = of("entry").into_iter().find(|command| command.starts_with("conntrack -L")).expect("one");
        let shown = worker.lab.netns.sh(show);
        assert_eq!(shown.lines().filter(|line| line.contains("dport=")).count(), 1, "{show}\n{shown}");
        Ok(())
    });
}
