//! The three databases of OVN and OVS, followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value;

use super::flows::{Answer, Asks, LogicalFlows, Question};
use super::sources::{SourceId, Sources};
use crate::engine::fact::{Delta, EvidenceKinds};
use crate::ovn;
use crate::ovn::follow::conditions::{self, Chassis};
use crate::ovn::follow::rows::Rows;
use crate::ovn::follow::{Database, Follower, flows};
use crate::ovn::local::{Node, Uplinks};
use crate::ovsdb::client::{self, Remote};
use crate::types::{Timestamp, Warning};

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// OVN's Northbound.
    Northbound,
    /// OVN's Southbound.
    Southbound,
    /// The node's own.
    OpenVswitch,
}

impl Role {
    /// The database, where the Northbound one is followed too or not.
    pub(crate) fn database(self, with_northbound: bool) -> Database {
        match self {
            Self::Northbound => Database::Northbound,
            Self::Southbound => Database::Southbound { with_northbound },
            Self::OpenVswitch => Database::OpenVswitch,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Northbound => "nb",
            Self::Southbound => "sb",
            Self::OpenVswitch => "ovs",
        }
    }
}

/// A database that is to be followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Following {
    /// Which.
    pub role: Role,
    /// Where.
    pub place: String,
    /// Whether it is that of a whole cluster, which is asked for this node's rows only.
    pub is_central: bool,
}

/// The databases that are followed.
#[derive(Debug)]
pub(crate) struct Databases {
    followed: BTreeMap<Role, Followed>,
    /// Logical flows, which are asked for and not followed.
    flows: LogicalFlows,
    /// The server that tells the Southbound database, while there is one.
    southbound: Option<Remote>,
    /// How often one told more than there is room for, and was left.
    too_much: u64,
}

#[derive(Debug)]
struct Followed {
    id: SourceId,
    follower: Follower,
    /// Whether it is asked for this node's rows only: it is a central one.
    is_central: bool,
    conditions: HashMap<&'static str, Vec<Value>>,
}

/// What an event of a database amounts to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) delta: Delta,
    pub(crate) warnings: Vec<Warning>,
    /// A message for the user.
    pub(crate) message: Option<String>,
    /// Whether the database has just told all that it has.
    pub(crate) is_synchronised: bool,
    /// Whether the node's own database changed: its bridges, its datapath.
    pub(crate) is_own: bool,
    /// What a central database is to tell from here on.
    pub(crate) conditions: Vec<Conditions>,
}

/// Rows of a table that a central database is to tell, as the protocol has them.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) role: Role,
    pub(crate) table: &'static str,
    pub(crate) json: Vec<Value>,
}

impl Databases {
    /// Databases of which nothing was told yet. `seed` is another on each node.
    pub(crate) fn new(followed: &[Following], states: &mut Sources, seed: u64, now: Timestamp) -> Self {
        let with_northbound = followed.iter().any(|following| following.role == Role::Northbound);
        let mut databases =
            Self { followed: BTreeMap::new(), flows: LogicalFlows::new(seed), southbound: None, too_much: 0 };
        for &Following { role, ref place, is_central } in followed {
            // Zone names and bridges come from the node's own database; the next hops do not need it.
            let is_needed = role != Role::OpenVswitch;
            let id = states.add(role.name(), place.clone(), is_needed, now);
            let follower = Follower::new(role.database(with_northbound), place.as_str().into());
            let conditions = HashMap::new();
            databases.followed.insert(role, Followed { id, follower, is_central, conditions });
        }
        databases
    }

    /// How often a database told more than there is room for, and was left.
    pub(crate) fn too_much(&self) -> u64 {
        self.too_much
    }

