//! Where the sockets of databases are on a worker.
//!
//! Open vSwitch and OVN put them into a directory of their own each, which the environment variables `OVS_RUNDIR` and
//! `OVN_RUNDIR` move, for the programs of both as for us. OVN-Kubernetes with a database for each node (interconnect)
//! has its sockets in a container, whose directory is, seen from the host, `/var/run/ovn-ic` on OpenShift and
//! `/var/run/openvswitch` or `/var/run/ovn` elsewhere.

use std::path::{Path, PathBuf};

use crate::ovn::follow::Database;

/// Directories of the run time, where no variable names them; `/var/run` is `/run` on most systems, but not in every
/// container.
const RUN: [&str; 2] = ["/run", "/var/run"];

/// Directories that variables of the environment name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunDirs {
    /// `OVS_RUNDIR`.
    pub ovs: Option<PathBuf>,
    /// `OVN_RUNDIR`.
    pub ovn: Option<PathBuf>,
}

impl RunDirs {
    /// What the environment names.
    pub fn from_env() -> Self {
        let named = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { ovs: named("OVS_RUNDIR"), ovn: named("OVN_RUNDIR") }
    }
}

/// Paths at which the socket of a database may be, the likeliest first. Whoever opens one has to ask the server for the
/// names of its databases.
pub fn candidates(database: Database, run_dirs: &RunDirs) -> Vec<PathBuf> {
    let (named, directories, socket) = match database {
        Database::OpenVswitch => (&run_dirs.ovs, &["openvswitch"][..], "db.sock"),
        Database::Northbound => (&run_dirs.ovn, OVN, "ovnnb_db.sock"),
        Database::Southbound { .. } => (&run_dirs.ovn, OVN, "ovnsb_db.sock"),
    };
    match named.as_deref().filter(|named| !named.as_os_str().is_empty()) {
        Some(named) => vec![named.join(socket)],
        None => {
            let paths = directories.iter().flat_map(|directory| RUN.map(|run| Path::new(run).join(directory)));
            paths.map(|directory| directory.join(socket)).collect()
        }
    }
}

const OVN: &[&str] = &["ovn", "ovn-ic", "openvswitch"];

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(database: Database, run_dirs: &RunDirs) -> Vec<String> {
        candidates(database, run_dirs).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn well_known_places() {
        let none = RunDirs::default();
        let expected = ["/run/openvswitch/db.sock", "/var/run/openvswitch/db.sock"];
        assert_eq!(paths(Database::OpenVswitch, &none), expected);
        let expected = [
            "/run/ovn/ovnnb_db.sock",
            "/var/run/ovn/ovnnb_db.sock",
            "/run/ovn-ic/ovnnb_db.sock",
            "/var/run/ovn-ic/ovnnb_db.sock",
            "/run/openvswitch/ovnnb_db.sock",
            "/var/run/openvswitch/ovnnb_db.sock",
        ];
        assert_eq!(paths(Database::Northbound, &none), expected);
        let southbound = paths(Database::Southbound { with_northbound: true }, &none);
        assert_eq!(southbound, expected.map(|path| path.replace("ovnnb", "ovnsb")));
    }

    #[test]
    fn variables_move_them() {
        let run_dirs = RunDirs { ovs: Some("/srv/ovs".into()), ovn: Some("".into()) };
        assert_eq!(paths(Database::OpenVswitch, &run_dirs), ["/srv/ovs/db.sock"]);
        assert_eq!(paths(Database::Northbound, &run_dirs).len(), 6);
    }
}
