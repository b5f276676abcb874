//! What a line looks like to the readers of texts.

use crate::ovn::{lflows, lr_route_list, mac_owners, zones};
use crate::ovsdb::text::{self as tables, Sight};
use crate::paste::{Looks, Shape};
use crate::{capture, conntrack};

/// What claims a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claimant {
    Capture,
    Connections,
    Routes,
    Table,
    LogicalFlows,
    Zones,
    Owners,
    /// Pods in YAML, or described, with lines that belong to those above them by how far they are indented.
    Pods,
    Nexthops,
}

/// What a reader says of a line.
type Looking = fn(&str) -> Option<Looks>;

/// The readers that tell rows by a line alone, the surest first.
const CLAIMANTS: [(Claimant, Looking); 8] = [
    (Claimant::Connections, conntrack::text::looks),
    (Claimant::Capture, capture::looks),
    (Claimant::Zones, zones::looks),
    (Claimant::Routes, lr_route_list::looks),
    (Claimant::LogicalFlows, lflows::looks),
    (Claimant::Nexthops, looks_like_toml),
    (Claimant::Owners, mac_owners::looks),
    (Claimant::Pods, mac_owners::looks_like_pods),
];

/// Bytes of a line that tell whether it is a row: no row that is read is longer, but for maps and JSON, which begin as what
/// they are.
const TELLING: usize = 4096;

/// The beginning of a line.
fn head(line: &str) -> &str {
    &line[..line.floor_char_boundary(TELLING)]
}

/// Who claims a line, and how sure that is. `next` is the line behind it.
pub(super) fn claim(line: &str, next: &str) -> Option<(Claimant, Looks)> {
    let whole = line;
    let line = head(line);
    let marks = Marks::of(line);
    let mut possible = None;
    for (claimant, looks) in CLAIMANTS {
        if !marks.may_be(claimant) {
            continue;
        }
        match looks(line) {
            Some(Looks::Possible) => possible = possible.or(Some((claimant, Looks::Possible))),
            Some(looks) => return Some((claimant, looks)),
            None => {}
        }
    }
    let sight = if marks.may_be(Claimant::Table) { tables::sight(whole, next) } else { None };
    let table = sight.map(|sight| match sight {
        Sight::Possible => Looks::Possible,
        Sight::Caption(_) => Looks::Heading,
        Sight::Headings(_) | Sight::Column(_) | Sight::Row => Looks::Row,
    });
    match (table, possible) {
        (Some(Looks::Possible) | None, Some(_)) => possible,
        (table, _) => table.map(|looks| (Claimant::Table, looks)),
    }
}

/// Characters of a line, each a bit: without some of them it can be no row, and most lines of a ticket lack them.
#[derive(Clone, Copy)]
struct Marks(u128);

impl Marks {
    fn of(line: &str) -> Self {
        Self(line.bytes().fold(0, |marks, byte| marks | 1 << (byte & 0x7f)))
    }

    fn has(self, any: &[u8]) -> bool {
        any.iter().any(|mark| self.0 >> mark & 1 == 1)
    }

    fn may_be(self, claimant: Claimant) -> bool {
        let has_digit = || self.has(b"0123456789");
        match claimant {
            Claimant::Capture => self.has(b">,") && (has_digit() || self.has(b",")) && self.has(b" "),
            Claimant::Connections => self.has(b"="),
            Claimant::Routes => self.has(b".:*xX-") && has_digit() || self.has(b"R") && self.has(b" "),
            Claimant::Table => self.has(b":,-") || self.has(b" ") && self.has(b"t"),
            Claimant::LogicalFlows => self.has(b"=:"),
            Claimant::Zones => has_digit() && self.has(b" -"),
            Claimant::Owners => self.has(b":/(") || self.has(b"v"),
            Claimant::Pods => self.has(b":"),
            Claimant::Nexthops => self.has(b"[="),
        }
    }

    /// Whether the line may be a row that nothing damaged.
    fn may_be_row(self, claimant: Claimant) -> bool {
        let is_whole = match claimant {
            Claimant::Routes => self.has(b"p") && self.has(b"-") || self.has(b"R"),
            Claimant::Zones => self.has(b"_z"),
            Claimant::Owners => self.has(b"</v(") || self.has(b"h") && self.has(b":"),
            Claimant::Pods => self.has(b"admn"),
            Claimant::Nexthops => self.has(b"["),
            Claimant::Capture | Claimant::Connections | Claimant::Table | Claimant::LogicalFlows => true,
        };
        is_whole && self.may_be(claimant)
    }
}

/// Whether a line that may be a damaged row begins a block where nothing around it is of its kind. In prose, an address with
/// a MAC is a sentence more often than a row.
pub(super) fn begins_alone(claimant: Claimant, is_fenced: bool) -> bool {
    match claimant {
        Claimant::Capture | Claimant::Connections | Claimant::Routes => true,
        Claimant::Table => is_fenced,
        Claimant::LogicalFlows | Claimant::Zones | Claimant::Owners | Claimant::Pods | Claimant::Nexthops => false,
    }
}

