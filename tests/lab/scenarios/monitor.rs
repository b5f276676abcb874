//! OVN's own monitor of next hops, which is off by default.

use std::time::Duration;

use super::{label_of, to};
use crate::addresses::{GW1, GW3, V4};
use crate::capture::since;
use crate::daemon::{pause, sit_out};
use crate::netns::run;
use crate::node::Daemon;
use crate::traffic::{Conversation, Flow, exchange, push};
use crate::watch::{Watch, say};

/// How long the controller stands still.
const STANDSTILL: Duration = Duration::from_secs(5);

/// A next hop is removed while the controller stands still: OVN goes on sending to it, and each packet is found. Once the
/// controller goes on, it flushes what that next hop has labelled, where OVN has the monitor, since 25.03: the flows conform.
/// Where it has not, they go on as before.
#[test]
fn monitor_flushes_when_the_controller_goes_on() {
    run(|| {
        let mut has_monitor = false;
        let watch = Watch::new(V4, |node| {
            node.third_gateway(GW3)?;
            node.route(2);
            has_monitor = node.monitor_next_hops();
            Ok(())
        })?;
        let mut pinned = super::flows(&watch.node, 40000, 3);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        say("the controller stands still, and the first gateway is no next hop any more");
        watch.node.stop(Daemon::Controller);
        watch.node.remove_route(0);
        watch.let_grace_pass();
        push(&mut pinned, 2);
        sit_out(STANDSTILL);
        push(&mut pinned, 2);
        let meanwhile = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&meanwhile, GW1), meanwhile, "OVN goes on sending to it");
        watch.take_conntrack();
        watch.node.go_on(Daemon::Controller);
        watch.node.sync();
        let zone = watch.node.zone();
        let (stale, entries) = (label_of(GW1), || watch.node.entries(zone));
        if has_monitor {
            let is_flushed = || entries().iter().all(|entry| !entry.contains(&stale));
            let is_flushed = (0..100).any(|_| is_flushed() || (pause(100), false).1);
            assert!(is_flushed, "{:#?}", entries());
            say("the controller has gone on, and flushed");
        }
        push(&mut pinned, 2);
        let seen = watch.settled(&[&pinned]);
        let after = since(&meanwhile, &since(&before, &seen));
        match has_monitor {
            true => {
                assert!(to(&after, GW1).is_empty(), "{after:#?}");
                pinned.iter().for_each(Conversation::arrives);
            }
            // Labels may have reached their age.
            false if watch.node.replies().forgets => {}
            false => assert_eq!(to(&after, GW1), after, "OVN goes on sending to it"),
        }
        let violating = to(&since(&before, &seen), GW1);
        assert_eq!(
            violating.keys().map(|(tuple, _)| *tuple).collect::<Vec<_>>(),
            pinned.iter().map(Flow::tuple).collect::<Vec<_>>()
        );
        // Live, packets may come before their entries are read.
        let (live, replayed) = ("stale-conntrack|former-nexthop", "stale-conntrack");
        let ended = watch.expect_and_replay(&[(live, &violating)], &[(replayed, &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
