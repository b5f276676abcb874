//! Packets that nothing follows.

use serde_json::Value;

use super::{flows, to};
use crate::addresses::{GW1, V4};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{exchange, push};
use crate::watch::{Watch, say};

/// After the gateway has died the pod sends one burst in each flow, and then nothing any more: all packets of it are told of by
/// the entries that sent them there, though no packet follows that would be looked at once the entries are read.
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
        watch.wait_violating("stale-conntrack", &pinned);
        let ended = watch.expect(&[("stale-conntrack", &violating)]);
        assert_eq!(ended.code, Some(1), "{}", ended.said());
        for finding in ended.findings.iter().filter(|finding| finding["reason"] == "stale-conntrack") {
            let port = finding["flow"]["sport"].to_string();
            let heals = |remedy: &Value| remedy["command"].as_str().is_some_and(|command| command.contains(&port));
            assert!(finding["remedy"].as_array().is_some_and(|remedies| remedies.iter().any(heals)), "{finding}");
        }
        Ok(())
    });
}
