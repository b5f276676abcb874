//! Keys and certificates for remotes of the kind `ssl:`.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::net::tls::{self, Identity, TlsError};

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

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = tls::authorities(&self.ca_certificate)?;
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier { roots, provider: Arc::clone(&provider), verify_name: self.verify_name };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(TlsError::Setup)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let identity = Identity { private_key: self.private_key.clone(), certificate: self.certificate.clone() };
        Ok(Arc::new(identity.configure(builder)?))
    }

    /// Says of a connection's failure which file has to do with it.
    pub(super) fn explain(&self, error: &Error) -> String {
        tls::explain(error, &format!("the authorities in {}", self.ca_certificate.display()), Some(&self.certificate))
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
