//! Router ports: their MACs, networks and tunnel keys.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::fact::{RouterPort, is_inner_port};
use super::prefixes::PrefixSet;
use super::versions::{Dated, End, Versions, dated};
use crate::types::{IpPrefix, MacAddr, Timestamp, Validity};

/// All router ports that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct Ports {
    by_name: HashMap<Arc<str>, Named>,
    /// Names of the ports of each router. Ports whose router nobody tells stand under `None`.
    by_router: HashMap<Option<Arc<str>>, BTreeSet<Arc<str>>>,
    /// The same of ports towards the inside of the cluster alone.
    inner_by_router: HashMap<Option<Arc<str>>, BTreeSet<Arc<str>>>,
    /// Names of the ports that have a MAC, or had.
    macs: HashMap<MacAddr, BTreeSet<Arc<str>>>,
    addresses: HashSet<IpAddr>,
    /// The ports that have, or had, each address, link-local ones that follow from the MAC included.
    by_address: HashMap<IpAddr, Versions<Own>>,
    networks: PrefixSet,
}

/// A port that has an address.
#[derive(Clone, PartialEq, Hash, Debug)]
pub(super) struct Own {
    /// Name of the port.
    pub(super) port: Arc<str>,
    pub(super) mac: MacAddr,
    pub(super) validity: Validity,
}

dated!(Own);

/// The ports of one name.
#[derive(Debug, Default)]
struct Named {
    /// What each source told: `Logical_Router_Port` tells networks and router, `Port_Binding` the tunnel key.
    told: Versions<RouterPort>,
    /// The router, as the first source that names one tells it.
    router: Option<Arc<str>>,
}

impl Ports {
    pub(super) fn add(&mut self, port: RouterPort) {
        self.note(&port);
        for (address, own) in owned(&port) {
            self.by_address.entry(address).or_default().push(own);
        }
        let name = port.name.clone();
        let named = self.by_name.entry(name.clone()).or_default();
        let router = port.router.clone().or_else(|| named.router.clone());
        let is_claimed = named.router.is_none() && router.is_some();
        if is_claimed {
            named.router.clone_from(&router);
        }
        named.told.push(port);
        let inner = is_inner_port(&name).then_some(&mut self.inner_by_router);
        for by_router in [&mut self.by_router].into_iter().chain(inner) {
            if is_claimed {
                by_router.entry(None).or_default().remove(&name);
            }
            by_router.entry(router.clone()).or_default().insert(name.clone());
        }
    }

    fn note(&mut self, port: &RouterPort) {
        if let Some(mac) = port.mac {
            self.macs.entry(mac).or_default().insert(port.name.clone());
        }
        self.addresses.extend(&port.addresses);
        port.networks.iter().for_each(|&network| self.networks.insert(network));
    }

    pub(super) fn begin(&mut self, port: RouterPort) {
        if let Some(named) = self.by_name.get_mut(&port.name)
            && let Some(number) = named.told.continued_by(&port)
        {
            named.told.update(number, |told| told.validity.until = None);
            for (address, own) in owned(&port) {
                self.by_address.entry(address).or_default().begin(own);
            }
        } else {
            self.add(port);
        }
    }

    pub(super) fn end(&mut self, port: &RouterPort, at: Timestamp) -> End {
        let named = self.by_name.get_mut(&port.name);
        let ended = named.map_or(End::Unknown, |named| named.told.end(port, at));
        match ended {
            End::Vanished => self.rebuild(|_| false),
            End::Ended => owned(port).for_each(|(address, own)| {
                self.by_address.entry(address).or_default().end(&own, at);
            }),
            End::Unknown => {}
        }
        ended
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        if self.all().any(|port| is_forgotten(port.validity)) {
            self.rebuild(is_forgotten);
        }
    }

    /// Tells anew what is not forgotten: routers have a handful of ports.
    fn rebuild(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        let told = core::mem::take(self).by_name.into_values().flat_map(|named| named.told.into_iter());
        told.filter(|port| !is_forgotten(port.validity)).for_each(|port| self.add(port));
    }

