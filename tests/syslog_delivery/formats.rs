//! Every form over every transport, read back by rsyslog exactly.

use std::fs;
use std::time::Duration;

use analyzer::alerts::{Alert, Kind};
use analyzer::net::tls::Identity;
use analyzer::output::escape::escaped;
use analyzer::sinks::config::{Format, TlsTrust};

use crate::PROGRAMS;
use crate::alerts::{PATIENCE, alert, block_on, config, start};
use crate::authority::Authority;
use crate::common::{TempDir, require};
use crate::netns::{self, Netns};
use crate::rsyslog::{Received, Rsyslog};

const COUNT: usize = 84;

fn severity(alert: &Alert) -> &'static str {
    match (alert.kind, alert.reason) {
        (Kind::Violation, Some("unknown-mac")) => "crit",
        (Kind::Violation, Some("nexthop-down")) => "warning",
        (Kind::Violation | Kind::Repeated, _) => "err",
        (Kind::Cleared | Kind::SourceBack, _) => "notice",
        (Kind::Latent | Kind::SourceLost | Kind::Loss, _) => "warning",
    }
}

/// What rsyslog must have made of a message in RFC 5424.
fn rfc5424(number: usize, input: &str) -> Received {
    let alert = alert(number);
    let mut data = format!("[meta sequenceId=\"{}\"][analyzer@32473", number + 1);
    for field in &alert.fields {
        let value = escaped(&field.value).replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        data += &format!(" {}=\"{value}\"", field.name);
    }
    data += "]";
    let mark = if alert.text.is_ascii() { "" } else { "\u{feff}" };
    Received {
        input: input.to_owned(),
        facility: "local3".into(),
        severity: severity(&alert).into(),
        time: alert.at.to_string(),
        hostname: "worker-08.example".into(),
        app_name: "analyzer".into(),
        procid: "4711".into(),
        msgid: alert.kind.name().into(),
        structured_data: data,
        msg: format!("{mark}{}", alert.text),
    }
}

/// What it must have made of one in the BSD form. Its date has no year, so rsyslog takes the present one.
fn bsd(number: usize, input: &str, hostname: &str, sequence: Option<usize>) -> Received {
    let alert = alert(number);
    let mut msg = format!(" {} msgid={}", alert.text, alert.kind.name());
    if let Some(sequence) = sequence {
        msg += &format!(" sequenceId={sequence}");
    }
    for field in &alert.fields {
        let value = escaped(&field.value);
        let is_plain = !value.contains([' ', '"', '\\', '=']);
        let value = if is_plain { value } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) };
        msg += &format!(" {}={value}", field.name);
    }
    Received {
        input: input.to_owned(),
        facility: "local3".into(),
        severity: severity(&alert).into(),
        time: alert.at.to_rfc3339(0)[5..19].to_owned(),
        hostname: hostname.to_owned(),
        app_name: "analyzer".into(),
        procid: "4711".into(),
        msgid: "-".into(),
        structured_data: "-".into(),
        msg,
    }
}

/// Leaves of a time what the BSD form tells.
fn without_year(mut message: Received) -> Received {
    message.time = message.time[5..19].to_owned();
    message
}

