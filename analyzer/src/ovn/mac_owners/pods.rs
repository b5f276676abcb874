//! Pods, and what their annotations say of their interfaces:
//!
//! - `k8s.v1.cni.cncf.io/network-status` of multus (`networks-status` in older clusters): every interface;
//! - `k8s.ovn.org/pod-networks` of OVN-Kubernetes: those that are ports of OVN.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use serde::Deserialize;

use super::Owners;
use super::json::reason;
use crate::types::Position;

/// The annotations that tell MACs.
pub(super) const STATUS: [&str; 2] = ["k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"];
pub(super) const OVN: &str = "k8s.ovn.org/pod-networks";

/// What ends a line that `oc describe` cut.
const CUT: &str = "...";

/// Whether an annotation that tells MACs begins in a line of YAML or of a description.
pub(super) fn has_annotation(line: &str) -> bool {
    let text = line.trim_start();
    let text = text.strip_prefix("Annotations:").map_or(text, str::trim_start);
    STATUS.iter().chain([&OVN]).any(|key| text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

/// What is known of a pod.
#[derive(Default, Debug)]
pub(super) struct Pod {
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) node: Option<String>,
    /// Values of [`STATUS`], and where they stand. Some versions of multus write both.
    statuses: Vec<(Position, String)>,
    /// Value of [`OVN`].
    ovn: Option<(Position, String)>,
}

impl Pod {
    /// Takes an annotation that tells MACs; others are passed over.
    pub(super) fn annotate(&mut self, key: &str, position: Position, value: String) {
        if value.trim().is_empty() {
            return;
        }
        if STATUS.contains(&key) {
            self.statuses.push((position, value));
        } else if key == OVN {
            self.ovn = Some((position, value));
        }
    }

    /// Tells the owners of what the pod's annotations name.
    pub(super) fn tell(self, owners: &mut Owners<'_>) {
        let pod = match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => format!("pod {namespace}/{name}"),
            (None, Some(name)) => format!("pod {name}"),
            (_, None) => "a pod".to_owned(),
        };
        let node = self.node.as_deref().map_or_else(String::new, |node| format!(" on {node}"));
        let mut told = HashSet::new();
        for (position, status) in &self.statuses {
            let networks: Vec<Network> = match serde_json::from_str(status) {
                Ok(networks) => networks,
                Err(error) => {
                    owners.warn(*position, format!("{pod}: annotation network-status: {}", reason(&error)));
                    continue;
                }
            };
            for network in networks {
                let Some(mac) = network.mac.filter(|mac| !mac.is_empty()) else { continue };
                let interface = network.interface.or(network.name);
                let interface = interface.map_or_else(String::new, |name| format!(" interface {name}"));
                let ips = network.ips.unwrap_or_default().iter().filter_map(|ip| ip.parse().ok()).collect();
                owners.add(*position, &mac, format!("{pod}{interface}{node}"), ips);
                told.insert(mac);
            }
        }
        let Some((position, value)) = &self.ovn else { return };
        let (networks, is_cut) = match ovn_networks(value) {
            Ok(read) => read,
            Err(error) => return owners.warn(*position, format!("{pod}: annotation pod-networks: {}", reason(&error))),
        };
        // What multus names is named once, by its interface.
        let others = networks.into_iter().filter(|(_, network)| !told.contains(&network.mac_address));
        for (name, network) in others {
            let ips = network.ip_addresses.iter().filter_map(|ip| own_address(ip)).collect();
            owners.add(*position, &network.mac_address, format!("{pod} network {name}{node}"), ips);
        }
        if is_cut && told.is_empty() {
            let message = "annotation pod-networks is cut by `oc describe`; `oc get pod -o yaml` prints it whole";
            owners.warn(*position, format!("{pod}: {message}"));
        }
    }
}

/// The networks of [`OVN`], and whether the text was cut, so that none but the first is known.
fn ovn_networks(value: &str) -> serde_json::Result<(BTreeMap<String, OvnNetwork>, bool)> {
    let whole = serde_json::from_str(value);
    match value.strip_suffix(CUT).and_then(first_network) {
        Some(networks) if whole.is_err() => Ok((networks, true)),
        _ => whole.map(|networks| (networks, false)),
    }
}

/// The network that a text begins with which is cut behind its MAC.
fn first_network(cut: &str) -> Option<BTreeMap<String, OvnNetwork>> {
    const LABEL: &str = "\"mac_address\":\"";
    let start = cut.find(LABEL)? + LABEL.len();
    let end = start + cut.get(start..)?.find('"')? + 1;
    serde_json::from_str(&format!("{}}}}}", cut.get(..end)?)).ok()
}

/// The address in `10.128.2.24/23`.
fn own_address(text: &str) -> Option<IpAddr> {
    text.split_once('/').map_or(text, |(address, _)| address).parse().ok()
}

/// JSON of a list of pods, or of one pod.
#[derive(Deserialize)]
pub(super) struct Listing {
    items: Option<Vec<Item>>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Item {
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
    #[serde(rename = "k8s.ovn.org/pod-networks")]
    pod_networks: Option<String>,
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

/// A network of OVN-Kubernetes.
#[derive(Deserialize)]
struct OvnNetwork {
    mac_address: String,
    #[serde(default)]
    ip_addresses: Vec<String>,
}

impl Listing {
    /// The pods; `None` where the JSON is something else.
    pub(super) fn pods(self) -> Option<impl Iterator<Item = Pod>> {
        let items = match self {
            Self { items: Some(items), .. } => items,
            Self { metadata: None, .. } => return None,
            Self { metadata, spec, .. } => vec![Item { metadata, spec }],
        };
        Some(items.into_iter().filter_map(Item::pod))
    }
}

impl Item {
    fn pod(self) -> Option<Pod> {
        let metadata = self.metadata?;
        let Annotations { network_status, networks_status, pod_networks } = metadata.annotations?;
        let node = self.spec.and_then(|spec| spec.node_name);
        let mut pod = Pod { namespace: metadata.namespace, name: metadata.name, node, ..Pod::default() };
        for (key, value) in [(STATUS[0], network_status), (STATUS[1], networks_status), (OVN, pod_networks)] {
            pod.annotate(key, Position::Whole, value.unwrap_or_default());
        }
        Some(pod)
    }
}
