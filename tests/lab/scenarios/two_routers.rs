//! Two gateway routers send by one NIC.

use super::{flows, to};
use crate::addresses::{GW1, GW3, SECOND_POD, SECOND_ROUTER, V4, parsed};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// Flows of two networks leave to one gateway. It ceases to be a next hop of the second network: flows of that violate, by
/// the entries in the zone of its own router, and those of the first conform as before, with the same MAC. A gateway that is
/// the second network's alone is one for it alone.
#[test]
fn two_gateway_routers_on_one_nic() {
    run(|| {
        let mut watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            node.second_network();
            Ok(())
        })?;
        let mut first = flows(&watch.node, 40000, 2);
        let in_second = |port| Conversation::from(&watch.node, parsed(SECOND_POD), port, port - 35000);
        let (mut second, mut other) = ([42000, 42001].map(in_second), [43000].map(in_second));
        exchange(&mut first, 3);
        exchange(&mut second, 3);
        watch.node.second_network_by(2);
        exchange(&mut other, 3);
        let before = watch.settled(&[&first, &second, &other]);
        let leaves_by = |flow: &Conversation, mac| to(&before, mac).keys().any(|(tuple, _)| *tuple == flow.tuple());
        assert!(first.iter().chain(&second).all(|flow| leaves_by(flow, GW1)), "{before:#?}");
        assert!(other.iter().all(|flow| leaves_by(flow, GW3)), "{before:#?}");
        say("the first gateway is no next hop of the second network any more");
        watch.node.second_network_unroute(0);
        // northd has done its work; the labels are to be used for longer than 30 s.
        watch.node.pin_for_life();
        watch.node.sync_without_northd();
        watch.let_grace_pass();
        push(&mut first, 2);
        watch.push_until_violating("stale-conntrack", &mut second);
        push(&mut other, 2);
        let mut violating = to(&since(&before, &watch.settled(&[&first, &second, &other])), GW1);
        violating.retain(|(tuple, _), _| second.iter().any(|flow| flow.tuple() == *tuple));
        assert_eq!(violating.len(), second.len(), "OVN goes on sending to the gateway");
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        for finding in &ended.findings {
            assert_eq!(finding["route"]["router"], SECOND_ROUTER, "{finding}");
            let zone = &finding["conntrack"][0]["zone_name"];
            let is_read = finding["reason"] == "stale-conntrack";
            assert!(!is_read || *zone == format!("{SECOND_ROUTER}_dnat"), "{finding}");
        }
        Ok(())
    });
}