#[test]
fn plain_transports() {
    if !require(&PROGRAMS) {
        return;
    }
    netns::run(|| {
        let netns = Netns::new("syslog")?;
        netns.sh("ip link set lo up");
        let inputs = r#"
            module(load="imudp") module(load="imtcp") module(load="imuxsock" SysSock.Use="off")
            input(type="imudp" address="127.0.0.1" port="5141" name="udp4")
            input(type="imudp" address="::1" port="5142" name="udp6")
            input(type="imtcp" address="127.0.0.1" port="5143" name="tcp4")
            input(type="imtcp" address="::1" port="5144" name="tcp6")
            input(type="imudp" address="127.0.0.1" port="5145" name="old-udp")
            input(type="imtcp" address="127.0.0.1" port="5146" name="old-tcp")
            input(type="imuxsock" Socket="DIR/log" CreatePath="off" UseSysTimeStamp="off" IgnoreTimestamp="off")
        "#;
        let mut rsyslog = Rsyslog::new(&netns, inputs, &[5141, 5142, 5143, 5144, 5145, 5146], &["log"]);
        rsyslog.start();
        let log = format!("unix:{}", rsyslog.path().join("log").display());
        netns.inside(|| {
            block_on(async {
                let new = ["udp:127.0.0.1:5141", "udp:[::1]:5142", "tcp:127.0.0.1:5143", "tcp:[::1]:5144", &log];
                let (mut sinks, latencies) = start(&config(&new));
                let mut old = config(&["udp:127.0.0.1:5145", "tcp:127.0.0.1:5146"]);
                old.format = Format::Rfc3164;
                let (mut old_sinks, _) = start(&old);
                for number in 0..COUNT {
                    sinks.send(&alert(number));
                    old_sinks.send(&alert(number));
                }
                assert_eq!(sinks.end(PATIENCE).await, []);
                assert_eq!(old_sinks.end(PATIENCE).await, []);
                let latencies = latencies.lock().unwrap();
                assert_eq!(latencies.len(), new.len() * COUNT);
                assert!(latencies.iter().all(|took| *took < Duration::from_secs(30)));
            });
        });
        let received = rsyslog.until("all messages", |received| received.len() >= 7 * COUNT);
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let of = |input: &str| received.iter().filter(|message| message.input == input).cloned().collect::<Vec<_>>();
        for input in ["udp4", "udp6", "tcp4", "tcp6"] {
            assert_eq!(of(input), (0..COUNT).map(|number| rfc5424(number, input)).collect::<Vec<_>>());
        }
        for input in ["old-udp", "old-tcp"] {
            let expected: Vec<_> = (0..COUNT).map(|number| bsd(number, input, "worker-08", Some(number + 1))).collect();
            assert_eq!(of(input).into_iter().map(without_year).collect::<Vec<_>>(), expected);
        }
        let expected: Vec<_> = (0..COUNT).map(|number| bsd(number, "imuxsock", &hostname, None)).collect();
        assert_eq!(of("imuxsock").into_iter().map(without_year).collect::<Vec<_>>(), expected);
        assert_eq!(received.len(), 7 * COUNT);
        Ok(())
    });
}

#[test]
fn tls_with_certificates_of_both_sides() {
    if !require(&PROGRAMS) {
        return;
    }
    netns::run(|| {
        let netns = Netns::new("syslog")?;
        netns.sh("ip link set lo up");
        for (driver, plugin) in [("gtls", "rsyslog-gnutls"), ("ossl", "rsyslog-openssl")] {
            if !fs::exists(format!("/var/lib/dpkg/info/{plugin}.list")).unwrap() {
                return Err(netns::Missing::new(&format!(
                    "rsyslog's plugin {plugin} is missing, a package of that name"
                )));
            }
            let inputs = format!(
                r#"
                module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1"
                    streamDriver.authMode="x509/name" permittedPeer=["client"])
                input(type="imtcp" address="127.0.0.1" port="6514" name="tls4")
                input(type="imtcp" address="::1" port="6515" name="tls6")
            "#
            );
            let mut rsyslog = Rsyslog::new(&netns, &inputs, &[6514, 6515], &[]);
            let directory = TempDir::new();
            let authority = Authority::new(&directory, "ours");
            authority.issue("server", &["127.0.0.1", "::1"], 2999);
            authority.issue("client", &["client"], 2999);
            for file in ["ours.pem", "server-cert.pem", "server-key.pem"] {
                fs::copy(authority.path(file), rsyslog.path().join(file)).unwrap();
            }
            rsyslog.start();
            netns.inside(|| {
                block_on(async {
                    let mut config = config(&["tls:127.0.0.1:6514", "tls:[::1]:6515"]);
                    config.delivery.tls = TlsTrust {
                        authorities: Some(authority.path("ours.pem")),
                        identity: Some(Identity {
                            private_key: authority.path("client-key.pem"),
                            certificate: authority.path("client-cert.pem"),
                        }),
                    };
                    let (mut sinks, _) = start(&config);
                    for number in 0..COUNT {
                        sinks.send(&alert(number));
                    }
                    assert_eq!(sinks.end(PATIENCE).await, [], "{driver}");
                });
            });
            let received = rsyslog.until("all messages", |received| received.len() >= 2 * COUNT);
            for input in ["tls4", "tls6"] {
                let of: Vec<_> = received.iter().filter(|message| message.input == input).cloned().collect();
                assert_eq!(of, (0..COUNT).map(|number| rfc5424(number, input)).collect::<Vec<_>>(), "{driver}");
            }
        }
        Ok(())
    });
}
