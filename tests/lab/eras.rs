//! What versions of OVN make of symmetric replies that no release of Debian has: northd's flows, rewritten as those
//! versions write them.
//!
//! northd 23.03.1 writes, for each of UDP, TCP and SCTP, one flow that labels a session's first packet from a gateway and
//! one that labels it anew as a gateway sends from another MAC than before; its label applies while a flow learned
//! beside it lives, which is 30 s at most. Since 24.09 there is one flow for packets of every protocol and of either
//! direction, and since 25.03.3 a second that labels by the next hop that a packet takes.

use serde_json::Value;

use crate::addresses::NODE;
use crate::netns::stdout;
use crate::node::Node;
use crate::symmetric_replies::{IS_FIRST, IS_LEARNED, LogicalFlow};

/// What a flow is that labels a session anew, and one that labels any packet.
const IS_LATER: &str = "(!ct.rpl && ct.est)";
const IS_ANY: &str = "(ct.new || ct.est)";

impl LogicalFlow {
    /// The same without a learned flow.
    fn without_learning(mut self) -> Self {
        self.expression = self.expression.replace(IS_LEARNED, "");
        let learns = self.actions.find(" commit_ecmp_nh(");
        if let Some((from, len)) = learns.and_then(|from| Some((from, self.actions[from..].find(';')? + 1))) {
            self.actions.replace_range(from..from + len, "");
        }
        self
    }

    /// The same for packets of sessions that a gateway has opened.
    fn of_replies(mut self) -> Self {
        if !self.expression.contains("ct.rpl && ") {
            self.expression.insert_str(0, "ct.rpl && ");
        }
        self
    }

    /// The same for packets of every IP protocol; `None` for those of a protocol's flows that are one too many.
    fn of_every_protocol(mut self) -> Option<Self> {
        self.expression = self.expression.replace(" && udp", "").replace(" && reg9[5] == 0", "");
        let is_of_another = [" && tcp", " && sctp"].iter().any(|protocol| self.expression.contains(protocol));
        (!is_of_another).then_some(self)
    }
}

impl Node {
    /// A label is used for the life of its entry, and written anew as a gateway sends from another MAC: nearly OVN since
    /// 23.03.2. Nothing is to be done where OVN does so by itself.
    pub(crate) fn pin_for_life(&self) {
        if self.replies().forgets {
            self.rewrite_flows(|flow| Some(if flow.applies() { flow.without_learning() } else { flow }));
        }
    }

    /// A session's first packet from a gateway labels it for good, whatever its protocol: OVN before 22.06.1.
    pub(crate) fn label_once(&self) {
        self.rewrite_flows(|flow| match flow.labels() {
            true if flow.expression.contains(IS_LATER) || flow.labels_by_next_hop() => None,
            true => flow.of_every_protocol().map(|flow| {
                let expression = flow.expression.replace(IS_ANY, IS_FIRST);
                LogicalFlow { expression, ..flow }.without_learning()
            }),
            false => Some(flow.of_replies().without_learning()),
        });
    }

    /// Changes all flows that write a label or by which one applies. northd is paused, or it would write them anew.
    fn rewrite_flows(&self, rewrite: impl Fn(LogicalFlow) -> Option<LogicalFlow>) {
        self.sh("ovn-appctl -t ovn-northd pause");
        let mut command = self.command("ovn-sbctl");
        let mut changed = 0;
        for (uuid, flow) in self.symmetric_flows() {
            let new = rewrite(flow.clone());
            changed += usize::from(new.as_ref() != Some(&flow));
            match new {
                Some(LogicalFlow { expression, actions }) => {
                    let columns = [("match", expression), ("actions", actions)];
                    let columns = columns.map(|(column, text)| format!("{column}={}", Value::from(text)));
                    command.args(["--", "set", "logical_flow", &uuid]).args(columns);
                }
                None => drop(command.args(["--", "destroy", "logical_flow", &uuid])),
            }
        }
        assert!(changed > 0, "northd's flows are none that are known here");
        stdout("ovn-sbctl set", command.output().expect("ip can be run"));
        // northd would hand on the number that the controller gives back once the bridge has the flows.
        self.sh(&format!(
            "number=$(($(ovn-sbctl get sb_global . nb_cfg) + 1))
            ovn-sbctl set sb_global . nb_cfg=$number
            ovn-sbctl wait-until chassis_private {NODE} nb_cfg=$number"
        ));
    }
}
