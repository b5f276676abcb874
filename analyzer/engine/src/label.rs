//! The MAC and the port that OVN keeps in a conntrack entry for ECMP symmetric reply.
//!
//! Bit positions are those of OVN's include/ovn/logical-fields.h and lib/logical-fields.c. The MAC has never moved:
//! `ct_label.ecmp_reply_eth` is bits 32 to 79 of the label. The port key has: up to OVN 21.12.1 it is bits 80 to 95 of
//! the label, later bits 16 to 31 of the mark (`ct_mark.ecmp_reply_port`) once every chassis can do without masked
//! labels. Entries of both forms stand side by side after an upgrade, so both are read at once.
//!
//! Switches use the same bits for other things (ACL and observation ids). What is decoded here means a next hop only in
//! the DNAT zone of a gateway router and with a port that is set; the caller checks both.

use alloc::format;
use alloc::string::String;

use crate::types::MacAddr;

/// Lowest bit of `ct_label.ecmp_reply_eth`.
const LABEL_ETH_SHIFT: u32 = 32;
/// Lowest bit of `ct_label.ecmp_reply_port`.
const LABEL_PORT_SHIFT: u32 = 80;
/// Lowest bit of `ct_mark.ecmp_reply_port`.
const MARK_PORT_SHIFT: u32 = 16;

/// What a label and a mark say of the way back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EcmpReply {
    /// `ecmp_reply_eth`: the source MAC of the packet that was committed. Never zero.
    pub eth: MacAddr,
    /// `ecmp_reply_port`: the tunnel key of the router port that the packet came in by. 0 where neither form is set:
    /// OVN then never applies the MAC.
    pub port: u16,
    /// Where the port stands; [`PortForm::Label`] where neither form is set.
    pub form: PortForm,
}

/// Where the port key stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PortForm {
    /// Bits 16 to 31 of the mark: `ct_mark.ecmp_reply_port`.
    Mark,
    /// Bits 80 to 95 of the label: `ct_label.ecmp_reply_port`.
    Label,
}

/// Reads label and mark, both as numbers. `None` where the label holds no MAC.
///
/// Where both forms of the port are set, the mark's counts: OVN fills the same label bits with ACL and tunnel ids since
/// it moved the port to the mark.
pub fn decode(label: u128, mark: u32) -> Option<EcmpReply> {
    #[cfg(test)]
    crate::types::work::step();
    // The casts keep the low bits, which is what they are for.
    let eth = MacAddr::from_bits((label >> LABEL_ETH_SHIFT) as u64);
    if eth.is_zero() {
        return None;
    }
    Some(match port(PortForm::Mark, label, mark) {
        Some(port) => EcmpReply { eth, port, form: PortForm::Mark },
        None => EcmpReply { eth, port: port(PortForm::Label, label, mark).unwrap_or(0), form: PortForm::Label },
    })
}

/// The port as it stands in that form; `None` where it is not set there.
pub fn port(form: PortForm, label: u128, mark: u32) -> Option<u16> {
    // The casts keep the low bits, which is what they are for.
    let port = match form {
        PortForm::Mark => (mark >> MARK_PORT_SHIFT) as u16,
        PortForm::Label => (label >> LABEL_PORT_SHIFT) as u16,
    };
    (port != 0).then_some(port)
}

/// Bits of an entry's mark and label that are to get other values. All other bits stay, whatever they mean.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rewrite {
    mark: Option<Masked<u32>>,
    label: Option<Masked<u128>>,
}

/// A value for the bits of a mask. It has no bits beside them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Masked<T> {
    value: T,
    mask: T,
}

impl<T: Copy> Masked<T> {
    /// The bits' new values, 0 where `mask` is.
    pub fn value(&self) -> T {
        self.value
    }

    /// The bits that are meant.
    pub fn mask(&self) -> T {
        self.mask
    }
}

impl Rewrite {
    /// Takes the port away, in the form in which [`decode`] reads it: OVN then does not apply the MAC. `None` where it is
    /// not set at all.
    ///
    /// Where the port is in the mark, the bits of the label that once held it mean other things (ACL and tunnel ids), and
    /// stay.
    pub fn unpin(label: u128, mark: u32) -> Option<Self> {
        const MARK: u32 = 0xffff << MARK_PORT_SHIFT;
        const LABEL: u128 = 0xffff << LABEL_PORT_SHIFT;
        let EcmpReply { port, form, .. } = decode(label, mark)?;
        match form {
            _ if port == 0 => None,
            PortForm::Mark => Some(Self { mark: Some(Masked { value: 0, mask: MARK }), label: None }),
            PortForm::Label => Some(Self { mark: None, label: Some(Masked { value: 0, mask: LABEL }) }),
        }
    }

