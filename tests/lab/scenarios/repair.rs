//! Flows are healed, each by itself.

use serde_json::Value;

use super::{pinned_to_a_dead_gateway, to};
use crate::addresses::{Addresses, GW1, V4, V6};
use crate::capture::since;
use crate::netns::{Missing, run};
use crate::traffic::{Flow, push};
use crate::watch::{Watch, say};

/// The incident on an OVN that honours a label for the life of its entry. `analyzer repair` heals the flow that is named:
/// its next packet leaves to a gateway that lives. All others stay where they are.
#[test]
fn repair_heals_one_flow() {
    run(|| repair(V4));
}

/// The same in IPv6.
#[test]
fn repair_heals_one_flow_ipv6() {
    run(|| repair(V6));
}

fn repair(addresses: Addresses) -> Result<(), Missing> {
    let mut watch = Watch::new(addresses, |node| {
        node.pin_for_life();
        Ok(())
    })?;
    let (mut pinned, before) = pinned_to_a_dead_gateway(&mut watch, 3)?;
    watch.wait_violating("stale-conntrack", &pinned);
    watch.take_conntrack();
    let zone = watch.node.zone();
    let entries = watch.node.entries(zone);
    let journal = watch.node.folder().join("repairs.jsonl");
    let mut command = watch.node.analyzer(&["repair", "--apply", "--settle", "1", "--format", "jsonl", "--flow"]);
    command.arg(pinned[0].tuple().to_string()).arg("--journal").arg(journal);
    let output = command.output().expect("ip can be run");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {told}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(matches!(&told[..], [one] if one["outcome"] == "done"), "{told:#?}");
    let left = watch.node.entries(zone);
    assert!(left.is_subset(&entries), "all others are as they were: {entries:#?}\n{left:#?}");
    assert_eq!(entries.len() - left.len(), 1, "{entries:#?}\n{left:#?}");
    say(&format!("repaired {}", pinned[0].tuple()));
    let repaired = watch.settled(&[&pinned]);
    push(&mut pinned, 3);
    let now = watch.settled(&[&pinned]);
    for ((tuple, mac), count) in since(&repaired, &now) {
        assert_eq!(mac == GW1, tuple != pinned[0].tuple(), "{tuple} leaves to {mac}");
        assert_eq!(count.packets, 3, "{tuple} to {mac}");
    }
    for _ in 0..3 {
        pinned[0].arrives();
    }
    let ended = watch.expect(&[("stale-conntrack", &to(&since(&before, &now), GW1))]);
    assert_eq!(ended.code, Some(1), "{}", ended.said());
    Ok(())
}
