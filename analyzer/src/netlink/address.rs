//! Addresses of links (rtnetlink(7), `RTM_NEWADDR`).

use std::net::IpAddr;

use super::attribute::{Malformed, attributes, split};
use super::rtnetlink::{AF_INET, AF_INET6};
use crate::types::IpPrefix;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// An address of a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The link's index.
    pub ifindex: u32,
    /// The address.
    pub own: IpAddr,
    /// Its network; of a point-to-point link, the peer's.
    pub network: IpPrefix,
}

impl Address {
    /// Reads the payload of `RTM_NEWADDR` or `RTM_DELADDR`; `None` for other families than IP.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        // struct ifaddrmsg: family, prefix length, flags, scope, index (4).
        let (&[family, len, _, _, i0, i1, i2, i3], rest) = split::<8>(payload)?;
        if ![AF_INET, AF_INET6].contains(&family) {
            return Ok(None);
        }
        let (mut address, mut local) = (None, None);
        for attribute in attributes(rest) {
            let attribute = attribute?;
            match attribute.kind {
                IFA_ADDRESS => address = Some(attribute.ip()?),
                IFA_LOCAL => local = Some(attribute.ip()?),
                _ => {}
            }
        }
        let own = local.or(address).ok_or(Malformed)?;
        let network = IpPrefix::new(address.unwrap_or(own), len).ok_or(Malformed)?;
        Ok(Some(Self { ifindex: u32::from_ne_bytes([i0, i1, i2, i3]), own, network }))
    }
}
