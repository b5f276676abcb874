//! One entry as ctnetlink tells it (`ctnetlink_fill_info` in net/netfilter/nf_conntrack_netlink.c).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Attribute, Attributes, Malformed, fixed};
use super::protoinfo::ProtoInfo;
use super::wire;
use crate::engine::fact::Connection;
use crate::engine::label;
use crate::types::{Timestamp, Tuple};

/// Bytes before the first attribute (`struct nfgenmsg`).
const NFGENMSG_BYTES: usize = 4;

/// An entry, with what the kernel keeps of it only where it is told to.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The entry.
    pub connection: Connection,
    /// Traffic of the original direction and of the reply, where `net.netfilter.nf_conntrack_acct` is on.
    pub counters: Option<[Counters; 2]>,
    /// When the entry was made, on the wall clock, where `net.netfilter.nf_conntrack_timestamp` is on.
    pub started: Option<Timestamp>,
    /// `IPS_*` bits.
    pub status: u32,
    /// Seconds until the entry goes by itself; `None` for an offloaded one.
    pub timeout: Option<u32>,
    /// State of the protocol, where it has one.
    pub protoinfo: Option<ProtoInfo>,
}

/// Traffic of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the IP header on.
    pub bytes: u64,
}

/// An entry in the kernel's bytes. What decides whether it is wanted is read, tuples are not.
#[derive(Clone, Debug)]
pub struct RawEntry<'a> {
    /// The zone of both directions.
    pub zone: u16,
    /// The mark.
    pub mark: u32,
    /// The label, as a 128-bit number. `None` where it is not told: in a dump and in an answer it is 0 then; an event
    /// tells it only where the event is about the label.
    pub label: Option<u128>,
    /// `CTA_ID`.
    pub id: Option<u32>,
    /// `IPS_*` bits.
    pub status: u32,
    orig: Option<&'a [u8]>,
    reply: Option<&'a [u8]>,
    counters: [Option<&'a [u8]>; 2],
    timestamp: Option<&'a [u8]>,
    timeout: Option<u32>,
    protoinfo: Option<&'a [u8]>,
}

impl<'a> RawEntry<'a> {
    /// Finds the attributes in the payload of a message that holds an entry.
    ///
    /// # Errors
    /// The attributes are cut off, or one has the wrong size.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let attributes = payload.get(NFGENMSG_BYTES..).ok_or(Malformed::Message)?;
        let mut entry = Self {
            zone: 0,
            mark: 0,
            label: None,
            id: None,
            status: 0,
            orig: None,
            reply: None,
            counters: [None; 2],
            timestamp: None,
            timeout: None,
            protoinfo: None,
        };
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            let (kind, value) = attribute;
            match kind {
                wire::CTA_TUPLE_ORIG => entry.orig = Some(value),
                wire::CTA_TUPLE_REPLY => entry.reply = Some(value),
                wire::CTA_STATUS => entry.status = u32::from_be_bytes(fixed(attribute)?),
                wire::CTA_PROTOINFO => entry.protoinfo = Some(value),
                wire::CTA_TIMEOUT => entry.timeout = Some(u32::from_be_bytes(fixed(attribute)?)),
                wire::CTA_MARK => entry.mark = u32::from_be_bytes(fixed(attribute)?),
                wire::CTA_COUNTERS_ORIG => entry.counters[0] = Some(value),
                wire::CTA_COUNTERS_REPLY => entry.counters[1] = Some(value),
                wire::CTA_ID => entry.id = Some(u32::from_be_bytes(fixed(attribute)?)),
                wire::CTA_ZONE => entry.zone = u16::from_be_bytes(fixed(attribute)?),
                wire::CTA_TIMESTAMP => entry.timestamp = Some(value),
                // One number of 128 bits in the host's byte order, unlike everything else here.
                wire::CTA_LABELS => entry.label = Some(u128::from_ne_bytes(fixed(attribute)?)),
                _ => {}
            }
        }
        Ok(entry)
    }

    /// Whether the label holds a MAC.
    pub fn is_labelled(&self) -> bool {
        self.label.is_some_and(|label| label::decode(label, self.mark).is_some())
    }

    /// The tuple of the original direction.
    ///
    /// # Errors
    /// It is missing or makes no sense.
    pub fn orig(&self) -> Result<Tuple, Malformed> {
        tuple(self.orig.ok_or(Malformed::Missing("CTA_TUPLE_ORIG"))?)
    }

    /// The whole entry.
    ///
    /// # Errors
    /// A tuple is missing or makes no sense.
    pub fn entry(&self) -> Result<Entry, Malformed> {
        let orig = self.orig()?;
        let reply = tuple(self.reply.ok_or(Malformed::Missing("CTA_TUPLE_REPLY"))?)?;
        if orig.src.is_ipv4() != reply.src.is_ipv4() {
            return Err(Malformed::Families);
        }
        let connection = Connection {
            orig,
            reply,
            zone: self.zone,
            mark: self.mark,
            label: self.label.unwrap_or(0),
            id: self.id,
            offloaded: self.status & wire::IPS_OFFLOADED != 0,
            dying: self.status & wire::IPS_DYING != 0,
        };
        let counters = match self.counters {
            [Some(orig), Some(reply)] => Some([counters(orig)?, counters(reply)?]),
            _ => None,
        };
        Ok(Entry {
            connection,
            counters,
            started: self.timestamp.map(started).transpose()?.flatten(),
            status: self.status,
            timeout: self.timeout,
            protoinfo: self.protoinfo.map(ProtoInfo::parse).transpose()?.flatten(),
        })
    }
}

