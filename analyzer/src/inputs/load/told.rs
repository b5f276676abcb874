//! What database files told, beside which a text adds nothing.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::engine::fact::{Fact, Gap, Policy, Scope};
use crate::types::{IpPrefix, MacAddr};

/// The database that a text was printed of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    Northbound,
    Southbound,
}

/// What databases told, to hold texts against.
#[derive(Default)]
pub(super) struct Told {
    pub(super) routes: HashSet<(Policy, IpPrefix, Option<IpAddr>)>,
    pub(super) bindings: HashSet<(IpAddr, MacAddr)>,
    pub(super) nb: Option<Arc<str>>,
    pub(super) sb: Option<Arc<str>>,
}

impl Told {
    /// Whether a database tells facts of this kind, so that a text's are not needed.
    pub(super) fn covers(&self, database: Database, fact: &Fact) -> bool {
        match fact {
            Fact::Route(_) => self.routes_of(database).is_some(),
            Fact::Bfd(_) => self.nb.is_some(),
            Fact::Binding(_) | Fact::RouterPort(_) | Fact::SwitchPort(_) | Fact::Datapath(_) | Fact::Ovn(_) => {
                self.sb.is_some()
            }
            _ => false,
        }
    }

    /// Whether a database tells what a text lost.
    pub(super) fn covers_gap(&self, database: Database, gap: &Gap) -> bool {
        match gap.scope {
            Scope::Routes { .. } => self.routes_of(database).is_some(),
            Scope::Bfd { .. } => self.nb.is_some(),
            Scope::Bindings { .. } | Scope::Ports | Scope::Behaviour => self.sb.is_some(),
            _ => false,
        }
    }

    /// The file of the database that tells the routes which a text of this database tells: the Southbound one has those
    /// that OVN learned.
    fn routes_of(&self, database: Database) -> Option<&Arc<str>> {
        match database {
            Database::Northbound => self.nb.as_ref(),
            Database::Southbound => self.sb.as_ref(),
        }
    }

    /// What a text tells and the database does not have, and the database's file.
    pub(super) fn contradiction(&self, database: Database, fact: &Fact) -> Option<(String, &Arc<str>)> {
        match fact {
            Fact::Route(route) if !self.routes.contains(&(route.policy, route.prefix, route.nexthop)) => {
                let nexthop = route.nexthop.map_or("discard".to_owned(), |ip| ip.to_string());
                Some((format!("it has a route {} via {nexthop}", route.prefix), self.routes_of(database)?))
            }
            Fact::Binding(binding) => {
                let mac = binding.mac.filter(|&mac| !self.bindings.contains(&(binding.ip, mac)))?;
                Some((format!("it binds {} to {mac}", binding.ip), self.sb.as_ref()?))
            }
            _ => None,
        }
    }
}
