//! Neighbours: the kernel's ARP (RFC 826) and neighbour discovery (RFC 4861) tables (rtnetlink(7), `RTM_NEWNEIGH`).

use std::net::IpAddr;
use std::time::Duration;

use super::attribute::{Malformed, attributes, split};
use super::rtnetlink::{AF_INET, AF_INET6};
use crate::types::MacAddr;

/// `NDA_*`, `NUD_*` and `NTF_*` (include/uapi/linux/neighbour.h).
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_CACHEINFO: u16 = 3;
const NUD_REACHABLE: u16 = 0x02;
const NUD_STALE: u16 = 0x04;
const NUD_DELAY: u16 = 0x08;
const NUD_PROBE: u16 = 0x10;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
/// States in which the kernel sends to the MAC that it knows (`NUD_VALID`, include/net/neighbour.h).
const NUD_VALID: u16 = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
const NTF_PROXY: u8 = 0x08;

/// One tick of the ages in `struct nda_cacheinfo`: `USER_HZ` is 100 on every architecture that eBPF runs on
/// (include/asm-generic/param.h), whatever HZ the kernel has.
const TICK: Duration = Duration::from_millis(10);

/// A neighbour on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// The link's index.
    pub ifindex: u32,
    /// The neighbour's address.
    pub ip: IpAddr,
    /// The MAC that the kernel sends to; `None` while it has none (states `INCOMPLETE` and `FAILED`).
    pub mac: Option<MacAddr>,
    /// How long ago the neighbour was known to have the MAC.
    pub confirmed_ago: Option<Duration>,
}

impl Neighbour {
    /// Reads the payload of `RTM_NEWNEIGH` or `RTM_DELNEIGH`; `None` for bridges' forwarding entries, proxy entries and
    /// multicast addresses, whose MAC follows from the address.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        // struct ndmsg: family, padding (3), index (4), state (2), flags, type.
        let (&[family, _, _, _, i0, i1, i2, i3, s0, s1, flags, _], rest) = split::<12>(payload)?;
        if ![AF_INET, AF_INET6].contains(&family) || flags & NTF_PROXY != 0 {
            return Ok(None);
        }
        let (mut ip, mut mac, mut confirmed_ago) = (None, None, None);
        for attribute in attributes(rest) {
            let attribute = attribute?;
            match attribute.kind {
                NDA_DST => ip = Some(attribute.ip()?),
                NDA_LLADDR => mac = attribute.mac(),
                NDA_CACHEINFO => {
                    let &ticks = attribute.value.first_chunk().ok_or(Malformed)?;
                    confirmed_ago = Some(TICK.saturating_mul(u32::from_ne_bytes(ticks)));
                }
                _ => {}
            }
        }
        let ip = ip.ok_or(Malformed)?;
        if ip.is_multicast() || ip.is_unspecified() {
            return Ok(None);
        }
        let is_valid = u16::from_ne_bytes([s0, s1]) & NUD_VALID != 0;
        let mac = mac.filter(|_| is_valid);
        let ifindex = u32::from_ne_bytes([i0, i1, i2, i3]);
        Ok(Some(Self { ifindex, ip, mac, confirmed_ago: confirmed_ago.filter(|_| mac.is_some()) }))
    }
}
