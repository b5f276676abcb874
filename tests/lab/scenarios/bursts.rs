//! Packets that nothing follows.

use super::{flows, to};
use crate::addresses::{GW1, V4};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{exchange, push};
use crate::watch::{Watch, say};

/// After the gateway has died the pod sends one burst in each flow, and then nothing any more: all packets of it are told of,
/// though no packet follows that would be looked at once the entries are read.
#[test]
fn burst_and_silence() {
    run(|| {
        let mut watch = Watch::new(V4, super::as_it_is)?;
        let mut pinned = flows(&watch.node, 40000, 3);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        say("the gateway dies, the pod sends a burst in each flow, and is silent");
        watch.node.replace_gateway(&watch.spare);
        watch.let_grace_pass();
        push(&mut pinned, 50);
        let violating = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_all("violating", &pinned, |object| object["type"] == "finding" && object["verdict"] == "violating");
        // Live, the packets may come before their entries are read.
        let (live, replayed) = ("stale-conntrack|former-nexthop", "stale-conntrack");
        let ended = watch.expect_and_replay(&[(live, &violating)], &[(replayed, &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
