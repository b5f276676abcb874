//! TLS that does not come about, and what is said of it.

use std::fs;

use analyzer::net::tls::Identity;
use analyzer::sinks::Sinks;
use analyzer::sinks::config::TlsTrust;

use crate::PROGRAMS;
use crate::alerts::{PATIENCE, alert, block_on, config, failure, start, until};
use crate::authority::Authority;
use crate::common::{TempDir, require};
use crate::netns::{self, Missing, Netns};
use crate::rsyslog::Rsyslog;

/// An rsyslogd that lets in whom `authority` knows, with the certificate of that name.
fn serve<'a>(netns: &'a Netns, authority: &Authority<'_>, name: &str, port: u16) -> Rsyslog<'a> {
    let inputs = format!(
        r#"module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
        input(type="imtcp" port="{port}" name="tls")"#
    );
    let mut rsyslog = Rsyslog::new(netns, &inputs, &[port], &[]);
    for (file, of) in [("server-cert.pem", "cert"), ("server-key.pem", "key")] {
        fs::copy(authority.path(&format!("{name}-{of}.pem")), rsyslog.path().join(file)).unwrap();
    }
    fs::copy(authority.path("ours.pem"), rsyslog.path().join("ours.pem")).unwrap();
    rsyslog.start();
    rsyslog
}

fn trust(authority: &Authority<'_>, client: Option<&str>) -> TlsTrust {
    TlsTrust {
        authorities: Some(authority.path(&format!("{}.pem", authority.name()))),
        identity: client.map(|name| Identity {
            private_key: authority.path(&format!("{name}-key.pem")),
            certificate: authority.path(&format!("{name}-cert.pem")),
        }),
    }
}

fn tls(target: &str, tls: TlsTrust) -> Sinks {
    let mut config = config(&[target]);
    config.delivery.tls = tls;
    let (mut sinks, _) = start(&config);
    sinks.send(&alert(0));
    sinks
}

#[test]
fn who_is_not_trusted_gets_nothing_and_it_is_said_why() {
    if !require(&PROGRAMS) {
        return;
    }
    netns::run(|| {
        if !fs::exists("/var/lib/dpkg/info/rsyslog-openssl.list").unwrap() {
            return Err(Missing::new("rsyslog's plugin for OpenSSL is missing; Debian has it in rsyslog-openssl"));
        }
        let netns = Netns::new("syslog")?;
        netns.sh("ip link set lo up");
        let directory = TempDir::new();
        let ours = Authority::new(&directory, "ours");
        let theirs = Authority::new(&directory, "theirs");
        ours.issue("server", &["127.0.0.1"], 2999);
        ours.issue("expired-server", &["127.0.0.1"], 2021);
        ours.issue("client", &["client"], 2999);
        ours.issue("expired-client", &["client"], 2021);
        theirs.issue("stranger", &["client"], 2999);
        let good = serve(&netns, &ours, "server", 6514);
        let expired = serve(&netns, &ours, "expired-server", 6515);
        let stranger = TlsTrust { authorities: trust(&ours, None).authorities, ..trust(&theirs, Some("stranger")) };
        netns.inside(|| {
            block_on(async {
                let well = tls("tls:127.0.0.1:6514", trust(&ours, Some("client")));
                for (target, trust, told) in [
                    ("tls:127.0.0.1:6514", trust(&theirs, Some("stranger")), vec!["signed by none", "theirs.pem"]),
                    ("tls:127.0.0.2:6514", trust(&ours, Some("client")), vec!["not valid for name", "127.0.0.2"]),
                    ("tls:[::1]:6514", trust(&ours, Some("client")), vec!["not valid for name"]),
                    ("tls:127.0.0.1:6515", trust(&ours, Some("client")), vec!["it expired at 2021-12-31T00:00:00Z"]),
                    (
                        "tls:127.0.0.1:6514",
                        trust(&ours, None),
                        vec!["wants a certificate of ours", "none is configured"],
                    ),
                    ("tls:127.0.0.1:6514", stranger, vec!["does not accept our certificate", "stranger-cert.pem"]),
                    (
                        "tls:127.0.0.1:6514",
                        trust(&ours, Some("expired-client")),
                        vec!["does not accept our certificate", "expired-client-cert.pem"],
                    ),
                ] {
                    let mut sinks = tls(target, trust);
                    let status = until(&sinks, 0, "refused", |status| status.counts.failures >= 2).await;
                    assert!(told.iter().all(|told| failure(&status).contains(told)), "{told:?}: {status:?}");
                    assert_eq!((status.counts.sent, status.queued), (0, 1), "{told:?}");
                    let news = sinks.take_news();
                    assert_eq!(news.len(), 1, "it is told once: {news:?}");
                }
                assert_eq!(well.end(PATIENCE).await, []);
            });
        });
        let received = good.until("the one that is trusted", |received| !received.is_empty());
        assert_eq!(received.len(), 1, "{received:?}");
        assert!(expired.received().is_empty());
        Ok(())
    });
}

#[test]
fn files_that_cannot_be_used_are_told_at_the_start() {
    let directory = TempDir::new();
    let ours = Authority::new(&directory, "ours");
    ours.issue("client", &["client"], 2999);
    ours.issue("other", &["other"], 2999);
    fs::write(directory.path().join("empty.pem"), "").unwrap();
    let good = trust(&ours, Some("client"));
    let authorities = |name: &str| TlsTrust { authorities: Some(directory.path().join(name)), ..good.clone() };
    let mixed = Identity { private_key: ours.path("other-key.pem"), certificate: ours.path("client-cert.pem") };
    for (tls, told) in [
        (authorities("missing.pem"), "missing.pem"),
        (authorities("empty.pem"), "no certificate in PEM"),
        (TlsTrust { identity: Some(mixed), ..good.clone() }, "does not fit"),
    ] {
        let mut config = config(&["tls:127.0.0.1:6514"]);
        config.delivery.tls = tls;
        let hooks =
            analyzer::sinks::Hooks { now: std::sync::Arc::new(Default::default), written: std::sync::Arc::new(|_| ()) };
        let error = block_on(async { Sinks::start(&config, &hooks).err() }).expect("it is no good").to_string();
        assert!(error.contains(told), "{error}");
    }
}
