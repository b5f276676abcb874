//! Next hops from the kernel's own multipath routes and neighbours.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::daemon::{Live, pause};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, WITHOUT_OVN};
use crate::netns::run;
use crate::wire::{Count, Flow, Wire};

const NODE: &str = "172.18.0.4";

/// What a neighbour's MAC is changed to.
const MOVED: analyzer::types::MacAddr = analyzer::types::MacAddr([2, 0, 0, 0, 2, 1]);

fn lab() -> Result<Lab, crate::netns::Missing> {
    let lab = Lab::new("live-routes")?;
    lab.netns.sh(&format!(
        "set -e
        ip link set out0 address {ROUTER}
        ip addr add {NODE}/24 dev out0
        ip neigh add 172.18.0.101 lladdr {GW1} dev out0 nud permanent
        ip neigh add 172.18.0.102 lladdr {GW2} dev out0 nud permanent
        ip neigh add 172.18.0.103 lladdr {GW3} dev out0 nud permanent
        ip route add 203.0.113.0/24 nexthop via 172.18.0.101 dev out0 nexthop via 172.18.0.102 dev out0"
    ));
    Ok(lab)
}

/// A forwarded flow: its source is not the node's.
fn forwarded(port: u16, gateway: analyzer::types::MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 203.0.113.9:53"), ROUTER, gateway)
}

/// Datagrams of the node itself, to many addresses, routed by the kernel; by what `ip route get` says each takes.
fn send_by_kernel(lab: &Lab) -> [Count; 2] {
    let mut sent = [Count::default(); 2];
    lab.netns.inside(|| {
        let socket = UdpSocket::bind((NODE, 4000)).expect("the address is ours");
        for host in 1..=64_u8 {
            let destination = format!("203.0.113.{host}");
            let route = lab.netns.sh(&format!("ip route get {destination} from {NODE}"));
            let hop = usize::from(!route.contains("172.18.0.101"));
            assert!(hop == 0 || route.contains("172.18.0.102"), "{route}");
            let datagrams = u64::from(host % 3 + 1);
            for _ in 0..datagrams {
                socket.send_to(&[0x78; 100], (&*destination, 53)).expect("the route is there");
            }
            sent[hop] += Count { packets: datagrams, bytes: datagrams * (14 + 20 + 8 + 100) };
        }
    });
    assert!(sent.iter().all(|sent| sent.packets > 0), "{sent:?}");
    sent
}

/// Sends a flow's packets one by one until it violates; what it violates by.
fn probe(live: &mut Live, wire: &mut Wire, flow: &Flow) -> (Count, String) {
    let json = flow.json();
    let is_over = |object: &Value| {
        object["type"] == "finding" && object["flow"] == json && object["eth_dst"] == flow.eth_dst.to_string()
    };
    let mut sent = Count::default();
    while !live.has(is_over) {
        sent += wire.send("out0", flow, 1);
        assert!(sent.packets < 1000, "{flow:?} does not violate");
        pause(200);
    }
    let finding = live.wait("the finding of the probe", is_over);
    assert_eq!(finding["verdict"], "violating", "{finding}");
    (sent, finding["reason"].as_str().expect("a reason").to_owned())
}

#[test]
fn ecmp_routes_and_neighbours_of_the_kernel() {
    run(|| {
        let lab = lab()?;
        let arguments = WITHOUT_OVN.into_iter().chain(["--kernel-routes", "yes", "-i", "out0", "--grace", "1"]);
        let mut live = lab.live(arguments);
        live.ready();
        let mut wire = lab.wire();
        let [mut to_gw1, mut to_gw2] = send_by_kernel(&lab);
        to_gw1 += wire.send("out0", &forwarded(1, GW1), 10);
        to_gw2 += wire.send("out0", &forwarded(2, GW2), 20);
        let stranger = forwarded(3, GW3);
        let to_stranger = wire.send("out0", &stranger, 30);
        let finding = live.wait_finding(&stranger, "unknown-mac");
        assert_eq!(finding["route"]["policy"], "dst-ip", "{finding}");
        assert_eq!(finding["route"]["prefix"], "203.0.113.0/24");
        assert!(
            finding["known_as"].as_array().is_some_and(|known| known.iter().any(|it| it["ip"] == "172.18.0.103")),
            "the neighbour table knows the MAC: {finding}"
        );

        // A gateway's MAC changes.
        lab.netns.sh(&format!("ip neigh replace 172.18.0.101 lladdr {MOVED} dev out0 nud permanent"));
        let old = forwarded(4, GW1);
        let (probed_old, old_reason) = probe(&mut live, &mut wire, &old);
        let to_moved = wire.send("out0", &forwarded(5, MOVED), 11);
        let late = forwarded(6, GW1);
        let to_old = wire.send("out0", &late, 12);

        // A gateway is replaced.
        lab.netns
            .sh("ip route replace 203.0.113.0/24 nexthop via 172.18.0.101 dev out0 nexthop via 172.18.0.103 dev out0");
        let left = forwarded(7, GW2);
        let (probed_left, left_reason) = probe(&mut live, &mut wire, &left);
        let to_new = wire.send("out0", &forwarded(8, GW3), 13);
        let after = forwarded(9, GW2);
        let to_left = wire.send("out0", &after, 14);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        let sent = to_gw1 + to_gw2 + to_stranger + probed_old + to_moved + to_old + probed_left + to_new + to_left;
        ended.assert_complete(sent);
        assert_eq!(ended.conforming(MOVED), to_moved, "{}", ended.summary);
        assert_eq!(ended.conforming(GW3), to_new, "{}", ended.summary);
        assert_eq!(Count::of(ended.finding(&stranger, "unknown-mac")), to_stranger);
        assert_eq!(Count::of(ended.finding(&late, &old_reason)), to_old);
        assert_eq!(Count::of(ended.finding(&after, "former-nexthop")), to_left);
        assert_eq!((&*old_reason, &*left_reason), ("former-nexthop", "former-nexthop"));
        let expected = json!([
            {"nexthop": "172.18.0.101", "lladdr": MOVED.to_string(), "state": "active"},
            {"nexthop": "172.18.0.103", "lladdr": GW3.to_string(), "state": "active"},
        ]);
        assert_eq!(ended.finding(&after, "former-nexthop")["expected"], expected);
        assert_eq!(ended.finding(&after, "former-nexthop")["last_legal"]["nexthop"], "172.18.0.102");
        // Before the change took effect probes conformed, right after it they were in grace.
        let of_probes = Count::of(ended.finding(&old, &old_reason)) + Count::of(ended.finding(&left, &left_reason));
        let early = ended.conforming(GW1).packets - to_gw1.packets + ended.conforming(GW2).packets - to_gw2.packets;
        assert_eq!(of_probes.packets + early + ended.number("grace_packets"), (probed_old + probed_left).packets);
        Ok(())
    });
}