    /// Writes another MAC, the port stays.
    pub fn relabel(eth: MacAddr) -> Self {
        const MASK: u128 = 0xffff_ffff_ffff << LABEL_ETH_SHIFT;
        let value = u128::from(eth.to_bits()) << LABEL_ETH_SHIFT;
        Self { mark: None, label: Some(Masked { value, mask: MASK }) }
    }

    /// What happens to the mark.
    pub fn mark(&self) -> Option<Masked<u32>> {
        self.mark
    }

    /// What happens to the label.
    pub fn label(&self) -> Option<Masked<u128>> {
        self.label
    }

    /// Label and mark as they are afterwards.
    #[must_use]
    pub fn of(&self, label: u128, mark: u32) -> (u128, u32) {
        let new_label = self.label.map_or(label, |new| label & !new.mask | new.value);
        let new_mark = self.mark.map_or(mark, |new| mark & !new.mask | new.value);
        (new_label, new_mark)
    }
}

/// A label as OVS and OVN print it: `0x2ce73296639a400000000`, without leading zeros.
pub fn label_text(label: u128) -> String {
    format!("{label:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(text: &str) -> MacAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_forms() {
        let gateway = mac("ce:73:29:66:39:a4");
        let cases = [
            // The incident's entry: OVN 20.12, port in the label.
            (0x2ce73296639a400000000, 0, gateway, 2, PortForm::Label),
            // The same flow since the port moved to the mark.
            (0xce73296639a400000000, 131_072, gateway, 2, PortForm::Mark),
            // Bits 0 to 15 of the mark mean other things (natted).
            (0xce73296639a400000000, 131_074, gateway, 2, PortForm::Mark),
            // An ACL id beside the MAC is no port.
            (0x7ce73296639a400000000, 131_072, gateway, 2, PortForm::Mark),
            // Neither is set.
            (0xce73296639a400000000, 0xffff, gateway, 0, PortForm::Label),
            // A MAC that starts with zeros, so that the text is shorter.
            (0x401020400000000, 65_536, mac("00:00:04:01:02:04"), 1, PortForm::Mark),
            (u128::MAX, u32::MAX, mac("ff:ff:ff:ff:ff:ff"), 65_535, PortForm::Mark),
        ];
        for (label, mark, eth, port, form) in cases {
            assert_eq!(decode(label, mark), Some(EcmpReply { eth, port, form }), "{label:#x} {mark}");
        }
    }

    #[test]
    fn no_mac() {
        for label in [0, 1, 0xffff_ffff, 2 << 80, 0xffff_ffff << 96] {
            assert_eq!(decode(label, 131_072), None, "{label:#x}");
        }
    }

    #[test]
    fn rewriting() {
        let gateway = mac("ce:73:29:66:39:a4");
        let label = 0xabcd_0002_ce73_2966_39a4_1234_5678;
        for (label, mark, unpinned) in [
            // An id beside the MAC, which is no port.
            (label, 0x2_0003, Some((label, 3))),
            (label, 3, Some((0xabcd_0000_ce73_2966_39a4_1234_5678, 3))),
            (0xce73_2966_39a4_0000_0000, 0xffff_0003, Some((0xce73_2966_39a4_0000_0000, 3))),
            (0xce73_2966_39a4_0000_0000, 3, None),
            (u128::MAX, u32::MAX, Some((u128::MAX, 0xffff))),
        ] {
            let rewrite = Rewrite::unpin(label, mark);
            assert_eq!(rewrite.map(|rewrite| rewrite.of(label, mark)), unpinned, "{label:#x} {mark:#x}");
            if let Some((label, mark)) = unpinned {
                let form = decode(label, mark).map(|reply| (reply.form, reply.port));
                assert_ne!(form.map(|(form, _)| form), Some(PortForm::Mark), "{label:#x} {mark:#x}");
            }
        }
        let other = mac("02:00:00:00:00:01");
        let (relabelled, mark) = Rewrite::relabel(other).of(label, 0x2_0003);
        assert_eq!((relabelled, mark), (0xabcd_0002_0200_0000_0001_1234_5678, 0x2_0003));
        assert_eq!(Rewrite::relabel(gateway).of(relabelled, mark), (label, mark));
        for rewrite in [Rewrite::relabel(mac("ff:ff:ff:ff:ff:ff")), Rewrite::unpin(u128::MAX, 0).unwrap()] {
            assert!(rewrite.label().is_some_and(|new| new.value() & !new.mask() == 0), "ctnetlink adds it bit by bit");
        }
    }

    #[test]
    fn text() {
        assert_eq!(label_text(0x2ce73296639a400000000), "0x2ce73296639a400000000");
        assert_eq!(label_text(0), "0x0");
    }
}
