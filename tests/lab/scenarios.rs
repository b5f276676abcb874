//! What happens, what has to be found, and what has to stay silent.

use analyzer::types::MacAddr;
use serde_json::Value;

use crate::addresses::{Addresses, GW1, GW1_NEW, GW2, GW3, V4, V6};
use crate::capture::{Seen, since};
use crate::daemon::pause;
use crate::netns::{Missing, run};
use crate::node::Node;
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// Flows between ports of their own.
fn flows(node: &Node, first_port: u16, number: u16) -> Vec<Conversation> {
    (0..number).map(|port| Conversation::new(node, first_port + port, first_port - 35000 + port)).collect()
}

/// Those packets that left to this MAC.
fn to(seen: &Seen, mac: MacAddr) -> Seen {
    seen.iter().filter(|((_, eth_dst), _)| *eth_dst == mac).map(|(key, count)| (*key, *count)).collect()
}

/// No change of the lab before the daemon watches.
fn as_it_is(_: &mut Node) -> Result<(), Missing> {
    Ok(())
}

/// Opens flows through the first gateway, and has the gateway replaced by another on the same address, of whose MAC OVN
/// knows. Returns the flows, and what had left before.
fn pinned_to_a_dead_gateway(watch: &mut Watch, number: u16) -> Result<(Vec<Conversation>, Seen), Missing> {
    let mut pinned = flows(&watch.node, 40000, number);
    exchange(&mut pinned, 3);
    let before = watch.settled(&[&pinned]);
    assert_eq!(to(&before, GW1), before, "all leave to where they came from");
    say(&format!("{number} flows came by {GW1} and are answered there; now it dies, and {GW1_NEW} takes its address"));
    watch.node.replace_first_gateway()?;
    watch.let_grace_pass();
    push(&mut pinned, 2);
    let dead = since(&before, &watch.settled(&[&pinned]));
    assert_eq!(to(&dead, GW1), dead, "OVN goes on sending to the dead gateway");
    Ok((pinned, before))
}

/// The incident, on the northd that the distribution has: 23.03.1 honours a label for 30 s at most. The flows violate, then
/// they conform while their entries are as before, and flows that the pod opens meanwhile conform from their first packet.
#[test]
fn incident() {
    run(|| {
        let mut watch = Watch::new(V4, as_it_is)?;
        let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 4)?;
        let mut fresh = flows(&watch.node, 41000, 2);
        push(&mut fresh, 2);
        fresh.iter().for_each(Conversation::arrives);
        watch.wait_violating("stale-conntrack", &pinned);
        let mut rounds = 0;
        loop {
            let so_far = watch.settled(&[&pinned, &fresh]);
            push(&mut pinned, 1);
            let round = since(&so_far, &watch.settled(&[&pinned, &fresh]));
            if to(&round, GW1).is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 60, "OVN goes on for more than 30 s");
            pause(500);
        }
        say("OVN leaves the label aside");
        pinned.iter().for_each(Conversation::arrives);
        push(&mut pinned, 2);
        watch.wait_latent("unused", &pinned);
        let violating = to(&since(&before, &watch.settled(&[&pinned, &fresh])), GW1);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        assert_eq!(ended.summary["latent"]["armed"], 0);
        assert_eq!(ended.summary["latent"]["unused"], 4);
        Ok(())
    });
}