    /// All addresses that are, or were, ports' own.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().copied()
    }

    /// Connected networks at `at`, and the router that each is one of: `None` for a port whose router nobody tells.
    pub(super) fn connected(&self, at: Timestamp) -> impl Iterator<Item = (IpPrefix, &Option<Arc<str>>)> {
        self.by_router.iter().flat_map(move |(router, names)| {
            let ports = names.iter().flat_map(move |name| self.named(name, at));
            ports.flat_map(|port| &port.networks).map(move |&network| (network, router))
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Whether some router port has, or had, the MAC.
    pub(super) fn has_mac(&self, mac: MacAddr) -> bool {
        self.macs.contains_key(&mac)
    }

    /// What was told of ports that have the MAC.
    pub(super) fn with_mac(&self, mac: MacAddr) -> impl Iterator<Item = &RouterPort> {
        let names = self.macs.get(&mac).into_iter().flatten();
        let told = names.filter_map(|name| self.by_name.get(name)).flat_map(|named| named.told.iter());
        told.filter(move |port| port.mac == Some(mac))
    }

    /// Whether the address is, or was, some router port's own.
    pub(super) fn has_address(&self, addr: IpAddr) -> bool {
        self.addresses.contains(&addr)
    }

    /// The ports that have, or had, the address, link-local ones included.
    pub(super) fn ever_with(&self, addr: IpAddr) -> impl Iterator<Item = &Own> {
        self.by_address.get(&addr).into_iter().flat_map(Versions::iter)
    }

    /// The ports that have the address at `at`.
    pub(super) fn with(&self, addr: IpAddr, at: Timestamp) -> impl Iterator<Item = &Own> {
        self.by_address.get(&addr).into_iter().flat_map(move |told| told.holding(at))
    }

    /// All that was told of the port of that name, past versions included.
    pub(super) fn versions(&self, name: &str) -> impl Iterator<Item = &RouterPort> {
        self.by_name.get(name).into_iter().flat_map(|named| named.told.iter())
    }

    /// Connected networks, past ones included, that hold `addr`.
    pub(super) fn networks_around(&self, addr: IpAddr) -> impl Iterator<Item = IpPrefix> + '_ {
        self.networks.around(addr)
    }

    /// All ports, for listings and boundaries.
    pub(super) fn all(&self) -> impl Iterator<Item = &RouterPort> {
        self.by_name.values().flat_map(|named| named.told.iter())
    }

    /// What is told of the port of that name at `at`.
    pub(super) fn named(&self, name: &str, at: Timestamp) -> impl Iterator<Item = &RouterPort> {
        self.by_name.get(name).into_iter().flat_map(move |named| named.told.holding(at))
    }

    /// Ports of a router at `at`; of a router that has no name, all ports. Ports of which no source tells the router
    /// count as every router's.
    pub(super) fn of<'a>(&'a self, router: Option<&Arc<str>>, at: Timestamp) -> impl Iterator<Item = &'a RouterPort> {
        self.names_of(router).flat_map(move |name| self.named(name, at))
    }

    /// Those of them that lead to the inside of the cluster.
    pub(super) fn inner_of<'a>(
        &'a self,
        router: Option<&Arc<str>>,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a RouterPort> {
        let of = |router| self.inner_by_router.get(&router).into_iter().flatten();
        let (own, all) = match router {
            Some(router) => (Some(of(Some(router.clone())).chain(of(None))), None),
            None => (None, Some(self.inner_by_router.values().flatten())),
        };
        let names = own.into_iter().flatten().chain(all.into_iter().flatten());
        names.flat_map(move |name| self.named(name, at))
    }

    /// Those of any time.
    pub(super) fn ever_of<'a>(&'a self, router: Option<&Arc<str>>) -> impl Iterator<Item = &'a RouterPort> {
        self.names_of(router).filter_map(|name| self.by_name.get(name)).flat_map(|named| named.told.iter())
    }

    fn names_of<'a>(&'a self, router: Option<&Arc<str>>) -> impl Iterator<Item = &'a Arc<str>> {
        let own = router.and_then(|router| self.by_router.get(&Some(router.clone())));
        let unowned = router.and_then(|_| self.by_router.get(&None));
        let all = router.is_none().then(|| self.by_name.keys());
        own.into_iter().flatten().chain(unowned.into_iter().flatten()).chain(all.into_iter().flatten())
    }

    /// MACs of the port.
    pub(super) fn macs_of(&self, name: &str, at: Timestamp) -> impl Iterator<Item = MacAddr> {
        self.named(name, at).filter_map(|port| port.mac)
    }

    /// Tunnel key of the port.
    pub(super) fn key_of(&self, name: &str, at: Timestamp) -> Option<u16> {
        self.named(name, at).find_map(|port| port.port_key)
    }
}

/// The port by its own addresses: those told, and the link-local one that each port has beside them (RFC 4291, appendix A).
fn owned(port: &RouterPort) -> impl Iterator<Item = (IpAddr, Own)> {
    let link_local = |mac: MacAddr| {
        let [a, b, c, d, e, f] = mac.0;
        let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        IpAddr::from([0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f)])
    };
    port.mac.into_iter().flat_map(move |mac| {
        let addresses: BTreeSet<IpAddr> = port.addresses.iter().copied().chain([link_local(mac)]).collect();
        let own = move |address| (address, Own { port: port.name.clone(), mac, validity: port.validity });
        addresses.into_iter().map(own)
    })
}
