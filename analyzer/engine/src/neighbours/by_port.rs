//! Bindings of one address, by port.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use super::told::Told;
use crate::versions::Versions;

/// The port of a binding; `None` where the source tells no port.
pub(super) type Port = Option<Arc<str>>;

/// Bindings of one address. A central database has a gateway's address on the port of every node; any other address is
/// on one port, and there are a hundred thousand of them.
#[derive(Debug)]
pub(super) enum ByPort {
    /// All on one port.
    One(Port, Versions<Told>),
    /// On several.
    Many(BTreeMap<Port, Versions<Told>>),
}

impl ByPort {
    /// No binding yet, one on `port` to come.
    pub(super) fn new(port: Port) -> Self {
        Self::One(port, Versions::default())
    }

    pub(super) fn on(&self, port: &Port) -> Option<&Versions<Told>> {
        match self {
            Self::One(own, bindings) => (own == port).then_some(bindings),
            Self::Many(by_port) => by_port.get(port),
        }
    }

    pub(super) fn on_mut(&mut self, port: &Port) -> Option<&mut Versions<Told>> {
        match self {
            Self::One(own, bindings) => (own == port).then_some(bindings),
            Self::Many(by_port) => by_port.get_mut(port),
        }
    }

    /// The bindings on `port`, to which one more may be added.
    pub(super) fn entry(&mut self, port: &Port) -> &mut Versions<Told> {
        if let Self::One(own, bindings) = self
            && own != port
        {
            *self = Self::Many([(own.take(), core::mem::take(bindings))].into());
        }
        match self {
            Self::One(_, bindings) => bindings,
            Self::Many(by_port) => by_port.entry(port.clone()).or_default(),
        }
    }

    /// The ports, in order.
    pub(super) fn ports(&self) -> impl Iterator<Item = &Arc<str>> {
        let (one, many) = match self {
            Self::One(port, _) => (Some(port), None),
            Self::Many(by_port) => (None, Some(by_port)),
        };
        one.into_iter().chain(many.into_iter().flat_map(BTreeMap::keys)).flatten()
    }

    /// The bindings on each port, by port.
    pub(super) fn values(&self) -> impl Iterator<Item = &Versions<Told>> {
        let (one, many) = match self {
            Self::One(_, bindings) => (Some(bindings), None),
            Self::Many(by_port) => (None, Some(by_port)),
        };
        one.into_iter().chain(many.into_iter().flat_map(BTreeMap::values))
    }

    /// Changes the bindings on each port. Returns whether any are left.
    pub(super) fn retain(&mut self, mut change: impl FnMut(&mut Versions<Told>)) -> bool {
        match self {
            Self::One(_, bindings) => {
                change(bindings);
                !bindings.is_empty()
            }
            Self::Many(by_port) => {
                by_port.retain(|_, bindings| {
                    change(bindings);
                    !bindings.is_empty()
                });
                !by_port.is_empty()
            }
        }
    }
}
