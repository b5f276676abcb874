//! Arguments of what sends alerts.

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum, value_parser};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::net::tls::Identity;
use crate::sinks::config::{self, Config, Delivery, TlsTrust};
use crate::sinks::format::{LEAST_MAX_BYTES, Origin};
use crate::sinks::severity::{Facility, Severities, SeverityRule};
use crate::sinks::target::Target;

/// Where alerts go, and how they look.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
#[command(next_help_heading = "Alerts")]
pub struct SyslogArgs {
    /// Where alerts go: local (/dev/log), unix:PATH, udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT, journald, auto
    /// (journald or local, whichever is there) or none; may be given several times
    #[arg(long, value_name = "TARGET")]
    pub syslog: Vec<Target>,
    /// Their form (docs/alerts.md); auto is RFC 5424 over the network and what syslog(3) writes on local sockets
    #[arg(long, value_enum, default_value_t, value_name = "auto|5424|3164", hide_possible_values = true)]
    pub syslog_format: SyslogFormat,
    /// Their facility
    #[arg(long, default_value_t = Facility::DAEMON, value_name = "FACILITY")]
    pub syslog_facility: Facility,
    /// Severity of a reason or a kind of alerts, as stale-conntrack=crit or CLEARED=info; may be given several times
    #[arg(long, value_name = "REASON|KIND=SEVERITY")]
    pub syslog_severity: Vec<SeverityRule>,
    /// Name of this machine; the kernel's own unless given
    #[arg(long, value_name = "NAME")]
    pub syslog_hostname: Option<String>,
    /// Name of the program, which is the tag too
    #[arg(long, default_value = "analyzer", value_name = "NAME")]
    pub syslog_app_name: String,
    /// Longest message in bytes: fields that do not fit are left out; 2048 in RFC 5424 and 1024 else, unless given
    #[arg(long, value_name = "BYTES", value_parser = message_size())]
    pub syslog_max_bytes: Option<u32>,
    /// Most alerts that wait for each receiver
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = value_parser!(u32).range(1..=1 << 20))]
    pub syslog_queue: u32,
    /// Name of the structured data, NAME@ENTERPRISE-NUMBER; that of the default is reserved for documentation
    #[arg(long, default_value = "analyzer@32473", value_name = "SD-ID", value_parser = parse_sd_id)]
    pub syslog_sd_id: String,
    /// PEM file of the certificates that receivers' certificates are checked against, for tls:; this system's unless
    /// given
    #[arg(long, value_name = "FILE")]
    pub syslog_ca_cert: Option<PathBuf>,
    /// PEM file of our certificate, for receivers that ask for one
    #[arg(long, value_name = "FILE")]
    pub syslog_certificate: Option<PathBuf>,
    /// PEM file of our private key
    #[arg(long, value_name = "FILE")]
    pub syslog_private_key: Option<PathBuf>,
}

/// Forms of messages.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyslogFormat {
    /// By the target
    #[default]
    Auto,
    /// The syslog protocol
    #[value(name = "5424")]
    Rfc5424,
    /// The BSD syslog protocol
    #[value(name = "3164")]
    Rfc3164,
}

/// Options that do not go together.
#[derive(Error, Clone, PartialEq, Eq, Debug)]
#[error("--{given} needs --{missing}: who we are takes a certificate and its key")]
pub struct HalfIdentity {
    given: &'static str,
    missing: &'static str,
}

/// Longer ones go over UDP neither with IPv4 nor with IPv6.
fn message_size() -> impl TypedValueParser<Value = u32> {
    value_parser!(u32).range(LEAST_MAX_BYTES as i64..=65_000)
}

/// Reads an SD-ID of our own (RFC 5424 section 6.3.2): `name@<private enterprise number>`.
fn parse_sd_id(text: &str) -> Result<String, String> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !"=]\"@".contains(c));
    let is_number = |number: &str| {
        number.split('.').all(|part| !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit()))
    };
    match text.split_once('@') {
        Some((name, number)) if text.len() <= 32 && is_name(name) && is_number(number) => Ok(text.to_owned()),
        _ => Err("expected NAME@NUMBER of at most 32 characters, such as analyzer@32473".to_owned()),
    }
}

