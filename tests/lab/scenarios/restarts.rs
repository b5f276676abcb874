//! Daemons are killed in the middle of the incident, and come back.

use super::{flows, pinned_to_a_dead_gateway, to};
use crate::addresses::{GW1, GW2, GW3, V4};
use crate::capture::{Seen, since};
use crate::datapath::Datapath;
use crate::netns::{Missing, run};
use crate::node::{Daemon, Node};
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// OVN's daemons and the servers of the three databases are killed, one after the other. Packets go on to the dead gateway
/// all the time; each of them is found, and nothing else. The daemon tells which source it has lost, goes on by what that
/// told last, and tells that it is back.
#[test]
fn daemons_are_killed() {
    run(|| {
        let (mut watch, mut pinned, before) = incident()?;
        for (daemon, source) in [
            (Daemon::Northbound, Some("nb")),
            (Daemon::Southbound, Some("sb")),
            (Daemon::OpenVswitch, Some("ovs")),
            (Daemon::Controller, None),
            (Daemon::Northd, None),
        ] {
            watch.node.kill(daemon);
            say(&format!("{daemon:?} is killed"));
            if let Some(source) = source {
                watch.wait_message(&format!("{source} is lost: "));
            }
            // ovs-vswitchd reads no NIC without its database: there these packets wait until it is back.
            push(&mut pinned, 1);
            watch.node.start(daemon);
            if let Some(source) = source {
                watch.wait_message(&format!("{source} ("));
            }
            if daemon == Daemon::Northd {
                // It has made all flows anew, as it knows them.
                watch.node.sync();
                watch.node.pin_for_life();
            }
            watch.node.sync_without_northd();
            push(&mut pinned, 1);
            watch.settled(&[&pinned]);
        }
        let now = watch.settled(&[&pinned]);
        let violating = since(&before, &now);
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}

/// ovs-vswitchd is killed. The userspace datapath and its conntrack table go with it: once it is back, OVN chooses next hops
/// anew, and the flows conform. The kernel keeps its table, and the flows go on as before. Entries of the ovs-vswitchd that
/// came back, whose control socket is another, are read as before.
#[test]
fn vswitchd_is_killed() {
    run(|| {
        let (mut watch, mut pinned, before) = incident()?;
        watch.take_conntrack();
        let killed = watch.settled(&[&pinned]);
        // Who is not there does not tell its entries.
        watch.allowed_losses = &["conntrack_readings_failed"];
        let installed = watch.node.bridge_flows();
        watch.node.kill(Daemon::Vswitchd);
        watch.node.start(Daemon::Vswitchd);
        watch.node.wait_bridge_flows(installed);
        say("ovs-vswitchd is killed and back");
        push(&mut pinned, 2);
        let now = watch.settled(&[&pinned]);
        let after = since(&killed, &now);
        match watch.node.datapath() {
            Datapath::Userspace => {
                assert!(to(&after, GW1).is_empty(), "{after:#?}");
                for flow in &pinned {
                    flow.arrives();
                    flow.arrives();
                }
            }
            Datapath::Kernel => assert_eq!(to(&after, GW1), after, "OVN goes on sending to the dead gateway"),
        }
        let mut later = flows(&watch.node, 42000, 2);
        let spare = watch.node.spare_gateway(1, GW3)?;
        watch.node.client_by(1);
        exchange(&mut later, 2);
        let labelled = watch.settled(&[&pinned, &later]);
        watch.node.replace_gateway(&spare);
        watch.let_grace_pass();
        watch.push_until_violating("stale-conntrack", &mut later);
        let seen = watch.settled(&[&pinned, &later]);
        let violating = to(&since(&before, &now), GW1);
        let later = to(&since(&labelled, &seen), GW2);
        // Replay has the entries from before the end.
        let live = [("stale-conntrack", &violating), ("stale-conntrack", &later)];
        let replayed = [("stale-conntrack", &violating), ("former-nexthop", &later)];
        let ended = watch.expect_and_replay(&live, &replayed);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        Ok(())
    });
}

/// The incident on an OVN that honours a label for the life of its entry, found. Returns what had left before, too.
fn incident() -> Result<(Watch, Vec<Conversation>, Seen), Missing> {
    let mut watch = Watch::new(V4, |node: &mut Node| {
        node.pin_for_life();
        Ok(())
    })?;
    let (pinned, before) = pinned_to_a_dead_gateway(&mut watch, 2);
    watch.wait_violating("stale-conntrack", &pinned);
    Ok((watch, pinned, before))
}
