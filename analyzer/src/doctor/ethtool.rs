//! Features of a NIC by ethtool's netlink family (Documentation/networking/ethtool-netlink.rst).

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::netlink::{GENERIC_HEADER, ask, attributes, generic_family, put, put_nested};

/// Numbers of include/uapi/linux/ethtool_netlink.h.
const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_ACTIVE: u16 = 4;
const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BITS_BIT: u16 = 1;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;

/// Names of features in the kernel, each ended by a zero.
pub(crate) mod feature {
    /// The NIC may forward flows by itself (`ethtool -k NIC`, hw-tc-offload).
    pub(crate) const FORWARDS: &[u8] = b"hw-tc-offload\0";
    /// The NIC takes VLAN tags off frames that come in, so that XDP does not see them (`ethtool -k NIC`, rx-vlan-offload).
    pub(crate) const TAKES_TAGS_OFF: &[u8] = b"rx-vlan-hw-parse\0";
}

/// Whether a feature of a NIC is on.
///
/// # Errors
/// When the kernel has no such family (before Linux 5.7) or no such NIC.
pub(crate) fn is_on(nic: &str, feature: &[u8]) -> io::Result<bool> {
    let mut device = Vec::new();
    put(&mut device, ETHTOOL_A_HEADER_DEV_NAME, &[nic.as_bytes(), b"\0"].concat());
    let mut request = vec![ETHTOOL_MSG_FEATURES_GET, 1, 0, 0];
    put_nested(&mut request, ETHTOOL_A_FEATURES_HEADER, &device);
    let answer = ask(NETLINK_GENERIC, generic_family(b"ethtool\0")?, &request)?;
    Ok(is_active(answer.get(GENERIC_HEADER..).unwrap_or_default(), feature))
}

/// Whether a feature is in the list of active ones, which names those that are on.
fn is_active(features: &[u8], name: &[u8]) -> bool {
    attributes(features)
        .filter(|(kind, _)| *kind == ETHTOOL_A_FEATURES_ACTIVE)
        .flat_map(|(_, set)| attributes(set))
        .filter(|(kind, _)| *kind == ETHTOOL_A_BITSET_BITS)
        .flat_map(|(_, bits)| attributes(bits))
        .filter(|(kind, _)| *kind == ETHTOOL_A_BITSET_BITS_BIT)
        .flat_map(|(_, bit)| attributes(bit))
        .any(|(kind, value)| kind == ETHTOOL_A_BITSET_BIT_NAME && value == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(active: &[&[u8]]) -> Vec<u8> {
        let nest = |kind: u16, value: &[u8]| {
            let mut out = Vec::new();
            put_nested(&mut out, kind, value);
            out
        };
        let bit = |name: &&[u8]| {
            let mut out = Vec::new();
            put(&mut out, ETHTOOL_A_BITSET_BIT_NAME, name);
            nest(ETHTOOL_A_BITSET_BITS_BIT, &out)
        };
        let bits: Vec<u8> = active.iter().flat_map(bit).collect();
        nest(ETHTOOL_A_FEATURES_ACTIVE, &nest(ETHTOOL_A_BITSET_BITS, &bits))
    }

    #[test]
    fn active_features() {
        let name = b"hw-tc-offload\0";
        assert!(is_active(&features(&[b"rx-gro\0", name]), name));
        assert!(!is_active(&features(&[b"rx-gro\0"]), name));
        assert!(!is_active(&[], name));
    }

    /// The kernel of this machine answers, whatever the answer.
    #[test]
    fn the_kernel_is_asked() {
        assert!(!is_on("lo", feature::FORWARDS).unwrap());
        assert!(is_on("no-such-nic", feature::FORWARDS).is_err());
    }
}
