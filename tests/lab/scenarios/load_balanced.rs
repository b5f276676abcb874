//! The client sends to a load balancer's address, and the pod is its backend.

use analyzer::types::Tuple;

use super::to;
use crate::addresses::{GW1, GW1_NEW, V4};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// UDP ports of the load balancer and of its backend.
const PORTS: [u16; 2] = [8053, 8054];

/// The answers leave with the load balancer's address, by the label of the entry that translates. The gateway dies: they go on
/// to it until the client sends again.
#[test]
fn load_balanced() {
    run(|| {
        let mut pinned = Vec::new();
        let mut watch = Watch::new(V4, |node| {
            node.balance(&PORTS);
            node.pin_for_life();
            pinned.extend(PORTS.map(|port| Conversation::balanced(node, port, port - 3000)));
            exchange(&mut pinned, 3);
            pinned.iter_mut().for_each(|flow| flow.sent = 0);
            Ok(())
        })?;
        say("flows came by the first gateway; now it dies");
        watch.node.replace_gateway(&watch.spare);
        watch.let_grace_pass();
        let pod = watch.node.addresses().pod_ip();
        // Their entries have been read, without which nothing tells whose the balancer's packets are.
        watch.wait_latent("armed", &[0, 1].map(|flow: usize| Tuple { src: pod, ..pinned[flow].tuple() }));
        push(&mut pinned, 3);
        let violating = watch.settled(&[&pinned]);
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        watch.take_conntrack();
        exchange(&mut pinned, 2);
        let healed = since(&violating, &watch.settled(&[&pinned]));
        assert_eq!(to(&healed, GW1_NEW), healed);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
