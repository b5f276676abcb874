//! Next hops are taken away.

use super::{flows, to};
use crate::addresses::{GW1, GW2, GW3, V4};
use crate::capture::since;
use crate::daemon::pause;
use crate::netns::run;
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

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
