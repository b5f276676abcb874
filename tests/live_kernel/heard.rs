//! Who is heard at the ingress, and what that excuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use analyzer::types::MacAddr;
use serde_json::Value;

use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, WITHOUT_OVN, nexthops_toml};
use crate::netns::run;
use crate::wire::{Count, Flow, gratuitous_arp};

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

/// A gateway that died.
const DEAD: MacAddr = MacAddr([2, 0, 0, 0, 1, 0xdd]);

fn flow(port: u16, gateway: MacAddr) -> Flow {
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, gateway)
}

/// The frame of the other direction, from the gateway.
fn request(flow: &Flow) -> Vec<u8> {
    Flow { tuple: flow.tuple.reversed(), eth_src: flow.eth_dst, eth_dst: flow.eth_src, ..flow.clone() }.frame()
}

/// A live router that is no next hop is told as information for the flow whose requests it brings, and for no other; a
/// dead gateway's last ARP excuses nothing.
#[test]
fn requests_of_the_flow_itself_count_and_nothing_else() {
    run(|| {
        let lab = Lab::new("live-heard")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--sample", "1"]);
        live.ready();
        let mut wire = lab.wire();
        let (answered, other, dead) = (flow(4000, GW3), flow(4001, GW3), flow(4002, DEAD));
        let mut requests = vec![request(&answered), request(&answered)];
        requests.push(gratuitous_arp([172, 18, 0, 103], DEAD));
        // Another flow's request from the dead gateway.
        requests.push(request(&flow(4999, DEAD)));
        wire.deliver("wan0", "out0", requests);

        let to_answered = wire.send("out0", &answered, 5);
        let info = live.wait_finding(&answered, "asymmetric-gateway");
        assert_eq!((info["verdict"].as_str(), info["heard"]["packets"].as_u64()), (Some("info"), Some(2)), "{info}");
        let to_other = wire.send("out0", &other, 6);
        let to_dead = wire.send("out0", &dead, 7);
        live.wait_finding(&other, "unknown-mac");
        let violating = live.wait_finding(&dead, "unknown-mac");
        assert_eq!(violating["heard"], Value::Null);

        // Conforming, but the requests come in by the other next hop.
        let crossed = flow(4003, GW1);
        wire.deliver("wan0", "out0", [request(&crossed.to(GW2))]);
        let mut to_crossed = wire.send("out0", &crossed, 1);
        // From then on the kernel program passes them by itself, and samples them; the first was suspect.
        crate::daemon::pause(2000);
        to_crossed += wire.send("out0", &crossed, 8);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(to_answered + to_other + to_dead + to_crossed);
        assert_eq!(Count::of(ended.finding(&answered, "asymmetric-gateway")), to_answered);
        assert_eq!(Count::of(ended.finding(&other, "unknown-mac")), to_other);
        assert_eq!(Count::of(ended.finding(&dead, "unknown-mac")), to_dead);
        assert_eq!(ended.number("violating_packets"), to_other.packets + to_dead.packets);
        let told = ended.finding(&crossed, "asymmetric-reply");
        assert_eq!((told["verdict"].as_str(), Count::of(told)), (Some("info"), to_crossed), "{told}");
        assert_eq!(ended.number("info_flows"), 2);
        assert_eq!(ended.conforming(GW1), to_crossed);
        Ok(())
    });
}

/// Information alone does not make the run fail; with nothing heard it is a violation.
#[test]
fn without_ingress_nobody_is_heard() {
    run(|| {
        let lab = Lab::new("live-deaf")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        for (ingress, reason, code) in [("tc", "asymmetric-gateway", 0), ("none", "unknown-mac", 1)] {
            let mut live = lab.live_by_file(&file, &["-i", "out0", "--ingress", ingress]);
            live.ready();
            let mut wire = lab.wire();
            let flow = flow(4000, GW3);
            wire.deliver("wan0", "out0", [request(&flow)]);
            let sent = wire.send("out0", &flow, 3);
            live.wait_finding(&flow, reason);
            let ended = live.stop();
            assert_eq!(ended.code, Some(code), "{ingress}: {}", ended.said());
            ended.assert_complete(sent);
            assert_eq!(Count::of(ended.finding(&flow, reason)), sent, "{ingress}");
        }
        Ok(())
    });
}

/// Flows of a live router that is no next hop begin while the set changes for other reasons, all the time. A packet that
/// was on its way while the set changed is counted under the old one; the request before it came in all the same.
#[test]
fn a_live_router_is_heard_while_the_set_changes() {
    const CHANGES: u8 = 120;
    /// Flows between two looks whether the changes are over.
    const ROUND: u16 = 100;
    run(|| {
        let lab = Lab::new("live-heard-change")?;
        lab.netns.sh(&format!(
            "set -e
            ip addr add 172.18.0.4/24 dev out0
            ip neigh add 172.18.0.101 lladdr {GW1} dev out0 nud permanent
            ip neigh add 172.18.0.102 lladdr {GW2} dev out0 nud permanent"
        ));
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let file = file.to_str().expect("its name is ours");
        let own = ["--nexthops", file, "--kernel-routes", "yes", "-i", "out0"];
        let mut live = lab.live(WITHOUT_OVN.into_iter().chain(own));
        live.ready();
        live.keep_counts_only();
        let mut wire = lab.wire();
        let is_over = AtomicBool::new(false);
        let mut sent = Count::default();
        let mut port = 1024;
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..CHANGES {
                    lab.netns.sh(&format!(
                        "ip route add 203.0.{number}.0/24 nexthop via 172.18.0.101 dev out0 \
                         nexthop via 172.18.0.102 dev out0"
                    ));
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) && port < 60_000 {
                let flows = (port..port + ROUND).map(|port| flow(port, GW3));
                sent += wire.answer("wan0", "out0", flows.map(|flow| (request(&flow), flow.frame())));
                port += ROUND;
            }
        });
        let ended = live.stop();
        assert_eq!(ended.number("violating_flows"), 0, "of {} flows: {}", sent.packets, ended.summary);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        assert_eq!(ended.counted("asymmetric-gateway"), sent);
        Ok(())
    });
}
