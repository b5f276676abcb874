//! What happens, what has to be found, and what has to stay silent.

use serde_json::{Value, json};

use crate::addresses::{GW1, V4};
use crate::capture::Capture;
use crate::daemon::pause;
use crate::netns::run;
use crate::node::Node;
use crate::traffic::{Conversation, exchange, push, sent};

#[test]
fn incident() {
    run(|| {
        let mut node = Node::up(V4)?;
        let capture = Capture::start(&node);
        let mut live = node.live(&["--grace", "1"]);
        live.ready();
        let mut pinned: Vec<_> = (0..4).map(|port| Conversation::new(&node, 40000 + port, 5000 + port)).collect();
        exchange(&mut pinned, 3);
        let before = capture.settled(sent(&pinned));
        node.replace_first_gateway()?;
        pause(2500);
        push(&mut pinned, 2);
        let after = capture.settled(sent(&pinned));
        pause(5000);
        println!("{}", node.sh("ovs-appctl dpctl/dump-conntrack"));
        let ended = live.stop();
        println!("{:#?}", ended.messages);
        for object in ended.findings.iter().chain(&ended.latent).chain([&ended.summary, &ended.status]) {
            println!("{object}");
        }
        let _ = (Value::Null, json!({}), GW1);
        Ok(())
    });
}
