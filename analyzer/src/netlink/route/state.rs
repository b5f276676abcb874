//! What the kernel has told, and the facts that follow. No I/O, no clock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_REPLACE};

use super::message::{self, Key};
use super::rule::Rule;
use super::table::{Effect, Routes, Told};
use super::tables::Table;
use crate::engine::fact::{Binding, Fact, RouterPort};
use crate::netlink::address::Address;
use crate::netlink::attribute::Malformed;
use crate::netlink::link::{Link, Links};
use crate::netlink::neighbour::Neighbour;
use crate::netlink::nexthop::{Nexthop, Nexthops};
use crate::netlink::rtnetlink::{Dump, Message, kind};
use crate::types::{MacAddr, Timestamp};

mod telling;

/// Most objects of one kind that are kept. The kernel has fewer; what it tells beyond is dropped and counted.
const MAX_OBJECTS: usize = 1 << 21;

/// What is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Whether routes and router ports are told. Neighbours then count on their own device alone; else, beside the
    /// routers of OVN, whose ports have other names, on any port.
    pub routes: bool,
    /// Whether neighbours are told.
    pub neighbours: bool,
    /// Routing tables that are followed beside the main table.
    pub tables: Vec<Table>,
    /// The devices of whose routes and neighbours is told, those above them included; `None` for all.
    ///
    /// A bridge that a virtual switch puts on a NIC, such as br-ex, is not above it in the kernel's eyes and is named
    /// here beside it.
    pub devices: Option<HashSet<Arc<str>>>,
}

/// Where a message comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A dump that was asked for.
    Dump,
    /// A notification.
    Notification,
}

/// What was lost, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Messages that cannot be read.
    pub malformed: u64,
    /// Objects dropped because there were too many.
    pub dropped: u64,
    /// Times that the kernel dropped notifications because its buffer was full. Everything is dumped anew after each.
    pub overruns: u64,
    /// Dumps that had to be repeated because what they list changed meanwhile.
    pub interrupted: u64,
}

/// All that the kernel has told.
#[derive(Debug)]
pub struct State {
    settings: Settings,
    tables: HashMap<u32, Arc<str>>,
    router: Arc<str>,
    links: Links,
    addresses: HashSet<Address>,
    nexthops: Nexthops,
    routes: Routes,
    rules: HashSet<Rule>,
    neighbours: HashMap<(u32, IpAddr), Cached>,
    /// What the dump that is running has not listed yet; routes keep this themselves.
    unseen: HashSet<Object>,
    watched: HashSet<u32>,
    dirty: Dirty,
    told_routes: HashMap<Key, Vec<Fact>>,
    told_ports: HashMap<u32, RouterPort>,
    told_bindings: HashMap<BindingKey, Vec<Binding>>,
    told_links: HashMap<u32, Link>,
    /// Links that may differ from what was told of them.
    untold_links: HashSet<u32>,
    warnings: Vec<String>,
    stale: BTreeSet<Dump>,
    /// What was lost.
    pub losses: Losses,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cached {
    mac: Option<MacAddr>,
    confirmed: Option<Timestamp>,
}

/// An object, by what names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Object {
    Link(u32),
    Address(Address),
    Nexthop(u32),
    Rule(Rule),
    Neighbour(u32, IpAddr),
}

/// Device (where neighbours count on their own) and address.
type BindingKey = (Option<u32>, IpAddr);

/// What has changed since the last delta.
#[derive(Debug, Default)]
struct Dirty {
    routes: HashSet<Key>,
    neighbours: HashSet<BindingKey>,
    /// Links of which something changed that facts tell.
    links: HashSet<u32>,
    nexthops: HashSet<u32>,
    addresses: bool,
    /// Which devices are watched, or lie on them.
    watched: bool,
}

