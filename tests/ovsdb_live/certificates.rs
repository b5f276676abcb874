//! TLS, with certificates made here: who is let in, who is trusted, and what is said of those who are not.

use std::fs;
use std::path::PathBuf;

use analyzer::ovsdb::client::{Config, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;

use crate::PROGRAMS;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config};
use crate::ovsdb::{DATABASE, SCHEMA, Server};
use crate::writer::Writer;

/// Certificates in files.
struct Authority<'a> {
    directory: &'a TempDir,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    /// Its own certificate is in `NAME.pem`.
    fn new(directory: &'a TempDir, name: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {name}"));
        let key = KeyPair::generate().unwrap();
        fs::write(directory.path().join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { directory, name, issuer: Issuer::new(params, key) }
    }

    /// Makes `NAME-key.pem` and `NAME-cert.pem`, which expire at the end of a year.
    fn issue(&self, name: &str, alternative_names: &[&str], until_year: i32) {
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

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn files(&self, name: &str) -> TlsFiles {
        TlsFiles {
            private_key: self.path(&format!("{name}-key.pem")),
            certificate: self.path(&format!("{name}-cert.pem")),
            ca_certificate: self.path(&format!("{}.pem", self.name)),
            verify_name: false,
        }
    }
}

/// A server that listens by TLS on a port of its choice.
fn serve(directory: &TempDir, file: &'static str, files: TlsFiles) -> (Server, u16) {
    run(command("ovsdb-tool").args(["create", &format!("{file}.db"), SCHEMA]).current_dir(directory.path()));
    let TlsFiles { private_key, certificate, ca_certificate, .. } = files;
    let log = directory.path().join(format!("{file}.log"));
    let options = [
        format!("--private-key={}", private_key.display()),
        format!("--certificate={}", certificate.display()),
        format!("--ca-cert={}", ca_certificate.display()),
        "--remote=pssl:0:127.0.0.1".to_owned(),
        format!("--log-file={}", log.display()),
    ];
    let server = Server::start_with(directory, file, DATABASE, &options);
    let log = fs::read_to_string(log).unwrap();
    let (_, port) = log.split_once("listening on port ").unwrap_or_else(|| panic!("no port: {log}"));
    let port = port.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap();
    (server, port)
}

fn with(port: u16, host: &str, files: TlsFiles) -> Config {
    Config { tls: Some(files), ..config(&format!("ssl:{host}:{port}")) }
}

async fn refused(config: Config) -> String {
    let mut observer = Observer::start(config);
    observer.until("refused", |it| !it.lost.is_empty()).await;
    assert_eq!(observer.synchronised, 0);
    observer.lost[0].clone()
}

#[test]
fn certificates() {
    if !require(&PROGRAMS) {
        return;
    }
    let directory = TempDir::new();
    let ours = Authority::new(&directory, "ours");
    let theirs = Authority::new(&directory, "theirs");
    ours.issue("server", &["ovn.example"], 4000);
    ours.issue("expired-server", &["127.0.0.1"], 2021);
    ours.issue("client", &[], 4000);
    ours.issue("expired-client", &[], 2021);
    theirs.issue("stranger", &[], 4000);
    let (server, port) = serve(&directory, "nb", ours.files("server"));
    let (_expired, expired_port) = serve(&directory, "nb2", ours.files("expired-server"));
    block_on(async {
        let mut observer = Observer::start(with(port, "127.0.0.1", ours.files("client")));
        observer.until_synchronised().await;
        observer.compare(&server, "let in").await;
        let large = (0..20_000)
            .map(|number| json!({"op": "insert", "table": "Address_Set", "row": {"name": format!("large{number}")}}))
            .collect::<Vec<_>>();
        Writer::new(&server, DATABASE).transact(large);
        observer.compare(&server, "large").await;
        assert_eq!(observer.lost, [""; 0]);

        // The certificate is that of ovn.example, which is looked at only on request.
        let strict = TlsFiles { verify_name: true, ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", strict)).await;
        assert!(
            error.contains("the server's certificate cannot be trusted: certificate not valid for name"),
            "{error}"
        );

        let error = refused(with(expired_port, "127.0.0.1", ours.files("client"))).await;
        assert!(error.contains("the server's certificate cannot be trusted: certificate expired"), "{error}");

        let wrong = TlsFiles { ca_certificate: directory.path().join("theirs.pem"), ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", wrong)).await;
        assert!(error.contains("signed by none of the authorities in") && error.contains("theirs.pem"), "{error}");

        // Refused by the server, which may close before its reason arrives.
        let stranger = TlsFiles { ca_certificate: directory.path().join("ours.pem"), ..theirs.files("stranger") };
        let error = refused(with(port, "127.0.0.1", stranger)).await;
        assert!(error.contains("the server does not accept our certificate") && error.contains("stranger"), "{error}");
        let error = refused(with(port, "127.0.0.1", ours.files("expired-client"))).await;
        assert!(error.contains("does not accept") && error.contains("CertificateExpired"), "{error}");

        // Files.
        let mixed = TlsFiles { private_key: directory.path().join("stranger-key.pem"), ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", mixed)).await;
        assert!(error.contains("stranger-key.pem does not fit the certificate in"), "{error}");
        let missing = TlsFiles { certificate: directory.path().join("none.pem"), ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", missing)).await;
        assert!(error.contains("cannot read") && error.contains("none.pem: No such file"), "{error}");
        let swapped = TlsFiles { private_key: directory.path().join("client-cert.pem"), ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", swapped)).await;
        assert!(error.contains("client-cert.pem: there is no private key in PEM in it"), "{error}");
        fs::write(directory.path().join("broken.pem"), "-----BEGIN CERTIFICATE-----\n???\n").unwrap();
        let broken = TlsFiles { ca_certificate: directory.path().join("broken.pem"), ..ours.files("client") };
        let error = refused(with(port, "127.0.0.1", broken)).await;
        assert!(error.contains("broken.pem: broken PEM"), "{error}");

        // Plain text to a server of TLS, and TLS to a server of none.
        let error = refused(config(&format!("tcp:127.0.0.1:{port}"))).await;
        assert!(error.contains("closed") || error.contains("broke") || error.contains("at byte 0"), "{error}");
        let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain_port = plain.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = plain.accept().await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut client, b"{\"method\":\"echo\"}").await;
            }
        });
        let error = refused(with(plain_port, "127.0.0.1", ours.files("client"))).await;
        assert!(error.contains("TLS: "), "{error}");
    });
}

/// Certificates as Open vSwitch's own tool makes them.
#[test]
fn certificates_of_ovs_pki() {
    if !require(&[&PROGRAMS[..], &["ovs-pki"]].concat()) {
        return;
    }
    let directory = TempDir::new();
    let pki = |arguments: &[&str]| {
        let at = format!("--dir={}", directory.path().join("pki").display());
        run(command("ovs-pki").arg(at).arg("--batch").args(arguments).current_dir(directory.path()))
    };
    pki(&["init"]);
    let files = |name: &str| {
        pki(&["req+sign", name, "switch"]);
        TlsFiles {
            private_key: directory.path().join(format!("{name}-privkey.pem")),
            certificate: directory.path().join(format!("{name}-cert.pem")),
            ca_certificate: directory.path().join("pki/switchca/cacert.pem"),
            verify_name: false,
        }
    };
    let (server, port) = serve(&directory, "nb", files("server"));
    block_on(async {
        let mut observer = Observer::start(with(port, "127.0.0.1", files("client")));
        observer.until_synchronised().await;
        observer.compare(&server, "let in").await;
        assert_eq!(observer.lost, [""; 0]);
    });
}
