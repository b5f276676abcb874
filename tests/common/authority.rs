//! Certificates that tests make for themselves.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::common::TempDir;

/// Certificates in files.
pub(crate) struct Authority<'a> {
    directory: &'a TempDir,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    /// Its own certificate is in `NAME.pem`.
    pub(crate) fn new(directory: &'a TempDir, name: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {name}"));
        let key = KeyPair::generate().unwrap();
        fs::write(directory.path().join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory, name, issuer: Issuer::new(params, key) }
    }

    /// Makes `NAME-key.pem` and `NAME-cert.pem`, which expire at the end of a year.
    pub(crate) fn issue(&self, name: &str, alternative_names: &[&str], until_year: i32) {
        let names: Vec<String> = alternative_names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
        fs::write(self.path(&format!("{name}-cert.pem")), certificate.pem()).unwrap();
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// A file beside its certificate.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }
}
