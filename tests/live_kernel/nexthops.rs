//! Next hops from nexthops.toml: what conforms, what violates, and what changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::daemon::{Live, pause};
use crate::lab::{GW1, GW2, GW3, Lab, ROUTER, labelled, nexthops_toml};
use crate::netns::run;
use crate::wire::{Count, Flow, Wire};

const HOPS4: [(&str, analyzer::types::MacAddr); 2] = [("172.18.0.101", GW1), ("172.18.0.102", GW2)];
const HOPS6: [(&str, analyzer::types::MacAddr); 2] = [("fd00:18::101", GW1), ("fd00:18::102", GW2)];

/// The nth flow of a pod, of IPv4 and of IPv6.
fn flows(number: u16) -> [Flow; 2] {
    let port = 4000 + number;
    [
        Flow::new(&format!("udp 10.244.0.5:{port} -> 198.51.100.7:53"), ROUTER, GW1),
        Flow::new(&format!("tcp [fd00:244::5]:{port} -> [2001:db8::7]:443"), ROUTER, GW1),
    ]
}

#[test]
fn each_packet_is_counted_by_its_next_hop_or_its_finding() {
    run(|| {
        let lab = Lab::new("live-counts")?;
        let file =
            lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &HOPS4), ("fd00:244::5/128", &HOPS6)]));
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--sample", "1", "--node", "worker-08"]);
        live.ready();
        let mut wire = lab.wire();
        let (mut to_gw1, mut to_gw2, mut uncovered) = <(Count, Count, Count)>::default();
        let mut conforming_flows = BTreeSet::new();
        let mut violating = Vec::new();
        let tags: [&[u16]; 3] = [&[], &[100], &[100, 200]];
        for (number, (vlan, payload)) in (1..).zip(tags.into_iter().flat_map(|tags| [(tags, 0), (tags, 1200)])) {
            for flow in flows(number) {
                let flow = Flow { payload, ..flow.tagged(vlan) };
                to_gw1 += wire.send("out0", &flow, u64::from(number));
                to_gw2 += wire.send("out0", &flow.to(GW2), 10 + u64::from(number));
                conforming_flows.insert(flow.clone());
                let bad = Flow {
                    tuple: {
                        let mut tuple = flow.tuple;
                        tuple.tp_src += 1000;
                        tuple
                    },
                    ..flow.to(GW3)
                };
                let mut sent = wire.send("out0", &bad, 1);
                live.wait_finding(&bad, "unknown-mac");
                sent += wire.send("out0", &bad, 2 * u64::from(number));
                violating.push((bad, sent));
            }
        }
        let elsewhere = Flow::new("udp 10.245.0.1:1 -> 198.51.100.7:53", ROUTER, GW3);
        uncovered += wire.send("out0", &elsewhere, 5);

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!((ended.conforming(GW1), ended.conforming(GW2)), (to_gw1, to_gw2), "{}", ended.summary);
        assert_eq!(ended.number("uncovered_packets"), uncovered.packets);
        let bad: Count = violating.iter().map(|(_, sent)| *sent).sum();
        ended.assert_complete(to_gw1 + to_gw2 + uncovered + bad);
        assert_eq!(ended.findings.len(), violating.len(), "{:#?}", ended.findings);
        for (flow, sent) in &violating {
            let finding = ended.finding(flow, "unknown-mac");
            assert_eq!(Count::of(finding), *sent, "{finding}");
            assert_finding(finding, flow);
        }
        assert_eq!(ended.number("violating_flows"), violating.len() as u64);
        assert_eq!(ended.number("conforming_flows"), conforming_flows.len() as u64, "{}", ended.summary);
        assert_eq!(ended.number("undetermined_flows") + ended.number("info_flows"), 0);
        assert_eq!(ended.number("grace_packets") + ended.number("untracked_packets"), 0);
        Ok(())
    });
}

fn assert_finding(finding: &Value, flow: &Flow) {
    let (hops, prefix) = match flow.tuple.src.is_ipv4() {
        true => (HOPS4, "10.244.0.5/32"),
        false => (HOPS6, "fd00:244::5/128"),
    };
    let expected = hops.map(|(ip, lladdr)| json!({"nexthop": ip, "lladdr": lladdr.to_string(), "state": "active"}));
    assert_eq!(finding["expected"], json!(expected));
    assert_eq!(finding["route"], json!({"router": null, "route_table": "", "policy": "src-ip", "prefix": prefix}));
    assert_eq!((&finding["nic"], &finding["node"]), (&json!("out0"), &json!("worker-08")));
    assert_eq!(finding["eth_src"], ROUTER.to_string());
    assert_eq!((&finding["conntrack"], &finding["remedy"]), (&json!([]), &json!([])));
    assert_eq!((&finding["last_legal"], &finding["heard"]), (&Value::Null, &Value::Null));
    assert_eq!((&finding["verdict"], &finding["estimated"]), (&json!("violating"), &json!(false)));
}

/// Sends a flow's packets one by one until there is a finding of it.
pub(crate) fn send_until_found(live: &mut Live, wire: &mut Wire, flow: &Flow) -> Count {
    let json = flow.json();
    let is_found = |object: &Value| object["type"] == "finding" && object["flow"] == json;
    let mut sent = Count::default();
    while !live.has(is_found) {
        sent += wire.send("out0", flow, 1);
        assert!(sent.packets < 1000, "{flow:?} is not found");
        pause(200);
    }
    sent
}

