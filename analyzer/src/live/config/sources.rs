//! Where the running system is asked.

use std::path::PathBuf;

use super::error::ConfigError;
use super::readable;
use crate::cli::{KernelRoutes, PathOrNone, RemoteOrNone, SourceArgs};
use crate::ovn::follow;
use crate::ovn::local::sockets::{self, RunDirs};
use crate::ovsdb::client::{Remote, TlsFiles};
use crate::unixctl;

/// Where the socket of a database may be that nobody named. Of these the first that exists is taken.
pub fn well_known(database: follow::Database) -> Vec<PathBuf> {
    sockets::candidates(database, &RunDirs::from_env())
}

/// Where the running system is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// OVN's Northbound database.
    pub nb: Database,
    /// OVN's Southbound database.
    pub sb: Database,
    /// The node's own Open_vSwitch database.
    pub ovs: Database,
    /// Who we are and whom we trust, for `ssl:` remotes.
    pub tls: Tls,
    /// Of a clustered database, ask only the server that leads.
    pub leader_only: bool,
    /// Whether the kernel's own routes tell next hops.
    pub kernel_routes: KernelRoutes,
    /// The control socket of ovs-vswitchd.
    pub vswitchd: Vswitchd,
}

/// Where a database is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Database {
    /// It is not to be asked.
    Off,
    /// At the first [`well_known`] socket that exists.
    WellKnown,
    /// At one of these; never empty.
    Remotes(Vec<Remote>),
}

/// PEM files for TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// Our private key and our certificate.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Certificates that servers' certificates are checked against.
    pub ca_cert: Option<PathBuf>,
}

/// The control socket of ovs-vswitchd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Vswitchd {
    /// It is not to be asked.
    Off,
    /// The one that the pid file in the run directory of Open vSwitch names.
    WellKnown,
    /// This one.
    Socket(PathBuf),
}

impl TryFrom<SourceArgs> for Sources {
    type Error = ConfigError;

    fn try_from(args: SourceArgs) -> Result<Self, ConfigError> {
        let SourceArgs { nb, sb, ovs, private_key, certificate, ca_cert, leader_only, kernel_routes, vswitchd } = args;
        let is_tls = |given: &RemoteOrNone| matches!(given, RemoteOrNone::Remote(Remote::Ssl(_)));
        if let Some(RemoteOrNone::Remote(remote)) = [&nb, &sb, &ovs].into_iter().flatten().find(|given| is_tls(given))
            && ca_cert.is_none()
        {
            return Err(ConfigError::NoCaCert { remote: remote.to_string() });
        }
        if let Some(RemoteOrNone::Remote(remote)) = [&nb, &sb, &ovs].into_iter().flatten().find(|given| is_tls(given))
            && private_key.is_none()
            && certificate.is_none()
        {
            return Err(ConfigError::NoIdentity { remote: remote.to_string() });
        }
        let identity = match (private_key, certificate) {
            (Some(key), Some(certificate)) => {
                readable("--private-key", &key)?;
                readable("--certificate", &certificate)?;
                Some((key, certificate))
            }
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::HalfIdentity { given: "--private-key", missing: "--certificate" });
            }
            (None, Some(_)) => {
                return Err(ConfigError::HalfIdentity { given: "--certificate", missing: "--private-key" });
            }
        };
        ca_cert.iter().try_for_each(|file| readable("--ca-cert", file))?;
        Ok(Self {
            nb: Database::resolve("--nb", nb)?,
            sb: Database::resolve("--sb", sb)?,
            ovs: Database::resolve("--ovs", ovs)?,
            tls: Tls { identity, ca_cert },
            leader_only: leader_only.unwrap_or(false),
            kernel_routes,
            vswitchd: match vswitchd {
                None => Vswitchd::WellKnown,
                Some(PathOrNone::None) => Vswitchd::Off,
                Some(PathOrNone::Path(path)) => Vswitchd::Socket(path),
            },
        })
    }
}

impl Sources {
    /// What `ssl:` remotes are reached with.
    pub fn tls(&self) -> Option<TlsFiles> {
        let (private_key, certificate) = self.tls.identity.clone()?;
        let ca_certificate = self.tls.ca_cert.clone()?;
        // As the OVN programs do: certificates that ovs-pki makes bear no address.
        Some(TlsFiles { private_key, certificate, ca_certificate, verify_name: false })
    }
}

impl Sources {
    /// Sockets in the file system that may have to be opened again.
    pub fn sockets(&self) -> Vec<PathBuf> {
        let asked = [
            (&self.nb, follow::Database::Northbound),
            (&self.sb, follow::Database::Southbound { with_northbound: true }),
            (&self.ovs, follow::Database::OpenVswitch),
        ];
        let remotes = asked.into_iter().filter_map(|(place, database)| place.remotes(database)).flatten();
        let local = remotes.filter_map(|remote| match remote {
            Remote::Unix(path) => Some(path),
            Remote::Tcp(_) | Remote::Ssl(_) => None,
        });
        local.chain(self.vswitchd_socket().ok()).collect()
    }

    /// The control socket of ovs-vswitchd.
    ///
    /// # Errors
    /// It is switched off, or no pid file tells it, in words.
    pub fn vswitchd_socket(&self) -> Result<PathBuf, String> {
        match &self.vswitchd {
            Vswitchd::Off => Err("the datapath is in ovs-vswitchd, which --vswitchd none forbids to ask".to_owned()),
            Vswitchd::Socket(socket) => Ok(socket.clone()),
            Vswitchd::WellKnown => {
                unixctl::control_socket(&unixctl::run_dir(), "ovs-vswitchd").map_err(|error| error.to_string())
            }
        }
    }
}

impl Database {
    /// The servers to ask: those that were named, or the first of the [`well_known`] sockets that exists. `None` where
    /// there is none.
    pub fn remotes(&self, database: follow::Database) -> Option<Vec<Remote>> {
        match self {
            Self::Off => None,
            Self::Remotes(remotes) => Some(remotes.clone()),
            Self::WellKnown => {
                let socket = well_known(database).into_iter().find(|path| path.exists())?;
                Some(vec![Remote::Unix(socket)])
            }
        }
    }

    fn resolve(option: &'static str, given: Vec<RemoteOrNone>) -> Result<Self, ConfigError> {
        let is_off = given.contains(&RemoteOrNone::None);
        let remote = |given| match given {
            RemoteOrNone::Remote(remote) => Some(remote),
            RemoteOrNone::None => None,
        };
        let is_given = !given.is_empty();
        let remotes: Vec<Remote> = given.into_iter().filter_map(remote).collect();
        match (is_given, is_off) {
            (false, _) => Ok(Self::WellKnown),
            (true, false) => Ok(Self::Remotes(super::distinct(remotes))),
            (true, true) if remotes.is_empty() => Ok(Self::Off),
            (true, true) => Err(ConfigError::NoneAndRemote { option }),
        }
    }
}
