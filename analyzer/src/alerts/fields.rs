//! What a finding or a latent entry says, in fields.

use super::alert::Field;
use crate::engine::finding::{
    CitedConnection, ExpectedNexthop, Finding, Heard, KnownAs, LastLegal, Latent, LatentState, RouteId,
};
use crate::output::names;
use crate::output::remedy::remedies_in;
use crate::output::report::{Report, leaving, to_heal};
use crate::output::text::{finding_sentence, latent_sentence};
use crate::types::tuple::proto_name;
use crate::types::{Timestamp, Tuple};

/// Names of all fields that are told of a flow or an entry.
pub(super) const NAMES: &[&str] = &[
    "nic",
    "vlan",
    "eth_src",
    "first_seen",
    "later_fragments",
    "proto",
    "src",
    "sport",
    "dst",
    "dport",
    "icmp_type",
    "icmp_code",
    "icmp_id",
    "nexthops",
    "last_legal",
    "last_legal_nexthop",
    "zone",
    "zone_name",
    "label",
    "mark",
    "reply_eth",
    "reply_port",
    "direction",
    "orig",
    "reply",
    "remedy",
    "router",
    "prefix",
    "policy",
    "route_table",
    "heard_packets",
    "heard_last",
    "known_as",
    "evidence",
];

/// Owners of a MAC that a message names at most, and remarks that it holds. JSON has them all.
const MAX_EACH: usize = 8;

/// What is to be said of one flow or entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Account {
    /// One sentence.
    pub(super) text: String,
    /// Which flow it is.
    pub(super) flow: Vec<Field>,
    /// What holds for every flow to the MAC, the most important of it.
    pub(super) nexthops: Vec<Field>,
    /// The zone of its conntrack entry, and what heals it.
    pub(super) remedy: Vec<Field>,
    /// Whatever else is known.
    pub(super) rest: Vec<Field>,
}