    /// Whether a database is followed.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.followed.contains_key(&role)
    }

    /// Kinds of evidence that they tell all of.
    pub(crate) fn kinds(&self) -> EvidenceKinds {
        ovn::kinds_of_databases(self.has(Role::Northbound), self.has(Role::Southbound))
    }

    /// This node, as its own database describes it.
    pub(crate) fn node(&self) -> Option<Node> {
        Node::read(self.own()?, None)
    }

    /// The NICs of `-i auto`, once the Open_vSwitch database has told.
    /// `lower` gives the names of the devices that a device stands on.
    pub(crate) fn uplinks(&self, lower: impl Fn(&str) -> Vec<Arc<str>>) -> Option<Uplinks> {
        Some(self.node()?.uplinks(self.own()?, lower))
    }

    /// The rows of the node's own database.
    fn own(&self) -> Option<&Rows> {
        self.followed.get(&Role::OpenVswitch).map(|followed| followed.follower.rows())
    }

    /// Takes over what a database tells.
    pub(crate) fn take(&mut self, role: Role, event: client::Event, states: &mut Sources, now: Timestamp) -> Told {
        let mut told = Told::default();
        let Some(followed) = self.followed.get_mut(&role) else { return told };
        let is_first = !states.is_whole(followed.id);
        match event {
            client::Event::Connected { remote } if role == Role::Southbound => {
                let is_central = followed.is_central;
                self.southbound = Some(remote);
                told.delta.begun.extend(self.flows.reconnected(is_central, is_first, now));
            }
            client::Event::Connected { .. } => {}
            client::Event::Changes { changes, .. } => {
                let ovn::follow::Followed { delta, warnings } = followed.follower.apply(&changes);
                (told.delta, told.warnings) = (delta, warnings);
                told.is_own = role == Role::OpenVswitch;
                states.told(followed.id, now);
                told.conditions = self.narrow();
            }
            client::Event::Synchronised => {
                let was_asked = !followed.conditions.is_empty();
                told.conditions = self.narrow();
                let is_asked_more = !told.conditions.is_empty();
                let Some(followed) = self.followed.get(&role) else { return told };
                // A central database has told nothing yet before it is asked for this node's rows, which takes a few
                // rounds: a router tells its ports and routes, and these what else is wanted.
                if !followed.is_central || was_asked && !is_asked_more {
                    told.is_synchronised = true;
                    let news = states.synchronised(followed.id, now);
                    told.message = news.map(|source| format!("{} ({}) is synchronised", source.name, source.place));
                }
            }
            client::Event::Lost { remote, error, retry_in } => {
                self.too_much += u64::from(error.is_too_much());
                if role == Role::Southbound {
                    self.southbound = None;
                }
                let error = format!("{remote}: {error}");
                let news = states.lost(followed.id, error.clone(), now);
                told.message = news.map(|source| {
                    format!(
                        "{} is {}: {error}; next attempt in {} ms",
                        source.name,
                        source.phase.name(),
                        retry_in.as_millis()
                    )
                });
            }
            client::Event::Warning(message) => told.message = Some(message),
        }
        told.delta.begun.extend(self.flows.note(&told.delta, is_first, now));
        told
    }

    /// What is to be asked now of the logical flows of this chassis' routers. `states` tells whether sources have told their
    /// first set, without which it is not known which routers these are. `is_often` is for who asks over and over.
    pub(crate) fn question(&mut self, states: &Sources, is_often: bool, now: Timestamp) -> Option<Question> {
        let followed = self.followed.get(&Role::Southbound)?;
        if !states.is_synchronised(followed.id) || !states.are_settled() {
            return None;
        }
        let names = conditions::names(&self.chassis(), Some(&followed.follower));
        let routers = flows::routers(&names, &followed.follower);
        let remote = self.southbound.as_ref()?;
        let asks = if is_often { Asks::Often { is_central: followed.is_central } } else { Asks::Once };
        self.flows.question(routers, remote, asks, now)
    }

    /// Takes over what came of the question.
    pub(crate) fn answered(&mut self, answer: Answer, now: Timestamp) -> Told {
        let (delta, message) = self.flows.answered(answer, now);
        Told { delta, message, ..Told::default() }
    }

    /// Who this node is.
    fn chassis(&self) -> Chassis {
        let node = self.node();
        Chassis {
            name: node.as_ref().and_then(|node| node.chassis.clone()),
            hostname: node.as_ref().and_then(|node| node.hostname.clone()),
        }
    }

    /// Asks central databases for what concerns this node, as far as that is known by now. Returns what is more, or less,
    /// than before.
    fn narrow(&mut self) -> Vec<Conditions> {
        let mut changed = Vec::new();
        if !self.followed.values().any(|followed| followed.is_central) {
            return changed;
        }
        let chassis = self.chassis();
        let names = conditions::names(&chassis, self.followed.get(&Role::Southbound).map(|sb| &sb.follower));
        if names.is_empty() && chassis.hostname.is_none() {
            return changed;
        }
        for (&role, followed) in &mut self.followed {
            if !followed.is_central {
                continue;
            }
            let wanted = match role {
                Role::Northbound => conditions::northbound(&names, &followed.follower),
                Role::Southbound => conditions::southbound(&chassis, &followed.follower),
                Role::OpenVswitch => continue,
            };
            for condition in wanted {
                let json = condition.json();
                if followed.conditions.get(condition.table) != Some(&json) {
                    followed.conditions.insert(condition.table, json.clone());
                    changed.push(Conditions { role, table: condition.table, json });
                }
            }
        }
        changed
    }
}
