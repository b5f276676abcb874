//! Sockets of databases and of ovs-vswitchd, with our rights on them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::check::Check;
use super::open_vswitch::{Asked, Datapath};
use super::ovsdb::ask;
use super::rights::is_denied;
use crate::live::config::well_known;
use crate::ovn::follow::Database;
use crate::unixctl;

/// A socket that was looked for.
struct Looked {
    name: &'static str,
    /// The option that names it otherwise.
    option: &'static str,
    /// Where it was looked for.
    places: Vec<PathBuf>,
    /// The one that is there, and whether it answers as it should.
    found: Option<(PathBuf, io::Result<()>)>,
    /// What is not known without it.
    means: &'static str,
}

pub(super) fn checks(open_vswitch: &Asked) -> Vec<Check> {
    let northbound = look(
        ("northbound", "--nb"),
        Database::Northbound,
        "OVN's next hops are not known; only kernel routes and --nexthops FILE tell some.",
    );
    let southbound = look(
        ("southbound", "--sb"),
        Database::Southbound { with_northbound: true },
        "MACs of next hops are not known; flows to them are undetermined.",
    );
    let local = Looked {
        name: "open-vswitch",
        option: "--ovs",
        places: well_known(Database::OpenVswitch),
        found: open_vswitch.socket.clone().map(|socket| {
            let told = open_vswitch.told.as_ref().map(drop);
            (socket, told.map_err(|error| io::Error::new(error.kind(), error.to_string())))
        }),
        means: "Names of conntrack zones, the datapath's type and, for -i auto, the NIC are not known.",
    };
    let mut checks: Vec<Check> = [northbound, southbound, local].iter().map(judge).collect();
    checks.push(judge_vswitchd(vswitchd(), open_vswitch.datapath()));
    checks
}

fn look((name, option): (&'static str, &'static str), database: Database, means: &'static str) -> Looked {
    let places = well_known(database);
    let found = places.iter().find(|path| path.exists()).map(|path| (path.clone(), holds(path, database.name())));
    Looked { name, option, places, found, means }
}

/// Whether a server has a database.
fn holds(socket: &Path, database: &str) -> io::Result<()> {
    let databases = ask(socket, "list_dbs", &json!([]))?;
    let is_there = databases.as_array().is_some_and(|names| names.iter().any(|name| name == database));
    let absent = || io::Error::new(io::ErrorKind::InvalidData, format!("the server has no database {database}"));
    is_there.then_some(()).ok_or_else(absent)
}

fn judge(looked: &Looked) -> Check {
    let Looked { name, option, places, found, means } = looked;
    match found {
        None => {
            let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
            Check::limited(
                *name,
                format!("no socket at {}", places.join(", ")),
                *means,
                format!("Name it with {option} REMOTE; in a pod, mount the host's folder of it."),
            )
        }
        Some((path, Ok(()))) => Check::ok(*name, format!("{} answers", path.display()), "its facts are followed"),
        Some((path, Err(error))) if is_denied(error) => Check::limited(
            *name,
            format!("{} may not be opened: {error} ({})", path.display(), owner(path)),
            *means,
            "Run as that user, as a member of that group, or as root.",
        ),
        Some((path, Err(error))) => Check::limited(
            *name,
            format!("{}: {error}", path.display()),
            *means,
            format!("Start the server again, or name another socket with {option} REMOTE."),
        ),
    }
}

/// Owner and mode, as a person needs them to get rights.
fn owner(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(data) => format!("uid {}, gid {}, mode {:o}", data.uid(), data.gid(), data.mode() & 0o7777),
        Err(_) => "its owner may not be seen".to_owned(),
    }
}

/// The control socket of ovs-vswitchd, and whether it can be connected. `None` where none is found.
fn vswitchd() -> Option<(PathBuf, io::Result<()>)> {
    let socket = unixctl::control_socket(&unixctl::run_dir(), "ovs-vswitchd").ok()?;
    fs::metadata(&socket).ok().filter(|data| data.file_type().is_socket())?;
    let connected = UnixStream::connect(&socket).map(drop);
    Some((socket, connected))
}

fn judge_vswitchd(found: Option<(PathBuf, io::Result<()>)>, datapath: Option<Datapath>) -> Check {
    const NAME: &str = "vswitchd";
    const MEANS: &str = "Conntrack entries are in ovs-vswitchd and cannot be asked for: verdicts lack this evidence.";
    const TODO: &str = "Name the socket with --vswitchd SOCKET, and run with a right to it.";
    match (found, datapath) {
        (Some((path, Ok(()))), _) => {
            Check::ok(NAME, format!("{} can be connected", path.display()), "asked only for a userspace datapath")
        }
        (Some((path, Err(error))), Some(Datapath::Userspace)) => {
            Check::limited(NAME, format!("{}: {error} ({})", path.display(), owner(&path)), MEANS, TODO)
        }
        (None, Some(Datapath::Userspace)) => {
            Check::limited(NAME, format!("no control socket in {}", unixctl::run_dir().display()), MEANS, TODO)
        }
        (_, _) => Check::ok(NAME, "not needed: no userspace datapath is known", "conntrack is the kernel's"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn looked(found: Option<io::Result<()>>) -> Check {
        judge(&Looked {
            name: "northbound",
            option: "--nb",
            places: vec!["/run/a.sock".into(), "/run/b.sock".into()],
            found: found.map(|answered| ("/run/b.sock".into(), answered)),
            means: "means",
        })
    }

    #[test]
    fn sockets_and_what_to_do() {
        assert_eq!(looked(Some(Ok(()))).state, State::Ok);
        let absent = looked(None);
        assert_eq!(absent.found, "no socket at /run/a.sock, /run/b.sock");
        assert!(absent.todo.is_some_and(|todo| todo.contains("--nb REMOTE")));
        let denied = looked(Some(Err(io::Error::from_raw_os_error(13))));
        assert!(denied.todo.is_some_and(|todo| todo.contains("group")), "{}", denied.found);
        assert_eq!(looked(Some(Err(io::ErrorKind::ConnectionRefused.into()))).state, State::Limited);
    }

    #[test]
    fn vswitchd_matters_to_a_userspace_datapath() {
        assert_eq!(judge_vswitchd(None, Some(Datapath::Kernel)).state, State::Ok);
        assert_eq!(judge_vswitchd(None, None).state, State::Ok);
        assert_eq!(judge_vswitchd(None, Some(Datapath::Userspace)).state, State::Limited);
        let refused = Some((PathBuf::from("/run/x"), Err(io::ErrorKind::ConnectionRefused.into())));
        assert_eq!(judge_vswitchd(refused, Some(Datapath::Userspace)).state, State::Limited);
    }
}
