//! Keys and certificates in PEM, and what failures of TLS have to do with them.

use std::io;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, Error, InconsistentKeys, RootCertStore,
};

/// What we prove with who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Our private key.
    pub private_key: PathBuf,
    /// Our certificate, and those that lead from it to what the server trusts.
    pub certificate: PathBuf,
}

/// Files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Reading failed.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Broken PEM.
    #[error("{}: broken PEM: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// What is wanted is not in it.
    #[error("{}: there is no {wanted} in PEM in it", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// An authority's certificate that cannot be used.
    #[error("{}: no certificate of an authority: {source}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Error,
    },
    /// The key is that of another certificate.
    #[error("the key in {} does not fit the certificate in {}", private_key.display(), certificate.display())]
    KeyMismatch {
        /// The key's file.
        private_key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The key or the certificate cannot be used.
    #[error("{} with {}: {source}", private_key.display(), certificate.display())]
    Identity {
        /// The key's file.
        private_key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: Error,
    },
    /// The program's own TLS settings do not work.
    #[error("TLS cannot be set up: {0}")]
    Setup(Error),
}

impl Identity {
    /// Reads the files into a configuration.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn configure(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = match PrivateKeyDer::from_pem_slice(&read(&self.private_key)?) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => {
                return Err(TlsError::Missing { file: self.private_key.clone(), wanted: "private key" });
            }
            Err(source) => return Err(TlsError::Pem { file: self.private_key.clone(), source }),
        };
        builder.with_client_auth_cert(chain, key).map_err(|source| self.error(source))
    }

    fn error(&self, source: Error) -> TlsError {
        let (private_key, certificate) = (self.private_key.clone(), self.certificate.clone());
        match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::KeyMismatch { private_key, certificate }
            }
            source => TlsError::Identity { private_key, certificate, source },
        }
    }
}

/// Reads certificates of authorities whose servers we trust.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let authority = |source| TlsError::Authority { file: file.to_owned(), source };
        roots.add(certificate).map_err(authority)?;
    }
    Ok(roots)
}

/// Says of a connection's failure which file has to do with it. `authorities` says in words whom we trust, `ours` is the
/// file of our certificate, where we have one.
pub(crate) fn explain(error: &Error, authorities: &str, ours: Option<&Path>) -> String {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            format!("the server's certificate is signed by none of {authorities}")
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            format!("the server's certificate bears the name of one of {authorities}, but not its signature")
        }
        // The same words at each attempt, and a date that people can read.
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            format!("the server's certificate cannot be trusted: it expired at {}", date(*not_after))
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            format!(
                "the server's certificate cannot be trusted: it is not valid before {}, or our clock is wrong",
                date(*not_before)
            )
        }
        Error::InvalidCertificate(error) => format!("the server's certificate cannot be trusted: {error}"),
        Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired),
        ) => match ours {
            Some(ours) => format!("the server does not accept our certificate {}: {alert:?}", ours.display()),
            None => format!("the server wants a certificate of ours, and none is configured: {alert:?}"),
        },
        error => error.to_string(),
    }
}

fn date(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    date.map_or_else(|| "an unknown time".to_owned(), |date| date.to_string())
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(file)?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&content).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(TlsError::Missing { file: file.to_owned(), wanted: "certificate" })
        }
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(TlsError::Pem { file: file.to_owned(), source }),
    }
}
