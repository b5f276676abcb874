//! What is no violation.

use std::{slice, thread};

use super::{as_it_is, flows, to};
use crate::addresses::{GW1, GW3, V4};
use crate::netns::run;
use crate::node::Node;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// Flows that the pod opens are spread over the next hops, and are answered by the one that they took. Nothing to tell.
/// The kernel spreads them by their ports, too, ovs-vswitchd by their addresses only.
#[test]
fn pod_opens_the_flow() {
    run(|| {
        let watch = Watch::new(V4, as_it_is)?;
        let mut opened = flows(&watch.node, 41000, 3);
        push(&mut opened, 1);
        opened.iter().for_each(Conversation::arrives);
        let first = watch.settled(&[&opened]);
        for _ in 0..3 {
            for flow in &mut opened {
                let was_by_the_first = first.contains_key(&(flow.tuple(), GW1));
                watch.node.client_by(if was_by_the_first { 0 } else { 1 });
                exchange(slice::from_mut(flow), 1);
            }
        }
        let seen = watch.settled(&[&opened]);
        assert!(seen.keys().eq(first.keys()), "each stays with the next hop that it took: {first:#?}\n{seen:#?}");
        let ended = watch.expect(&[]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        assert!(ended.latent.is_empty(), "{:#?}", ended.latent);
        Ok(())
    });
}

/// Requests come by a router that lives and is no next hop. OVN answers it by design: told, but no violation.
#[test]
fn live_router_that_is_no_next_hop() {
    by_a_live_router(|node| {
        let mut pinned = flows(node, 40000, 2);
        exchange(&mut pinned, 4);
        pinned
    });
}

/// The same while routes of other pods come and go: what a flow may do stays the same, though the daemon works it out anew each
/// time. Flows begin and go on all the while, so that requests and answers fall into that.
#[test]
fn live_router_while_other_routes_change() {
    by_a_live_router(|node| {
        let (mut pinned, mut ports) = (Vec::new(), 40000..);
        say("flows begin and go on, and routes of other pods change");
        for change in 0..18 {
            thread::scope(|scope| {
                scope.spawn(|| node.change_route_of_another_pod(change));
                for port in ports.by_ref().take(16) {
                    let mut begins = flows(node, port, 1);
                    exchange(&mut begins, 2);
                    pinned.append(&mut begins);
                }
            });
            exchange(&mut pinned, 1);
        }
        pinned
    });
}

/// All of these flows come in by a router that is no next hop, and leave to it.
fn by_a_live_router(flows: impl FnOnce(&Node) -> Vec<Conversation>) {
    run(|| {
        let watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            node.client_by(2);
            Ok(())
        })?;
        let pinned = flows(&watch.node);
        let seen = watch.settled(&[&pinned]);
        assert_eq!(to(&seen, GW3), seen, "all leave to where they came from");
        let ended = watch.expect(&[("asymmetric-gateway", &seen)]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        assert!(ended.findings.iter().all(|finding| finding["verdict"] == "info"), "{:#?}", ended.findings);
        Ok(())
    });
}

/// A next hop is a gateway router of another node in the same database. OVN takes its MAC from its port, and there is no
/// MAC_Binding of it, ever.
#[test]
fn next_hop_is_another_routers_port() {
    run(|| {
        let watch = Watch::new(V4, |node| {
            node.gateway_of_other_node(GW3)?;
            node.route(2);
            node.sync();
            node.client_by(2);
            Ok(())
        })?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 4);
        let seen = watch.settled(&[&pinned]);
        assert_eq!(to(&seen, GW3), seen, "all leave to where they came from");
        let binding = watch.node.sh("ovn-sbctl --bare --columns=mac find mac_binding ip='\"172.18.0.103\"'");
        assert_eq!(binding.trim(), "", "OVN has not asked");
        let ended = watch.expect(&[]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        Ok(())
    });
}
