//! Alerts as Debian's rsyslog and journald receive them, over each transport, with receivers that come, go and hang.

#[path = "common/authority.rs"]
mod authority;
mod common;
#[path = "common/netns.rs"]
mod netns;

#[path = "syslog_delivery/alerts.rs"]
mod alerts;
#[path = "syslog_delivery/certificates.rs"]
mod certificates;
#[path = "syslog_delivery/formats.rs"]
mod formats;
#[path = "syslog_delivery/journald.rs"]
mod journald;
#[path = "syslog_delivery/outages.rs"]
mod outages;
#[path = "syslog_delivery/rsyslog.rs"]
mod rsyslog;

const PROGRAMS: [&str; 3] = ["rsyslogd", "ip", "ss"];
