//! Which ports Open vSwitch has: those that its database names are in one of its datapaths or the other.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Use;
use crate::doctor::ask_database;
use crate::live::config::{Config, Database, well_known};
use crate::ovn::follow;
use crate::ovsdb::client::Remote;
use crate::unixctl;

/// How long ovs-vswitchd may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom to ask.
pub(super) struct Sources {
    /// Sockets of the database that may be there.
    well_known: Vec<PathBuf>,
    /// Where the user says that it is.
    named: Vec<Remote>,
    /// What ovs-vswitchd told last.
    daemon: Ports,
}

/// What it told.
#[derive(Clone, Default)]
pub(super) struct Ports {
    names: BTreeSet<String>,
    /// Who could not be asked, and why.
    unknown: Option<Use>,
}

impl Sources {
    pub(super) fn of(config: &Config) -> Self {
        let named = match &config.sources.ovs {
            Database::Remotes(remotes) => remotes.clone(),
            Database::Off | Database::WellKnown => Vec::new(),
        };
        Self { well_known: well_known(follow::Database::OpenVswitch), named, daemon: Ports::default() }
    }

    /// Asks the databases, and `with_daemon` ovs-vswitchd, which may have ports of a time before; else what that told last
    /// holds on.
    pub(super) async fn ports(&mut self, with_daemon: bool) -> Ports {
        if with_daemon {
            self.daemon = Ports::default();
            self.daemon.ask_daemon().await;
        }
        let mut ports = self.daemon.clone();
        for socket in &self.well_known {
            match socket.try_exists() {
                Ok(false) => {}
                Ok(true) => ports.ask(socket.clone()).await,
                // Whoever may not look may not say that nothing is there.
                Err(error) => ports.does_not_know(socket.display().to_string(), error.to_string()),
            }
        }
        for remote in &self.named {
            match remote {
                Remote::Unix(socket) => ports.ask(socket.clone()).await,
                Remote::Tcp(_) | Remote::Ssl(_) => {
                    let why = "only a unix socket of this node tells of its own ports".to_owned();
                    ports.does_not_know(remote.to_string(), why);
                }
            }
        }
        ports
    }
}

impl Ports {
    /// Whether a NIC with these names is a port, or may be one.
    pub(super) fn has(&self, names: &[Arc<str>]) -> Option<Use> {
        let is_port = names.iter().any(|name| self.names.contains(&**name));
        if is_port { Some(Use::OvsPort) } else { self.unknown.clone() }
    }

    async fn ask(&mut self, socket: PathBuf) {
        let place = socket.display().to_string();
        let asked = tokio::task::spawn_blocking(move || {
            let query =
                json!(["Open_vSwitch", {"op": "select", "table": "Interface", "where": [], "columns": ["name"]}]);
            ask_database(&socket, "transact", &query)
        });
        let answer = match asked.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(answer) => answer,
            Err(error) => return self.does_not_know(place, error.to_string()),
        };
        let Some(rows) = answer.get(0).and_then(|result| result.get("rows")).and_then(Value::as_array) else {
            return self.does_not_know(place, "it tells of no interfaces".to_owned());
        };
        self.names.extend(rows.iter().filter_map(|row| Some(row.get("name")?.as_str()?.to_owned())));
    }

    async fn ask_daemon(&mut self) {
        // Without a daemon there is no port of the userspace datapath, and one of the kernel's has a master.
        let Ok(socket) = unixctl::control_socket(&unixctl::run_dir(), "ovs-vswitchd") else { return };
        if socket.try_exists().is_ok_and(|is_there| !is_there) {
            return;
        }
        match unixctl::call(&socket, "dpif/show", &[], PATIENCE).await {
            // "    eth0 1/2: (system)", ofproto-dpif.c.
            Ok(shown) => {
                let names = shown.lines().filter_map(|line| line.trim_start().split(' ').next());
                self.names.extend(names.map(str::to_owned));
            }
            Err(error) => self.does_not_know(socket.display().to_string(), error.to_string()),
        }
    }

    fn does_not_know(&mut self, place: String, why: String) {
        self.unknown.get_or_insert(Use::OvsUnknown { place, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a NIC would be taken for free between two times that the daemon is asked.
    #[tokio::test]
    async fn what_the_daemon_told_holds_until_it_is_asked_again() {
        let mut daemon = Ports { names: ["ens1".to_owned()].into(), unknown: None };
        for expected in [Use::OvsPort, Use::OvsUnknown { place: "ctl".to_owned(), why: "no answer".to_owned() }] {
            let mut sources = Sources { well_known: Vec::new(), named: Vec::new(), daemon: daemon.clone() };
            for _ in 0..2 {
                assert_eq!(sources.ports(false).await.has(&["ens1".into()]), Some(expected.clone()));
            }
            daemon = Ports::default();
            daemon.does_not_know("ctl".to_owned(), "no answer".to_owned());
        }
    }
}
