//! The table of NICs.

use std::sync::Arc;

use super::Interface;

/// Most NICs that a run tells apart: the flow key keeps their index in an octet.
pub const MAX_INTERFACES: usize = 255;

/// NICs by name. Frames without a name of their NIC share one entry, so that the files of a rotated capture are
/// one NIC.
#[derive(Debug, Default)]
pub(super) struct Nics(Vec<Interface>);

impl Nics {
    /// The index of the NIC called `name`, which is added where it is new; `None` where there are too many.
    pub(super) fn intern(&mut self, name: Option<&str>) -> Option<u8> {
        if let Some(index) = self.0.iter().position(|interface| interface.name.as_deref() == name) {
            return u8::try_from(index).ok();
        }
        if self.0.len() == MAX_INTERFACES {
            return None;
        }
        self.0.push(Interface { name: name.map(Arc::from) });
        u8::try_from(self.0.len() - 1).ok()
    }

    /// All NICs, in the order of their index.
    pub(super) fn as_slice(&self) -> &[Interface] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shared_and_bounded() {
        let mut nics = Nics::default();
        assert_eq!(nics.intern(None), Some(0));
        assert_eq!(nics.intern(Some("ens1f0")), Some(1));
        assert_eq!((nics.intern(None), nics.intern(Some("ens1f0"))), (Some(0), Some(1)));
        for index in 2..255 {
            assert_eq!(nics.intern(Some(&format!("veth{index}"))), Some(index));
        }
        assert_eq!(nics.intern(Some("one more")), None);
        assert_eq!(nics.intern(Some("veth254")), Some(254));
        assert_eq!(nics.as_slice().len(), MAX_INTERFACES);
    }
}
