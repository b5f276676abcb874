//! Routes that OVN has learned from a routing daemon, since 25.03.

use super::{flows, to};
use crate::addresses::{GW1, GW3, V4};
use crate::capture::since;
use crate::netns::run;
use crate::traffic::{Conversation, exchange, push};
use crate::watch::{Watch, say};

/// A learned route to the client alone is longer than the pod's `src-ip` route, and decides where the pod's new flows go; one
/// to four addresses is shorter, and decides nothing. A flow that has a label stays with it.
#[test]
fn learned_routes() {
    run(|| {
        let watch = Watch::new(V4, |node| node.third_gateway(GW3))?;
        if !watch.node.has_table("learned_route") {
            say("this OVN learns no routes");
            watch.expect(&[]);
            return Ok(());
        }
        let mut pinned = flows(&watch.node, 40000, 2);
        exchange(&mut pinned, 3);
        let before = watch.settled(&[&pinned]);
        assert_eq!(to(&before, GW1), before, "all leave to where they came from");
        say("OVN learns a route to the client by the third gateway");
        watch.node.learn_route("198.51.100.7/32", 2);
        watch.let_grace_pass();
        let mut fresh = flows(&watch.node, 41000, 3);
        push(&mut fresh, 2);
        fresh.iter().for_each(Conversation::arrives);
        push(&mut pinned, 2);
        pinned.iter().for_each(Conversation::arrives);
        let with_long = since(&before, &watch.settled(&[&pinned, &fresh]));
        assert_eq!(
            (to(&with_long, GW1).len(), to(&with_long, GW3).len()),
            (pinned.len(), fresh.len()),
            "{with_long:#?}"
        );
        say("a shorter one takes its place");
        watch.node.unlearn_routes();
        watch.node.learn_route("198.51.100.4/30", 2);
        watch.let_grace_pass();
        let mut later = flows(&watch.node, 42000, 3);
        push(&mut later, 2);
        later.iter().for_each(Conversation::arrives);
        push(&mut pinned, 2);
        let with_short = since(&before, &watch.settled(&[&pinned, &fresh, &later]));
        assert_eq!(to(&with_short, GW3), to(&with_long, GW3), "{with_short:#?}");
        let ended = watch.expect(&[]);
        assert_eq!(ended.code, Some(0), "{}", ended.said());
        Ok(())
    });
}
