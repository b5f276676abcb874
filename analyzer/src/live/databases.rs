//! The three databases of OVN and OVS, followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::config;
use super::event::Event;
use super::flows::{Answer, Asks, LogicalFlows, Question};
use super::nics::lower_devices;
use super::sources::{SourceId, Sources};
use crate::engine::fact::{Delta, EvidenceKinds};
use crate::ovn;
use crate::ovn::follow::conditions::{self, Chassis};
use crate::ovn::follow::rows::Rows;
use crate::ovn::follow::{Database, Follower, flows};
use crate::ovn::local::{Node, Uplinks};
use crate::ovsdb::client::{self, Budget, Handle, Remote, TableRequest, TlsFiles};
use crate::types::{Timestamp, Warning};

/// Batches of changes that wait for us, for each database.
const QUEUE: usize = 64;

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Role {
    /// OVN's Northbound.
    Northbound,
    /// OVN's Southbound.
    Southbound,
    /// The node's own.
    OpenVswitch,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Northbound => "nb",
            Self::Southbound => "sb",
            Self::OpenVswitch => "ovs",
        }
    }
}

/// The databases that are followed.
#[derive(Debug)]
pub(super) struct Databases {
    followed: BTreeMap<Role, Followed>,
    /// Logical flows, which are asked for and not followed.
    flows: LogicalFlows,
    /// The server that tells the Southbound database, while there is one.
    southbound: Option<Remote>,
    tls: Option<TlsFiles>,
    events: mpsc::Sender<Event>,
    /// How often one told more than there is room for, and was left.
    too_much: u64,
}

#[derive(Debug)]
struct Followed {
    id: SourceId,
    follower: Follower,
    handle: Handle,
    /// Whether it is asked for this node's rows only: it is a central one.
    is_central: bool,
    conditions: HashMap<&'static str, Vec<Value>>,
}

/// What an event of a database amounts to.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) delta: Delta,
    pub(super) warnings: Vec<Warning>,
    /// A message for the user.
    pub(super) message: Option<String>,
    /// Whether the database has just told all that it has.
    pub(super) is_synchronised: bool,
    /// Whether the node's own database changed: its bridges, its datapath.
    pub(super) is_own: bool,
}

impl Databases {
    /// Starts to follow what is configured and there. `events` gets what they tell.
    pub(super) fn start(
        config: &config::Sources,
        states: &mut Sources,
        events: &mpsc::Sender<Event>,
        now: Timestamp,
    ) -> Self {
        let northbound = config.nb.remotes(Database::Northbound);
        let southbound = config.sb.remotes(Database::Southbound { with_northbound: true });
        let own = config.ovs.remotes(Database::OpenVswitch);
        let with_northbound = northbound.is_some();
        let mut databases = Self {
            followed: BTreeMap::new(),
            flows: LogicalFlows::default(),
            southbound: None,
            tls: config.tls(),
            events: events.clone(),
            too_much: 0,
        };
        // One for all: together they have to fit into the memory that the daemon may have.
        let budget = Arc::new(Budget::new(client::MAX_ROWS));
        let wanted = [
            (Role::Northbound, Database::Northbound, northbound),
            (Role::Southbound, Database::Southbound { with_northbound }, southbound),
            (Role::OpenVswitch, Database::OpenVswitch, own),
        ];
        for (role, database, remotes) in wanted {
            let Some(remotes) = remotes else { continue };
            databases.follow(role, database, remotes, &budget, config, states, now);
        }
        databases
    }

