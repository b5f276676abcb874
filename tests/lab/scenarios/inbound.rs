//! The client sends after the gateway was replaced.

use std::iter;

use serde_json::json;

use super::{as_it_is, label_of, pinned_to_a_dead_gateway, to};
use crate::addresses::{GW1, GW1_NEW, GW2, V4};
use crate::capture::since;
use crate::netns::{Missing, run};
use crate::node::Node;
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// OVN 23.03.1 labels a flow anew as soon as the client's packets come from another MAC: the flow violates until then,
/// and conforms afterwards, whichever gateway the packet came by. A flow that nobody sends to stays where it is.
#[test]
fn inbound_heals() {
    run(|| heals(as_it_is));
}

/// The same where a label lasts as long as its entry.
#[test]
fn inbound_heals_what_is_pinned_for_life() {
    run(|| {
        heals(|node| {
            node.pin_for_life();
            Ok(())
        })
    });
}

fn heals(prepare: impl FnOnce(&mut Node) -> Result<(), Missing>) -> Result<(), Missing> {
    let (mut watch, receiver) = Watch::with_alerts(V4, prepare)?;
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3);
    watch.wait_violating("stale-conntrack", &pinned);
    watch.take_conntrack();
    let told = receiver.wait("VIOLATION");
    let dead = watch.settled(&[&pinned]);
    say("the client sends in one flow by the new gateway, in another by the second, in the last not at all");
    exchange(&mut pinned[..1], 3);
    watch.node.client_by(1);
    exchange(&mut pinned[1..2], 3);
    push(&mut pinned[2..], 3);
    let healed = since(&dead, &watch.settled(&[&pinned]));
    let macs: Vec<_> = healed.keys().map(|(_, mac)| *mac).collect();
    assert_eq!(macs, [GW1_NEW, GW2, GW1], "{healed:#?}");
    let violating = to(&since(&before, &watch.settled(&[&pinned])), GW1);
    say("the last one too: nothing is stale any more");
    exchange(&mut pinned[2..], 3);
    let zone = watch.node.zone();
    let stale = label_of(GW1);
    let entries = watch.node.entries(zone);
    assert!(!entries.is_empty() && entries.iter().all(|entry| !entry.contains(&stale)), "{entries:#?}");
    let cleared =
        iter::repeat_with(|| receiver.wait("CLEARED")).find(|cleared| cleared.value("id") == told.value("id"));
    // Whether the entry or a packet told first is a matter of moments.
    let cleared = cleared.expect("the last is waited for");
    let how = cleared.value("cleared").expect("it says how");
    assert!(["conforming", "entry-gone", "mixed"].contains(&how) && cleared.value("cleared_quiet").is_none(), "{how}");
    let ended = watch.expect(&[("stale-conntrack", &violating)]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    assert_eq!(ended.summary["latent"], json!({"armed": 0, "unused": 0}));
    Ok(())
}

/// OVN before 22.06.1 labels a session by its first packet alone: what comes by the new gateway heals nothing.
#[test]
fn inbound_does_not_heal_what_is_labelled_once() {
    run(|| {
        let mut watch = Watch::new(V4, |node| {
            node.label_once();
            Ok(())
        })?;
        let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 2);
        for _ in 0..3 {
            pinned.iter().for_each(Conversation::request);
            push(&mut pinned, 1);
        }
        let violating = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
