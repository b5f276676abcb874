//! Flows that the pod opens, and the next hop that they took dies.

use super::{flows, to};
use crate::addresses::{GW1, GW2, GW3, V4};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// The first answer labels a flow that the pod has opened, in every OVN: without translation the router tracks nothing that
/// leaves, so that the answer is the first packet that it sees. Since 25.03.3 the first packet out labels it by the next hop
/// that it takes. What is labelled stays with the dead gateway; what is not goes to its successor.
#[test]
fn pod_opens_and_the_gateway_dies() {
    run(|| {
        let mut watch = Watch::new(V4, super::as_it_is)?;
        let (mut answered, mut unanswered) = (flows(&watch.node, 41000, 4), flows(&watch.node, 42000, 4));
        push(&mut answered, 1);
        push(&mut unanswered, 1);
        answered.iter().chain(&unanswered).for_each(Conversation::arrives);
        let first = watch.settled(&[&answered, &unanswered]);
        // ovs-vswitchd hashes addresses alone, so that all take the same; the kernel hashes ports, too.
        let taken = if to(&first, GW1).len() * 2 >= first.len() { GW1 } else { GW2 };
        let number = if taken == GW1 { 0 } else { 1 };
        let by_next_hop = unanswered.iter().map(Flow::tuple).filter(|tuple| first.contains_key(&(*tuple, taken)));
        let mut labelled = answered.iter().map(Flow::tuple).collect::<Vec<_>>();
        if watch.node.replies().by_next_hop {
            labelled.extend(by_next_hop);
        }
        watch.node.client_by(number);
        exchange(&mut answered, 1);
        let before = watch.settled(&[&answered, &unanswered]);
        say(&format!("half of the flows are answered by {taken}; now it dies"));
        let spare = watch.node.spare_gateway(number, GW3)?;
        watch.node.replace_gateway(&spare);
        watch.let_grace_pass();
        push(&mut answered, 2);
        push(&mut unanswered, 2);
        let after = since(&before, &watch.settled(&[&answered, &unanswered]));
        let violating = to(&after, taken);
        assert!(violating.keys().map(|(tuple, _)| tuple).eq(&labelled), "{after:#?}");
        watch.wait_violating("stale-conntrack", &labelled);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