    #[expect(clippy::too_many_arguments, reason = "called once, for each database alike")]
    fn follow(
        &mut self,
        role: Role,
        database: Database,
        remotes: Vec<Remote>,
        budget: &Arc<Budget>,
        config: &config::Sources,
        states: &mut Sources,
        now: Timestamp,
    ) {
        let place = remotes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        // Zone names and bridges come from the node's own database; the next hops do not need it.
        let is_needed = role != Role::OpenVswitch;
        let id = states.add(role.name(), place.clone(), is_needed, now);
        let is_central = role != Role::OpenVswitch && !remotes.iter().all(Remote::is_local);
        let follower = Follower::new(database, place.into());
        let requests = database.monitored().iter().map(|monitored| TableRequest {
            table: monitored.table.into(),
            columns: monitored.columns.iter().map(|&column| column.into()).collect(),
            // Nothing until it is known what concerns this node.
            conditions: match is_central {
                true => vec![Value::Bool(false)],
                false => conditions::everywhere(monitored.table).map_or(Vec::new(), |condition| condition.json()),
            },
        });
        let client = client::Config {
            tls: config.tls(),
            leader_only: config.leader_only,
            budget: Arc::clone(budget),
            ..client::Config::new(database.name(), remotes, requests.collect())
        };
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let handle = client::follow(client, sender);
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = receiver.recv().await {
                if events.send(Event::Database(role, event)).await.is_err() {
                    return;
                }
            }
        });
        self.followed.insert(role, Followed { id, follower, handle, is_central, conditions: HashMap::new() });
    }

    /// How often a database told more than there is room for, and was left.
    pub(super) fn too_much(&self) -> u64 {
        self.too_much
    }

    /// Whether a database is followed.
    pub(super) fn has(&self, role: Role) -> bool {
        self.followed.contains_key(&role)
    }

    /// Kinds of evidence that they tell all of.
    pub(super) fn kinds(&self) -> EvidenceKinds {
        ovn::kinds_of_databases(self.has(Role::Northbound), self.has(Role::Southbound))
    }

    /// This node, as its own database describes it.
    pub(super) fn node(&self) -> Option<Node> {
        Node::read(self.own()?, None)
    }

    /// The NICs of `-i auto`, once the Open_vSwitch database has told.
    pub(super) fn uplinks(&self) -> Option<Uplinks> {
        Some(self.node()?.uplinks(self.own()?, lower_devices))
    }

    /// The rows of the node's own database.
    fn own(&self) -> Option<&Rows> {
        self.followed.get(&Role::OpenVswitch).map(|followed| followed.follower.rows())
    }

    /// Takes over what a database tells.
    pub(super) fn take(&mut self, role: Role, event: client::Event, states: &mut Sources, now: Timestamp) -> Told {
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
                self.narrow();
            }
            client::Event::Synchronised => {
                let was_asked = !followed.conditions.is_empty();
                let is_asked_more = self.narrow();
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
    pub(super) fn question(&mut self, states: &Sources, is_often: bool, now: Timestamp) -> Option<Question> {
        let followed = self.followed.get(&Role::Southbound)?;
        if !states.is_synchronised(followed.id) || !states.are_settled() {
            return None;
        }
        let names = conditions::names(&self.chassis(), Some(&followed.follower));
        let routers = flows::routers(&names, &followed.follower);
        let remote = self.southbound.as_ref()?;
        let asks = if is_often { Asks::Often { is_central: followed.is_central } } else { Asks::Once };
        self.flows.question(routers, remote, self.tls.clone(), asks, now)
    }

    /// Asks for logical flows, if it is time to. The answer comes as an event.
    pub(super) fn ask(&mut self, states: &Sources, now: Timestamp) {
        if let Some(question) = self.question(states, true, now) {
            let events = self.events.clone();
            // The daemon ends where nobody takes it.
            tokio::spawn(async move { drop(events.send(Event::LogicalFlows(question.ask().await)).await) });
        }
    }

    /// Takes over what came of the question.
    pub(super) fn answered(&mut self, answer: Answer, now: Timestamp) -> Told {
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

    /// Asks central databases for what concerns this node, as far as that is known by now. Returns whether that is more,
    /// or less, than before.
    fn narrow(&mut self) -> bool {
        if !self.followed.values().any(|followed| followed.is_central) {
            return false;
        }
        let chassis = self.chassis();
        let names = conditions::names(&chassis, self.followed.get(&Role::Southbound).map(|sb| &sb.follower));
        if names.is_empty() && chassis.hostname.is_none() {
            return false;
        }
        let mut is_changed = false;
        for (role, followed) in &mut self.followed {
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
                    followed.handle.set_conditions(condition.table, json.clone());
                    followed.conditions.insert(condition.table, json);
                    is_changed = true;
                }
            }
        }
        is_changed
    }
}
