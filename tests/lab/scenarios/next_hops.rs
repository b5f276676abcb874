//! Next hops are taken away, or their BFD sessions go down.

use serde_json::json;

use super::{flows, to};
use crate::addresses::{DEFAULT, GW1, GW2, GW3, V4};
use crate::capture::since;
use crate::daemon::pause;
use crate::netns::run;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// A next hop is removed. While two are left, what it has labelled goes on to it. With the last but one, OVN gives up the
/// symmetry up to 24.09.0, and the flow conforms at once; later ones keep it for a single route, and the flow violates on.
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
        watch.wait_armed(&pinned);
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
        let is_pinned = watch.node.labels_apply();
        say(if is_pinned { "labels apply by one route" } else { "no label applies by one route" });
        let mut violating = with_two;
        if is_pinned {
            assert_eq!(to(&with_one, GW1), with_one, "OVN goes on sending to the dead gateway");
            violating = since(&before, &watch.settled(&[&pinned]));
        } else {
            assert_eq!(to(&with_one, GW2), with_one, "the one that is left");
            pinned.iter().for_each(Conversation::arrives);
            watch.wait_latent("unused", &pinned);
        }
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}

/// The last next hop is removed: OVN goes by its default route, and so do we. The labels stay, and nothing uses them. Without
/// a default route OVN drops the packets: nothing leaves, and there is nothing to tell.
#[test]
fn no_next_hop_left() {
    run(|| {
        let mut watch = Watch::new(V4, |node| node.default_gateway(GW3))?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        say("the first gateway dies, and both are no next hops any more");
        watch.node.gateway_down(0);
        watch.node.unroute(0);
        watch.node.unroute(1);
        watch.node.client_by(DEFAULT);
        watch.let_grace_pass();
        for _ in 0..4 {
            push(&mut pinned, 1);
            pause(500);
        }
        let by_default = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&by_default, GW3), by_default, "the default route's");
        pinned.iter().for_each(Conversation::arrives);
        watch.wait_latent("unused", &pinned);
        say("the default route is taken away, too");
        let left = watch.settled(&[&pinned]);
        watch.node.unroute_default();
        push(&mut pinned, 2);
        watch.let_grace_pass();
        assert_eq!(watch.capture.seen(), left, "nothing leaves");
        let ended = watch.expect(&[]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        Ok(())
    });
}

/// All next hops have BFD sessions. A gateway dies, and its session goes down: OVN chooses it for no new flow, but goes on
/// sending what it has labelled with it. It is a next hop that is down, which is what we tell.
#[test]
fn bfd_down() {
    run(|| {
        let mut responders = Vec::new();
        let mut watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            for number in 0..3 {
                responders.push(node.answer_bfd(number));
                node.route_with_bfd(number);
            }
            (0..3).for_each(|number| node.wait_bfd(number, "up"));
            Ok(())
        })?;
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        say("the first gateway dies");
        watch.node.gateway_down(0);
        watch.node.wait_bfd(0, "down");
        say("its BFD session is down");
        // northd has done its work; the labels are to be used for longer than 30 s.
        watch.node.pin_for_life();
        watch.node.sync_without_northd();
        watch.let_grace_pass();
        let mut fresh = flows(&watch.node, 41000, 3);
        push(&mut pinned, 2);
        push(&mut fresh, 1);
        let seen = since(&before, &watch.settled(&[&pinned, &fresh]));
        let violating = to(&seen, GW1);
        let sent_there: Vec<_> = violating.keys().map(|(tuple, _)| *tuple).collect();
        assert_eq!(sent_there, pinned.iter().map(Flow::tuple).collect::<Vec<_>>(), "{seen:#?}");
        watch.wait_violating("nexthop-down", &pinned);
        let ended = watch.expect(&[("nexthop-down", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        let down = json!({"nexthop": "172.18.0.101", "lladdr": GW1.to_string(), "state": "down"});
        for finding in &ended.findings {
            assert!(finding["expected"].as_array().is_some_and(|hops| hops.contains(&down)), "{finding}");
        }
        Ok(())
    });
}
