//! nexthops.toml: next hops as people write them down where no dump tells them.
//!
//! ```toml
//! [[route]]
//! router = "GR_worker-08"            # optional, as are route_table, output_port, port_key
//! policy = "src-ip"                  # or "dst-ip"
//! prefix = "192.168.16.230/32"
//! symmetric_reply = true             # false where absent, as in OVN
//! [[route.nexthop]]
//! ip = "198.19.3.15"
//! lladdr = "ee:8d:82:db:f9:c4"       # absent: not resolved
//! bfd = "up"                         # optional: up, init, down, admin_down
//! since = "2022-06-07T20:13:55Z"     # optional, as is until: when the next hop was one
//!
//! [[router_port]]                    # optional: tells which destinations are on link
//! router = "GR_worker-08"            # optional, as are mac and port_key
//! name = "rtoe-GR_worker-08"
//! mac = "52:54:00:c6:13:08"
//! networks = ["198.19.3.8/24"]       # the port's own address in each network
//! port_key = 2
//! ```
//!
//! The file is written by hand, so nothing in it is passed over: an unknown key or a value that cannot be read is an
//! error that names line and column.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Facts, Unreadable, columns};
use crate::engine::fact::{
    BfdRef, BfdStatus, Binding, BindingKind, Fact, Policy, Route, RouteOrigin, RouterPort, Source,
};
use crate::types::{IpPrefix, MacAddr, Place, Position, Timestamp, Validity};

/// The facts of nexthops.toml: a [`Route`] and a [`Binding`] for each next hop, a [`RouterPort`] for each port.
///
/// [`Facts::since`] is the earliest `since` where every next hop has one: the file tells nothing of the time before.
///
/// # Errors
/// [`Unreadable`] for text that is no TOML, an unknown or missing key, a value of the wrong form, a next hop that ends
/// before it begins, and a route without next hop.
pub fn parse(text: &str, file: &Arc<str>) -> Result<Facts, Unreadable> {
    let unreadable = |offset: Option<usize>, message: String| {
        let position = offset.map_or(Position::Whole, |offset| Position::in_text(text, offset));
        Unreadable { place: Place { file: Arc::clone(file), position }, message }
    };
    let document: Document = toml::from_str(text)
        .map_err(|error| unreadable(error.span().map(|span| span.start), error.message().to_owned()))?;

    let mut facts = Facts::default();
    let mut neighbours = HashSet::new();
    for route in &document.route {
        if route.nexthop.is_empty() {
            let message = "this route has no [[route.nexthop]]".to_owned();
            return Err(unreadable(Some(route.prefix.span().start), message));
        }
        for hop in &route.nexthop {
            let validity = hop.validity().map_err(|(offset, message)| unreadable(Some(offset), message))?;
            facts.facts.push(Fact::Route(route.fact(hop, validity)));
            let binding = route.binding(hop, validity);
            // A next hop of several routes is one neighbour.
            if neighbours.insert(binding.clone()) {
                facts.facts.push(Fact::Binding(binding));
            }
        }
    }
    facts.facts.extend(document.router_port.iter().map(|port| Fact::RouterPort(port.fact())));
    let starts: Option<Vec<Timestamp>> =
        document.route.iter().flat_map(|route| &route.nexthop).map(Hop::start).collect();
    facts.since = starts.and_then(|starts| starts.into_iter().min());
    Ok(facts)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    route: Vec<RouteTable>,
    #[serde(default)]
    router_port: Vec<PortTable>,
}

/// `[[route]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteTable {
    router: Option<String>,
    #[serde(default)]
    route_table: String,
    policy: PolicyWord,
    prefix: Spanned<Text<IpPrefix>>,
    #[serde(default)]
    symmetric_reply: bool,
    output_port: Option<String>,
    port_key: Option<PortKey>,
    #[serde(default)]
    nexthop: Vec<Hop>,
}

/// `[[route.nexthop]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hop {
    ip: Text<IpAddr>,
    lladdr: Option<Text<MacAddr>>,
    bfd: Option<BfdWord>,
    since: Option<Moment>,
    until: Option<Spanned<Moment>>,
}

