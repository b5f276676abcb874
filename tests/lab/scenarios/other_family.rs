//! IPv4 routes by IPv6 next hops.

use super::{flows, to};
use crate::addresses::{GW1, GW1_NEW, V4, V6};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{exchange, push};
use crate::watch::{Watch, say};

/// The incident where the next hops of the pod's IPv4 routes are IPv6 addresses: OVN labels as usual, and the next hops' MACs
/// are those of their IPv6 addresses. Only 26.03 of the versions here can do it.
#[test]
fn ipv4_route_by_ipv6_next_hop() {
    run(|| {
        let mut sends_so = false;
        let mut watch = Watch::new(V4, |node| {
            sends_so = node.route_by_other_family();
            Ok(())
        })?;
        if !sends_so {
            say("this OVN does not send by such routes");
            watch.expect(&[]);
            return Ok(());
        }
        let mut pinned = flows(&watch.node, 40000, 3);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        say("flows came by the first gateway; now it dies");
        watch.node.replace_gateway_of_other_family(&watch.spare);
        watch.let_grace_pass();
        watch.wait_armed(&pinned);
        push(&mut pinned, 3);
        let violating = since(&before, &watch.settled(&[&pinned]));
        assert_eq!(to(&violating, GW1), violating, "OVN goes on sending to the dead gateway");
        watch.wait_violating("stale-conntrack", &pinned);
        watch.take_conntrack();
        exchange(&mut pinned, 2);
        let healed = since(&violating, &since(&before, &watch.settled(&[&pinned])));
        assert_eq!(to(&healed, GW1_NEW), healed);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        let named = |finding: &serde_json::Value| finding["expected"][0]["nexthop"] == V6.gateways[0];
        assert!(ended.findings.iter().all(named), "{:#?}", ended.findings);
        Ok(())
    });
}