impl SyslogArgs {
    /// The settings; `default` is where alerts go unless told. Which zone local time is in is read here.
    ///
    /// # Errors
    /// [`HalfIdentity`].
    pub fn config(&self, default: Target) -> Result<Config, HalfIdentity> {
        let half = |given, missing| Err(HalfIdentity { given, missing });
        let identity = match (self.syslog_private_key.clone(), self.syslog_certificate.clone()) {
            (Some(private_key), Some(certificate)) => Some(Identity { private_key, certificate }),
            (None, None) => None,
            (Some(_), None) => return half("syslog-private-key", "syslog-certificate"),
            (None, Some(_)) => return half("syslog-certificate", "syslog-private-key"),
        };
        let hostname = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Config {
            targets: if self.syslog.is_empty() { vec![default] } else { self.syslog.clone() },
            format: match self.syslog_format {
                SyslogFormat::Auto => config::Format::Auto,
                SyslogFormat::Rfc5424 => config::Format::Rfc5424,
                SyslogFormat::Rfc3164 => config::Format::Rfc3164,
            },
            origin: Origin {
                hostname: self.syslog_hostname.clone().unwrap_or_else(hostname),
                app_name: self.syslog_app_name.clone(),
                process_id: std::process::id(),
                sd_id: self.syslog_sd_id.clone(),
                facility: self.syslog_facility,
                severities: Severities::new(self.syslog_severity.iter().cloned()),
                zone: TimeZone::system(),
            },
            max_bytes: self.syslog_max_bytes.map(|bytes| bytes as usize),
            delivery: Delivery {
                queue: self.syslog_queue as usize,
                tls: TlsTrust { authorities: self.syslog_ca_cert.clone(), identity },
                ..Delivery::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;
    use crate::cli::{Cli, file};
    use crate::engine::verdict::{Verdict, Violating};

    #[derive(Parser, Debug)]
    struct Alone {
        #[command(flatten)]
        syslog: SyslogArgs,
    }

    fn parse(typed: &[&str]) -> Result<SyslogArgs, clap::Error> {
        Alone::try_parse_from(["analyzer"].iter().chain(typed)).map(|alone| alone.syslog)
    }

    #[test]
    fn defaults_are_those_of_the_command() {
        let config = parse(&[]).unwrap().config(Target::Auto).unwrap();
        assert_eq!(config.targets, [Target::Auto]);
        assert_eq!((config.max_bytes, config.delivery.queue), (None, 4096));
        assert_eq!(config.origin.sd_id, "analyzer@32473");
        assert_eq!(config.origin.facility, Facility::DAEMON);
        assert!(!config.origin.hostname.is_empty());
        let config = parse(&["--syslog", "none"]).unwrap().config(Target::Auto).unwrap();
        assert_eq!(config.targets, [Target::None]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (typed, told) in [
            (["--syslog", "log.example"], "it names no transport"),
            (["--syslog", "udp:::1"], "in brackets"),
            (["--syslog-facility", "local9"], "local7"),
            (["--syslog-severity", "stale=crit"], "stale-conntrack"),
            (["--syslog-sd-id", "analyzer"], "NAME@NUMBER"),
            (["--syslog-sd-id", "a]b@1"], "NAME@NUMBER"),
            (["--syslog-max-bytes", "100"], "480"),
            (["--syslog-queue", "0"], "1.."),
            (["--syslog-format", "json"], "5424"),
        ] {
            let error = parse(&typed).unwrap_err().to_string();
            assert!(error.contains(told), "{typed:?}: {error}");
        }
        let half = parse(&["--syslog-certificate", "c.pem"]).unwrap().config(Target::None).unwrap_err();
        assert!(half.to_string().contains("--syslog-private-key"), "{half}");
    }

    #[test]
    fn every_reason_of_the_engine_can_have_a_severity() {
        for reason in [
            Violating::NexthopDown,
            Violating::StaleConntrack,
            Violating::FormerNexthop,
            Violating::StaleNeighbour,
            Violating::UnknownMac,
        ] {
            let rule = format!("{}=crit", Verdict::Violating(reason).reason().unwrap());
            assert!(parse(&["--syslog-severity", &rule]).is_ok(), "{rule}");
        }
    }

    #[test]
    fn options_are_nobody_elses() {
        let ours: Vec<_> =
            Alone::command().get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
        assert!(ours.iter().all(|name| name.starts_with("syslog")), "{ours:?}");
        for command in Cli::command().get_subcommands() {
            let count = |name: &String| command.get_arguments().filter(|arg| arg.get_long() == Some(name)).count();
            assert!(ours.iter().all(|name| count(name) <= 1), "{}", command.get_name());
        }
    }

    #[test]
    fn a_file_can_hold_them() {
        let text = r#"
            syslog = ["local", "tls:[2001:db8::1]:6514"]
            syslog-format = 5424
            syslog-facility = "local3"
            syslog-severity = ["stale-conntrack=crit", "CLEARED=info"]
            syslog-hostname = "worker-08"
            syslog-app-name = "egress"
            syslog-max-bytes = 8192
            syslog-queue = 10
            syslog-sd-id = "egress@32473"
            syslog-ca-cert = "ca.pem"
            syslog-certificate = "cert.pem"
            syslog-private-key = "key.pem"
        "#;
        let command = Alone::command();
        let typed = command.clone().try_get_matches_from(["analyzer"]).unwrap();
        let name: Arc<str> = Arc::from("live.toml");
        let mut arguments = file::arguments(&command, &typed, text, &name).unwrap();
        arguments.insert(0, "analyzer".into());
        let read = Alone::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap().syslog;
        let config = read.config(Target::Auto).unwrap();
        assert_eq!(
            config.targets.iter().map(Target::to_string).collect::<Vec<_>>(),
            ["local", "tls:[2001:db8::1]:6514"]
        );
        assert_eq!((config.max_bytes, config.delivery.queue), (Some(8192), 10));
        assert_eq!(config.format, config::Format::Rfc5424);
        assert_eq!(config.origin.hostname, "worker-08");
        assert!(config.delivery.tls.identity.is_some());
        let error = file::arguments(&Alone::command(), &typed, "syslog = \"udp:\"", &name).unwrap_err();
        assert!(error.to_string().contains("names no host"), "{error}");
    }
}
