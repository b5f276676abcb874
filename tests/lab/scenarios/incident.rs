//! The gateway dies, and another takes its address.

use super::{as_it_is, flows, pinned_to_a_dead_gateway, to};
use crate::addresses::{Addresses, GW1, V4, V6};
use crate::capture::since;
use crate::daemon::pause;
use crate::netns::{Missing, run};
use crate::traffic::{Conversation, push};
use crate::watch::{Watch, say};

/// The incident, on the northd that the distribution has: 23.03.1 honours a label for 30 s at most. The flows violate, then
/// they conform while their entries are as before, and flows that the pod opens meanwhile conform from their first packet.
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
    let mut rounds = 0;
    loop {
        let so_far = watch.settled(&[&pinned, &fresh]);
        push(&mut pinned, 1);
        let round = since(&so_far, &watch.settled(&[&pinned, &fresh]));
        if to(&round, GW1).is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds < 60, "OVN goes on for more than 30 s");
        pause(500);
    }
    say("OVN leaves the label aside");
    pinned.iter().for_each(Conversation::arrives);
    push(&mut pinned, 2);
    watch.wait_latent("unused", &pinned);
    let violating = to(&since(&before, &watch.settled(&[&pinned, &fresh])), GW1);
    let ended = watch.expect(&[("stale-conntrack", &violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    assert_eq!(ended.summary["latent"]["armed"], 0);
    assert_eq!(ended.summary["latent"]["unused"], 4);
    Ok(())
}
