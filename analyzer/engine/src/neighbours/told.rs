//! A binding that was told.

use core::hash::{Hash, Hasher};

use crate::fact::Binding;
use crate::types::{Timestamp, Validity};
use crate::versions::Dated;

/// A binding that was told. Of one address on one port two say the same that are evidence of one kind for one MAC.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) binding: Binding,
    /// When its source last confirmed it. `binding.confirmed` stays as first told: it dates the evidence.
    pub(super) confirmed: Option<Timestamp>,
    /// Whether a live source told it, so that it is not put together with what others say.
    pub(super) is_live: bool,
}

impl Told {
    pub(super) fn new(binding: Binding, is_live: bool) -> Self {
        Self { confirmed: binding.confirmed, binding, is_live }
    }
}

impl Dated for Told {
    fn validity(&self) -> Validity {
        self.binding.validity
    }

    fn validity_mut(&mut self) -> &mut Validity {
        &mut self.binding.validity
    }

    fn says_same(&self, other: &Self) -> bool {
        #[cfg(test)]
        crate::types::work::step();
        self.binding.kind == other.binding.kind && self.binding.mac == other.binding.mac
    }

    fn hash_words(&self, state: &mut impl Hasher) {
        (self.binding.kind, self.binding.mac).hash(state);
    }
}
