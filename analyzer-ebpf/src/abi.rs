//! Layouts that cross the border between kernel and user space.
//!
//! Every struct here is `repr(C)`, has no padding, and holds only types for which every bit pattern is a value.

/// VLAN tags, fragment flag and direction of a frame, packed into 32 bits.
///
/// | bits | meaning |
/// |---|---|
/// | 0..=11 | VLAN id of the outer tag |
/// | 12..=23 | VLAN id of the inner tag |
/// | 24..=25 | number of tags kept: 0, 1 or 2 |
/// | 26 | the frame had more than two tags |
/// | 27 | a later fragment: it has no L4 header, so the ports are 0 (RFC 791 section 3.2) |
/// | 28..=29 | direction: 0 not told, 1 inbound, 2 outbound |
/// | 30 | the frame holds no destination MAC (Linux cooked or raw IP capture) |
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LinkTags(pub u32);

/// Which way a frame went, where the source of frames tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Nothing told the direction.
    Unknown,
    /// The host received the frame.
    Inbound,
    /// The host sent the frame.
    Outbound,
}

impl LinkTags {
    const VID_MASK: u32 = 0xfff;
    const COUNT_SHIFT: u32 = 24;
    const MORE_TAGS: u32 = 1 << 26;
    const LATER_FRAGMENT: u32 = 1 << 27;
    const DIRECTION_SHIFT: u32 = 28;
    const NO_ETH_DST: u32 = 1 << 30;

    /// No tag, no flag.
    pub const NONE: Self = Self(0);

    /// The bits that tell one flow from another: VLAN ids, their number, the fragment flag.
    pub const FLOW: Self = Self(3 << Self::COUNT_SHIFT | 0xff_ffff | Self::LATER_FRAGMENT);

    /// Adds the next tag inwards; a third and any further tag only sets the "more tags" flag.
    #[inline(always)]
    #[must_use]
    pub const fn push(self, vid: u16) -> Self {
        let vid = vid as u32 & Self::VID_MASK;
        match self.count() {
            0 => Self(self.0 | vid | 1 << Self::COUNT_SHIFT),
            1 => Self((self.0 & !(3 << Self::COUNT_SHIFT)) | vid << 12 | 2 << Self::COUNT_SHIFT),
            _ => Self(self.0 | Self::MORE_TAGS),
        }
    }

    /// The same tags behind one more outer tag.
    #[inline(always)]
    #[must_use]
    pub const fn behind(self, vid: u16) -> Self {
        let tags = match (self.outer(), self.inner()) {
            (None, _) => Self::NONE.push(vid),
            (Some(outer), None) => Self::NONE.push(vid).push(outer),
            (Some(outer), Some(inner)) => Self::NONE.push(vid).push(outer).push(inner),
        };
        Self(tags.0 | self.0 & !(3 << Self::COUNT_SHIFT | 0xff_ffff))
    }

    /// Number of tags kept, at most 2.
    #[inline(always)]
    pub const fn count(self) -> u32 {
        self.0 >> Self::COUNT_SHIFT & 3
    }

    /// VLAN id of the outer tag.
    #[inline(always)]
    pub const fn outer(self) -> Option<u16> {
        if self.count() > 0 { Some((self.0 & Self::VID_MASK) as u16) } else { None }
    }

    /// VLAN id of the inner tag.
    #[inline(always)]
    pub const fn inner(self) -> Option<u16> {
        if self.count() > 1 { Some((self.0 >> 12 & Self::VID_MASK) as u16) } else { None }
    }

    /// Whether the frame had more tags than are kept.
    pub const fn has_more_tags(self) -> bool {
        self.0 & Self::MORE_TAGS != 0
    }

    /// The same tags, marked as those of a later fragment.
    #[inline(always)]
    #[must_use]
    pub const fn with_later_fragment(self) -> Self {
        Self(self.0 | Self::LATER_FRAGMENT)
    }

    /// Whether the ports are 0 because the packet is a later fragment.
    #[inline(always)]
    pub const fn is_later_fragment(self) -> bool {
        self.0 & Self::LATER_FRAGMENT != 0
    }

    /// The same tags with a direction.
    #[inline(always)]
    #[must_use]
    pub const fn with_direction(self, direction: Direction) -> Self {
        let bits = match direction {
            Direction::Unknown => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        Self(self.0 & !(3 << Self::DIRECTION_SHIFT) | bits << Self::DIRECTION_SHIFT)
    }

    /// Which way the frame went, where its source told it.
    #[inline(always)]
    pub const fn direction(self) -> Direction {
        match self.0 >> Self::DIRECTION_SHIFT & 3 {
            1 => Direction::Inbound,
            2 => Direction::Outbound,
            _ => Direction::Unknown,
        }
    }

    /// The same tags, marked as those of a frame without destination MAC.
    #[must_use]
    pub const fn without_eth_dst(self) -> Self {
        Self(self.0 | Self::NO_ETH_DST)
    }

    /// Whether the frame holds a destination MAC.
    #[inline(always)]
    pub const fn has_eth_dst(self) -> bool {
        self.0 & Self::NO_ETH_DST == 0
    }
}

impl core::fmt::Debug for LinkTags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LinkTags")
            .field("outer", &self.outer())
            .field("inner", &self.inner())
            .field("more_tags", &self.has_more_tags())
            .field("later_fragment", &self.is_later_fragment())
            .field("direction", &self.direction())
            .field("has_eth_dst", &self.has_eth_dst())
            .finish()
    }
}

/// What one flow entry is counted under: 5-tuple, tags, both MACs, NIC and epoch.
///
/// The destination MAC is part of the key, so a flow that leaves by two MACs is two entries, and neither hides the
/// other. `A` is the address type, `[u8; 4]` or `[u8; 16]`: IPv4 keys stay at half a cache line.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey<A> {
    /// Source address, in wire order.
    pub src: A,
    /// Destination address, in wire order.
    pub dst: A,
    /// Destination MAC, in wire order.
    pub eth_dst: [u8; 6],
    /// Source MAC, in wire order.
    pub eth_src: [u8; 6],
    /// VLAN tags and flags.
    pub tags: LinkTags,
    /// L4 source port in host order; the identifier for ICMP queries; 0 where the protocol has none.
    pub tp_src: u16,
    /// L4 destination port in host order; `type << 8 | code` for ICMP; 0 where the protocol has none.
    pub tp_dst: u16,
    /// Index of the interval between two changes of the next-hop set in which the packets were seen.
    pub epoch: u16,
    /// IP protocol number.
    pub nw_proto: u8,
    /// Index of the NIC in the reader's own table.
    pub nic: u8,
}

/// Flow key of an IPv4 packet.
pub type FlowKey4 = FlowKey<[u8; 4]>;
/// Flow key of an IPv6 packet.
pub type FlowKey6 = FlowKey<[u8; 16]>;

const _: () = assert!(size_of::<FlowKey4>() == 32);
const _: () = assert!(size_of::<FlowKey6>() == 56);
