//! What the driver of a NIC can do with XDP, by the netdev family of netlink (Linux 6.3, Documentation/netlink/specs/netdev.yaml).

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::netlink::{GENERIC_HEADER, ask, attributes, generic_family, put};

/// Numbers of include/uapi/linux/netdev.h.
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_BASIC: u64 = 1;
const NETDEV_XDP_ACT_XSK_ZEROCOPY: u64 = 8;

/// How AF_XDP sockets get the frames of a NIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Afxdp {
    /// Its driver writes to their memory.
    ZeroCopy,
    /// The kernel copies.
    Copy,
    /// Its driver has no XDP: the kernel copies behind it.
    Generic,
}

/// What the driver of a NIC can do.
///
/// # Errors
/// When the kernel has no such family or no such NIC.
pub(super) fn afxdp(ifindex: u32) -> io::Result<Afxdp> {
    let mut request = vec![NETDEV_CMD_DEV_GET, 1, 0, 0];
    put(&mut request, NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes());
    let answer = ask(NETLINK_GENERIC, generic_family(b"netdev\0")?, &request)?;
    let features = attributes(answer.get(GENERIC_HEADER..).unwrap_or_default())
        .find(|(kind, _)| *kind == NETDEV_A_DEV_XDP_FEATURES)
        .and_then(|(_, features)| features.first_chunk().copied().map(u64::from_ne_bytes));
    features.map(judge).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn judge(features: u64) -> Afxdp {
    if features & NETDEV_XDP_ACT_XSK_ZEROCOPY != 0 {
        Afxdp::ZeroCopy
    } else if features & NETDEV_XDP_ACT_BASIC != 0 {
        Afxdp::Copy
    } else {
        Afxdp::Generic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features() {
        assert_eq!([0b1111, 0b0111, 0].map(judge), [Afxdp::ZeroCopy, Afxdp::Copy, Afxdp::Generic]);
    }

    /// The kernel of this machine answers for the loopback, which has no XDP, where it knows the family.
    #[test]
    fn the_kernel_is_asked() {
        if generic_family(b"netdev\0").is_ok() {
            assert_eq!(afxdp(1).unwrap(), Afxdp::Generic);
            assert!(afxdp(u32::MAX >> 1).is_err());
        }
    }
}
