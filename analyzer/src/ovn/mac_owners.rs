//! Who owns a MAC, in the words of a node's or a cluster's own listing. Told apart by content:
//!
//! - text of `ip link` or `ip -d link`: interfaces, and the VFs of SR-IOV interfaces;
//! - `ip -j -d link`: the same as JSON;
//! - `oc get pods -A -o json`, or one pod: the interfaces of each pod in the annotation
//!   `k8s.v1.cni.cncf.io/network-status` (`networks-status` in older clusters) of multus.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::lines::{each_line, words};
use super::{Facts, Unreadable};
use crate::engine::fact::{Fact, MacOwner};
use crate::paste::{Kind, Line, Looks, Shape, Text};
use crate::types::{MacAddr, Place, Position};

/// Longest line of `ip link` that is read, in bytes.
const MAX_LINE: usize = 64 << 10;

/// The owners that a listing names. `file` is their origin.
///
/// Of JSON only what names an owner is kept, so that a large listing of pods takes little memory.
///
/// # Errors
/// [`Unreadable`] for JSON that is broken, or that is neither a list of links nor pods.
pub fn parse(text: &[u8], file: &Arc<str>) -> Result<Facts, Unreadable> {
    let mut owners = Owners { file, known: HashSet::new(), facts: Facts::default() };
    let is_json = match owners.json(text)? {
        true => true,
        false => match pasted_json(text) {
            Some((json, lines)) => owners.json(json.as_bytes()).map_err(|error| below(error, lines))?,
            None => false,
        },
    };
    if !is_json {
        owners.link_text(text);
    }
    Ok(owners.facts)
}

/// The JSON in a text that holds more, such as the prompt above it, and the number of the lines before it.
fn pasted_json(text: &[u8]) -> Option<(String, usize)> {
    let pasted = Text::new(text, LinkRows);
    let starts = |line: &str| line.trim_start().starts_with(['{', '[']) && LinkRows.begins(line);
    let before = pasted.as_str().lines().position(starts)?;
    let json = pasted.as_str().split_inclusive('\n').skip(before).collect();
    match pasted.origin(Position::Line(before + 1)) {
        Position::Line(line) => Some((json, line.saturating_sub(1))),
        _ => None,
    }
}

/// An error in JSON that stands below so many lines.
fn below(error: Unreadable, lines: usize) -> Unreadable {
    let position = error.place.position.below(lines);
    Unreadable { place: Place { position, ..error.place }, ..error }
}

fn json<'a, T: Deserialize<'a>>(text: &'a [u8], file: &Arc<str>) -> Result<T, Unreadable> {
    serde_json::from_slice(text).map_err(|error| {
        let position = Position::LineColumn(error.line(), error.column());
        let message = error.to_string();
        // serde_json ends its message with the place, which stands in front already.
        let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
        Unreadable { place: Place { file: Arc::clone(file), position }, message: message.to_owned() }
    })
}

struct Owners<'a> {
    file: &'a Arc<str>,
    known: HashSet<MacOwner>,
    facts: Facts,
}

