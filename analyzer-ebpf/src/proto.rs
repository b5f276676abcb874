//! Numbers that name protocols in headers, in host order.

/// EtherTypes (IANA "IEEE 802 Numbers").
pub mod ether_type {
    /// Internet Protocol version 4.
    pub const IPV4: u16 = 0x0800;
    /// Address Resolution Protocol.
    pub const ARP: u16 = 0x0806;
    /// VLAN tag of IEEE 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// Service VLAN tag of IEEE 802.1ad.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// Outer tag of stacked VLANs before IEEE 802.1ad (`ETH_P_QINQ1`, include/uapi/linux/if_ether.h).
    pub const QINQ1: u16 = 0x9100;
    /// Internet Protocol version 6.
    pub const IPV6: u16 = 0x86dd;
    /// Slow protocols, LACP among them (IEEE 802.3 annex 57A).
    pub const SLOW_PROTOCOLS: u16 = 0x8809;
    /// Link Layer Discovery Protocol (IEEE 802.1AB).
    pub const LLDP: u16 = 0x88cc;
}

/// IP protocols and IPv6 extension headers (IANA "Assigned Internet Protocol Numbers").
pub mod ip {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// Datagram Congestion Control Protocol.
    pub const DCCP: u8 = 33;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// IPsec encapsulating security payload.
    pub const ESP: u8 = 50;
    /// IPsec authentication header.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Stream Control Transmission Protocol.
    pub const SCTP: u8 = 132;
    /// Mobility header (RFC 6275).
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
    /// Host Identity Protocol (RFC 7401).
    pub const HIP: u8 = 139;
    /// Shim6 (RFC 5533).
    pub const SHIM6: u8 = 140;
}
