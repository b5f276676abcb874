//! Names of ports.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The table, which says of itself where it is from.
const TABLE: &str = include_str!("services.txt");

static SERVICES: LazyLock<HashMap<&'static str, Service>> = LazyLock::new(|| entries().collect());

/// What the table knows of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Service {
    /// The port.
    pub(super) port: u16,
    /// The line of the table, where the name stands for more than one port.
    pub(super) ambiguous: Option<&'static str>,
}

/// The port of a name.
pub(super) fn service(name: &str) -> Option<Service> {
    SERVICES.get(name).copied()
}

fn entries() -> impl Iterator<Item = (&'static str, Service)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, ports) = line.split_once(' ')?;
        let (port, ambiguous) = match ports.split_once(' ') {
            Some((first, _)) => (first, Some(line)),
            None => (ports, None),
        };
        Some((name, Service { port: port.parse().ok()?, ambiguous }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        let names: Vec<&str> = entries().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        assert_eq!(names.len(), TABLE.lines().filter(|line| !line.starts_with('#')).count());
        assert_eq!(names.len(), SERVICES.len());
    }

    #[test]
    fn names_that_captures_of_workers_show() {
        for (name, port) in [
            ("avt-profile-1", 5004),
            ("avt-profile-2", 5005),
            ("bfd-control", 3784),
            ("bfd-multi-ctl", 4784),
            ("bgp", 179),
            ("bootpc", 68),
            ("bootps", 67),
            ("commplex-link", 5001),
            ("commplex-main", 5000),
            ("crescoctrl-disc", 6499),
            ("domain", 53),
            ("etcd-client", 2379),
            ("geneve", 6081),
            ("http", 80),
            ("http-alt", 8080),
            ("https", 443),
            ("kerberos", 88),
            ("mdns", 5353),
            ("netbios-ns", 137),
            ("nfs", 2049),
            ("ntp", 123),
            ("openflow", 6653),
            ("ovsdb", 6640),
            ("postgresql", 5432),
            ("snmp", 161),
            ("snmp-trap", 162),
            ("snmptrap", 162),
            ("ssh", 22),
            ("sun-sr-https", 6443),
            ("syslog", 514),
            ("tcpmux", 1),
            ("vxlan", 4789),
            ("webcache", 8080),
        ] {
            assert_eq!(service(name).map(|service| service.port), Some(port), "{name}");
        }
        assert_eq!(service("http-alt").unwrap().ambiguous, Some("http-alt 8080 591 8008"));
        assert_eq!(service("no-such-service"), None);
    }
}
