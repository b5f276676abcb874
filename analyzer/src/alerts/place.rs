//! Where alerts are from: a network namespace, and NICs in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A network namespace.
///
/// The kernel numbers namespaces, and uses numbers again: one that is equal within the same start of the machine is this
/// namespace or one that is gone, by whose NICs nothing leaves any more. Beyond it no namespace has lasted, and NICs are
/// told by their names alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Namespace {
    /// Which start of the machine this is (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// What the kernel calls it: `net:[4026531840]`.
    pub name: String,
}

impl Namespace {
    /// Whether the two may be the same.
    fn may_be(&self, other: &Self) -> bool {
        self.boot != other.boot || self.name == other.name
    }
}

/// What is watched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Watched {
    /// Where we are; `None` where nobody told, as with captures.
    pub(super) namespace: Option<Namespace>,
    pub(super) nics: BTreeSet<String>,
}

impl Watched {
    /// Whether all these NICs are watched. A namespace that is not known may be any.
    pub(super) fn has(&self, namespace: Option<&Namespace>, nics: &BTreeSet<String>) -> bool {
        let is_here = match (namespace, &self.namespace) {
            (Some(theirs), Some(ours)) => theirs.may_be(ours),
            _ => true,
        };
        is_here && nics.is_subset(&self.nics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_are_nics_of_this_namespace_or_of_an_earlier_boot() {
        let namespace = |boot: &str, name: &str| Namespace { boot: boot.to_owned(), name: name.to_owned() };
        let nics = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let here = Watched { namespace: Some(namespace("b", "net:[1]")), nics: nics(&["out0", "out1"]) };
        assert!(here.has(Some(&namespace("b", "net:[1]")), &nics(&["out0"])));
        assert!(!here.has(Some(&namespace("b", "net:[2]")), &nics(&["out0"])));
        assert!(here.has(Some(&namespace("a", "net:[2]")), &nics(&["out0", "out1"])));
        assert!(!here.has(Some(&namespace("a", "net:[2]")), &nics(&["out2"])));
        assert!(!here.has(Some(&namespace("b", "net:[1]")), &nics(&["out0", "out2"])));
        assert!(here.has(None, &nics(&[])) && !here.has(None, &nics(&["out2"])));
    }
}
