//! TLS, with certificates made here: who is let in, who is trusted, and what is said of those who are not.

use std::fs;

use analyzer::ovsdb::client::{Config, TlsFiles};
use serde_json::json;

use crate::PROGRAMS;
use crate::authority::Authority;
use crate::common::{TempDir, command, require, run};
use crate::observer::{Observer, block_on, config};
use crate::ovsdb::{DATABASE, SCHEMA, Server};
use crate::writer::Writer;

/// The files of a certificate.
fn files(authority: &Authority<'_>, name: &str) -> TlsFiles {
    TlsFiles {
        private_key: authority.path(&format!("{name}-key.pem")),
        certificate: authority.path(&format!("{name}-cert.pem")),
        ca_certificate: authority.path(&format!("{}.pem", authority.name())),
        verify_name: false,
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
    let (server, port) = serve(&directory, "nb", files(&ours, "server"));
    let (_expired, expired_port) = serve(&directory, "nb2", files(&ours, "expired-server"));
    block_on(async {
        let mut observer = Observer::start(with(port, "127.0.0.1", files(&ours, "client")));
        observer.until_synchronised().await;
        observer.compare(&server, "let in").await;
        let large = (0..20_000)
            .map(|number| json!({"op": "insert", "table": "Address_Set", "row": {"name": format!("large{number}")}}))
            .collect::<Vec<_>>();
        Writer::new(&server, DATABASE).transact(large);
        observer.compare(&server, "large").await;
        assert_eq!(observer.lost, [""; 0]);

        // The certificate is that of ovn.example, which is looked at only on request.
        let strict = TlsFiles { verify_name: true, ..files(&ours, "client") };
        let error = refused(with(port, "127.0.0.1", strict)).await;
        assert!(
            error.contains("the server's certificate cannot be trusted: certificate not valid for name"),
            "{error}"
        );

        let error = refused(with(expired_port, "127.0.0.1", files(&ours, "client"))).await;
        assert!(
            error.contains("the server's certificate cannot be trusted: it expired at 2021-12-31T00:00:00Z"),
            "{error}"
        );

        let wrong = TlsFiles { ca_certificate: directory.path().join("theirs.pem"), ..files(&ours, "client") };
        let error = refused(with(port, "127.0.0.1", wrong)).await;
        assert!(error.contains("signed by none of the authorities in") && error.contains("theirs.pem"), "{error}");

        // Refused by the server, which may close before its reason arrives.
        let stranger = TlsFiles { ca_certificate: directory.path().join("ours.pem"), ..files(&theirs, "stranger") };
        let error = refused(with(port, "127.0.0.1", stranger)).await;
        assert!(error.contains("the server does not accept our certificate") && error.contains("stranger"), "{error}");
        let error = refused(with(port, "127.0.0.1", files(&ours, "expired-client"))).await;
        assert!(error.contains("does not accept") && error.contains("CertificateExpired"), "{error}");

        // Files.
        let mixed = TlsFiles { private_key: directory.path().join("stranger-key.pem"), ..files(&ours, "client") };
        let error = refused(with(port, "127.0.0.1", mixed)).await;
        assert!(error.contains("stranger-key.pem does not fit the certificate in"), "{error}");
        let missing = TlsFiles { certificate: directory.path().join("none.pem"), ..files(&ours, "client") };
        let error = refused(with(port, "127.0.0.1", missing)).await;
        assert!(error.contains("cannot read") && error.contains("none.pem: No such file"), "{error}");
        let swapped = TlsFiles { private_key: directory.path().join("client-cert.pem"), ..files(&ours, "client") };
        let error = refused(with(port, "127.0.0.1", swapped)).await;
        assert!(error.contains("client-cert.pem: there is no private key in PEM in it"), "{error}");
        fs::write(directory.path().join("broken.pem"), "-----BEGIN CERTIFICATE-----\n???\n").unwrap();
        let broken = TlsFiles { ca_certificate: directory.path().join("broken.pem"), ..files(&ours, "client") };
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
        let error = refused(with(plain_port, "127.0.0.1", files(&ours, "client"))).await;
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
