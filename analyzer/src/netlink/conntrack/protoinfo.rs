//! What the kernel keeps of a connection's protocol (`CTA_PROTOINFO`): without it an entry cannot be made again as it was.

use super::message::{Attributes, Malformed, fixed};
use super::wire;

/// State of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtoInfo {
    /// Of TCP.
    Tcp(Tcp),
    /// Of DCCP.
    Dccp(Dccp),
    /// Of SCTP.
    Sctp(Sctp),
}

/// State of a TCP connection. The window itself is not told: after an entry is made again the kernel learns it from the
/// next packets, as long as `liberal` is set or `net.netfilter.nf_conntrack_tcp_be_liberal` is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tcp {
    /// `TCP_CONNTRACK_*`, 3 is established.
    pub state: u8,
    /// Window scale of the original direction and of the reply (RFC 7323 section 2.2).
    pub wscale: Option<[u8; 2]>,
    /// `IP_CT_TCP_FLAG_*` of the original direction and of the reply.
    pub flags: Option<[u8; 2]>,
}

/// State of a DCCP connection.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dccp {
    /// `CT_DCCP_*`.
    pub state: u8,
    /// `CT_DCCP_ROLE_*` of the original direction.
    pub role: u8,
    /// Sequence number of the handshake.
    pub handshake_seq: u64,
}

/// State of an SCTP association.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sctp {
    /// `SCTP_CONNTRACK_*`, 4 is established.
    pub state: u8,
    /// Verification tags of the original direction and of the reply (RFC 9260 section 8.5).
    pub vtag: [u32; 2],
}

impl ProtoInfo {
    /// Reads `CTA_PROTOINFO`. `None` for a protocol that is not known here.
    pub(super) fn parse(attributes: &[u8]) -> Result<Option<Self>, Malformed> {
        for attribute in Attributes::new(attributes) {
            match attribute? {
                (wire::CTA_PROTOINFO_TCP, value) => return Tcp::parse(value).map(|tcp| Some(Self::Tcp(tcp))),
                (wire::CTA_PROTOINFO_DCCP, value) => return Dccp::parse(value).map(|dccp| Some(Self::Dccp(dccp))),
                (wire::CTA_PROTOINFO_SCTP, value) => return Sctp::parse(value).map(|sctp| Some(Self::Sctp(sctp))),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Tcp {
    fn parse(attributes: &[u8]) -> Result<Self, Malformed> {
        let mut tcp = Self::default();
        let (mut wscale, mut flags) = ([None; 2], [None; 2]);
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            let octet = || fixed(attribute).map(|[octet]: [u8; 1]| octet);
            // `struct nf_ct_tcp_flags`: the flags, and the mask that a request has.
            let flag = || fixed(attribute).map(|[flags, _mask]: [u8; 2]| Some(flags));
            match attribute.0 {
                wire::CTA_PROTOINFO_TCP_STATE => tcp.state = octet()?,
                wire::CTA_PROTOINFO_TCP_WSCALE_ORIGINAL => wscale[0] = Some(octet()?),
                wire::CTA_PROTOINFO_TCP_WSCALE_REPLY => wscale[1] = Some(octet()?),
                wire::CTA_PROTOINFO_TCP_FLAGS_ORIGINAL => flags[0] = flag()?,
                wire::CTA_PROTOINFO_TCP_FLAGS_REPLY => flags[1] = flag()?,
                _ => {}
            }
        }
        tcp.wscale = both(wscale);
        tcp.flags = both(flags);
        Ok(tcp)
    }
}

fn both([orig, reply]: [Option<u8>; 2]) -> Option<[u8; 2]> {
    Some([orig?, reply?])
}

impl Dccp {
    fn parse(attributes: &[u8]) -> Result<Self, Malformed> {
        let mut dccp = Self::default();
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            let octet = || fixed(attribute).map(|[octet]: [u8; 1]| octet);
            match attribute.0 {
                wire::CTA_PROTOINFO_DCCP_STATE => dccp.state = octet()?,
                wire::CTA_PROTOINFO_DCCP_ROLE => dccp.role = octet()?,
                wire::CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ => dccp.handshake_seq = u64::from_be_bytes(fixed(attribute)?),
                _ => {}
            }
        }
        Ok(dccp)
    }
}

impl Sctp {
    fn parse(attributes: &[u8]) -> Result<Self, Malformed> {
        let mut sctp = Self::default();
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            match attribute.0 {
                wire::CTA_PROTOINFO_SCTP_STATE => sctp.state = fixed(attribute).map(|[state]: [u8; 1]| state)?,
                wire::CTA_PROTOINFO_SCTP_VTAG_ORIGINAL => sctp.vtag[0] = u32::from_be_bytes(fixed(attribute)?),
                wire::CTA_PROTOINFO_SCTP_VTAG_REPLY => sctp.vtag[1] = u32::from_be_bytes(fixed(attribute)?),
                _ => {}
            }
        }
        Ok(sctp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn protocols() {
        let tcp = [
            attribute(1, &[3]),
            attribute(2, &[7]),
            attribute(3, &[9]),
            attribute(4, &[0x23, 0]),
            attribute(5, &[0x22, 0]),
            attribute(77, &[1]),
        ];
        let parsed = ProtoInfo::parse(&attribute(1 | wire::NLA_F_NESTED, &tcp.concat()));
        let expected = Tcp { state: 3, wscale: Some([7, 9]), flags: Some([0x23, 0x22]) };
        assert_eq!(parsed, Ok(Some(ProtoInfo::Tcp(expected))));
        let half = ProtoInfo::parse(&attribute(1, &tcp[..2].concat()));
        assert_eq!(half, Ok(Some(ProtoInfo::Tcp(Tcp { state: 3, wscale: None, flags: None }))));
        let dccp = [attribute(1, &[4]), attribute(2, &[1]), attribute(3, &[0, 0, 0, 0, 0, 0, 1, 2])].concat();
        let expected = Dccp { state: 4, role: 1, handshake_seq: 258 };
        assert_eq!(ProtoInfo::parse(&attribute(2, &dccp)), Ok(Some(ProtoInfo::Dccp(expected))));
        let sctp = [attribute(1, &[4]), attribute(2, &[0, 0, 0, 1]), attribute(3, &[0, 0, 1, 0])].concat();
        let expected = Sctp { state: 4, vtag: [1, 256] };
        assert_eq!(ProtoInfo::parse(&attribute(3, &sctp)), Ok(Some(ProtoInfo::Sctp(expected))));
        assert_eq!(ProtoInfo::parse(&attribute(9, &sctp)), Ok(None));
    }

    #[test]
    fn sizes_that_lie() {
        for (kind, inner) in [(1, attribute(4, &[1])), (2, attribute(3, &[0; 4])), (3, attribute(2, &[0; 2]))] {
            assert!(matches!(ProtoInfo::parse(&attribute(kind, &inner)), Err(Malformed::Size(_))), "{kind}");
        }
        assert_eq!(ProtoInfo::parse(&[1]), Err(Malformed::Attribute));
    }
}
