//! Conntrack entries of flows under suspicion.
//!
//! The kernel's table is asked for each flow by itself, by tuple and zone, which costs the same in a table of a million
//! entries. ovs-vswitchd can only be asked for whole zones, and answers in its main loop, so there the labelled entries
//! of the last reading have to do; a reading is asked for when a flow comes under suspicion.

use std::collections::BTreeSet;

use hashbrown::HashSet;

use super::entries::{Entries, MAX_ENTRIES, Way, Zones};
use super::event::Begun;
use super::senders::Senders;
use crate::conntrack::index::LabelledIndex;
use crate::engine::Engine;
use crate::engine::fact::{BR_EX_ZONE, Connection, Delta, Fact};
use crate::engine::label;
use crate::engine::watch::{Place, Watch};
use crate::netlink::conntrack::events::Event;
use crate::types::{MacAddr, Timestamp, Tuple};

/// Zones asked for each flow at most. A node has a few gateway routers; what is beyond is found by the index.
const MAX_ZONES: usize = 64;
/// Zone of the host, shared by source NAT of the default network.
const HOST_ZONE: u16 = 0;
/// Tuples followed for each flow: its own, the other direction, and both behind a translation.
const MAX_TUPLES: usize = 4;

/// Conntrack entries of flows under suspicion.
pub(crate) struct Evidence {
    entries: Box<dyn Entries>,
    /// Where they are asked for.
    way: Way,
    index: LabelledIndex,
    /// Which of them may be latent. The tag of an entry is its place in it.
    watch: Watch,
    /// Entries that tell who sends, of ovs-vswitchd's table.
    senders: Senders,
    /// Rules that translate sources: whether the zones are read in which that shows.
    translations: usize,
    /// When the last reading of all labelled entries began.
    read: Begun,
    /// Zones of routers' destination NAT, as the Open_vSwitch database names them.
    named: BTreeSet<u16>,
    /// Zones of others, where they are asked for each flow too.
    others: Option<BTreeSet<u16>>,
    /// Zones asked for each flow.
    zones: Vec<u16>,
    failures: u64,
    last_failure: Option<String>,
    latent_beyond: u64,
    /// Entries that found no room in readings of before.
    refused: u64,
}

impl Evidence {
    /// Evidence of this table, which is not asked yet.
    pub(crate) fn new(entries: Box<dyn Entries>) -> Self {
        let mut evidence = Self {
            entries,
            way: Way::Open,
            index: LabelledIndex::new(MAX_ENTRIES),
            watch: Watch::default(),
            senders: Senders::default(),
            translations: 0,
            read: Begun::default(),
            named: BTreeSet::new(),
            others: None,
            zones: Vec::new(),
            failures: 0,
            last_failure: None,
            latent_beyond: 0,
            refused: 0,
        };
        evidence.choose_zones();
        evidence
    }

    /// Evidence that asks for a flow in every zone that has a name, those of pods too, which bear on no verdict.
    pub(crate) fn of_all_zones(entries: Box<dyn Entries>) -> Self {
        Self { others: Some(BTreeSet::new()), ..Self::new(entries) }
    }

    /// Asks this way from now on.
    ///
    /// # Errors
    /// The table cannot be opened, in words.
    pub(crate) fn ask(&mut self, way: Way) -> Result<(), String> {
        self.entries.open(way)?;
        self.way = way;
        Ok(())
    }

    /// Begins a reading of all labelled entries.
    pub(crate) fn begin_reading(&mut self) {
        let zones = self.zones();
        self.entries.read(zones);
    }

    /// Takes over a new reading of all labelled entries, and of those that tell who sends.
    pub(crate) fn replace(&mut self, index: LabelledIndex, senders: Senders, begun: Begun) {
        self.refused += self.index.refused() + self.senders.refused();
        self.index = index;
        self.watch.clear();
        self.senders = senders;
        self.read = begun;
        self.choose_zones();
    }

    /// When the last reading of all labelled entries began.
    pub(crate) fn read(&self) -> &Begun {
        &self.read
    }

    /// The labelled entries.
    pub(crate) fn index(&mut self) -> &mut LabelledIndex {
        &mut self.index
    }

    /// Zones that a userspace datapath is asked for.
    pub(crate) fn zones(&self) -> Zones {
        let senders = if self.translations > 0 { vec![HOST_ZONE, BR_EX_ZONE] } else { Vec::new() };
        Zones { routers: self.named.iter().copied().collect(), senders }
    }