impl State {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let tables = settings.tables.iter().cloned().chain([Table::main()]).map(|table| (table.id, table.name));
        Self {
            tables: tables.collect(),
            settings,
            router: super::ROUTER.into(),
            links: Links::default(),
            addresses: HashSet::new(),
            nexthops: Nexthops::default(),
            routes: Routes::default(),
            rules: HashSet::new(),
            neighbours: HashMap::new(),
            unseen: HashSet::new(),
            watched: HashSet::new(),
            dirty: Dirty::default(),
            told_routes: HashMap::new(),
            told_ports: HashMap::new(),
            told_bindings: HashMap::new(),
            told_links: HashMap::new(),
            untold_links: HashSet::new(),
            warnings: Vec::new(),
            stale: BTreeSet::new(),
            losses: Losses::default(),
        }
    }

    /// What is told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the dump lists something that is to be told.
    pub fn needs(&self, dump: Dump) -> bool {
        match dump {
            Dump::Links => true,
            Dump::Neighbours => self.settings.neighbours,
            _ => self.settings.routes,
        }
    }

    /// Other devices are watched from now on.
    pub fn watch(&mut self, devices: Option<HashSet<Arc<str>>>) {
        self.settings.devices = devices;
        self.dirty.watched = true;
    }

    /// Takes a message. One that cannot be read is counted and changes nothing. `now` is when it was read.
    pub fn apply(&mut self, message: &Message<'_>, origin: Origin, now: Timestamp) {
        if self.read(message, origin, now).is_err() {
            self.losses.malformed = self.losses.malformed.saturating_add(1);
        }
    }

    fn read(&mut self, message: &Message<'_>, origin: Origin, now: Timestamp) -> Result<(), Malformed> {
        let payload = message.payload;
        match message.kind {
            kind::NEW_LINK => Link::parse(payload)?.into_iter().for_each(|link| self.set_link(link)),
            kind::DEL_LINK => {
                Link::parse(payload)?.into_iter().for_each(|link| self.remove(Object::Link(link.ifindex)))
            }
            kind::NEW_NEIGHBOUR if self.settings.neighbours => {
                Neighbour::parse(payload)?.into_iter().for_each(|neighbour| self.set_neighbour(neighbour, now));
            }
            kind::DEL_NEIGHBOUR if self.settings.neighbours => Neighbour::parse(payload)?
                .into_iter()
                .for_each(|neighbour| self.remove(Object::Neighbour(neighbour.ifindex, neighbour.ip))),
            _ if !self.settings.routes => {}
            kind::NEW_ADDRESS => Address::parse(payload)?.into_iter().for_each(|address| self.set_address(address)),
            kind::DEL_ADDRESS => {
                Address::parse(payload)?.into_iter().for_each(|address| self.remove(Object::Address(address)));
            }
            kind::NEW_NEXTHOP => {
                let (id, nexthop) = Nexthop::parse(payload)?;
                self.set_nexthop(id, nexthop);
            }
            kind::DEL_NEXTHOP => self.remove(Object::Nexthop(Nexthop::parse(payload)?.0)),
            kind::NEW_RULE => Rule::parse(payload)?.into_iter().for_each(|rule| self.set_rule(rule)),
            kind::DEL_RULE => Rule::parse(payload)?.into_iter().for_each(|rule| self.remove(Object::Rule(rule))),
            kind::NEW_ROUTE | kind::DEL_ROUTE => self.read_route(message, origin)?,
            _ => {}
        }
        Ok(())
    }

    fn read_route(&mut self, message: &Message<'_>, origin: Origin) -> Result<(), Malformed> {
        let Some(route) = message::parse(message.payload)? else { return Ok(()) };
        if !self.tables.contains_key(&route.key.table) {
            return Ok(());
        }
        let key = route.key;
        let told = match origin {
            Origin::Dump => Told::Listed,
            Origin::Notification if message.flags & NLM_F_REPLACE != 0 => Told::Replacing,
            Origin::Notification if message.flags & NLM_F_APPEND != 0 => Told::Appended,
            Origin::Notification => Told::Added,
        };
        let Effect { changed, doubtful } = if message.kind == kind::DEL_ROUTE {
            self.routes.remove(&route)
        } else if self.is_full(self.routes.len()) {
            Effect::default()
        } else {
            self.routes.insert(route, told)
        };
        if changed {
            self.dirty.routes.insert(key);
        }
        if doubtful {
            self.stale.insert(routes_of(key.prefix.addr().is_ipv4()));
        }
        Ok(())
    }

    fn set_link(&mut self, link: Link) {
        let ifindex = link.ifindex;
        self.unseen.remove(&Object::Link(ifindex));
        if self.links.get(ifindex).is_none() && self.is_full(self.links.len()) {
            return;
        }
        let could_carry = self.links.get(ifindex).map(Link::can_carry);
        let can_carry = link.can_carry();
        if !self.links.insert(link) {
            return;
        }
        // The kernel says nothing of IPv4 routes that go, die or come back to life with their link.
        if could_carry.is_some_and(|could| could != can_carry) {
            self.doubt_routes();
        }
        self.dirty.links.insert(ifindex);
        self.dirty.watched = true;
        self.untold_links.insert(ifindex);
    }

    fn set_address(&mut self, address: Address) {
        self.unseen.remove(&Object::Address(address));
        if !self.is_full(self.addresses.len()) {
            self.dirty.addresses |= self.addresses.insert(address);
        }
    }

    fn set_nexthop(&mut self, id: u32, nexthop: Nexthop) {
        self.unseen.remove(&Object::Nexthop(id));
        if !self.is_full(self.nexthops.len()) && self.nexthops.insert(id, nexthop) {
            self.dirty.nexthops.insert(id);
        }
    }

    fn set_rule(&mut self, rule: Rule) {
        self.unseen.remove(&Object::Rule(rule));
        if !self.is_full(self.rules.len())
            && self.rules.insert(rule)
            && !rule.is_followed(|table| self.tables.contains_key(&table))
        {
            let warning = rule.warning();
            // Rules that differ in a mark or a port only have one warning.
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    fn set_neighbour(&mut self, neighbour: Neighbour, now: Timestamp) {
        let Neighbour { ifindex, ip, mac, confirmed_ago } = neighbour;
        self.unseen.remove(&Object::Neighbour(ifindex, ip));
        if self.is_full(self.neighbours.len()) {
            return;
        }
        let cached = Cached { mac, confirmed: confirmed_ago.map(|ago| now.saturating_sub(ago)) };
        let previous = self.neighbours.insert((ifindex, ip), cached);
        // To be confirmed anew is no change.
        if previous.is_none_or(|previous| previous.mac != mac) {
            self.dirty.neighbours.insert(self.binding_key(ifindex, ip));
        }
    }

    fn remove(&mut self, object: Object) {
        self.unseen.remove(&object);
        match object {
            Object::Link(ifindex) => {
                if self.links.remove(ifindex) {
                    self.doubt_routes();
                    self.dirty.links.insert(ifindex);
                    self.dirty.watched = true;
                    self.untold_links.insert(ifindex);
                }
            }
            Object::Address(address) => {
                if self.addresses.remove(&address) {
                    self.dirty.addresses = true;
                    // Routes that name the address as their source go with it, and nothing is said of them.
                    self.stale.insert(routes_of(address.own.is_ipv4()));
                }
            }
            Object::Nexthop(id) => {
                if self.nexthops.remove(id) {
                    self.dirty.nexthops.insert(id);
                    // So do routes that use it.
                    self.doubt_routes();
                }
            }
            Object::Rule(rule) => drop(self.rules.remove(&rule)),
            Object::Neighbour(ifindex, ip) => {
                if self.neighbours.remove(&(ifindex, ip)).is_some() {
                    self.dirty.neighbours.insert(self.binding_key(ifindex, ip));
                }
            }
        }
    }

    /// A dump was asked for: what it does not list by its end is gone.
    pub fn dump_begins(&mut self, dump: Dump) {
        self.unseen.clear();
        match dump {
            Dump::Links => self.unseen.extend(self.links.iter().map(|link| Object::Link(link.ifindex))),
            Dump::Addresses => self.unseen.extend(self.addresses.iter().copied().map(Object::Address)),
            Dump::Nexthops => self.unseen.extend(self.nexthops.ids().map(Object::Nexthop)),
            Dump::Ipv4Rules | Dump::Ipv6Rules => {
                let own = self.rules.iter().filter(|rule| rule.is_ipv4 == (dump == Dump::Ipv4Rules));
                self.unseen.extend(own.copied().map(Object::Rule));
            }
            Dump::Neighbours => {
                self.unseen.extend(self.neighbours.keys().map(|&(ifindex, ip)| Object::Neighbour(ifindex, ip)));
            }
            Dump::Ipv4Routes => self.routes.dump_begins(true),
            Dump::Ipv6Routes => self.routes.dump_begins(false),
        }
    }

    /// The dump has ended. One that is not complete takes nothing away.
    pub fn dump_ends(&mut self, dump: Dump, is_complete: bool) {
        let unseen = std::mem::take(&mut self.unseen);
        if is_complete {
            unseen.into_iter().for_each(|object| self.remove(object));
            match dump {
                Dump::Ipv4Routes => self.dirty.routes.extend(self.routes.sweep(true)),
                Dump::Ipv6Routes => self.dirty.routes.extend(self.routes.sweep(false)),
                _ => {}
            }
        }
    }

    /// Dumps that must be repeated, as what they list may have changed without a word.
    pub fn take_stale(&mut self) -> BTreeSet<Dump> {
        std::mem::take(&mut self.stale)
    }

    /// Whether there are dumps that must be repeated.
    pub fn is_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// What the user should know, since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// How many objects may have a part in news that were not taken yet.
    pub fn pending(&self) -> usize {
        let Dirty { routes, neighbours, links, nexthops, addresses, watched } = &self.dirty;
        routes.len()
            + neighbours.len()
            + links.len()
            + nexthops.len()
            + usize::from(*addresses)
            + usize::from(*watched)
            + self.untold_links.len()
            + self.warnings.len()
    }

    fn binding_key(&self, ifindex: u32, ip: IpAddr) -> BindingKey {
        (self.settings.routes.then_some(ifindex), ip)
    }

    fn doubt_routes(&mut self) {
        if self.settings.routes {
            self.stale.extend([Dump::Nexthops, Dump::Ipv4Routes, Dump::Ipv6Routes]);
        }
    }

    /// Whether there are too many objects of a kind; counts one that is dropped.
    fn is_full(&mut self, len: usize) -> bool {
        let is_full = len >= MAX_OBJECTS;
        self.losses.dropped = self.losses.dropped.saturating_add(u64::from(is_full));
        is_full
    }
}

fn routes_of(is_ipv4: bool) -> Dump {
    if is_ipv4 { Dump::Ipv4Routes } else { Dump::Ipv6Routes }
}

#[cfg(test)]
mod tests;
