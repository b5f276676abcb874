//! Many flows: counted exactly, and what finds no room is counted as such.

use analyzer::types::MacAddr;

use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, nexthops_toml};
use crate::netns::run;
use crate::wire::{Count, Flow};

const NEXTHOPS: [(&str, MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];

/// The nth flow of the pod.
fn flow(number: u32, gateway: MacAddr) -> Flow {
    let [_, _, high, low] = number.to_be_bytes();
    let port = 1024 + number % 50_000;
    Flow::new(&format!("udp 10.244.0.5:{port} -> 198.18.{high}.{low}:53"), ROUTER, gateway)
}

/// 65,536 flows conform and go on by two gateways, 65,536 violate; they come faster than events may be raised.
#[test]
fn sixty_five_thousand_flows() {
    run(|| {
        let lab = Lab::new("live-many")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0"]);
        live.keep_counts_only();
        live.ready();
        let mut wire = lab.wire();
        let flows =
            |gateway: MacAddr| (0..65_536).map(move |number| (flow(number, gateway), u64::from(number % 3 + 1)));
        let mut send = |gateway: MacAddr| {
            let flows: Vec<(Flow, u64)> = flows(gateway).collect();
            wire.send_all("out0", flows.iter().map(|(flow, times)| (flow, *times)))
        };
        let (to_gw1, to_gw2) = (send(GW1), send(GW2));
        let violating = send(GW3);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!((ended.conforming(GW1), ended.conforming(GW2)), (to_gw1, to_gw2), "{}", ended.summary);
        ended.assert_complete(to_gw1 + to_gw2 + violating);
        assert_eq!(ended.counted("unknown-mac"), violating);
        assert_eq!(ended.findings.len(), 65_536);
        let mut by_flow: std::collections::HashMap<String, Count> = std::collections::HashMap::new();
        for finding in &ended.findings {
            *by_flow.entry(finding["flow"].to_string()).or_default() += Count::of(finding);
        }
        for (flow, times) in flows(GW3) {
            let sent = Count { packets: times, bytes: times * flow.frame().len() as u64 };
            assert_eq!(by_flow.get(&flow.json().to_string()), Some(&sent), "{flow:?}");
        }
        assert_eq!((ended.number("violating_flows"), ended.number("omitted_findings")), (65_536, 0));
        assert_eq!(ended.number("untracked_packets"), 0);
        Ok(())
    });
}

/// More flows under suspicion than the kernel's map takes: the rest is counted as not judged.
#[test]
fn a_full_map_is_told() {
    run(|| {
        let lab = Lab::new("live-full")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--max-suspects", "1000"]);
        live.ready();
        let flows: Vec<Flow> = (0..5000).map(|number| flow(number, GW3)).collect();
        let mut wire = lab.wire();
        let mut sent = wire.send_all("out0", flows.iter().map(|flow| (flow, 1)));
        sent += wire.send_all("out0", flows.iter().map(|flow| (flow, 2)));
        let conforming = wire.send("out0", &flow(1, GW1), 9);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent + conforming);
        let lost = ended.number("untracked_packets");
        assert!(lost > 0, "{}", ended.summary);
        assert_eq!(ended.loss("suspect_packets_untracked") + ended.loss("suspect_packets_unjudged"), lost);
        assert_eq!(
            ended.counted("unknown-mac").packets + lost + ended.conforming(GW1).packets,
            (sent + conforming).packets
        );
        assert!((1000..5000).contains(&ended.findings.len()), "{}", ended.findings.len());
        Ok(())
    });
}

/// More violating flows than are judged between two sweeps nearly fill the map, and then the next hops change: all are
/// judged before they leave it.
#[test]
fn flows_of_an_earlier_set_are_judged_before_they_leave_the_map() {
    run(|| {
        let lab = Lab::new("live-earlier")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--max-suspects", "45000"]);
        live.keep_counts_only();
        live.ready();
        let mut wire = lab.wire();
        let flows: Vec<Flow> = (0..44_000).map(|number| flow(number, GW3)).collect();
        let sent = wire.send_all("out0", flows.iter().map(|flow| (flow, 1)));
        lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS), ("10.244.0.6/32", &NEXTHOPS)]));
        // A second or more, in which each second a part is judged.
        for _ in 0..16_000 {
            live.wait("many findings", |object| object["type"] == "finding");
        }

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        assert_eq!((ended.counted("unknown-mac"), ended.number("untracked_packets")), (sent, 0), "{}", ended.status);
        Ok(())
    });
}