impl Owners<'_> {
    /// Takes the owners of a text of JSON; returns whether it is one.
    fn json(&mut self, text: &[u8]) -> Result<bool, Unreadable> {
        let mut bytes = text.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (bytes.next(), bytes.next()) {
            // A shell prompt may begin with a bracket too.
            (Some(b'['), Some(b'{' | b']')) => self.links(json(text, self.file)?),
            (Some(b'{'), _) => Pods::deserialize_all(text, self.file)?.iter().for_each(|pod| self.pod(pod)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Notes an owner. Loopbacks, and VFs to which no MAC was given, have a MAC of zeros, which nobody owns.
    fn add(&mut self, position: Position, mac: &str, owner: String, ips: Vec<IpAddr>) {
        let mac: MacAddr = match mac.parse() {
            Ok(mac) => mac,
            Err(error) => return self.facts.warn(self.file, position, format!("{owner}: {error}")),
        };
        let owner = MacOwner { mac, origin: Arc::clone(self.file), owner: owner.into(), ips };
        if !mac.is_zero() && !mac.is_group() && self.known.insert(owner.clone()) {
            self.facts.facts.push(Fact::MacOwner(owner));
        }
    }

    /// Text of `ip link`. Only lines that name a MAC matter; the rest, such as statistics, is no concern of ours.
    fn link_text(&mut self, text: &[u8]) {
        let mut interface: Option<String> = None;
        each_line(text, LinkRows, MAX_LINE, |line| match line {
            Ok(line) if line.kind == Kind::Data => self.link_line(&line, &mut interface),
            Ok(_) => {}
            Err(bad) => self.facts.warn(self.file, bad.position(), bad.to_string()),
        });
    }

    fn link_line(&mut self, line: &Line<'_>, interface: &mut Option<String>) {
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
                self.add(Position::Line(line.number()), mac, owner, Vec::new());
            }
        }
    }

    fn links(&mut self, links: Vec<Link>) {
        for link in links {
            let interface = link.ifname.as_deref();
            let is_ethernet = link.link_type.as_deref() == Some("ether");
            if let Some(mac) = link.address.filter(|_| is_ethernet) {
                self.add(Position::Whole, &mac, interface_owner(interface), Vec::new());
            }
            if let Some(mac) = link.permaddr.filter(|_| is_ethernet) {
                let owner = format!("{} (permanent address)", interface_owner(interface));
                self.add(Position::Whole, &mac, owner, Vec::new());
            }
            for vf in link.vfinfo_list {
                if let Some(mac) = vf.address.or(vf.mac) {
                    let number = vf.vf.map_or_else(String::new, |number| number.to_string());
                    self.add(Position::Whole, &mac, vf_owner(&number, interface), Vec::new());
                }
            }
        }
    }

    fn pod(&mut self, pod: &Pod) {
        let Some(metadata) = &pod.metadata else { return };
        let pod_name = match (&metadata.namespace, &metadata.name) {
            (Some(namespace), Some(name)) => format!("pod {namespace}/{name}"),
            (None, Some(name)) => format!("pod {name}"),
            (_, None) => return,
        };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let Some(annotations) = &metadata.annotations else { return };
        // Some versions of multus write both.
        for status in [&annotations.network_status, &annotations.networks_status].into_iter().flatten() {
            if status.trim().is_empty() {
                continue;
            }
            let networks: Vec<Network> = match serde_json::from_str(status) {
                Ok(networks) => networks,
                Err(error) => {
                    let message = format!("{pod_name}: annotation network-status: {error}");
                    self.facts.warn(self.file, Position::Whole, message);
                    continue;
                }
            };
            for network in networks {
                let Some(mac) = network.mac.filter(|mac| !mac.is_empty()) else { continue };
                let mut owner = pod_name.clone();
                if let Some(interface) = network.interface.or(network.name) {
                    owner = format!("{owner} interface {interface}");
                }
                if let Some(node) = node {
                    owner = format!("{owner} on {node}");
                }
                let ips = network.ips.unwrap_or_default().iter().filter_map(|ip| ip.parse().ok()).collect();
                self.add(Position::Whole, &mac, owner, ips);
            }
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

/// What lines of `ip link` look like. Those that a terminal wrapped have what matters in front.
struct LinkRows;

impl Shape for LinkRows {
    fn begins(&self, line: &str) -> bool {
        let trimmed = line.trim_start();
        let vf = trimmed.strip_prefix("vf ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        let is_json = ["{\"", "[{"].iter().any(|start| trimmed.starts_with(start)) || matches!(trimmed, "{" | "[");
        link_name(line).is_some() || trimmed.starts_with("link/") || vf || is_json
    }

    fn is_whole(&self, line: &str) -> bool {
        self.begins(line)
    }

    fn may_follow(&self, _: &str, _: &str) -> bool {
        false
    }
}

/// What a line of `ip link` is likely to be that may be of any text.
pub fn looks(line: &str) -> Option<Looks> {
    let is_json = line.trim_start().starts_with(['{', '[']);
    (!is_json && LinkRows.begins(line)).then_some(Looks::Row)
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

/// A link of `ip -j -d link`.
#[derive(Deserialize)]
struct Link {
    ifname: Option<String>,
    link_type: Option<String>,
    address: Option<String>,
    permaddr: Option<String>,
    #[serde(default)]
    vfinfo_list: Vec<Vf>,
}

/// A VF of a link. Older iproute2 names the MAC `mac`.
#[derive(Deserialize)]
struct Vf {
    vf: Option<u32>,
    address: Option<String>,
    mac: Option<String>,
}

/// A list of pods, or one pod.
#[derive(Deserialize)]
struct Pods {
    items: Option<Vec<Pod>>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "k8s.v1.cni.cncf.io/network-status")]
    network_status: Option<String>,
    #[serde(rename = "k8s.v1.cni.cncf.io/networks-status")]
    networks_status: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "nodeName")]
    node_name: Option<String>,
}

/// An element of network-status (Kubernetes Network Custom Resource Definition De-facto Standard).
#[derive(Deserialize)]
struct Network {
    name: Option<String>,
    interface: Option<String>,
    mac: Option<String>,
    ips: Option<Vec<String>>,
}

impl Pods {
    fn deserialize_all(text: &[u8], file: &Arc<str>) -> Result<Vec<Pod>, Unreadable> {
        let pods: Self = json(text, file)?;
        match pods {
            Self { items: Some(items), .. } => Ok(items),
            Self { items: None, metadata: Some(metadata), spec } => Ok(vec![Pod { metadata: Some(metadata), spec }]),
            Self { items: None, metadata: None, .. } => Err(Unreadable {
                place: Place { file: Arc::clone(file), position: Position::Whole },
                message: "this JSON holds no pods: expected the output of oc get pods -A -o json or ip -j -d link"
                    .into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
