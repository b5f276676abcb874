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
        assert_eq!(ended.loss("suspect_packets_untracked"), lost);
        assert_eq!(
            ended.counted("unknown-mac").packets + lost + ended.conforming(GW1).packets,
            (sent + conforming).packets
        );
        assert!((1000..5000).contains(&ended.findings.len()), "{}", ended.findings.len());
        Ok(())
    });
}