/// A next hop is removed. While two are left, what it has labelled goes on to it; with the last but one, OVN 23.03.1 gives
/// up the symmetry, and the flow conforms at once.
#[test]
fn next_hop_removed() {
    run(|| {
        let mut watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            node.route(2);
            node.sync();
            Ok(())
        })?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        say("the first gateway dies and is no next hop any more; two are left");
        watch.node.gateway_down(0);
        watch.node.unroute(0);
        watch.let_grace_pass();
        push(&mut pinned, 2);
        let with_two = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&with_two, GW1), with_two, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        say("the third is no next hop any more; one is left");
        watch.node.unroute(2);
        watch.let_grace_pass();
        // The first packets of a combination are judged one by one; samples tell of those that come later.
        for _ in 0..4 {
            push(&mut pinned, 1);
            pause(500);
        }
        let with_one = since(&with_two, &since(&before, &watch.settled(&[&pinned])));
        assert_eq!(to(&with_one, GW2), with_one, "the one that is left");
        pinned.iter().for_each(Conversation::arrives);
        watch.wait_latent("unused", &pinned);
        let ended = watch.expect(&[("stale-conntrack", &with_two)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}

/// The incident on an OVN that honours a label for the life of its entry. `analyzer repair` heals the flow that is named:
/// its next packet leaves to a gateway that lives. All others stay where they are.
#[test]
fn repair_heals_one_flow() {
    run(|| repair(V4));
}

/// The same in IPv6.
#[test]
fn repair_heals_one_flow_ipv6() {
    run(|| repair(V6));
}

fn repair(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, |node| {
        node.pin_for_life();
        Ok(())
    })?;
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3)?;
    watch.wait_violating("stale-conntrack", &pinned);
    let zone = watch.node.zone();
    let entries = watch.node.entries(zone);
    let journal = watch.node.folder().join("repairs.jsonl");
    let mut command = watch.node.analyzer(&["repair", "--apply", "--settle", "1", "--format", "jsonl", "--flow"]);
    command.arg(pinned[0].tuple().to_string()).arg("--journal").arg(journal);
    let output = command.output().expect("ip can be run");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {told}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(matches!(&told[..], [one] if one["outcome"] == "done"), "{told:#?}");
    let left = watch.node.entries(zone);
    assert!(left.is_subset(&entries), "all others are as they were: {entries:#?}\n{left:#?}");
    assert_eq!(entries.len() - left.len(), 1, "{entries:#?}\n{left:#?}");
    say(&format!("repaired {}", pinned[0].tuple()));
    let repaired = watch.settled(&[&pinned]);
    push(&mut pinned, 3);
    let now = watch.settled(&[&pinned]);
    for ((tuple, mac), count) in since(&repaired, &now) {
        assert_eq!(mac == GW1, tuple != pinned[0].tuple(), "{tuple} leaves to {mac}");
        assert_eq!(count.packets, 3, "{tuple} to {mac}");
    }
    for _ in 0..3 {
        pinned[0].arrives();
    }
    let ended = watch.expect(&[("stale-conntrack", &to(&since(&before, &now), GW1))]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    Ok(())
}

/// Flows that the pod opens are spread over the next hops, and are answered by the one that they took. Nothing to tell.
#[test]
fn pod_opens_the_flow() {
    run(|| {
        let watch = Watch::new(V4, as_it_is)?;
        let mut opened = flows(&watch.node, 41000, 3);
        push(&mut opened, 1);
        opened.iter().for_each(Conversation::arrives);
        let first = watch.settled(&[&opened]);
        let taken = first.keys().next().expect("one left").1;
        watch.node.client_by(if taken == GW1 { 0 } else { 1 });
        for _ in 0..3 {
            opened.iter().for_each(Conversation::request);
            push(&mut opened, 1);
            opened.iter().for_each(Conversation::arrives);
        }
        let seen = watch.settled(&[&opened]);
        assert_eq!(to(&seen, taken), seen, "all of one pair of addresses take the same");
        let ended = watch.expect(&[]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        assert!(ended.latent.is_empty(), "{:#?}", ended.latent);
        Ok(())
    });
}

/// Requests come by a router that lives and is no next hop. OVN answers it by design: told, but no violation.
#[test]
fn live_router_that_is_no_next_hop() {
    run(|| {
        let watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            node.client_by(2);
            Ok(())
        })?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 4);
        let seen = watch.settled(&[&pinned]);
        assert_eq!(to(&seen, GW3), seen, "all leave to where they came from");
        let ended = watch.expect(&[("asymmetric-gateway", &seen)]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        assert!(ended.findings.iter().all(|finding| finding["verdict"] == "info"), "{:#?}", ended.findings);
        Ok(())
    });
}
