//! A lab in which the daemon watches, and the comparison of what it counted with what tcpdump saw.

use std::collections::BTreeMap;
use std::time::Duration;

use analyzer::types::{MacAddr, Tuple};
use serde_json::Value;

use crate::addresses::{Addresses, GW1_NEW};
use crate::capture::{Capture, Seen};
use crate::case::Case;
use crate::daemon::{Ended, Live, pause, sit_out};
use crate::datapath::Datapath;
use crate::netns::Missing;
use crate::node::{Node, Spare};
use crate::patience::patience;
use crate::syslog::Receiver;
use crate::traffic::{Conversation, Flow, push, sent};
use crate::wire::{Count, json_of};

/// Seconds of grace, so that a scenario can wait for its end.
pub(crate) const GRACE: &str = "1";

/// What is said of packets that no route of the pods' decides: no finding.
pub(crate) const NOT_COVERED: &str = "not-covered";

/// A lab, what leaves by its NIC, and the daemon.
pub(crate) struct Watch {
    // In the order in which they end.
    live: Live,
    pub(crate) capture: Capture,
    case: Case,
    /// Names of losses that the daemon may tell of, and need not.
    pub(crate) allowed_losses: &'static [&'static str],
    /// The gateway that takes the first one's place when that dies.
    pub(crate) spare: Spare,
    pub(crate) node: Node,
}

impl Watch {
    /// Brings up the lab, changes it as `prepare` does, and starts to watch.
    pub(crate) fn new(
        addresses: Addresses,
        prepare: impl FnOnce(&mut Node) -> Result<(), Missing>,
    ) -> Result<Self, Missing> {
        Self::start(up(addresses, prepare)?, &[])
    }

    /// The same, with someone who gets the alerts.
    pub(crate) fn with_alerts(
        addresses: Addresses,
        prepare: impl FnOnce(&mut Node) -> Result<(), Missing>,
    ) -> Result<(Self, Receiver), Missing> {
        let node = up(addresses, prepare)?;
        let receiver = Receiver::new(node.folder());
        let arguments = receiver.arguments();
        Ok((Self::start(node, &arguments.each_ref().map(String::as_str))?, receiver))
    }

    fn start(mut node: Node, arguments: &[&str]) -> Result<Self, Missing> {
        // Now already: what the scenario does is to be done within seconds.
        let spare = node.spare_gateway(0, GW1_NEW)?;
        let capture = Capture::start(&node, &node.folder().join("egress.pcap"), "out");
        let case = Case::begin(&node);
        let own = ["--grace", GRACE, "--conntrack-interval", "10"];
        let mut live = node.live(&[&own, arguments].concat());
        live.ready();
        say("the daemon watches");
        Ok(Self { live, capture, case, allowed_losses: &[], spare, node })
    }

    /// Waits until a change of the next hops is known and the grace that it gives is over.
    pub(crate) fn let_grace_pass(&self) {
        // On stock northd a scenario has 30 s, whatever the machine.
        sit_out(Duration::from_secs(2) + patience(Duration::from_millis(500)));
    }

    /// Waits until the daemon tells this of each of the flows.
    pub(crate) fn wait_all(&mut self, what: &str, flows: &[impl Flow], is_it: impl Fn(&Value) -> bool) {
        let mut missing: Vec<Value> = flows.iter().map(|flow| json_of(&flow.tuple())).collect();
        while !missing.is_empty() {
            let object = self.live.wait(what, |object| is_it(object) && missing.contains(&object["flow"]));
            missing.retain(|flow| *flow != object["flow"]);
        }
        say(&format!("the daemon told of {} flows: {what}", flows.len()));
    }

    /// Waits until the daemon tells that each of the flows violates for this reason.
    pub(crate) fn wait_violating(&mut self, reason: &str, flows: &[impl Flow]) {
        self.wait_all(&format!("violating, {reason}"), flows, |object| {
            object["type"] == "finding" && object["verdict"] == "violating" && object["reason"] == reason
        });
    }

    /// Waits until the daemon tells of a flow that it cannot judge it for this reason.
    pub(crate) fn wait_undetermined(&mut self, reason: &str, tuple: Tuple) {
        let flow = json_of(&tuple);
        self.live
            .wait(&format!("undetermined, {reason}"), |object| object["flow"] == flow && object["reason"] == reason);
    }

    /// Has the pod send until the daemon tells of each of the flows that it violates for this reason: ovs-vswitchd is asked
    /// for a zone every ten seconds at most, and before that nothing tells of their entries.
    pub(crate) fn push_until_violating(&mut self, reason: &str, flows: &mut [Conversation]) {
        let is_told = (0..60).any(|_| {
            push(flows, 1);
            pause(500);
            flows.iter().all(|flow| self.has_violating(reason, flow))
        });
        assert!(is_told, "the entries are not read");
    }

    /// Whether the daemon has told by now that the flow violates for this reason.
    fn has_violating(&mut self, reason: &str, flow: &impl Flow) -> bool {
        let flow = json_of(&flow.tuple());
        self.live.has(|object| object["flow"] == flow && object["verdict"] == "violating" && object["reason"] == reason)
    }

    /// Waits until the daemon tells that the entry of each of the flows is latent in this state.
    pub(crate) fn wait_latent(&mut self, state: &str, flows: &[impl Flow]) {
        let is_it = |object: &Value| object["type"] == "latent" && object["state"] == state;
        self.wait_all(&format!("latent, {state}"), flows, is_it);
    }

