//! Link types: what a captured frame begins with.

use std::fmt;

use analyzer_ebpf::abi::Direction;

/// A link type that the analyzer reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkType {
    /// Ethernet II or IEEE 802.3.
    Ethernet,
    /// Linux cooked capture, as `tcpdump -i any` wrote it up to version 4.9. It holds no destination MAC.
    LinuxSll,
    /// Linux cooked capture, version 2. It holds no destination MAC.
    LinuxSll2,
    /// A bare IP packet of either version. It holds no MAC.
    RawIp,
}

/// A link type whose frames cannot be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub struct UnsupportedLinkType(pub u16);

impl LinkType {
    /// The link type of a number in the IANA registry "PCAP LINKTYPE", or of one of the two numbers that
    /// operating systems wrote for raw IP before it had one.
    ///
    /// # Errors
    /// The number is of a link type that the analyzer does not read.
    pub fn from_number(number: u16) -> Result<Self, UnsupportedLinkType> {
        match number {
            1 => Ok(Self::Ethernet),
            113 => Ok(Self::LinuxSll),
            276 => Ok(Self::LinuxSll2),
            // DLT_RAW of BSD/OS and of OpenBSD, LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6.
            12 | 14 | 101 | 228 | 229 => Ok(Self::RawIp),
            other => Err(UnsupportedLinkType(other)),
        }
    }

    /// Whether its frames hold a destination MAC. Without one there is nothing to judge.
    pub fn has_eth_dst(self) -> bool {
        self == Self::Ethernet
    }

    /// Which way a frame went, where its link header tells it.
    pub fn direction(self, frame: &[u8]) -> Direction {
        let packet_type = match self {
            Self::LinuxSll => frame.first_chunk().map(|&bytes| u16::from_be_bytes(bytes)),
            Self::LinuxSll2 => frame.get(10).copied().map(u16::from),
            Self::Ethernet | Self::RawIp => None,
        };
        packet_type.map_or(Direction::Unknown, direction_of_packet_type)
    }
}

/// The direction that a packet type tells (`PACKET_*` in include/uapi/linux/if_packet.h).
pub(super) fn direction_of_packet_type(packet_type: u16) -> Direction {
    match packet_type {
        // PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST. PACKET_OTHERHOST (3) was overheard: no direction.
        0..=2 => Direction::Inbound,
        4 => Direction::Outbound,
        _ => Direction::Unknown,
    }
}

impl fmt::Display for UnsupportedLinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 | 108 => " (BSD loopback)",
            6 => " (Token Ring)",
            9 => " (PPP)",
            10 => " (FDDI)",
            105 => " (IEEE 802.11)",
            127 => " (IEEE 802.11 with radiotap)",
            187 | 201 => " (Bluetooth)",
            189 | 220 | 249 => " (USB)",
            192 => " (per-packet information)",
            195 | 215 | 230 => " (IEEE 802.15.4)",
            227 => " (CAN)",
            239 => " (NFLOG)",
            247 => " (InfiniBand)",
            253 => " (netlink)",
            _ => "",
        };
        write!(
            f,
            "frames of link type {}{name} hold no Ethernet header and cannot be judged; \
             capture on the NIC with `tcpdump -i NIC -w FILE`",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (number, link_type) in [
            (1, LinkType::Ethernet),
            (12, LinkType::RawIp),
            (14, LinkType::RawIp),
            (101, LinkType::RawIp),
            (113, LinkType::LinuxSll),
            (228, LinkType::RawIp),
            (229, LinkType::RawIp),
            (276, LinkType::LinuxSll2),
        ] {
            assert_eq!(LinkType::from_number(number), Ok(link_type), "{number}");
            assert_eq!(link_type.has_eth_dst(), number == 1);
        }
        let message = LinkType::from_number(127).unwrap_err().to_string();
        assert!(message.contains("127 (IEEE 802.11 with radiotap)") && message.contains("tcpdump -i NIC"), "{message}");
    }

    #[test]
    fn cooked_frames_tell_the_direction() {
        assert_eq!(LinkType::LinuxSll.direction(&[0, 4]), Direction::Outbound);
        assert_eq!(LinkType::LinuxSll.direction(&[0, 1]), Direction::Inbound);
        assert_eq!(LinkType::LinuxSll.direction(&[0]), Direction::Unknown);
        assert_eq!(LinkType::LinuxSll2.direction(&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4]), Direction::Outbound);
        assert_eq!(LinkType::LinuxSll2.direction(&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 3]), Direction::Unknown);
        assert_eq!(LinkType::Ethernet.direction(&[0, 4]), Direction::Unknown);
    }
}
