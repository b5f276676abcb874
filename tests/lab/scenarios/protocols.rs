//! Other protocols than UDP.

use super::{as_it_is, to};
use crate::addresses::{Addresses, GW1, GW1_NEW, GW2, V4, V6};
use crate::capture::since;
use crate::daemon::pause;
use crate::netns::{Missing, run};
use crate::node::Node;
use crate::traffic::{Connection, Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// A label that lasts as long as its entry.
fn pinned_for_life(node: &mut Node) -> Result<(), Missing> {
    node.pin_for_life();
    Ok(())
}

/// Connections that the client has opened: the pod's kernel sends again and again to the gateway that died, and each
/// of these packets is counted. A connection that the client opens afterwards conforms.
#[test]
fn tcp() {
    run(|| tcp_in(V4));
}

/// The same in IPv6.
#[test]
fn tcp_ipv6() {
    run(|| tcp_in(V6));
}

fn tcp_in(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, pinned_for_life)?;
    let mut pinned = [8080, 8081].map(|port| Connection::open(&watch.node, port));
    for connection in &mut pinned {
        connection.request();
        connection.answer();
        connection.arrives();
    }
    let before = watch.capture.quiet();
    assert_eq!(to(&before, GW1), before, "all leave to where they came from");
    say("connections came by the first gateway; now it dies");
    watch.node.replace_gateway(&watch.spare);
    watch.let_grace_pass();
    watch.wait_latent("armed", &pinned);
    pinned.iter_mut().for_each(Connection::answer);
    // The first two retransmissions: nobody confirms anything any more.
    let retransmitted = || to(&since(&before, &watch.capture.seen()), GW1).values().all(|count| count.packets >= 3);
    let has_retransmitted = (0..100).any(|_| (pause(100), retransmitted()).1);
    assert!(has_retransmitted, "{:#?}", watch.capture.seen());
    watch.wait_violating("stale-conntrack", &pinned);
    watch.take_conntrack();
    let mut fresh = Connection::open(&watch.node, 8082);
    for _ in 0..3 {
        fresh.request();
        fresh.answer();
        fresh.arrives();
    }
    pinned.iter_mut().for_each(Connection::reset);
    let after = since(&before, &watch.capture.quiet());
    let violating = to(&after, GW1);
    assert_eq!(violating.len(), pinned.len(), "{after:#?}");
    assert_eq!(to(&after, GW1_NEW).len(), 1, "{after:#?}");
    let ended = watch.expect(&[("stale-conntrack", &violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    Ok(())
}

/// Pings on an OVN that labels a session of any protocol by its first packet alone, as before 22.06.1: requests come by
/// the new gateway, and the replies go to the dead one. A ping with another identifier is another session.
#[test]
fn icmp() {
    run(|| icmp_in(V4));
}

/// The same with ICMPv6.
#[test]
fn icmp_ipv6() {
    run(|| icmp_in(V6));
}

fn icmp_in(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, |node| {
        node.label_once();
        Ok(())
    })?;
    let mut pings = [Conversation::icmp(&watch.node, 77), Conversation::icmp(&watch.node, 78)];
    exchange(&mut pings, 3);
    let before = watch.settled(&[&pings]);
    assert_eq!(to(&before, GW1), before, "all leave to where they came from");
    say("two pings came by the first gateway; now it dies");
    watch.node.replace_gateway(&watch.spare);
    watch.let_grace_pass();
    watch.wait_latent("armed", &pings);
    for _ in 0..3 {
        pings.iter().for_each(Conversation::request);
        push(&mut pings, 1);
    }
    let violating = since(&before, &watch.settled(&[&pings]));
    assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
    watch.wait_violating("stale-conntrack", &pings);
    let mut fresh = [Conversation::icmp(&watch.node, 79)];
    exchange(&mut fresh, 3);
    let after = watch.settled(&[&pings, &fresh]);
    assert_eq!(to(&after, GW1_NEW).len(), 1, "{after:#?}");
    let ended = watch.expect(&[("stale-conntrack", &violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    Ok(())
}

/// Pings on OVN as it is. 23.03.1 labels no ICMP: replies take the next hop that the hash of their addresses gives, wherever
/// the requests come from, and go to its successor once that is replaced. Where the hash gives another next hop than the
/// requests come by, that is told, and no violation. Later ones label it: replies violate until the next request.
#[test]
fn icmp_on_ovn_as_it_is() {
    run(|| icmp_as_it_is_in(V4));
}

/// The same with ICMPv6.
#[test]
fn icmp_ipv6_on_ovn_as_it_is() {
    run(|| icmp_as_it_is_in(V6));
}

fn icmp_as_it_is_in(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, as_it_is)?;
    let mut pings = [Conversation::icmp(&watch.node, 77)];
    exchange(&mut pings, 3);
    let before = watch.settled(&[&pings]);
    let taken = before.keys().next().expect("replies have left").1;
    let is_labelled = watch.node.replies().every_protocol;
    assert!(!is_labelled || taken == GW1, "all leave to where they came from");
    watch.node.replace_gateway(&watch.spare);
    watch.let_grace_pass();
    if is_labelled {
        watch.wait_latent("armed", &pings);
        push(&mut pings, 3);
        watch.wait_violating("stale-conntrack", &pings);
        watch.take_conntrack();
    }
    exchange(&mut pings, 3);
    let seen = watch.settled(&[&pings]);
    let after = since(&before, &seen);
    if is_labelled {
        let violating = to(&after, GW1);
        assert_eq!((violating.len(), to(&after, GW1_NEW).len()), (1, 1), "{after:#?}");
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        return Ok(());
    }
    assert_eq!(to(&after, if taken == GW1 { GW1_NEW } else { GW2 }), after);
    let entries = watch.node.entries(watch.node.zone());
    assert!(entries.iter().all(|entry| !entry.contains("labels=")), "{entries:#?}");
    let ended = watch.expect(&[("asymmetric-reply", &to(&seen, GW2))]);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    assert!(ended.latent.is_empty(), "{:#?}", ended.latent);
    Ok(())
}

/// Associations that the client has opened. Up to 3.1 OVS tracks SCTP in its userspace datapath without ports: one entry,
/// and so one label, is for all associations of a pair of addresses. They violate together, and as a new one is opened by
/// the new gateway, all of them are healed. Where it tracks them by their ports, as the kernel does, each stays where it is.
#[test]
fn sctp() {
    run(|| {
        let mut watch = Watch::new(V4, pinned_for_life)?;
        let associate = |node: &Node, port| Conversation::sctp(node, port, port + 30000);
        let mut pinned = [2905, 2906].map(|port| associate(&watch.node, port));
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        let entries = watch.node.entries(watch.node.zone());
        let by_ports = entries.iter().any(|entry| entry.starts_with("sctp,") && entry.contains("dport=2905"));
        say(if by_ports { "each association has an entry" } else { "all associations have one entry" });
        say("two associations came by the first gateway; now it dies");
        watch.node.replace_gateway(&watch.spare);
        watch.let_grace_pass();
        let tracked = pinned.each_ref().map(Flow::tuple);
        match by_ports {
            true => watch.wait_latent("armed", &tracked),
            false => watch.wait_latent("armed", &[tracked[0].without_ports().expect("SCTP has ports")]),
        }
        push(&mut pinned, 3);
        let violating = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        watch.take_conntrack();
        let mut fresh = [associate(&watch.node, 2907)];
        exchange(&mut fresh, 3);
        push(&mut pinned, 2);
        let after = since(&before, &watch.settled(&[&pinned, &fresh]));
        let (violating, healed) = (to(&after, GW1), to(&after, GW1_NEW));
        assert_eq!(healed.len(), if by_ports { fresh.len() } else { fresh.len() + pinned.len() }, "{after:#?}");
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        for finding in &ended.findings {
            let cited = &finding["conntrack"][0]["orig"];
            assert_eq!(cited["dport"], if by_ports { finding["flow"]["sport"].clone() } else { 0.into() }, "{finding}");
        }
        assert_eq!(ended.summary["latent"]["armed"], 0);
        Ok(())
    });
}