/// 215,000 flows of one packet and behind them one of 777, at default limits: each packet is told, and so is the last flow.
#[test]
fn two_hundred_thousand_flows_at_default_limits() {
    run(|| {
        let lab = Lab::new("live-flood")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0"]);
        live.keep_counts_only();
        live.ready();
        let mut wire = lab.wire();
        let flows: Vec<Flow> = (0..215_001).map(|number| flow(number, GW3)).collect();
        let last = flows.len() - 1;
        let times = |number| if number == last { 777 } else { 1 };
        let sent = wire.send_all("out0", flows.iter().enumerate().map(|(number, flow)| (flow, times(number))));
        assert_eq!(sent.packets, 215_777);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!(Count::of(&ended.summary), sent, "{}", ended.summary);
        assert_eq!(ended.number("violating_packets"), sent.packets, "{}", ended.summary);
        assert_eq!((ended.number("violating_flows"), ended.number("untracked_packets")), (215_001, 0));
        assert_eq!(ended.findings_on(&flows[last]).count(), 1, "the last flow is not told");
        Ok(())
    });
}

/// Far more violating flows than the map takes, to many MACs: what is judged and what is lost is all that was sent.
#[test]
fn a_flood_far_beyond_the_map_is_judged_or_lost_to_the_packet() {
    run(|| {
        let lab = Lab::new("live-beyond")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--max-suspects", "500"]);
        live.keep_counts_only();
        live.ready();
        let mut wire = lab.wire();
        let mac = |number: u32| MacAddr([2, 0, 0, 0, 2, (number % 3) as u8]);
        let flows: Vec<Flow> = (0..30_000).map(|number| flow(number, mac(number))).collect();
        let sent = wire.send_all("out0", flows.iter().map(|flow| (flow, 1)));

        // A flow to a MAC that nobody has seen is told by name all the same.
        let new = flow(1, GW3);
        let more = wire.send("out0", &new, 3);
        live.wait_finding(&new, "unknown-mac");
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent + more);
        assert_eq!(ended.finding(&new, "unknown-mac")["packets"], 3, "{}", ended.said());
        let lost = ended.loss("suspect_packets_untracked") + ended.loss("suspect_packets_unjudged");
        assert!(lost > 0, "{}", ended.status);
        assert_eq!(ended.number("untracked_packets"), lost);
        assert_eq!(ended.number("violating_packets") + lost, (sent + more).packets);
        Ok(())
    });
}

/// Harmless flows fill the map; violating flows behind them are told, each by name.
#[test]
fn harmless_flows_do_not_shut_out_violating_ones() {
    run(|| {
        let lab = Lab::new("live-harmless")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let allowed = MacAddr([2, 0, 0, 0, 1, 9]);
        let arguments = ["-i", "out0", "--max-suspects", "4000", "--allow-mac", &allowed.to_string()];
        let mut live = lab.live_by_file(&file, &arguments);
        live.ready();
        let mut wire = lab.wire();
        let harmless: Vec<Flow> = (0..5000).map(|number| flow(number, allowed)).collect();
        let mut sent = wire.send_all("out0", harmless.iter().map(|flow| (flow, 1)));
        // At once, while none of the harmless flows has left the map.
        let violating: Vec<Flow> = (0..200).map(|number| flow(number, GW3)).collect();
        sent += wire.send_all("out0", violating.iter().map(|flow| (flow, 2)));
        let mut left: std::collections::HashSet<String> =
            violating.iter().map(|flow| flow.json().to_string()).collect();
        while !left.is_empty() {
            let finding = live.wait("each violating flow", |object| object["reason"] == "unknown-mac");
            left.remove(&finding["flow"].to_string());
        }
        // By now harmless ones gave way, and there is room.
        sent += wire.send("out0", &flow(200, GW3), 5);
        live.wait_finding(&flow(200, GW3), "unknown-mac");

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        for flow in &violating {
            assert_eq!(ended.finding(flow, "unknown-mac")["packets"], 2, "{flow:?}");
        }
        assert_eq!(ended.counted("unknown-mac").packets, 405);
        Ok(())
    });
}

/// More flows than can be judged while whoever ends us waits: what was not judged is told as lost.
#[test]
fn the_end_does_not_wait_for_ever() {
    run(|| {
        let lab = Lab::new("live-end")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &NEXTHOPS)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--end-within", "0.001"]);
        live.keep_counts_only();
        live.ready();
        let mut wire = lab.wire();
        let flows: Vec<Flow> = (0..60_000).map(|number| flow(number, GW3)).collect();
        let sent = wire.send_all("out0", flows.iter().map(|flow| (flow, 1)));

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(sent);
        let lost = ended.number("untracked_packets");
        assert_eq!(ended.loss("suspect_packets_unjudged"), lost);
        assert_eq!(ended.number("violating_packets") + lost, sent.packets);
        assert!(lost == 0 || ended.said().contains("were judged by nobody"), "{}", ended.said());
        Ok(())
    });
}
