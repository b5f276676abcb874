//! The facts of a history in JSON. The engine's types have no serde; these mirror them, and the compiler checks that.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::fact::{Bfd, BfdRef, BfdStatus, Binding, BindingKind, Fact, Policy, Route, RouteOrigin, Source};
use crate::types::{IpPrefix, MacAddr, Timestamp, Validity};

/// Facts of the kinds that are kept, as `{"route":{...}}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FactDto {
    Route(#[serde(with = "RouteDto")] Route),
    Binding(#[serde(with = "BindingDto")] Binding),
    Bfd(#[serde(with = "BfdDto")] Bfd),
}

impl FactDto {
    /// `None` for a fact of another kind.
    pub(crate) fn of(fact: Fact) -> Option<Self> {
        match fact {
            Fact::Route(route) => Some(Self::Route(route)),
            Fact::Binding(binding) => Some(Self::Binding(binding)),
            Fact::Bfd(bfd) => Some(Self::Bfd(bfd)),
            _ => None,
        }
    }

    pub(crate) fn validity(&self) -> Validity {
        match self {
            Self::Route(route) => route.validity,
            Self::Binding(binding) => binding.validity,
            Self::Bfd(bfd) => bfd.validity,
        }
    }
}

impl From<FactDto> for Fact {
    fn from(fact: FactDto) -> Self {
        match fact {
            FactDto::Route(route) => Self::Route(route),
            FactDto::Binding(binding) => Self::Binding(binding),
            FactDto::Bfd(bfd) => Self::Bfd(bfd),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Route")]
struct RouteDto {
    #[serde(with = "option_name")]
    router: Option<Arc<str>>,
    #[serde(with = "name")]
    route_table: Arc<str>,
    #[serde(with = "PolicyDto")]
    policy: Policy,
    #[serde(with = "text")]
    prefix: IpPrefix,
    nexthop: Option<IpAddr>,
    #[serde(with = "option_name")]
    output_port: Option<Arc<str>>,
    symmetric_reply: bool,
    override_connected: bool,
    #[serde(with = "RouteOriginDto")]
    origin: RouteOrigin,
    #[serde(with = "BfdRefDto")]
    bfd: BfdRef,
    port_key: Option<u16>,
    #[serde(with = "SourceDto")]
    source: Source,
    #[serde(with = "ValidityDto")]
    validity: Validity,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Binding")]
struct BindingDto {
    #[serde(with = "option_name")]
    logical_port: Option<Arc<str>>,
    ip: IpAddr,
    #[serde(with = "option_text")]
    mac: Option<MacAddr>,
    #[serde(with = "BindingKindDto")]
    kind: BindingKind,
    #[serde(with = "option_time")]
    confirmed: Option<Timestamp>,
    #[serde(with = "ValidityDto")]
    validity: Validity,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Bfd")]
struct BfdDto {
    #[serde(with = "name")]
    logical_port: Arc<str>,
    dst_ip: IpAddr,
    #[serde(with = "BfdStatusDto")]
    status: BfdStatus,
    #[serde(with = "ValidityDto")]
    validity: Validity,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Validity")]
struct ValidityDto {
    #[serde(with = "option_time")]
    from: Option<Timestamp>,
    #[serde(with = "option_time")]
    until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Policy", rename_all = "kebab-case")]
enum PolicyDto {
    SrcIp,
    DstIp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RouteOrigin", rename_all = "kebab-case")]
enum RouteOriginDto {
    Static,
    Learned,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Source", rename_all = "kebab-case")]
enum SourceDto {
    NexthopsToml,
    Ovn,
    LrRouteList,
    Kernel,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BfdRef", rename_all = "kebab-case")]
enum BfdRefDto {
    None,
    Session {
        #[serde(with = "name")]
        logical_port: Arc<str>,
        dst_ip: IpAddr,
    },
    Attached,
    Status(#[serde(with = "BfdStatusDto")] BfdStatus),
    Unread,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BfdStatus", rename_all = "snake_case")]
enum BfdStatusDto {
    Up,
    Init,
    Down,
    AdminDown,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BindingKind", rename_all = "kebab-case")]
enum BindingKindDto {
    MacBinding,
    StaticMacBinding { override_dynamic_mac: bool },
    NexthopsToml,
    Neighbour,
    Heard,
}

/// Times as RFC 3339 with nanoseconds.
pub(crate) mod time {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::types::Timestamp;

    pub(in super::super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_rfc3339(9))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Times that may be missing.
pub(crate) mod option_time {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::types::Timestamp;

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_rfc3339(9)).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}

/// What is told and read as text.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What is told and read as text and may be missing.
mod option_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}

/// Names.
mod name {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(name: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

/// Names that may be missing.
mod option_name {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(name: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        name.as_deref().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}