/// A gateway leaves the set while flows go on to it: with an entry that holds its MAC, without, and one that moves to
/// the gateway that is left.
#[test]
fn the_set_shrinks_under_traffic() {
    run(|| {
        let lab = Lab::new("live-shrinks")?;
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &HOPS4)]));
        let [pinned, free, moving, silent, probe] = [1, 2, 3, 4, 5].map(|number| flows(number)[0].to(GW2));
        lab.conntrack().create(&[labelled(pinned.tuple, 35, GW2), labelled(silent.tuple, 35, GW2)]);
        let mut live = lab.live_by_file(&file, &["-i", "out0", "--grace", "15"]);
        live.ready();
        let mut wire = lab.wire();
        let before = wire.send_all("out0", [(&pinned, 10), (&free, 20), (&moving, 30)]);

        lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &HOPS4[..1]), ("10.244.0.6/32", &HOPS4[..1])]));
        // A flow that no route decided before tells that the change is in force.
        let marker = Flow::new("udp 10.244.0.6:4000 -> 198.51.100.7:53", ROUTER, GW3);
        let marked = send_until_found(&mut live, &mut wire, &marker);
        let mut grace = wire.send_all("out0", [(&pinned, 7), (&free, 9), (&moving, 11)]);
        let moved = wire.send("out0", &moving.to(GW1), 13);

        let probed = send_until_found(&mut live, &mut wire, &probe);
        let late_pinned = wire.send("out0", &pinned, 17);
        let late_free = wire.send("out0", &free, 19);
        // What no packet follows is told from the first reading behind the grace period.
        let latent =
            live.wait("a latent entry", |object| object["type"] == "latent" && object["flow"] == silent.json());
        assert_eq!((&latent["state"], &latent["eth_dst"]), (&json!("armed"), &json!(GW2.to_string())));

        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(before + marked + grace + moved + probed + late_pinned + late_free);
        assert_eq!((ended.conforming(GW1), ended.conforming(GW2)), (moved, before));
        let stale = ended.finding(&pinned, "stale-conntrack");
        let former = ended.finding(&free, "former-nexthop");
        assert_eq!((Count::of(stale), Count::of(former)), (late_pinned, late_free));
        let of_probe = Count::of(ended.finding(&probe, "former-nexthop"));
        assert!(of_probe.packets >= 1);
        grace.packets += probed.packets - of_probe.packets;
        assert_eq!(ended.number("grace_packets"), grace.packets);
        assert_eq!(ended.findings_on(&moving).count(), 0, "{:#?}", ended.findings);
        for finding in [stale, former] {
            assert_eq!(finding["last_legal"]["nexthop"], "172.18.0.102");
            let (until, first) = (finding["last_legal"]["at"].as_str(), finding["first_seen"].as_str());
            assert!(until.is_some() && until < first, "{finding}");
            let only = json!([{"nexthop": "172.18.0.101", "lladdr": GW1.to_string(), "state": "active"}]);
            assert_eq!(finding["expected"], only);
        }
        assert_eq!(stale["conntrack"][0]["reply_eth"], GW2.to_string());
        // The entry of the flow that violates is no longer latent.
        let armed: Vec<&Value> = ended.latent.iter().map(|latent| &latent["flow"]).collect();
        assert!(armed.contains(&&silent.json()), "{:#?}", ended.latent);
        assert_eq!(ended.summary["latent"]["armed"], 1, "{:#?}", ended.latent);
        Ok(())
    });
}

/// A gateway leaves the set while the daemon is not there; the one before it has remembered it.
#[test]
fn the_set_is_remembered_over_a_restart() {
    run(|| {
        let lab = Lab::new("live-history")?;
        let history = lab.folder.path().join("history");
        let arguments = ["-i", "out0", "--history", history.to_str().expect("its name is ours")];
        let file = lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &HOPS4)]));
        let flow = flows(1)[0].to(GW2);
        let mut live = lab.live_by_file(&file, &arguments);
        live.ready();
        let before = lab.wire().send("out0", &flow, 3);
        let ended = live.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        ended.assert_complete(before);
        let until = ended.summary["last_seen"].as_str().expect("a time").to_owned();

        lab.write("nexthops.toml", &nexthops_toml(&[("10.244.0.5/32", &HOPS4[..1])]));
        let mut live = lab.live_by_file(&file, &[&arguments[..], &["--grace", "0"]].concat());
        live.ready();
        let after = lab.wire().send("out0", &flow, 5);
        let ended = live.stop();
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        ended.assert_complete(after);
        let finding = ended.finding(&flow, "former-nexthop");
        assert_eq!(Count::of(finding), after);
        assert_eq!(finding["last_legal"]["nexthop"], "172.18.0.102");
        // It was legal as long as anybody looked, up to the moment at which the first run ended.
        let at = finding["last_legal"]["at"].as_str().expect("a time");
        assert!(at <= &*until, "{at} {until}");
        Ok(())
    });
}

/// Times of the file itself hold, too: what ended long ago is no grace.
#[test]
fn the_file_tells_the_past() {
    run(|| {
        let lab = Lab::new("live-past")?;
        let mut text = nexthops_toml(&[("10.244.0.5/32", &HOPS4)]);
        text.push_str(&format!(
            "[[route.nexthop]]\nip = \"172.18.0.103\"\nlladdr = \"{GW3}\"\nuntil = \"2022-06-09T12:00:00Z\"\n"
        ));
        let file = lab.write("nexthops.toml", &text);
        let mut live = lab.live_by_file(&file, &["-i", "out0"]);
        live.ready();
        let flow = flows(1)[0].to(GW3);
        let sent = lab.wire().send("out0", &flow, 21);
        let finding = live.wait_finding(&flow, "former-nexthop");
        let legal = json!({"at": "2022-06-09T12:00:00.000000Z", "nexthop": "172.18.0.103"});
        assert_eq!(finding["last_legal"], legal);
        let ended = live.stop();
        ended.assert_complete(sent);
        assert_eq!(Count::of(ended.finding(&flow, "former-nexthop")), sent);
        Ok(())
    });
}
