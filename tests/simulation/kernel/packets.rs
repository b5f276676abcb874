//! What the daemon asks of the kernel.

use analyzer::bpf::counted::{Counted, Heard, Key, MapUse, Request};
use analyzer::daemon::packets::{Counters, Packets, Refused};
use analyzer::engine::classes::{Classes, Combination};
use analyzer::types::{MacAddr, Tuple};
use analyzer_ebpf::maps::{FlowCounts, Outcome, PacketCount, name};
use hashbrown::{HashMap, HashSet};

use super::Kernel;
use super::stores::Hashed;

/// Maps that are not the set's, in the order in which the kernel's are told.
const COUNTED_IN: [&str; 10] = [
    name::SUSPECTS4,
    name::SUSPECTS6,
    name::RESERVE4,
    name::RESERVE6,
    name::RESERVE_MACS,
    name::SAMPLES4,
    name::SAMPLES6,
    name::REQUESTS,
    name::HEARD,
    name::NEXTHOPS,
];

impl Kernel {
    fn read<T>(&self, read: impl FnOnce() -> T) -> Result<T, Refused> {
        if self.faults.reads.get() { Err(Refused("the maps cannot be read".to_owned())) } else { Ok(read()) }
    }
}

/// In words, as the daemon tells them.
fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(error.to_string())
}

fn all<K: Copy + Eq + std::hash::Hash>(
    of: &Hashed<K, FlowCounts>,
    key: impl Fn(K) -> Key,
) -> impl Iterator<Item = Counted> {
    of.all().into_iter().map(move |(found, counts)| Counted { key: key(found), counts })
}

/// Takes an entry out, unless a packet has come since.
fn take<K: Copy + Eq + std::hash::Hash>(of: &Hashed<K, FlowCounts>, key: &K, last_ns: u64) -> Option<FlowCounts> {
    let counts = of.get(key)?;
    if counts.last_ns <= last_ns { of.remove(key) } else { None }
}

impl Packets for Kernel {
    fn install(
        &mut self,
        classes: &Classes,
        outcomes: Vec<(Combination, Outcome)>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<u32, Refused> {
        self.set.borrow_mut().install(classes, outcomes, legal_macs).map_err(refused)
    }

    fn add_outcome(&mut self, combination: &Combination, outcome: Outcome) -> Result<(), Refused> {
        let set = &mut *self.set.borrow_mut();
        set.add_outcome(set.generation(), combination, outcome).map(drop).map_err(refused)
    }

    fn unload(&mut self) -> Result<(), Refused> {
        self.set.borrow_mut().unload().map_err(refused)
    }

    fn suspect(&self, key: &Key) -> Result<Option<FlowCounts>, Refused> {
        self.read(|| match key {
            Key::V4(key) => self.tables.suspects4.get(key),
            Key::V6(key) => self.tables.suspects6.get(key),
            Key::Reserve4(key) => self.tables.reserve4.get(key),
            Key::Reserve6(key) => self.tables.reserve6.get(key),
        })
    }

    fn suspects(&self) -> Result<Vec<Counted>, Refused> {
        let tables = &self.tables;
        self.read(|| {
            let suspects = all(&tables.suspects4, Key::V4).chain(all(&tables.suspects6, Key::V6));
            let reserve = all(&tables.reserve4, Key::Reserve4).chain(all(&tables.reserve6, Key::Reserve6));
            suspects.chain(reserve).collect()
        })
    }

    fn remove(&mut self, suspects: &[Counted]) -> (Vec<Counted>, Result<(), Refused>) {
        let tables = &self.tables;
        let take = |&Counted { key, counts: FlowCounts { last_ns, .. } }: &Counted| {
            let counts = match &key {
                Key::V4(key) => take(&tables.suspects4, key, last_ns),
                Key::V6(key) => take(&tables.suspects6, key, last_ns),
                Key::Reserve4(key) => take(&tables.reserve4, key, last_ns),
                Key::Reserve6(key) => take(&tables.reserve6, key, last_ns),
            };
            counts.map(|counts| Counted { key, counts })
        };
        match self.read(|| suspects.iter().filter_map(take).collect()) {
            Ok(removed) => (removed, Ok(())),
            Err(refused) => (Vec::new(), Err(refused)),
        }
    }

    fn clear_reserve(&mut self, held: &HashMap<MacAddr, u64>) -> Result<(), Refused> {
        let macs = &self.tables.reserve_macs;
        self.read(|| {
            for (mac, believed) in macs.all() {
                let [_, _, octets @ ..] = mac.to_be_bytes();
                match held.get(&MacAddr(octets)) {
                    None => drop(macs.remove(&mac)),
                    Some(&held) if held < believed => macs.insert(&mac, held).expect("the MAC is there"),
                    Some(_) => {}
                }
            }
        })
    }

    fn settle(&self) -> Result<(), Refused> {
        self.set.borrow().settle().map_err(refused)
    }

    fn samples(&self) -> Result<Vec<Counted>, Refused> {
        self.read(|| all(&self.tables.samples4, Key::V4).chain(all(&self.tables.samples6, Key::V6)).collect())
    }

    fn request(&self, tuple: &Tuple, eth_src: MacAddr) -> Result<Option<FlowCounts>, Refused> {
        self.read(|| self.tables.requests.get(&Request::key(tuple, eth_src)))
    }

    fn requests(&self) -> Result<Vec<Request>, Refused> {
        let requests = || self.tables.requests.all().into_iter();
        self.read(|| requests().map(|(key, counts)| Request::new(key, counts)).collect())
    }

    fn heard(&self) -> Result<Vec<Heard>, Refused> {
        self.read(|| self.tables.heard.all().into_iter().map(|(key, at)| Heard::new(key, at)).collect())
    }

    fn nexthops(&self, len: u32) -> Result<Vec<PacketCount>, Refused> {
        self.read(|| self.tables.nexthops.all().into_iter().take(len as usize).collect())
    }

    fn counters(&self) -> Result<Counters, Refused> {
        self.read(|| self.tables.counters.all().try_into().expect("there is a place for each counter"))
    }

    fn map_uses(&self) -> Vec<MapUse> {
        let mut uses = self.set.borrow().map_uses();
        let sizes = self.sizes.maps().into_iter().filter(|(name, _)| COUNTED_IN.contains(name));
        uses.extend(sizes.map(|(name, max_entries)| {
            let entries = (name == name::NEXTHOPS).then_some(max_entries as usize);
            MapUse { name, entries, max_entries, memory_bytes: None }
        }));
        uses
    }
}
