//! Entries without a wasted byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::engine::fact::Connection;
use crate::types::Tuple;

/// An entry in some packed form.
pub(super) trait Packed: Copy {
    /// The entry, as it was packed.
    fn connection(&self) -> Connection;
    /// The tuple of the original direction.
    fn orig(&self) -> Tuple;
    /// The tuple of the reply.
    fn reply(&self) -> Tuple;
    /// Zone and id.
    fn common(&self) -> &Common;
}

/// What entries of both families have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    /// In bytes, as a number would be aligned to 16.
    label: [u8; 16],
    mark: u32,
    id: u32,
    tp_src: u16,
    tp_dst: u16,
    zone: u16,
    nw_proto: u8,
    flags: u8,
}

const HAS_ID: u8 = 1;
const OFFLOADED: u8 = 2;
const DYING: u8 = 4;

impl Common {
    pub(super) fn zone(&self) -> u16 {
        self.zone
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.has(HAS_ID).then_some(self.id)
    }

    fn new(connection: &Connection) -> Self {
        let Connection { orig, zone, mark, label, id, offloaded, dying, .. } = connection;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        Self {
            label: label.to_ne_bytes(),
            mark: *mark,
            id: id.unwrap_or(0),
            tp_src: orig.tp_src,
            tp_dst: orig.tp_dst,
            zone: *zone,
            nw_proto: orig.nw_proto,
            flags: flag(id.is_some(), HAS_ID) | flag(*offloaded, OFFLOADED) | flag(*dying, DYING),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn tuple(&self, src: IpAddr, dst: IpAddr) -> Tuple {
        Tuple { src, dst, nw_proto: self.nw_proto, tp_src: self.tp_src, tp_dst: self.tp_dst }
    }

    fn connection(&self, orig: Tuple, reply: Tuple) -> Connection {
        Connection {
            orig,
            reply,
            zone: self.zone,
            mark: self.mark,
            label: u128::from_ne_bytes(self.label),
            id: self.id(),
            offloaded: self.has(OFFLOADED),
            dying: self.has(DYING),
        }
    }
}

/// The ends of a tuple whose protocol is known.
#[derive(Clone, Copy, Debug)]
struct Ends<const N: usize> {
    src: [u8; N],
    dst: [u8; N],
    tp_src: u16,
    tp_dst: u16,
}

impl<const N: usize> Ends<N>
where
    IpAddr: From<[u8; N]>,
{
    fn tuple(&self, nw_proto: u8) -> Tuple {
        let Self { src, dst, tp_src, tp_dst } = *self;
        Tuple { src: src.into(), dst: dst.into(), nw_proto, tp_src, tp_dst }
    }
}

/// An IPv4 entry, translated or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct V4 {
    common: Common,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    reply: Ends<4>,
}

impl V4 {
    pub(super) fn pack(connection: &Connection) -> Option<Self> {
        let Connection { orig, reply, .. } = connection;
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (orig.src, orig.dst) else { return None };
        let (IpAddr::V4(reply_src), IpAddr::V4(reply_dst)) = (reply.src, reply.dst) else { return None };
        let (src_octets, dst_octets) = (reply_src.octets(), reply_dst.octets());
        let reply_ends = Ends { src: src_octets, dst: dst_octets, tp_src: reply.tp_src, tp_dst: reply.tp_dst };
        let packed = Self { common: Common::new(connection), src, dst, reply: reply_ends };
        (orig.nw_proto == reply.nw_proto).then_some(packed)
    }
}

impl Packed for V4 {
    fn connection(&self) -> Connection {
        self.common.connection(self.orig(), self.reply())
    }

    fn orig(&self) -> Tuple {
        self.common.tuple(self.src.into(), self.dst.into())
    }

    fn reply(&self) -> Tuple {
        self.reply.tuple(self.common.nw_proto)
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

/// An IPv6 entry whose reply tuple is the mirror of its original one.
#[derive(Clone, Copy, Debug)]
pub(super) struct V6 {
    common: Common,
    src: Ipv6Addr,
    dst: Ipv6Addr,
}

impl V6 {
    pub(super) fn pack(connection: &Connection) -> Option<Self> {
        let packed = Self::without_reply(connection)?;
        (connection.reply == connection.orig.reversed()).then_some(packed)
    }

    fn without_reply(connection: &Connection) -> Option<Self> {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (connection.orig.src, connection.orig.dst) else { return None };
        Some(Self { common: Common::new(connection), src, dst })
    }
}

impl Packed for V6 {
    fn connection(&self) -> Connection {
        self.common.connection(self.orig(), self.reply())
    }

    fn orig(&self) -> Tuple {
        self.common.tuple(self.src.into(), self.dst.into())
    }

    fn reply(&self) -> Tuple {
        self.orig().reversed()
    }

    fn common(&self) -> &Common {
        &self.common
    }
}

/// An IPv6 entry of any kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct V6Translated {
    entry: V6,
    reply: Ends<16>,
}

impl V6Translated {
    pub(super) fn pack(connection: &Connection) -> Option<Self> {
        let entry = V6::without_reply(connection)?;
        let Connection { orig, reply, .. } = connection;
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (reply.src, reply.dst) else { return None };
        let reply_ends = Ends { src: src.octets(), dst: dst.octets(), tp_src: reply.tp_src, tp_dst: reply.tp_dst };
        (orig.nw_proto == reply.nw_proto).then_some(Self { entry, reply: reply_ends })
    }
}

impl Packed for V6Translated {
    fn connection(&self) -> Connection {
        self.entry.common.connection(self.orig(), self.reply())
    }

    fn orig(&self) -> Tuple {
        self.entry.orig()
    }

    fn reply(&self) -> Tuple {
        self.reply.tuple(self.entry.common.nw_proto)
    }

    fn common(&self) -> &Common {
        self.entry.common()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!([size_of::<V4>(), size_of::<V6>(), size_of::<V6Translated>()], [52, 64, 100]);
    }
}
