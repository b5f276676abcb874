//! OVN is upgraded in the middle of the incident.

use super::{pinned_to_a_dead_gateway, to};
use crate::addresses::{GW1, V4};
use crate::capture::since;
use crate::netns::{Missing, run};
use crate::ovn::Ovn;
use crate::traffic::{exchange, push, sent};
use crate::watch::{Watch, say};

/// What is said of packets of a time of which no next hops are known.
const NO_DATA: &str = "no-nexthop-data";

/// northd and the controller are replaced by the newest that are there, those of 26.03, and the databases are converted for them, while packets leave to
/// the dead gateway: each of them is found, before, meanwhile and afterwards. The new ones keep the zone and honour the labels
/// of the old ones, until the client sends.
#[test]
fn upgrade_under_traffic() {
    run(|| {
        let newest = Ovn::newest()?;
        let mut watch = Watch::new(V4, |node| -> Result<(), Missing> {
            node.pin_for_life();
            Ok(())
        })?;
        let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3);
        watch.wait_violating("stale-conntrack", &pinned);
        watch.take_conntrack();
        let zone = watch.node.zone();
        let mut converted = None;
        watch.node.upgrade(newest, || {
            push(&mut pinned, 1);
            converted.get_or_insert_with(|| watch.capture.settled(sent(&pinned)));
        });
        let converted = converted.expect("packets left meanwhile");
        say("OVN is upgraded");
        assert_eq!(watch.node.zone(), zone);
        push(&mut pinned, 2);
        let so_far = watch.settled(&[&pinned]);
        let stay = since(&before, &so_far);
        assert_eq!(to(&stay, GW1), stay, "OVN goes on sending to the dead gateway");
        say("the client sends in all flows");
        exchange(&mut pinned, 2);
        let violating = to(&since(&before, &watch.settled(&[&pinned])), GW1);
        assert_eq!(violating, stay, "what the client sends heals");
        // A conversion leaves nothing of a file's history: of what was before, replay cannot know.
        let later = since(&converted, &so_far);
        let replayed = [(NO_DATA, &converted), ("stale-conntrack|heard-undated", &later)];
        let ended = watch.expect_and_replay(&[("stale-conntrack", &violating)], &replayed);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}
