//! The three databases of OVN and OVS: found, connected to, and followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::config;
use crate::daemon::databases::{Following, Role};
use crate::daemon::event::Event;
use crate::ovn::follow::Database;
use crate::ovn::follow::conditions;
use crate::ovsdb::client::{self, Budget, Handle, Remote, TableRequest};

/// Batches of changes that wait for us, for each database.
const QUEUE: usize = 64;

/// Connections to databases.
#[derive(Debug, Default)]
pub(super) struct Connected(BTreeMap<Role, Handle>);

impl Connected {
    /// Has a central database tell these rows of a table.
    pub(super) fn set_conditions(&self, role: Role, table: &'static str, conditions: Vec<Value>) {
        if let Some(handle) = self.0.get(&role) {
            handle.set_conditions(table, conditions);
        }
    }
}

/// Starts to follow what is configured and there. `events` gets what they tell.
pub(super) fn start(config: &config::Sources, events: &mpsc::Sender<Event>) -> (Vec<Following>, Connected) {
    let northbound = config.nb.remotes(Database::Northbound);
    let southbound = config.sb.remotes(Database::Southbound { with_northbound: true });
    let own = config.ovs.remotes(Database::OpenVswitch);
    let with_northbound = northbound.is_some();
    // One for all: together they have to fit into the memory that the daemon may have.
    let budget = Arc::new(Budget::new(client::MAX_ROWS));
    let wanted = [(Role::Northbound, northbound), (Role::Southbound, southbound), (Role::OpenVswitch, own)];
    let (mut following, mut connected) = (Vec::new(), Connected::default());
    for (role, remotes) in wanted {
        let Some(remotes) = remotes else { continue };
        let place = remotes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let is_central = role != Role::OpenVswitch && !remotes.iter().all(Remote::is_local);
        let client = client(role.database(with_northbound), remotes, is_central, &budget, config);
        connected.0.insert(role, follow(role, client, events));
        following.push(Following { role, place, is_central });
    }
    (following, connected)
}

/// How a database is followed.
fn client(
    database: Database,
    remotes: Vec<Remote>,
    is_central: bool,
    budget: &Arc<Budget>,
    config: &config::Sources,
) -> client::Config {
    let requests = database.monitored().iter().map(|monitored| TableRequest {
        table: monitored.table.into(),
        columns: monitored.columns.iter().map(|&column| column.into()).collect(),
        // Nothing until it is known what concerns this node.
        conditions: match is_central {
            true => vec![Value::Bool(false)],
            false => conditions::everywhere(monitored.table).map_or(Vec::new(), |condition| condition.json()),
        },
    });
    client::Config {
        tls: config.tls(),
        leader_only: config.leader_only,
        budget: Arc::clone(budget),
        ..client::Config::new(database.name(), remotes, requests.collect())
    }
}

fn follow(role: Role, client: client::Config, events: &mpsc::Sender<Event>) -> Handle {
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let handle = client::follow(client, sender);
    let events = events.clone();
    tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if events.send(Event::Database(role, event)).await.is_err() {
                return;
            }
        }
    });
    handle
}
