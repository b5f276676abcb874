//! Neighbours: text of `ip neigh`, `arp -n` and `arp -an`.
//!
//! An entry tells which address had the MAC when it was listed. One without a MAC, as those that failed or are not
//! complete, tells nothing, and nothing is missing because of it.

use std::net::IpAddr;

use super::Owners;
use crate::paste::Line;
use crate::types::Position;

/// A line of one of the three.
#[derive(PartialEq, Eq, Debug)]
struct Neighbour<'a> {
    /// Its address, or its name where names were not left out.
    address: &'a str,
    interface: Option<&'a str>,
    /// Its MAC, where the line has one.
    mac: Option<&'a str>,
}

/// Whether a line is one of these.
pub(super) fn shows(line: &str) -> bool {
    neighbour(line).is_some()
}

/// Whether a line that may be of any text is one of these. A sentence may have an address and `at` behind it.
pub(super) fn is_likely(line: &str) -> bool {
    let has_sign = [" dev ", " lladdr ", "ether ", "(incomplete)", ") at "].iter().any(|sign| line.contains(sign));
    let of_any = |Neighbour { address, interface, mac }: Neighbour<'_>| match mac {
        Some(mac) => mac.contains(':'),
        None => address.parse::<IpAddr>().is_ok() && interface.is_some(),
    };
    has_sign && neighbour(line).is_some_and(of_any)
}

/// Reads a line.
pub(super) fn read(line: &Line<'_>, owners: &mut Owners<'_>) {
    if let Some(Neighbour { address, interface, mac: Some(mac) }) = neighbour(line.text) {
        tell(Position::Line(line.number()), address, interface, mac, owners);
    }
}

/// Tells whose the MAC was. Tunnels have addresses of the network below in its place, which are none.
pub(super) fn tell(position: Position, address: &str, interface: Option<&str>, mac: &str, owners: &mut Owners<'_>) {
    let is_tunnel = mac.parse::<IpAddr>().is_ok();
    if !is_tunnel {
        let on = interface.map_or_else(String::new, |interface| format!(" on {interface}"));
        // The address is no part of the fact: that this MAC has it now is not known.
        owners.add(position, mac, format!("neighbour {address}{on}"), Vec::new());
    }
}

fn neighbour(line: &str) -> Option<Neighbour<'_>> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(32).collect();
    of_ip(&words).or_else(|| of_arp_table(&words)).or_else(|| of_arp_list(&words))
}

/// The states of `ip neigh`.
const STATES: [&str; 9] =
    ["PERMANENT", "NOARP", "REACHABLE", "STALE", "NONE", "INCOMPLETE", "DELAY", "PROBE", "FAILED"];

/// `198.19.3.15 dev ens5f1 lladdr ee:8d:82:db:f9:c4 router REACHABLE`; without `dev` where one interface was asked for.
fn of_ip<'a>(words: &[&'a str]) -> Option<Neighbour<'a>> {
    let (&address, rest) = words.split_first()?;
    let behind = |label: &str| rest.iter().position(|word| *word == label).and_then(|at| rest.get(at + 1)).copied();
    let mac = behind("lladdr");
    let is_address = address.parse::<IpAddr>().is_ok();
    let has_state = rest.last().is_some_and(|last| STATES.contains(last));
    // Masked digits make no address, and the line is a neighbour's all the same.
    (mac.is_some() && has_state || is_address && (mac.is_some() || has_state)).then_some(Neighbour {
        address,
        interface: behind("dev"),
        mac,
    })
}

/// `198.19.3.15   ether   ee:8d:82:db:f9:c4   C    ens5f1`
fn of_arp_table<'a>(words: &[&'a str]) -> Option<Neighbour<'a>> {
    match *words {
        [address, "ether", mac, .., interface] => {
            Some(Neighbour { address, interface: Some(interface), mac: Some(mac) })
        }
        [address, "(incomplete)", .., interface] => Some(Neighbour { address, interface: Some(interface), mac: None }),
        _ => None,
    }
}

/// `? (198.19.3.15) at ee:8d:82:db:f9:c4 [ether] PERM on ens5f1`
fn of_arp_list<'a>(words: &[&'a str]) -> Option<Neighbour<'a>> {
    let [_, address, "at", mac, rest @ ..] = words else { return None };
    let address = address.strip_prefix('(')?.strip_suffix(')')?;
    let interface = rest.iter().position(|word| *word == "on").and_then(|at| rest.get(at + 1)).copied();
    Some(Neighbour { address, interface, mac: Some(*mac).filter(|mac| !mac.starts_with(['<', '('])) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mac = "ee:8d:82:db:f9:c4";
        for (line, address, interface, mac) in [
            ("198.19.3.15 dev ens5f1 lladdr ee:8d:82:db:f9:c4 REACHABLE", "198.19.3.15", Some("ens5f1"), Some(mac)),
            ("fe80::1 dev br-ex lladdr ee:8d:82:db:f9:c4 router STALE", "fe80::1", Some("br-ex"), Some(mac)),
            (
                "198.19.3.15 dev a lladdr ee:8d:82:db:f9:c4 ref 1 used 1/2/3 probes 4 DELAY",
                "198.19.3.15",
                Some("a"),
                Some(mac),
            ),
            ("198.19.3.15 lladdr ee:8d:82:db:f9:c4 extern_learn NOARP", "198.19.3.15", None, Some(mac)),
            ("198.19.3.x dev a lladdr ee:8d:82:db:f9:c4 STALE", "198.19.3.x", Some("a"), Some(mac)),
            ("198.19.3.15 dev ens5f1 FAILED", "198.19.3.15", Some("ens5f1"), None),
            ("198.19.3.15 dev ens5f1  INCOMPLETE", "198.19.3.15", Some("ens5f1"), None),
            ("198.19.3.15    ether   ee:8d:82:db:f9:c4   C       ens5f1", "198.19.3.15", Some("ens5f1"), Some(mac)),
            ("198.19.3.15            (incomplete)               ens5f1", "198.19.3.15", Some("ens5f1"), None),
            ("? (198.19.3.15) at ee:8d:82:db:f9:c4 [ether] on ens5f1", "198.19.3.15", Some("ens5f1"), Some(mac)),
            ("gw (198.19.3.15) at ee:8d:82:db:f9:c4 [ether] PERM on a", "198.19.3.15", Some("a"), Some(mac)),
            ("? (198.19.3.15) at <incomplete> on ens5f1", "198.19.3.15", Some("ens5f1"), None),
        ] {
            assert_eq!(neighbour(line), Some(Neighbour { address, interface, mac }), "{line}");
        }
        for line in [
            "",
            "Address                  HWtype  HWaddress           Flags Mask            Iface",
            "default via 198.19.3.1 dev ens5f1",
            "198.19.3.0/24 dev ens5f1 proto kernel scope link",
            "    link/ether 94:42:c9:c3:f7:92 brd ff:ff:ff:ff:ff:ff",
            "the gateway (198.19.3.15) at noon",
            "Entries: 4",
        ] {
            assert_eq!(neighbour(line), None, "{line}");
        }
    }
}
