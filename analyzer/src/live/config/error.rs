//! What can be wrong with settings.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cli::{HalfIdentity, ReadError};
use crate::recorder::NotAName;

/// Why settings cannot be used.
#[derive(Error, Debug)]
pub enum ConfigError {
    /// Nothing to watch.
    #[error(
        "no NIC given: name it with -i NIC, or let -i auto find it{}",
        .file.as_ref().map_or(String::new(), |file| format!("; {} has no `interface` either", file.display()))
    )]
    NoInterface {
        /// The file of options, where there is one.
        file: Option<PathBuf>,
    },
    /// A mirror port's frames come in, but are not to be heard.
    #[error("--mirror judges frames that come in, and --ingress none leaves them out: choose --ingress tc or xdp")]
    MirrorWithoutIngress,
    /// Sockets that take frames away from a NIC that is no mirror port.
    #[error(
        "--ingress afxdp takes frames away from whoever else is there to get them, so it is for mirror ports: give \
         --mirror, or choose another --ingress"
    )]
    AfxdpWithoutMirror,
    /// Frames are to be consumed where none are judged at XDP.
    #[error(
        "--mirror-consume goes with --mirror and --ingress xdp or xdp-generic: --ingress afxdp consumes frames anyway"
    )]
    ConsumeWithoutXdp,
    /// Packets are to be traced where none come.
    #[error(
        "--trace looks at packets at TC, where frames that are taken away before never come: trace with --ingress tc and \
         without --mirror-consume, beside the daemon if there is one"
    )]
    NothingToTrace,
    /// Frames are to be recorded where they do not come to us whole.
    #[error(
        "--write records frames of a mirror port that AF_XDP sockets take: give --mirror and --ingress afxdp, or record with \
         dumpcap or tcpdump and judge by `analyzer replay`"
    )]
    NothingToWrite,
    /// How frames are recorded, and not where.
    #[error("{option} goes with {missing}")]
    NotWritten {
        /// The option that was given.
        option: &'static str,
        /// The option that was not.
        missing: &'static str,
    },
    /// A name that no file is written under.
    #[error(transparent)]
    NotAName(#[from] NotAName),
    /// Something is to be forced that is not refused.
    #[error("--force goes with --ingress afxdp or --mirror-consume, which are refused on a NIC that sends frames")]
    NothingToForce,
    /// No database tells which NIC is a mirror port.
    #[error("--mirror takes the name of the mirror port: -i auto finds NICs that packets leave by")]
    MirrorAuto,
    /// `none` beside a remote.
    #[error("{option} none switches the database off, but {option} names a remote too: give one or the other")]
    NoneAndRemote {
        /// The option.
        option: &'static str,
    },
    /// A TLS remote without what checks the server.
    #[error("{remote} needs --ca-cert FILE, the certificates that the server's is checked against")]
    NoCaCert {
        /// The remote.
        remote: String,
    },
    /// A TLS remote without what proves who we are.
    #[error("{remote} needs --private-key FILE and --certificate FILE: servers of OVSDB ask who their clients are")]
    NoIdentity {
        /// The remote.
        remote: String,
    },
    /// Half a client certificate.
    #[error("{given} goes with {missing} FILE: the two are one identity")]
    HalfIdentity {
        /// The option that was given.
        given: &'static str,
        /// The option that was not.
        missing: &'static str,
    },
    /// A file cannot be opened.
    #[error("cannot open {path} for {option}", path = path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The command line cannot be read again.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Half of what says who we are to receivers of messages.
    #[error(transparent)]
    Syslog(#[from] HalfIdentity),
    /// The settings were not made from a command line, so there is nothing to read again.
    #[error("these settings were not typed, so there is nothing to read again")]
    NotTyped,
}
