//! Kinds of evidence that a source tells all of, or none.

/// A kind of evidence. What no source tells of it is taken for granted (docs/verdicts.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EvidenceKind {
    /// Routes, each with all of its next hops, and those that decide before them: databases tell them, a text may have
    /// been cut.
    WholeRoutes,
    /// Policies that reroute.
    Policies,
    /// States of BFD sessions.
    Bfd,
    /// `MAC_Binding`, or what the kernel has in its place.
    Bindings,
    /// `Static_MAC_Binding`.
    StaticBindings,
    /// Conntrack entries.
    Connections,
    /// Since when things are as they are.
    History,
    /// What comes in, beside what leaves.
    BothDirections,
    /// ARP, neighbour discovery and BFD on the wire.
    Neighbours,
}

/// Kinds of evidence.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EvidenceKinds(u16);

impl EvidenceKinds {
    /// Adds a kind.
    pub fn insert(&mut self, kind: EvidenceKind) {
        self.0 |= 1 << kind as u16;
    }

    /// Adds all of these kinds.
    pub fn insert_all(&mut self, kinds: Self) {
        self.0 |= kinds.0;
    }

    /// Whether the kind is among them.
    pub fn contains(self, kind: EvidenceKind) -> bool {
        self.0 & 1 << kind as u16 != 0
    }
}

impl FromIterator<EvidenceKind> for EvidenceKinds {
    fn from_iter<I: IntoIterator<Item = EvidenceKind>>(kinds: I) -> Self {
        let mut all = Self::default();
        kinds.into_iter().for_each(|kind| all.insert(kind));
        all
    }
}
