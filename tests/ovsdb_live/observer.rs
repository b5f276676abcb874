//! A consumer of events that believes nothing: each change must fit what it was told before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analyzer::ovsdb::client::{self, Backoff, Config, Event, Handle, Remote, TableRequest};
use analyzer::ovsdb::row::{Change, Row};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::ovsdb::{Content, DATABASE, SCHEMA, Server, row_content};

/// For anything that has to happen, on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(240);

pub(crate) struct Observer {
    pub(crate) handle: Handle,
    pub(crate) tables: BTreeMap<String, BTreeMap<String, Arc<Row>>>,
    /// Number of changes, and how many of them came with a synchronisation.
    pub(crate) changes: usize,
    pub(crate) initial_changes: usize,
    pub(crate) synchronised: usize,
    pub(crate) connected: Vec<Remote>,
    pub(crate) lost: Vec<String>,
    pub(crate) warnings: Vec<String>,
    events: mpsc::Receiver<Event>,
}

/// Runs a test's future as the daemon runs the client: on one thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// All tables and columns of a schema.
pub(crate) fn all_of(schema: &str) -> Vec<TableRequest> {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    schema["tables"].as_object().unwrap().keys().map(|table| request(table, &[], &[])).collect()
}

pub(crate) fn request(table: &str, columns: &[&str], conditions: &[Value]) -> TableRequest {
    let columns = columns.iter().map(|column| Arc::from(*column)).collect();
    TableRequest { table: table.into(), columns, conditions: conditions.to_vec() }
}

/// Follows the whole northbound database, with pauses for tests.
pub(crate) fn config(remotes: &str) -> Config {
    let remotes = Remote::parse_list(remotes).unwrap();
    Config {
        backoff: Backoff { min: Duration::from_millis(50), max: Duration::from_millis(400) },
        pause_if_too_much: Duration::from_millis(400),
        seed: 1,
        ..Config::new(DATABASE, remotes, all_of(SCHEMA))
    }
}

impl Observer {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_with(config, 16)
    }

    /// With room for so many events that were not taken yet.
    pub(crate) fn start_with(config: Config, room: usize) -> Self {
        let (sender, events) = mpsc::channel(room);
        Self {
            handle: client::follow(config, sender),
            tables: BTreeMap::new(),
            changes: 0,
            initial_changes: 0,
            synchronised: 0,
            connected: Vec::new(),
            lost: Vec::new(),
            warnings: Vec::new(),
            events,
        }
    }

    /// Takes events until the condition holds.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let all = async {
            while !holds(self) {
                let event = self.events.recv().await.expect("the follower goes on");
                self.take(event);
            }
        };
        if timeout(DEADLINE, all).await.is_err() {
            panic!("{what}: not within {DEADLINE:?}; lost: {:?}; warnings: {:?}", self.lost, self.warnings);
        }
    }

    /// Takes events until the content was brought into step once more.
    pub(crate) async fn until_synchronised(&mut self) {
        let before = self.synchronised;
        self.until("synchronised", |it| it.synchronised > before).await;
    }

    /// Makes a mark in the database, awaits it, and compares what was told with what the server's own client prints.
    pub(crate) async fn compare(&mut self, server: &Server, mark: &str) {
        server.transact(&[json!({"op": "insert", "table": "Address_Set", "row": {"name": mark}})]);
        let is_mark = |row: &Arc<Row>| row.text("name") == Some(mark);
        self.until(mark, |it| it.tables.get("Address_Set").is_some_and(|rows| rows.values().any(is_mark))).await;
        let told = self.content();
        for (table, rows) in server.dump() {
            assert_eq!(told.get(&table).unwrap_or(&BTreeMap::new()), &rows, "{table} at {mark}");
        }
    }

    pub(crate) fn content(&self) -> Content {
        let rows = |rows: &BTreeMap<String, Arc<Row>>| rows.values().map(|row| row_content(row)).collect();
        self.tables.iter().map(|(table, told)| (table.clone(), rows(told))).collect()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected { remote } => self.connected.push(remote),
            Event::Changes { changes, is_initial } => {
                assert!(!changes.is_empty());
                self.changes += changes.len();
                self.initial_changes += if is_initial { changes.len() } else { 0 };
                changes.into_iter().for_each(|change| self.change(change));
            }
            Event::Synchronised => self.synchronised += 1,
            Event::Lost { remote, error, .. } => self.lost.push(format!("{remote}: {error}")),
            Event::Warning(warning) => self.warnings.push(warning),
        }
    }

    fn change(&mut self, Change { table, old, new }: Change) {
        assert_ne!(old, new, "no change");
        let uuid = old.as_ref().or(new.as_ref()).expect("a row").uuid.to_string();
        let rows = self.tables.entry(table.to_string()).or_default();
        let told = match new {
            Some(new) => rows.insert(uuid, new),
            None => rows.remove(&uuid),
        };
        assert_eq!(told, old, "a change of what was not told");
    }
}