/// `[[router_port]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortTable {
    router: Option<String>,
    name: String,
    mac: Option<Text<MacAddr>>,
    #[serde(default)]
    networks: Vec<OwnNetwork>,
    port_key: Option<PortKey>,
}

impl RouteTable {
    fn fact(&self, hop: &Hop, validity: Validity) -> Route {
        Route {
            router: self.router.as_deref().map(Arc::from),
            route_table: self.route_table.as_str().into(),
            policy: self.policy.0,
            prefix: self.prefix.get_ref().0,
            nexthop: Some(hop.ip.0),
            output_port: self.output_port.as_deref().map(Arc::from),
            symmetric_reply: self.symmetric_reply,
            override_connected: false,
            origin: RouteOrigin::Static,
            bfd: hop.bfd.as_ref().map_or(BfdRef::None, |bfd| BfdRef::Status(bfd.0)),
            port_key: self.port_key.as_ref().map(|key| key.0),
            source: Source::NexthopsToml,
            validity,
        }
    }

    fn binding(&self, hop: &Hop, validity: Validity) -> Binding {
        Binding {
            logical_port: self.output_port.as_deref().map(Arc::from),
            ip: hop.ip.0,
            mac: hop.lladdr.as_ref().map(|lladdr| lladdr.0),
            kind: BindingKind::NexthopsToml,
            confirmed: None,
            validity,
        }
    }
}

impl Hop {
    fn start(&self) -> Option<Timestamp> {
        self.since.as_ref().map(|since| since.0)
    }

    /// When the next hop is one; where it ends before it begins, the offset of `until` and a message.
    fn validity(&self) -> Result<Validity, (usize, String)> {
        let until = self.until.as_ref().map(|until| until.get_ref().0);
        match (self.start(), &self.until) {
            (Some(since), Some(told)) if told.get_ref().0 <= since => {
                Err((told.span().start, format!("until is not after since, {since}")))
            }
            (from, _) => Ok(Validity { from, until }),
        }
    }
}

impl PortTable {
    fn fact(&self) -> RouterPort {
        RouterPort {
            router: self.router.as_deref().map(Arc::from),
            datapath: None,
            name: self.name.as_str().into(),
            mac: self.mac.as_ref().map(|mac| mac.0),
            addresses: self.networks.iter().map(|network| network.own).collect(),
            networks: self.networks.iter().map(|network| network.prefix).collect(),
            port_key: self.port_key.as_ref().map(|key| key.0),
            route_table: None,
            validity: Validity::ALWAYS,
        }
    }
}

/// A value that has a form as text.
struct Text<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A time, in quotes or as TOML's own date-time with an offset.
struct Moment(Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            toml::Value::Datetime(time) => time.to_string(),
            other => return Err(D::Error::custom(format_args!("expected a time, found {}", other.type_str()))),
        };
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// `src-ip` or `dst-ip`.
struct PolicyWord(Policy);

impl<'de> Deserialize<'de> for PolicyWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "src-ip" => Ok(Self(Policy::SrcIp)),
            "dst-ip" => Ok(Self(Policy::DstIp)),
            other => Err(D::Error::custom(format_args!("{other:?} is neither src-ip nor dst-ip"))),
        }
    }
}

/// The status of a BFD session.
struct BfdWord(BfdStatus);

impl<'de> Deserialize<'de> for BfdWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        columns::bfd_status(&word)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("{word:?} is none of up, init, down and admin_down")))
    }
}

/// `Port_Binding.tunnel_key`: 1 to 32767 by OVN's schema.
struct PortKey(u16);

impl<'de> Deserialize<'de> for PortKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let key = u16::try_from(number).ok().filter(|key| (1..=32767).contains(key));
        key.map(Self).ok_or_else(|| D::Error::custom(format_args!("{number} is no tunnel key, which is 1 to 32767")))
    }
}

/// A port's own address with the length of its network.
struct OwnNetwork {
    own: IpAddr,
    prefix: IpPrefix,
}

impl<'de> Deserialize<'de> for OwnNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = columns::own_network(&text).filter(|_| text.contains('/'));
        network.map(|(own, prefix)| Self { own, prefix }).ok_or_else(|| {
            D::Error::custom(format_args!("{text:?} is no address with a length, such as 198.19.3.8/24"))
        })
    }
}

#[cfg(test)]
mod tests;
