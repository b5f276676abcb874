//! The node's database servers, as a client sees them: what they tell comes late, and sometimes not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analyzer::daemon::databases::{Following, Role};
use analyzer::ovsdb::client::{ConnectionError, Event, Remote};
use analyzer::ovsdb::row::{Change, Row};

use crate::node::{Ns, Which};

/// Rows by table and UUID.
type Rows = BTreeMap<(Arc<str>, Arc<str>), Arc<Row>>;

/// A connection to a server.
pub(crate) struct Server {
    pub(crate) which: Which,
    is_up: bool,
    /// The rows that the client has been told.
    told: Rows,
    /// When the last of what was told comes: what is told later comes later.
    last: Ns,
}

impl Server {
    pub(crate) fn new(which: Which) -> Self {
        Self { which, is_up: false, told: Rows::new(), last: 0 }
    }

    pub(crate) fn role(&self) -> Role {
        match self.which {
            Which::Northbound => Role::Northbound,
            Which::Southbound => Role::Southbound,
            Which::OpenVswitch => Role::OpenVswitch,
        }
    }

    /// As the daemon is told of it.
    pub(crate) fn following(&self) -> Following {
        Following { role: self.role(), place: self.remote().to_string(), is_central: false }
    }

    fn remote(&self) -> Remote {
        Remote::Unix(format!("{:?}.sock", self.which).into())
    }

    /// A transaction. Returns what the client is told of it, and when that comes.
    pub(crate) fn changed(&mut self, changes: Vec<Change>, at: Ns) -> Option<(Ns, Event)> {
        if !self.is_up {
            return None;
        }
        self.note(&changes);
        Some((self.coming(at), Event::Changes { changes, is_initial: false }))
    }

    /// The client comes in, at first or again, and is told what differs from what it knows: `rows` are all that there are.
    pub(crate) fn connected(&mut self, rows: Vec<Change>, at: Ns) -> Vec<(Ns, Event)> {
        self.is_up = true;
        let now: Rows = rows.into_iter().filter_map(|change| Some((key(&change), change.new?))).collect();
        let went = self.told.iter().filter(|(key, _)| !now.contains_key(*key));
        let went = went.map(|((table, _), row)| change(table, Some(Arc::clone(row)), None));
        let came = now.iter().filter(|(key, row)| self.told.get(*key) != Some(row));
        let came = came.map(|(key, row)| change(&key.0, self.told.get(key).cloned(), Some(Arc::clone(row))));
        let changes: Vec<Change> = went.chain(came).collect();
        self.told = now;
        let at = self.coming(at);
        let changes = (!changes.is_empty()).then_some(Event::Changes { changes, is_initial: true });
        let events = [Some(Event::Connected { remote: self.remote() }), changes, Some(Event::Synchronised)];
        events.into_iter().flatten().map(|event| (at, event)).collect()
    }

    /// The connection breaks. Returns what the client is told, and when it notices.
    pub(crate) fn lost(&mut self, at: Ns) -> (Ns, Event) {
        self.is_up = false;
        let error = ConnectionError::ConnectTimeout(Duration::from_secs(10));
        (self.coming(at), Event::Lost { remote: self.remote(), error, retry_in: Duration::from_secs(1) })
    }

    /// The client is another one, which knows nothing.
    pub(crate) fn forgets(&mut self) {
        (self.is_up, self.last) = (false, 0);
        self.told.clear();
    }

    fn note(&mut self, changes: &[Change]) {
        for change in changes {
            match &change.new {
                Some(row) => drop(self.told.insert(key(change), Arc::clone(row))),
                None => drop(self.told.remove(&key(change))),
            }
        }
    }

    /// What is told never overtakes what was told before.
    fn coming(&mut self, at: Ns) -> Ns {
        self.last = self.last.max(at);
        self.last
    }
}

fn key(change: &Change) -> (Arc<str>, Arc<str>) {
    let row = change.new.as_ref().or(change.old.as_ref()).expect("a change is of a row");
    (Arc::clone(&change.table), Arc::clone(&row.uuid))
}

fn change(table: &Arc<str>, old: Option<Arc<Row>>, new: Option<Arc<Row>>) -> Change {
    Change { table: Arc::clone(table), old, new }
}
