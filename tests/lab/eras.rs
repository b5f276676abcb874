//! What other versions of OVN make of symmetric replies: northd's flows, rewritten as those versions write them.
//!
//! northd 23.03.1 writes, for each of UDP, TCP and SCTP, one flow that labels a session's first packet from a gateway and
//! one that labels it anew as a gateway sends from another MAC than before; its label applies while a flow learned
//! beside it lives, which is 30 s at most. Packets of other protocols get no label.

use serde_json::Value;

use crate::addresses::NODE;
use crate::netns::stdout;
use crate::node::Node;

/// Asks for the learned flow.
const IS_LEARNED: &str = "reg9[5] == 1 && ";
/// What a flow is that labels a session's first packet, and one that labels it anew.
const IS_FIRST: &str = " && (ct.new && !ct.est)";
const IS_LATER: &str = " && (!ct.rpl && ct.est)";

/// A logical flow.
#[derive(Clone, PartialEq)]
struct LogicalFlow {
    expression: String,
    actions: String,
}

impl LogicalFlow {
    /// Whether it writes a label.
    fn labels(&self) -> bool {
        self.actions.contains("ct_label.ecmp_reply_eth = ")
    }

    /// Whether a label applies by it.
    fn applies(&self) -> bool {
        self.expression.contains("ct_mark.ecmp_reply_port")
    }

    /// The same without a learned flow.
    fn without_learning(mut self) -> Self {
        self.expression = self.expression.replace(IS_LEARNED, "");
        let learns = self.actions.find(" commit_ecmp_nh(");
        if let Some((from, len)) = learns.and_then(|from| Some((from, self.actions[from..].find(';')? + 1))) {
            self.actions.replace_range(from..from + len, "");
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
    /// 23.03.2.
    pub(crate) fn pin_for_life(&self) {
        self.rewrite_flows(|flow| Some(if flow.applies() { flow.without_learning() } else { flow }));
    }

    /// A session's first packet labels it for good, whatever its protocol: OVN before 22.06.1.
    pub(crate) fn label_once(&self) {
        self.rewrite_flows(|flow| match flow.labels() {
            true if flow.expression.contains(IS_LATER) => None,
            true => flow.of_every_protocol().map(LogicalFlow::without_learning),
            false => Some(flow.without_learning()),
        });
    }

    /// Every packet from a gateway labels its session, in either direction and whatever its protocol, and the label
    /// applies to packets of either: OVN since 24.09.
    pub(crate) fn label_in_both_directions(&self) {
        self.rewrite_flows(|flow| match flow.labels() {
            true if flow.expression.contains(IS_LATER) => None,
            true => flow.of_every_protocol().map(|flow| {
                let expression = flow.expression.replace(IS_FIRST, " && (ct.new || ct.est)");
                LogicalFlow { expression, ..flow }.without_learning()
            }),
            false => {
                let mut flow = flow.without_learning();
                flow.expression = flow.expression.replace("ct.rpl && ", "");
                Some(flow)
            }
        });
    }

    /// Changes all flows that write a label or by which one applies. northd is paused, or it would write them anew.
    fn rewrite_flows(&self, rewrite: impl Fn(LogicalFlow) -> Option<LogicalFlow>) {
        self.sh("ovn-appctl -t ovn-northd pause");
        let listing = self.sh("ovn-sbctl --format=json --columns=_uuid,match,actions list logical_flow");
        let listing: Value = serde_json::from_str(&listing).expect("it was asked for JSON");
        let mut command = self.command("ovn-sbctl");
        let mut changed = 0;
        for row in listing["data"].as_array().expect("a table has rows") {
            let text = |column: usize| row[column].as_str().expect("matches and actions are text").to_owned();
            let flow = LogicalFlow { expression: text(1), actions: text(2) };
            if !(flow.labels() || flow.applies()) {
                continue;
            }
            let uuid = row[0][1].as_str().expect("a row has a UUID");
            let new = rewrite(flow.clone());
            changed += usize::from(new.as_ref() != Some(&flow));
            match new {
                Some(LogicalFlow { expression, actions }) => {
                    let columns = [("match", expression), ("actions", actions)];
                    let columns = columns.map(|(column, text)| format!("{column}={}", Value::from(text)));
                    command.args(["--", "set", "logical_flow", uuid]).args(columns);
                }
                None => drop(command.args(["--", "destroy", "logical_flow", uuid])),
            }
        }
        assert!(changed > 0, "northd's flows are not those of 23.03.1");
        stdout("ovn-sbctl set", command.output().expect("ip can be run"));
        // northd would hand on the number that the controller gives back once the bridge has the flows.
        self.sh(&format!(
            "number=$(($(ovn-sbctl get sb_global . nb_cfg) + 1))
            ovn-sbctl set sb_global . nb_cfg=$number
            ovn-sbctl wait-until chassis_private {NODE} nb_cfg=$number"
        ));
    }
}
