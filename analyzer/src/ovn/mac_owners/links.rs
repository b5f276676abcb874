//! Text of `ip link`, and the elements of `ip -j link` and `ip -j neigh`.

use serde::Deserialize;

use super::super::lines::words;
use super::{Owners, neighbours};
use crate::paste::Line;
use crate::types::Position;

/// Whether a line is one of `ip link` that matters.
pub(super) fn shows(line: &str) -> bool {
    let trimmed = line.trim_start();
    let vf = trimmed.strip_prefix("vf ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    link_name(line).is_some() || trimmed.starts_with("link/") || vf
}

/// Reads a line. `interface` is the one that the lines before were of.
pub(super) fn read(line: &Line<'_>, interface: &mut Option<String>, owners: &mut Owners<'_>) {
    if let Some(name) = link_name(line.text) {
        *interface = Some(name.to_owned());
        return;
    }
    let mut words = words(line.text).map(|(_, word)| word.trim_end_matches(',')).peekable();
    let owner = match words.next_if_eq(&"vf") {
        Some(_) => vf_owner(words.next().unwrap_or_default(), interface.as_deref()),
        None => interface_owner(interface.as_deref()),
    };
    while let Some(word) = words.next() {
        let owner = match word {
            // Older iproute2 writes `MAC` before that of a VF.
            "link/ether" | "MAC" => owner.clone(),
            "permaddr" => format!("{owner} (permanent address)"),
            _ => continue,
        };
        if let Some(mac) = words.next() {
            owners.add(Position::Line(line.number()), mac, owner, Vec::new());
        }
    }
}

/// The name in `5: ens5f1.100@ens5f1: <BROADCAST,...`.
fn link_name(line: &str) -> Option<&str> {
    let (index, rest) = line.split_once(": ")?;
    let (name, _) = rest.split_once(": <")?;
    let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then(|| name.split_once('@').map_or(name, |(name, _)| name))
}

fn interface_owner(interface: Option<&str>) -> String {
    interface.map_or_else(|| "an interface".to_owned(), |interface| format!("interface {interface}"))
}

fn vf_owner(number: &str, interface: Option<&str>) -> String {
    match interface {
        Some(interface) => format!("VF {number} of {interface}"),
        None => format!("VF {number}"),
    }
}

/// An element of `ip -j -d link`, or of `ip -j neigh`.
#[derive(Deserialize)]
pub(super) struct Link {
    ifname: Option<String>,
    link_type: Option<String>,
    address: Option<String>,
    permaddr: Option<String>,
    #[serde(default)]
    vfinfo_list: Vec<Vf>,
    /// The address of a neighbour.
    dst: Option<String>,
    dev: Option<String>,
    lladdr: Option<String>,
}

/// A VF of a link. Older iproute2 names the MAC `mac`.
#[derive(Deserialize)]
struct Vf {
    vf: Option<u32>,
    address: Option<String>,
    mac: Option<String>,
}

impl Link {
    /// Tells the owners of what the element holds.
    pub(super) fn tell(self, owners: &mut Owners<'_>) {
        let interface = self.ifname.as_deref();
        let is_ethernet = self.link_type.as_deref() == Some("ether");
        if let Some(mac) = self.address.filter(|_| is_ethernet) {
            owners.add(Position::Whole, &mac, interface_owner(interface), Vec::new());
        }
        if let Some(mac) = self.permaddr.filter(|_| is_ethernet) {
            let owner = format!("{} (permanent address)", interface_owner(interface));
            owners.add(Position::Whole, &mac, owner, Vec::new());
        }
        for vf in self.vfinfo_list {
            if let Some(mac) = vf.address.or(vf.mac) {
                let number = vf.vf.map_or_else(String::new, |number| number.to_string());
                owners.add(Position::Whole, &mac, vf_owner(&number, interface), Vec::new());
            }
        }
        if let (Some(address), Some(mac)) = (self.dst, self.lladdr) {
            neighbours::tell(Position::Whole, &address, self.dev.as_deref(), &mac, owners);
        }
    }
}