/// Reads `CTA_TUPLE_ORIG` or `CTA_TUPLE_REPLY`.
fn tuple(attributes: &[u8]) -> Result<Tuple, Malformed> {
    let (mut addresses, mut proto) = (None, None);
    for attribute in Attributes::new(attributes) {
        match attribute? {
            (wire::CTA_TUPLE_IP, value) => addresses = Some(value),
            (wire::CTA_TUPLE_PROTO, value) => proto = Some(value),
            (wire::CTA_TUPLE_ZONE, _) => return Err(Malformed::ZoneOfOneDirection),
            _ => {}
        }
    }
    let (src, dst) = self::addresses(addresses.ok_or(Malformed::Missing("CTA_TUPLE_IP"))?)?;
    let proto = Proto::parse(proto.ok_or(Malformed::Missing("CTA_TUPLE_PROTO"))?)?;
    let nw_proto = proto.number.ok_or(Malformed::Missing("CTA_PROTO_NUM"))?;
    let mut tuple = Tuple { src, dst, nw_proto, tp_src: 0, tp_dst: 0 };
    if tuple.is_icmp() {
        tuple.tp_src = proto.icmp_id.ok_or(Malformed::Missing("CTA_PROTO_ICMP_ID"))?;
        let icmp_type = proto.icmp_type.ok_or(Malformed::Missing("CTA_PROTO_ICMP_TYPE"))?;
        let icmp_code = proto.icmp_code.ok_or(Malformed::Missing("CTA_PROTO_ICMP_CODE"))?;
        tuple.tp_dst = u16::from_be_bytes([icmp_type, icmp_code]);
    } else {
        // GRE has its keys there. Protocols that the kernel does not look into have nothing: DCCP neither, in Linux 6.18.
        (tuple.tp_src, tuple.tp_dst) = (proto.tp_src.unwrap_or(0), proto.tp_dst.unwrap_or(0));
    }
    Ok(tuple)
}

/// Reads `CTA_TUPLE_IP`.
fn addresses(attributes: &[u8]) -> Result<(IpAddr, IpAddr), Malformed> {
    let (mut src, mut dst) = (None::<IpAddr>, None::<IpAddr>);
    let v4 = |attribute: Attribute<'_>| fixed(attribute).map(|octets: [u8; 4]| Some(Ipv4Addr::from(octets).into()));
    let v6 = |attribute: Attribute<'_>| fixed(attribute).map(|octets: [u8; 16]| Some(Ipv6Addr::from(octets).into()));
    for attribute in Attributes::new(attributes) {
        let attribute = attribute?;
        match attribute.0 {
            wire::CTA_IP_V4_SRC => src = v4(attribute)?,
            wire::CTA_IP_V4_DST => dst = v4(attribute)?,
            wire::CTA_IP_V6_SRC => src = v6(attribute)?,
            wire::CTA_IP_V6_DST => dst = v6(attribute)?,
            _ => {}
        }
    }
    let src = src.ok_or(Malformed::Missing("CTA_IP_V4_SRC or CTA_IP_V6_SRC"))?;
    let dst = dst.ok_or(Malformed::Missing("CTA_IP_V4_DST or CTA_IP_V6_DST"))?;
    if src.is_ipv4() == dst.is_ipv4() { Ok((src, dst)) } else { Err(Malformed::Families) }
}

/// What `CTA_TUPLE_PROTO` may hold.
#[derive(Default)]
struct Proto {
    number: Option<u8>,
    tp_src: Option<u16>,
    tp_dst: Option<u16>,
    icmp_id: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
}

impl Proto {
    fn parse(attributes: &[u8]) -> Result<Self, Malformed> {
        let mut proto = Self::default();
        let octet = |attribute| fixed(attribute).map(|[octet]: [u8; 1]| Some(octet));
        let port = |attribute| fixed(attribute).map(|bytes| Some(u16::from_be_bytes(bytes)));
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            match attribute.0 {
                wire::CTA_PROTO_NUM => proto.number = octet(attribute)?,
                wire::CTA_PROTO_SRC_PORT => proto.tp_src = port(attribute)?,
                wire::CTA_PROTO_DST_PORT => proto.tp_dst = port(attribute)?,
                wire::CTA_PROTO_ICMP_ID | wire::CTA_PROTO_ICMPV6_ID => proto.icmp_id = port(attribute)?,
                wire::CTA_PROTO_ICMP_TYPE | wire::CTA_PROTO_ICMPV6_TYPE => proto.icmp_type = octet(attribute)?,
                wire::CTA_PROTO_ICMP_CODE | wire::CTA_PROTO_ICMPV6_CODE => proto.icmp_code = octet(attribute)?,
                _ => {}
            }
        }
        Ok(proto)
    }
}

/// Reads `CTA_COUNTERS_ORIG` or `CTA_COUNTERS_REPLY`.
fn counters(attributes: &[u8]) -> Result<Counters, Malformed> {
    let mut counters = Counters::default();
    for attribute in Attributes::new(attributes) {
        let attribute = attribute?;
        match attribute.0 {
            wire::CTA_COUNTERS_PACKETS => counters.packets = u64::from_be_bytes(fixed(attribute)?),
            wire::CTA_COUNTERS_BYTES => counters.bytes = u64::from_be_bytes(fixed(attribute)?),
            _ => {}
        }
    }
    Ok(counters)
}

/// Reads the start in `CTA_TIMESTAMP`, in nanoseconds since 1970.
fn started(attributes: &[u8]) -> Result<Option<Timestamp>, Malformed> {
    for attribute in Attributes::new(attributes) {
        let attribute = attribute?;
        if attribute.0 == wire::CTA_TIMESTAMP_START {
            return Ok(Some(Timestamp::from_nanos(u64::from_be_bytes(fixed(attribute)?))));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
