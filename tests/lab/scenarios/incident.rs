//! The gateway dies, and another takes its address.

use serde_json::json;

use super::{as_it_is, flows, pinned_to_a_dead_gateway, to};
use crate::addresses::{Addresses, GW1, V4, V6};
use crate::capture::since;
use crate::daemon::pause;
use crate::netns::{Missing, run};
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// The incident, on OVN as it is: the flows violate. 23.03.1 honours a label for 30 s at most; then they conform while their
/// entries are as before. Later ones honour it until the client sends in the flow, by whichever gateway. Flows that the pod
/// opens meanwhile conform from their first packet.
#[test]
fn incident() {
    run(|| play(V4));
}

/// The same in IPv6.
#[test]
fn incident_ipv6() {
    run(|| play(V6));
}

fn play(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, as_it_is)?;
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 4);
    let mut fresh = flows(&watch.node, 41000, 2);
    push(&mut fresh, 2);
    fresh.iter().for_each(Conversation::arrives);
    watch.wait_violating("stale-conntrack", &pinned);
    let unused = if watch.node.replies().forgets {
        wait_forgotten(&watch, &mut pinned, &fresh);
        pinned.iter().for_each(Conversation::arrives);
        push(&mut pinned, 2);
        watch.wait_latent("unused", &pinned);
        4
    } else {
        push(&mut pinned, 4);
        let stay = since(&before, &watch.settled(&[&pinned, &fresh]));
        assert_eq!(to(&stay, GW1).len(), pinned.len(), "OVN goes on sending to the dead gateway");
        watch.take_conntrack();
        say("the client sends in all flows");
        exchange(&mut pinned, 2);
        0
    };
    let violating = to(&since(&before, &watch.settled(&[&pinned, &fresh])), GW1);
    let ended = watch.expect(&[("stale-conntrack", &violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    assert_eq!(ended.summary["latent"], json!({"armed": 0, "unused": unused}));
    Ok(())
}

/// Has the pod send until OVN leaves the labels aside.
fn wait_forgotten(watch: &Watch, pinned: &mut [Conversation], fresh: &[Conversation]) {
    for _ in 0..60 {
        let so_far = watch.settled(&[pinned, fresh]);
        push(pinned, 1);
        let round = since(&so_far, &watch.settled(&[pinned, fresh]));
        if to(&round, GW1).is_empty() {
            say("OVN leaves the label aside");
            return;
        }
        pause(500);
    }
    panic!("OVN goes on for more than 30 s");
}
