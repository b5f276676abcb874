//! What a fact says, whenever it holds.

use std::net::IpAddr;

use crate::engine::fact::{Bfd, Binding, Fact, Route};
use crate::types::{Timestamp, Validity};

/// A fact of a kind that is kept, without its validity and, for a binding, without the time of its confirmation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Told {
    // Bindings are by far the most numerous.
    Route(Box<Route>),
    Binding(Binding),
    Bfd(Bfd),
}

impl Told {
    /// How many kinds there are.
    pub(crate) const KINDS: usize = 3;

    /// The number of its kind.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Route(_) => 0,
            Self::Bfd(_) => 1,
            Self::Binding(_) => 2,
        }
    }

    /// What the fact says, and when it was confirmed; `None` for facts of other kinds.
    pub(crate) fn of(fact: &Fact) -> Option<(Self, Option<Timestamp>)> {
        let validity = Validity::ALWAYS;
        let told = match fact {
            Fact::Route(route) => (Self::Route(Box::new(Route { validity, ..route.clone() })), None),
            Fact::Binding(binding) => {
                let told = Binding { validity, confirmed: None, ..binding.clone() };
                (Self::Binding(told), binding.confirmed)
            }
            Fact::Bfd(bfd) => (Self::Bfd(Bfd { validity, ..bfd.clone() }), None),
            _ => return None,
        };
        Some(told)
    }

    /// The fact with its times.
    pub(crate) fn fact(&self, confirmed: Option<Timestamp>, validity: Validity) -> Fact {
        match self {
            Self::Route(route) => Fact::Route(Route { validity, ..Route::clone(route) }),
            Self::Binding(binding) => Fact::Binding(Binding { validity, confirmed, ..binding.clone() }),
            Self::Bfd(bfd) => Fact::Bfd(Bfd { validity, ..bfd.clone() }),
        }
    }

    /// The next hop of a route.
    pub(crate) fn nexthop(&self) -> Option<IpAddr> {
        match self {
            Self::Route(route) => route.nexthop,
            Self::Binding(_) | Self::Bfd(_) => None,
        }
    }
}