    /// Waits until the daemon knows of the entries of flows, whose MAC is no next hop's any more. The kernel is asked for an
    /// entry when it matters; those of ovs-vswitchd are read every ten seconds at most. Where OVN forgets labels, nothing is told
    /// of entries before a packet shows that it applies them.
    pub(crate) fn wait_armed(&mut self, flows: &[impl Flow]) {
        if self.node.datapath() == Datapath::Userspace && !self.node.replies().forgets {
            self.wait_latent("armed", flows);
        }
    }

    /// Keeps the conntrack table as it is now for the case, where entries are about to go.
    pub(crate) fn take_conntrack(&self) {
        self.case.take_conntrack(&self.node);
    }

    /// Waits until the daemon says this on standard error.
    pub(crate) fn wait_message(&mut self, text: &str) {
        say(&self.live.wait_message(text));
    }

    /// What has left of these flows, which are all.
    pub(crate) fn settled(&self, flows: &[&[Conversation]]) -> Seen {
        self.capture.settled(flows.iter().map(|flows| sent(flows)).sum())
    }

    /// Ends the daemon and checks that it found this and nothing else: for each reason the packets that were to be found
    /// under it, for reasons with `|` in between those that were to be found under one or the other. All other packets
    /// have to conform.
    pub(crate) fn expect(self, found: &[(&str, &Seen)]) -> Ended {
        self.expect_and_replay(found, found)
    }

    /// The same where replay, with the whole capture and with dumps of the end, finds something else.
    pub(crate) fn expect_and_replay(self, found: &[(&str, &Seen)], replayed: &[(&str, &Seen)]) -> Ended {
        let seen = self.capture.seen();
        self.case.dump(&self.node, &seen);
        let ended = self.live.stop();
        let context = || format!("{seen:#?}\n{}\n{}", ended.summary, ended.said());
        self.case.keep(&self.node, &as_told(replayed));
        check("what the daemon found", found, told(&ended.findings), &context);
        check("what replay finds", replayed, self.case.replay(&self.node), &String::new);
        assert_eq!(ended.number("grace_packets") + ended.number("untracked_packets"), 0, "{}", context());
        // What conforms is counted by MAC.
        let mut conforming: BTreeMap<_, Count> = BTreeMap::new();
        for ((_, mac), count) in &seen {
            *conforming.entry(*mac).or_default() += *count;
        }
        // So are those that take another next hop than their requests.
        let others = found.iter().filter(|(reason, _)| *reason != "asymmetric-reply");
        for ((_, mac), count) in others.flat_map(|(_, packets)| packets.iter()) {
            let of_mac = conforming.get_mut(mac).expect("it was seen");
            *of_mac = Count { packets: of_mac.packets - count.packets, bytes: of_mac.bytes - count.bytes };
        }
        for (mac, count) in conforming {
            assert_eq!(ended.conforming(mac), count, "{mac}: {}", context());
        }
        let losses = ended.status["losses"].as_object().expect("losses by name");
        let is_allowed = |(name, count): (&String, &Value)| *count == 0 || self.allowed_losses.contains(&name.as_str());
        assert!(losses.iter().all(is_allowed), "{}", ended.status);
        say(&format!("all {} packets are as tcpdump saw them", seen.values().map(|count| count.packets).sum::<u64>()));
        ended
    }
}

/// Checks what was told, by the daemon or by replay.
fn check(by: &str, expected: &[(&str, &Seen)], told: BTreeMap<Told, Count>, context: &dyn Fn() -> String) {
    let expected = as_told(expected);
    assert_eq!(as_expected(told, &expected), expected, "{by}: {}", context());
}

/// A reason, a flow and its destination MAC, as they are told.
pub(crate) type Told = (String, String, String);

/// How it is told that these packets were found under these reasons.
fn as_told(found: &[(&str, &Seen)]) -> BTreeMap<Told, Count> {
    let found = found.iter().filter(|(reason, _)| *reason != NOT_COVERED);
    let told =
        |reason: &str, tuple: &Tuple, mac: MacAddr| (reason.to_owned(), json_of(tuple).to_string(), mac.to_string());
    let each = found.flat_map(|(reason, packets)| packets.iter().map(move |packets| (reason, packets)));
    each.map(|(reason, ((tuple, mac), count))| (told(reason, tuple, *mac), *count)).collect()
}

/// What findings count. One whose packets were told anew under another reason holds none.
pub(crate) fn told(findings: &[Value]) -> BTreeMap<Told, Count> {
    let count = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_else(|| panic!("no {key} in {finding}")).to_owned();
        ((text("reason"), finding["flow"].to_string(), text("eth_dst")), Count::of(finding))
    };
    findings.iter().map(count).filter(|(_, count)| *count != Count::default()).collect()
}

/// A lab, changed as `prepare` does.
fn up(addresses: Addresses, prepare: impl FnOnce(&mut Node) -> Result<(), Missing>) -> Result<Node, Missing> {
    let mut node = Node::up(addresses)?;
    prepare(&mut node)?;
    say(&format!("the lab is up in {}", node.folder().display()));
    Ok(node)
}

/// The same under the reasons that are expected, of which each may be several with `|` in between.
fn as_expected(told: BTreeMap<Told, Count>, expected: &BTreeMap<Told, Count>) -> BTreeMap<Told, Count> {
    let mut under = BTreeMap::<Told, Count>::new();
    for ((reason, flow, mac), count) in told {
        let is_it = |key: &&Told| (&key.1, &key.2) == (&flow, &mac) && key.0.split('|').any(|one| one == reason);
        let reason = expected.keys().find(is_it).map_or(reason.clone(), |key| key.0.clone());
        *under.entry((reason, flow, mac)).or_default() += count;
    }
    under
}

/// Tells whoever runs the scenario by hand.
pub(crate) fn say(what: &str) {
    println!("  {what}");
}