    /// Labelled entries that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.index.len()
    }

    /// Entries that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused + self.index.refused() + self.senders.refused()
    }

    /// Those of these MACs that a labelled entry holds.
    pub(crate) fn held(&self, macs: &HashSet<MacAddr>) -> HashSet<MacAddr> {
        if macs.is_empty() {
            return HashSet::new();
        }
        let held = self.index.iter().filter_map(|entry| label::decode(entry.label, entry.mark));
        held.map(|reply| reply.eth).filter(|mac| macs.contains(mac)).collect()
    }

    /// Whether an entry of this very flow holds the MAC in the index.
    pub(crate) fn is_indexed(&self, wire: Tuple, mac: MacAddr) -> bool {
        let entries = self.index.of(wire).chain(self.index.of(wire.reversed()));
        entries.filter_map(|entry| label::decode(entry.label, entry.mark)).any(|reply| reply.eth == mac)
    }

    /// Whether a reading has to be asked for to learn of a flow.
    pub(crate) fn needs_reading(&self) -> bool {
        self.way == Way::Userspace
    }

    /// Failed requests so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// Why the last request failed, once.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.last_failure.take()
    }

    /// Notes which zones are named, and whether sources are translated.
    pub(crate) fn follow(&mut self, delta: &Delta) {
        let translates = |fact: &&Fact| matches!(fact, Fact::Nat(nat) if nat.translates_source);
        self.translations += delta.begun.iter().filter(translates).count();
        self.translations = self.translations.saturating_sub(delta.ended.iter().filter(translates).count());
        let zone = |fact: &Fact| match fact {
            Fact::Zone(zone) => Some((zone.zone, zone.name.ends_with("_dnat"))),
            _ => None,
        };
        let ended = delta.ended.iter().filter_map(zone).map(|zone| (zone, false));
        let begun = delta.begun.iter().filter_map(zone).map(|zone| (zone, true));
        let mut is_changed = false;
        for ((zone, is_dnat), begins) in ended.chain(begun) {
            let own = if is_dnat { Some(&mut self.named) } else { self.others.as_mut() };
            is_changed |= own.is_some_and(|own| if begins { own.insert(zone) } else { own.remove(&zone) });
        }
        if is_changed {
            self.choose_zones();
        }
    }

    fn choose_zones(&mut self) {
        let mut zones = BTreeSet::from([HOST_ZONE, BR_EX_ZONE]);
        zones.extend(self.named.iter().take(MAX_ZONES));
        zones.extend(self.index.zones().into_iter().take(MAX_ZONES));
        let mut zones: Vec<u16> = zones.into_iter().take(MAX_ZONES).collect();
        let others = self.others.iter().flatten().filter(|zone| !zones.contains(zone));
        let others: Vec<u16> = others.copied().collect();
        zones.extend(others);
        self.zones = zones;
    }

    /// Tells the engine the entries of a flow, as they are now, and returns the tuples that they were told under. Where
    /// the table cannot be asked, nothing is told: that an entry is not known does not mean that there is none.
    pub(crate) fn tell(&mut self, wire: Tuple, engine: &mut Engine) -> Vec<Tuple> {
        let Some((tuples, found)) = self.entries(wire) else { return Vec::new() };
        for &tuple in &tuples {
            let touches = |entry: &&Connection| {
                [entry.orig, entry.reply].into_iter().any(|own| own == tuple || own.reversed() == tuple)
            };
            engine.set_connections(tuple, found.iter().filter(touches).cloned().collect());
        }
        tuples
    }

    /// Whether an entry of the flow holds the MAC now. `None` where that is not known, as where entries were read last
    /// before `since`.
    pub(crate) fn holds(&mut self, wire: Tuple, mac: MacAddr, since: Timestamp) -> Option<bool> {
        if self.way == Way::Userspace && self.read.first <= since {
            return None;
        }
        let (_, found) = self.entries(wire)?;
        let mut labels = found.iter().filter_map(|entry| label::decode(entry.label, entry.mark));
        Some(labels.any(|reply| reply.eth == mac))
    }

    /// The entries of a flow, as they are now, and the tuples that they were found by. `None` where the table cannot be
    /// asked.
    fn entries(&mut self, wire: Tuple) -> Option<(Vec<Tuple>, Vec<Connection>)> {
        // Where there is none, nobody is asked.
        self.way.datapath()?;
        let failures = self.failures;
        let mut tuples = vec![wire];
        let mut found: Vec<Connection> = Vec::new();
        let mut next = 0;
        while let Some(&tuple) = tuples.get(next) {
            next += 1;
            for connection in self.of(tuple) {
                if found.contains(&connection) {
                    continue;
                }
                // A translated flow has its label in the entry of another zone, under the tuple of before.
                for other in [connection.orig, connection.reply] {
                    let is_known = tuples.iter().any(|known| *known == other || known.reversed() == other);
                    if !is_known && tuples.len() < MAX_TUPLES {
                        tuples.push(other);
                    }
                }
                found.push(connection);
            }
        }
        (self.failures == failures).then_some((tuples, found))
    }

    /// Entries one of whose tuples is this one, or its mirror.
    fn of(&mut self, tuple: Tuple) -> Vec<Connection> {
        let mirror = tuple.reversed();
        let mut found: Vec<Connection> = Vec::new();
        match self.way {
            Way::Open | Way::None => return found,
            Way::Userspace => {}
            Way::Kernel => {
                let indexed = self.index.of(tuple).chain(self.index.of(mirror)).map(|entry| entry.zone);
                let zones: BTreeSet<u16> = indexed.chain(self.zones.iter().copied()).collect();
                for zone in zones {
                    for asked in [tuple, mirror] {
                        if let Some(Some(entry)) = self.get(asked, zone)
                            && !found.contains(&entry)
                        {
                            found.push(entry);
                        }
                    }
                }
                return found;
            }
        }
        // ovs-vswitchd does not read the ports of every protocol.
        for tuple in tuple.tracked_as().flat_map(|tuple| [tuple, tuple.reversed()]) {
            for connection in self.index.of(tuple).chain(self.senders.of(tuple).cloned()) {
                if !found.contains(&connection) {
                    found.push(connection);
                }
            }
        }
        found
    }

    /// The kernel's entry of a tuple, if there is one; `None` where it cannot be asked, which counts.
    fn get(&mut self, tuple: Tuple, zone: u16) -> Option<Option<Connection>> {
        match self.entries.get(tuple, zone) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.failures += 1;
                self.last_failure = Some(error);
                None
            }
        }
    }

    /// Entries whose MAC is outside the set and that were too many to be looked at, in the look that had most.
    pub(crate) fn latent_beyond(&self) -> u64 {
        self.latent_beyond
    }

    /// Brings what is known of the entries up to `at`. Returns whether any may hold a MAC outside the set that did not.
    pub(crate) fn watch(&mut self, engine: &Engine, at: Timestamp) -> bool {
        let Self { watch, index, .. } = self;
        let has_left = engine.watch(watch, at);
        watch.make_room(index.len());
        index.tag(watch.are_any_moved(), |entry, tag, is_shared| {
            watch.place_anew(entry, Place::of(tag), is_shared).number()
        });
        watch.settle();
        engine.watch(watch, at) || has_left
    }

    /// Tells the engine the labelled entries that may be latent: the MAC is outside the set of their own flow. Those whose
    /// MAC is one of `recent` are left out. Returns their tuples.
    pub(crate) fn tell_outside(
        &mut self,
        recent: &HashSet<MacAddr>,
        limit: usize,
        engine: &mut Engine,
        at: Timestamp,
    ) -> Vec<Tuple> {
        self.watch(engine, at);
        let mut told = Vec::new();
        let holds_recent = |entry: &Connection| {
            label::decode(entry.label, entry.mark).is_some_and(|reply| recent.contains(&reply.eth))
        };
        let outside = self.index.tagged(|tag| self.watch.is_outside(Place::of(tag)));
        let mut outside = outside.filter(|entry| !holds_recent(entry));
        for connection in outside.by_ref().take(limit) {
            told.push(connection.orig);
            let own = self.index.of(connection.orig).chain(self.index.of(connection.orig.reversed()));
            engine.set_connections(connection.orig, own.collect());
        }
        self.latent_beyond = self.latent_beyond.max(outside.count() as u64);
        told
    }

    /// Takes over what the kernel says of one entry.
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::Changed(entry) => {
                self.index.insert(&entry);
            }
            Event::Touched { orig, zone, .. } => {
                let is_known = self.index.of(orig).any(|entry| entry.zone == zone && entry.orig == orig);
                if self.way == Way::Kernel && is_known {
                    match self.get(orig, zone) {
                        Some(Some(entry)) => _ = self.index.insert(&entry),
                        Some(None) => _ = self.index.remove(orig, zone, None),
                        None => {}
                    }
                }
            }
            Event::Destroyed { orig, zone, id } => {
                self.index.remove(orig, zone, id);
            }
            Event::Overrun => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody is asked.
    struct Nowhere;

    impl Entries for Nowhere {
        fn open(&mut self, _: Way) -> Result<(), String> {
            Ok(())
        }

        fn get(&self, _: Tuple, _: u16) -> Result<Option<Connection>, String> {
            Ok(None)
        }

        fn read(&mut self, _: Zones) {}
    }

    #[test]
    fn what_the_kernel_tells_before_the_first_reading_is_kept() {
        let orig = "udp 198.51.100.7:53 -> 10.244.0.5:4000".parse::<Tuple>().unwrap();
        let (zone, mark, label) = (35, 0x2_0000, 0xce73_2966_39a4_u128 << 32);
        let entry =
            Connection { orig, reply: orig.reversed(), zone, mark, label, id: None, offloaded: false, dying: false };
        let mut evidence = Evidence::new(Box::new(Nowhere));
        evidence.note(Event::Changed(entry));
        assert_eq!((evidence.kept(), evidence.refused()), (1, 0));
        evidence.note(Event::Destroyed { orig, zone, id: None });
        assert_eq!((evidence.kept(), evidence.refused()), (0, 0));
    }
}
