//! Settings of all sinks, checked before any is started.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, Error as RustlsError, RootCertStore};

use super::format::{Form, Origin};
use super::target::{Place, Target};
use crate::net::Backoff;
use crate::net::tls::{self, Identity, TlsError};

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where messages go.
    pub targets: Vec<Target>,
    /// Their form.
    pub format: Format,
    /// Who speaks.
    pub origin: Origin,
    /// Most bytes of a message; by the form unless told.
    pub max_bytes: Option<usize>,
    /// How messages are delivered.
    pub delivery: Delivery,
}

/// How the form is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// The local form on local sockets, RFC 5424 elsewhere.
    #[default]
    Auto,
    /// RFC 5424 wherever syslog is spoken.
    Rfc5424,
    /// RFC 3164, on local sockets without hostname.
    Rfc3164,
}

impl Format {
    /// The form of messages to a place.
    pub(super) fn form(self, place: &Place) -> Form {
        match (place, self) {
            (Place::Journald(_), _) => Form::Journald,
            (Place::Unix(_), Self::Auto | Self::Rfc3164) => Form::Local,
            (_, Self::Rfc3164) => Form::Rfc3164,
            (_, Self::Auto | Self::Rfc5424) => Form::Rfc5424,
        }
    }
}

/// How messages are delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Most messages that wait for one receiver.
    pub queue: usize,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a receiver may take no byte before the connection is given up.
    pub stall_timeout: Duration,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// TLS.
    pub tls: TlsTrust,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            queue: 4096,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            backoff: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(30) },
            tls: TlsTrust::default(),
        }
    }
}

/// Whom TLS trusts, and who we are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsTrust {
    /// Authorities that sign receivers' certificates; those of this system where no file is given.
    pub authorities: Option<PathBuf>,
    /// Who we are, for receivers that want to know.
    pub identity: Option<Identity>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A place that would get each message twice.
    #[error("{0} is given twice: it would get each message twice")]
    Twice(Place),
    /// A file for TLS.
    #[error("TLS for messages: {0}")]
    Tls(#[from] TrustError),
}

/// Files for TLS that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// One that was named.
    #[error(transparent)]
    File(#[from] TlsError),
    /// This system's authorities.
    #[error(
        "this system has no certificates of authorities (on Debian, the package ca-certificates); name those of the \
         receiver with --syslog-ca-cert{}", if .0.is_empty() { String::new() } else { format!(": {}", .0) }
    )]
    NoAuthorities(String),
}

impl Config {
    /// Checks the settings, before there is anything to send.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.places().map(drop)
    }

    /// Sockets in the file system that messages go to, on this machine as it is now.
    pub fn sockets(&self) -> Vec<PathBuf> {
        let places = self.targets.iter().filter_map(Target::place);
        let socket = |place| match place {
            Place::Unix(path) | Place::Journald(path) => Some(path),
            Place::Udp(_) | Place::Tcp(_) | Place::Tls(_) => None,
        };
        places.filter_map(socket).collect()
    }

    /// Files that are read for each connection.
    pub fn files(&self) -> Vec<PathBuf> {
        let TlsTrust { authorities, identity } = &self.delivery.tls;
        let identity = identity.iter().flat_map(|identity| [&identity.private_key, &identity.certificate]);
        authorities.iter().chain(identity).cloned().collect()
    }

    /// The places that are meant, on this machine as it is now, each once.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(super) fn places(&self) -> Result<Vec<Place>, ConfigError> {
        let mut places = Vec::new();
        for place in self.targets.iter().filter_map(Target::place) {
            if places.contains(&place) {
                return Err(ConfigError::Twice(place));
            }
            places.push(place);
        }
        if places.iter().any(|place| matches!(place, Place::Tls(_))) {
            // They are read again for each connection, as certificates are renewed.
            self.delivery.tls.load()?;
        }
        Ok(places)
    }
}

impl TlsTrust {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn load(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let roots = match &self.authorities {
            Some(file) => tls::authorities(file)?,
            None => Self::authorities_of_system()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
        let builder = builder.with_root_certificates(roots);
        let config = match &self.identity {
            Some(identity) => identity.configure(builder)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    fn authorities_of_system() -> Result<RootCertStore, TrustError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Bundles hold old certificates that no library takes any more; the rest serves.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            return Err(TrustError::NoAuthorities(reasons.join("; ")));
        }
        Ok(roots)
    }

    /// Says of a connection's failure which file has to do with it.
    pub(super) fn explain(&self, error: &RustlsError) -> String {
        let authorities = match &self.authorities {
            Some(file) => format!("the authorities in {}", file.display()),
            None => "this system's authorities (--syslog-ca-cert names others)".to_owned(),
        };
        tls::explain(error, &authorities, self.identity.as_ref().map(|identity| identity.certificate.as_path()))
    }
}
