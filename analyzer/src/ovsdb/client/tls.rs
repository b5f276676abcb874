//! Keys and certificates for remotes of the kind `ssl:`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore,
    SignatureScheme,
};

/// Files in PEM, as `--private-key`, `--certificate` and `--ca-cert` of the OVS and OVN programs name them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// Our private key.
    pub private_key: PathBuf,
    /// Our certificate, and those that lead from it to what the server trusts.
    pub certificate: PathBuf,
    /// Certificates of the authorities whose servers we trust.
    pub ca_certificate: PathBuf,
    /// Whether the server's certificate must bear the remote's host name or address. OVS and OVN do not look at that:
    /// any certificate that the authority signed will do, and those that `ovs-pki` makes bear no address. So it is not
    /// the default of the programs that use this, and where one authority signs certificates for others than database
    /// servers too, it should be set.
    pub verify_name: bool,
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

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca_certificate)? {
            let authority = |source| TlsError::Authority { file: self.ca_certificate.clone(), source };
            roots.add(certificate).map_err(authority)?;
        }
        let chain = certificates(&self.certificate)?;
        let key = match PrivateKeyDer::from_pem_slice(&read(&self.private_key)?) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => {
                return Err(TlsError::Missing { file: self.private_key.clone(), wanted: "private key" });
            }
            Err(source) => return Err(TlsError::Pem { file: self.private_key.clone(), source }),
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier { roots, provider: Arc::clone(&provider), verify_name: self.verify_name };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(TlsError::Setup)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let config = builder.with_client_auth_cert(chain, key).map_err(|source| self.identity_error(source))?;
        Ok(Arc::new(config))
    }

    fn identity_error(&self, source: Error) -> TlsError {
        let (private_key, certificate) = (self.private_key.clone(), self.certificate.clone());
        match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::KeyMismatch { private_key, certificate }
            }
            source => TlsError::Identity { private_key, certificate, source },
        }
    }

    /// Says of a connection's failure which file has to do with it.
    pub(super) fn explain(&self, error: &Error) -> String {
        use AlertDescription as Alert;
        let (ours, authorities) = (self.certificate.display(), self.ca_certificate.display());
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                format!("the server's certificate is signed by none of the authorities in {authorities}")
            }
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                format!(
                    "the server's certificate bears the name of an authority in {authorities}, but not its signature"
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
            ) => format!("the server does not accept our certificate {ours}: {alert:?}"),
            error => error.to_string(),
        }
    }
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

/// Checks a server's certificate as OVS does, by its signature and dates, and on request by its name.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    verify_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        if self.verify_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
