//! What this OVN makes of symmetric replies, as its logical flows say. Scenarios go by that and not by versions.

use serde_json::Value;

use crate::node::Node;

/// What a flow is that labels a session's first packet, in any OVN before 24.09.
pub(crate) const IS_FIRST: &str = "(ct.new && !ct.est)";
/// Asks for the learned flow.
pub(crate) const IS_LEARNED: &str = "reg9[5] == 1 && ";

/// A logical flow that writes a label, or by which one applies.
#[derive(Clone, PartialEq)]
pub(crate) struct LogicalFlow {
    pub(crate) expression: String,
    pub(crate) actions: String,
}

impl LogicalFlow {
    /// Whether it writes a label.
    pub(crate) fn labels(&self) -> bool {
        self.actions.contains("ct_label.ecmp_reply_eth = ")
    }

    /// Whether it writes the MAC that a packet leaves to, as it does since 25.03.3.
    pub(crate) fn labels_by_next_hop(&self) -> bool {
        self.actions.contains("ct_label.ecmp_reply_eth = eth.dst")
    }

    /// Whether a label applies by it.
    pub(crate) fn applies(&self) -> bool {
        self.expression.contains("ct_mark.ecmp_reply_port")
    }
}

/// How an OVN labels, and what becomes of its labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymmetricReplies {
    /// A label applies while a flow that was learned beside it lives: 30 s at most.
    pub(crate) forgets: bool,
    /// Packets of every IP protocol are labelled, not only those of UDP, TCP and SCTP.
    pub(crate) every_protocol: bool,
    /// Packets of sessions that the pod has opened and the router tracks are labelled, too.
    pub(crate) both_directions: bool,
    /// The first packet out labels.
    pub(crate) by_next_hop: bool,
}

impl SymmetricReplies {
    fn of(flows: &[LogicalFlow]) -> Self {
        let labelling = || flows.iter().filter(|flow| flow.labels());
        Self {
            forgets: flows.iter().any(|flow| flow.applies() && flow.expression.contains(IS_LEARNED)),
            every_protocol: labelling().all(|flow| !flow.expression.contains(" && udp")),
            both_directions: flows.iter().all(|flow| !flow.expression.contains("ct.rpl")),
            by_next_hop: labelling().any(LogicalFlow::labels_by_next_hop),
        }
    }
}

impl Node {
    /// The flows that write a label or by which one applies, by their UUIDs.
    pub(crate) fn symmetric_flows(&self) -> Vec<(String, LogicalFlow)> {
        let listing = self.sh("ovn-sbctl --format=json --columns=_uuid,match,actions list logical_flow");
        let listing: Value = serde_json::from_str(&listing).expect("it was asked for JSON");
        let rows = listing["data"].as_array().expect("a table has rows").iter().map(|row| {
            let text = |column: usize| row[column].as_str().expect("matches and actions are text").to_owned();
            let uuid = row[0][1].as_str().expect("a row has a UUID").to_owned();
            (uuid, LogicalFlow { expression: text(1), actions: text(2) })
        });
        rows.filter(|(_, flow)| flow.labels() || flow.applies()).collect()
    }

    /// How this OVN labels, while it has a symmetric route.
    pub(crate) fn symmetric_replies(&self) -> SymmetricReplies {
        let flows: Vec<_> = self.symmetric_flows().into_iter().map(|(_, flow)| flow).collect();
        assert!(flows.iter().any(LogicalFlow::applies), "OVN has no flows for symmetric replies");
        SymmetricReplies::of(&flows)
    }

    /// Whether labels apply by the routes that there are.
    pub(crate) fn labels_apply(&self) -> bool {
        self.symmetric_flows().iter().any(|(_, flow)| flow.applies())
    }
}