/// Fields in the making. What is empty is left out.
#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push(Field { name, value });
        }
    }

    fn add_some(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

impl Account {
    /// What is to be said of a finding.
    pub(super) fn of_finding(report: &Report, finding: &Finding) -> Self {
        let time = |at: Timestamp| at.to_rfc3339(report.time_digits);
        let mut flow = flow(&finding.tuple, finding.later_fragments);
        flow.add_some("nic", report.nic_name(finding.nic));
        flow.add("vlan", finding.vlan.iter().map(u16::to_string).collect::<Vec<_>>().join("."));
        // The entry that holds the MAC first: where there is room for one only, it is this.
        let holds = |entry: &&CitedConnection| Some(entry.reply_eth) == finding.eth_dst;
        let (holding, others): (Vec<_>, Vec<_>) = finding.conntrack.iter().partition(holds);
        let mut heals = Fields::default();
        holding.iter().for_each(|cited| zone(&mut heals, cited));
        to_heal(finding).for_each(|cited| remedy(&mut heals, report, cited));
        let mut rest = rest(report, &finding.routes, finding.heard, &finding.known_as, &finding.evidence);
        rest.add("first_seen", time(finding.first_seen));
        rest.add("eth_src", finding.eth_src);
        holding.iter().for_each(|cited| connection(&mut rest, cited));
        for cited in others {
            zone(&mut rest, cited);
            connection(&mut rest, cited);
        }
        if finding.later_fragments {
            rest.add("later_fragments", true);
        }
        Self {
            text: finding_sentence(report, finding),
            flow: flow.0,
            nexthops: nexthops(report, &finding.expected, finding.last_legal.as_ref()),
            remedy: heals.0,
            rest: rest.0,
        }
    }

    /// What is to be said of a latent entry.
    pub(super) fn of_latent(report: &Report, latent: &Latent) -> Self {
        let cited = &latent.connection;
        let mut heals = Fields::default();
        zone(&mut heals, cited);
        if latent.state == LatentState::Armed {
            remedy(&mut heals, report, cited);
        }
        let mut rest = rest(report, &latent.routes, None, &latent.known_as, &latent.evidence);
        connection(&mut rest, cited);
        Self {
            text: latent_sentence(report, latent),
            flow: flow(leaving(cited), false).0,
            nexthops: nexthops(report, &latent.expected, latent.last_legal.as_ref()),
            remedy: heals.0,
            rest: rest.0,
        }
    }
}

fn flow(tuple: &Tuple, later_fragments: bool) -> Fields {
    let mut fields = Fields::default();
    let ports = (tuple.has_ports() && !later_fragments).then_some((tuple.tp_src, tuple.tp_dst));
    fields.add("proto", proto_name(tuple.nw_proto));
    fields.add("src", tuple.src);
    fields.add_some("sport", ports.map(|ports| ports.0));
    fields.add("dst", tuple.dst);
    fields.add_some("dport", ports.map(|ports| ports.1));
    if let Some((icmp_type, code)) = tuple.icmp_type_code().filter(|_| !later_fragments) {
        fields.add("icmp_type", icmp_type);
        fields.add("icmp_code", code);
        fields.add("icmp_id", tuple.tp_src);
    }
    fields
}

fn nexthops(report: &Report, expected: &[ExpectedNexthop], last: Option<&LastLegal>) -> Vec<Field> {
    let mut fields = Fields::default();
    let hops: Vec<String> = expected.iter().map(nexthop).collect();
    fields.add("nexthops", hops.join(","));
    fields.add_some("last_legal", last.map(|last| last.until.to_rfc3339(report.time_digits)));
    fields.add_some("last_legal_nexthop", last.map(|last| last.nexthop));
    fields.0
}

/// `198.51.100.1=02:00:00:00:00:01/active`.
fn nexthop(expected: &ExpectedNexthop) -> String {
    let ExpectedNexthop { nexthop, lladdr, state } = expected;
    match lladdr {
        Some(mac) => format!("{nexthop}={mac}/{}", state.name()),
        None => format!("{nexthop}=/{}", state.name()),
    }
}

fn zone(fields: &mut Fields, cited: &CitedConnection) {
    fields.add("zone", cited.zone);
    fields.add_some("zone_name", cited.zone_name.as_ref());
}

fn connection(fields: &mut Fields, cited: &CitedConnection) {
    fields.add("label", format_args!("{:#x}", cited.label));
    fields.add("mark", cited.mark);
    fields.add("reply_eth", cited.reply_eth);
    fields.add("reply_port", cited.reply_port);
    fields.add("direction", names::direction(cited.direction));
    fields.add("orig", cited.orig);
    fields.add("reply", cited.reply);
}

fn remedy(fields: &mut Fields, report: &Report, cited: &CitedConnection) {
    for remedy in remedies_in(cited, report.datapath).flatten() {
        fields.add("remedy", remedy.command);
    }
}

fn rest(
    report: &Report,
    routes: &[RouteId],
    heard: Option<Heard>,
    known_as: &[KnownAs],
    evidence: &[String],
) -> Fields {
    let mut fields = Fields::default();
    for route in routes.iter().take(MAX_EACH) {
        fields.add_some("router", route.router.as_ref());
        fields.add("prefix", route.prefix);
        fields.add("policy", names::policy(route.policy));
        fields.add("route_table", &route.route_table);
    }
    if let Some(heard) = heard {
        fields.add("heard_packets", heard.packets);
        fields.add("heard_last", heard.last.to_rfc3339(report.time_digits));
    }
    known_as.iter().take(MAX_EACH).for_each(|known| fields.add("known_as", words(known)));
    evidence.iter().take(MAX_EACH).for_each(|remark| fields.add("evidence", remark));
    fields
}

/// `MAC_Binding 192.0.2.7 on rtoe-GR_worker-08: owner`.
fn words(known: &KnownAs) -> String {
    let mut words = known.source.to_string();
    if let Some(ip) = known.ip {
        words += &format!(" {ip}");
    }
    if let Some(port) = &known.logical_port {
        words += &format!(" on {port}");
    }
    if let Some(owner) = &known.owner {
        words += &format!(": {owner}");
    }
    words
}