/// Keys of nexthops.toml.
const KEYS: [&str; 15] = [
    "bfd",
    "ip",
    "lladdr",
    "mac",
    "name",
    "networks",
    "output_port",
    "policy",
    "port_key",
    "prefix",
    "route_table",
    "router",
    "since",
    "symmetric_reply",
    "until",
];

/// What a line of nexthops.toml is likely to be. A key alone may be of any file of settings.
fn looks_like_toml(line: &str) -> Option<Looks> {
    let line = line.trim();
    if ["[[route]]", "[[route.nexthop]]", "[[router_port]]"].iter().any(|table| line.starts_with(table)) {
        return Some(Looks::Row);
    }
    let (key, _) = line.split_once('=')?;
    KEYS.contains(&key.trim_end()).then_some(Looks::Possible)
}

/// Rows of any of the texts.
pub(super) struct AnyRows;

impl Shape for AnyRows {
    const STOPS: bool = true;

    fn begins(&self, line: &str) -> bool {
        let line = head(line);
        let marks = Marks::of(line);
        let is_sure = |(claimant, looks): (Claimant, Looking)| {
            marks.may_be_row(claimant) && matches!(looks(line), Some(Looks::Row | Looks::Heading))
        };
        // A line that may be a damaged row shows no prefix, and whether it is one takes longest to tell.
        let table = || (marks.may_be(Claimant::Table) || marks.has(b"{\"")) && tables::begins(line);
        let json = || marks.has(b"{[") && super::json::begins(line);
        CLAIMANTS.into_iter().any(is_sure) || table() || json()
    }

    fn is_whole(&self, _: &str) -> bool {
        true
    }

    // Lines stay as they are: the reader of a block puts its rows together.
    fn may_follow(&self, _: &str, _: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_claims_what() {
        use Claimant::*;
        for (line, expected) in [
            ("udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2),reply=(", Some((Connections, Looks::Row))),
            ("udp 17 29 src=10.0.0.5 dst=10.0.0.6 sport=1 dport=2", Some((Connections, Looks::Possible))),
            (" cookie=0x0, table=10, priority=100,ip,nw_src=10.0.0.5 actions=drop", None),
            (
                "22:48:28.2 02:00:00:00:00:01 > 02:00:00:00:00:15, ethertype IPv4 (0x0800), length 9: x",
                Some((Capture, Looks::Row)),
            ),
            ("22:48:28.272309 IP 192.0.2.230.1 > 192.0.2.1.2: UDP, length 52", Some((Capture, Looks::Possible))),
            ("22:48:28 the gateway went down", None),
            ("   192.0.2.230   198.51.100.15 src-ip ecmp", Some((Routes, Looks::Row))),
            ("IPv4 Routes", Some((Routes, Looks::Heading))),
            ("   192.0.2.230   198.51.100.15", Some((Routes, Looks::Possible))),
            ("traffic from 192.0.2.230 to 198.51.100.15 fails", None),
            ("192.0.2.230 was fine until 198.51.100.15 died", None),
            ("10.0.0.0/24 via 198.51.100.15 dev ens1", None),
            ("ip                  : \"198.51.100.15\"", Some((Table, Looks::Row))),
            ("MAC_Binding table", Some((Table, Looks::Heading))),
            ("198.51.100.15 \"02:00:00:00:00:15\"", Some((Table, Looks::Possible))),
            ("198.51.100.15 dev ens1 lladdr 02:00:00:00:00:15 REACHABLE", Some((Owners, Looks::Row))),
            ("198.51.100.15   ether   02:00:00:00:00:15   C   ens1", Some((Owners, Looks::Row))),
            ("? (198.51.100.15) at 02:00:00:00:00:15 [ether] on ens1", Some((Owners, Looks::Row))),
            ("198.51.100.15 dev ens1 FAILED", Some((Owners, Looks::Row))),
            ("the gateway at work is (198.51.100.15) at noon or so", None),
            ("of the ether 02 we know nothing", None),
            ("- apiVersion: v1", Some((Pods, Looks::Heading))),
            ("Name:             web-0", Some((Pods, Looks::Heading))),
            ("  k8s.ovn.org/pod-networks: '{}'", Some((Pods, Looks::Row))),
            ("kind: Deployment", None),
            ("the MAC 02:00:00:00:00:15 was that of 198.51.100.15", None),
            ("external_ids : {ct-zone-GR_w_dnat=\"8\"}", Some((Zones, Looks::Row))),
            ("GR_w_dnat 8", Some((Zones, Looks::Row))),
            ("[[route]]", Some((Nexthops, Looks::Row))),
            ("2: ens1: <BROADCAST,UP> mtu 1500", Some((Owners, Looks::Row))),
            (
                "Datapath: \"GR_w\" (34f0d159-892f-4f8b-8b3c-313279b091d3)  Pipeline: ingress",
                Some((LogicalFlows, Looks::Heading)),
            ),
            ("Hello all,", None),
            ("", None),
        ] {
            assert_eq!(claim(line, ""), expected, "{line}");
        }
    }
}
