//! What counts packets on a real node: the kernel program, or AF_XDP sockets beside it.

use std::cell::RefCell;
use std::rc::Rc;

use analyzer_ebpf::maps::{FlowCounts, Outcome, PacketCount};
use hashbrown::{HashMap, HashSet};

use super::hooks::Attachments;
use crate::bpf::counted::{Counted, Heard, Key, MapUse, Request};
use crate::bpf::error::BpfError;
use crate::bpf::readings::Readings;
use crate::bpf::table::Table;
use crate::daemon::mirrored::Mirrored;
use crate::daemon::packets::{Counters, Packets, Refused};
use crate::engine::classes::{Classes, Combination};
use crate::types::{MacAddr, Tuple};

/// Events that a CPU may raise in a second. What is beyond is found by the next sweep.
const EVENTS_PER_SECOND: u32 = 10_000;

/// The maps of the kernel program.
#[derive(Clone)]
pub(super) struct Maps(Rc<RefCell<(Table, Readings)>>);

impl Maps {
    pub(super) fn new(table: Table, readings: Readings) -> Self {
        Self(Rc::new(RefCell::new((table, readings))))
    }

    /// Sets that one of `sample` conforming packets is sampled.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub(super) fn set_sample(&self, sample: u32) -> Result<(), BpfError> {
        self.0.borrow_mut().0.set_rates(sample, EVENTS_PER_SECOND)
    }

    fn read<T>(&self, read: impl FnOnce(&Readings) -> Result<T, BpfError>) -> Result<T, Refused> {
        read(&self.0.borrow().1).map_err(refused)
    }

    fn write<T>(&self, write: impl FnOnce(&mut Table) -> Result<T, BpfError>) -> Result<T, Refused> {
        write(&mut self.0.borrow_mut().0).map_err(refused)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
fn refused(error: BpfError) -> Refused {
    Refused(error.to_string())
}

impl Packets for Maps {
    fn install(
        &mut self,
        classes: &Classes,
        outcomes: Vec<(Combination, Outcome)>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<u32, Refused> {
        self.write(|table| table.install(classes, outcomes, legal_macs))
    }

    fn add_outcome(&mut self, combination: &Combination, outcome: Outcome) -> Result<(), Refused> {
        self.write(|table| table.add_outcome(table.generation(), combination, outcome).map(|_| ()))
    }

    fn unload(&mut self) -> Result<(), Refused> {
        self.write(Table::unload)
    }

    fn suspect(&self, key: &Key) -> Result<Option<FlowCounts>, Refused> {
        self.read(|readings| readings.suspect(key))
    }

    fn suspects(&self) -> Result<Vec<Counted>, Refused> {
        self.read(Readings::suspects)
    }

    fn remove(&mut self, suspects: &[Counted]) -> (Vec<Counted>, Result<(), Refused>) {
        let (removed, done) = self.0.borrow().1.remove(suspects);
        (removed, done.map_err(refused))
    }

    fn clear_reserve(&mut self, held: &HashMap<MacAddr, u64>) -> Result<(), Refused> {
        self.read(|readings| readings.clear_reserve(held))
    }

    fn settle(&self) -> Result<(), Refused> {
        self.0.borrow().0.settle().map_err(refused)
    }

    fn samples(&self) -> Result<Vec<Counted>, Refused> {
        self.read(Readings::samples)
    }

    fn request(&self, tuple: &Tuple, eth_src: MacAddr) -> Result<Option<FlowCounts>, Refused> {
        self.read(|readings| readings.request(tuple, eth_src))
    }

    fn requests(&self) -> Result<Vec<Request>, Refused> {
        self.read(Readings::requests)
    }

    fn heard(&self) -> Result<Vec<Heard>, Refused> {
        self.read(Readings::heard)
    }

    fn nexthops(&self, len: u32) -> Result<Vec<PacketCount>, Refused> {
        self.read(|readings| readings.nexthops(len))
    }

    fn counters(&self) -> Result<Counters, Refused> {
        self.read(Readings::counters)
    }

    fn map_uses(&self) -> Vec<MapUse> {
        let (table, readings) = &*self.0.borrow();
        table.map_uses().into_iter().chain(readings.map_uses()).collect()
    }
}

/// AF_XDP sockets: then the kernel program is at no NIC, and its set is kept for those that ask by it.
pub(super) struct Sockets {
    maps: Maps,
    attachments: Attachments,
    mirrored: Mirrored,
}

impl Sockets {
    pub(super) fn new(maps: Maps, attachments: Attachments, mirrored: Mirrored) -> Self {
        Self { maps, attachments, mirrored }
    }
}

impl Packets for Sockets {
    fn install(
        &mut self,
        classes: &Classes,
        outcomes: Vec<(Combination, Outcome)>,
        legal_macs: &HashSet<MacAddr>,
    ) -> Result<u32, Refused> {
        let generation = self.maps.install(classes, outcomes, legal_macs)?;
        // Flow keys hold the low bits of it.
        self.attachments.enter(generation as u16);
        Ok(generation)
    }

    fn add_outcome(&mut self, combination: &Combination, outcome: Outcome) -> Result<(), Refused> {
        self.maps.add_outcome(combination, outcome)
    }

    fn unload(&mut self) -> Result<(), Refused> {
        self.maps.unload()?;
        self.attachments.enter(0);
        Ok(())
    }

    fn suspect(&self, key: &Key) -> Result<Option<FlowCounts>, Refused> {
        Ok(self.mirrored.flow(*key).map(|flow| flow.counts))
    }

    fn suspects(&self) -> Result<Vec<Counted>, Refused> {
        Ok(self.mirrored.flows().collect())
    }

    fn remove(&mut self, suspects: &[Counted]) -> (Vec<Counted>, Result<(), Refused>) {
        (suspects.iter().filter_map(|suspect| self.mirrored.remove(suspect)).collect(), Ok(()))
    }

    fn clear_reserve(&mut self, _: &HashMap<MacAddr, u64>) -> Result<(), Refused> {
        Ok(())
    }

    fn settle(&self) -> Result<(), Refused> {
        self.maps.settle()
    }

    fn samples(&self) -> Result<Vec<Counted>, Refused> {
        self.maps.samples()
    }

    fn request(&self, tuple: &Tuple, eth_src: MacAddr) -> Result<Option<FlowCounts>, Refused> {
        Ok(self.mirrored.request(*tuple, eth_src).map(|request| request.counts))
    }

    fn requests(&self) -> Result<Vec<Request>, Refused> {
        Ok(self.mirrored.requests().collect())
    }

    fn heard(&self) -> Result<Vec<Heard>, Refused> {
        self.maps.heard()
    }

    fn nexthops(&self, len: u32) -> Result<Vec<PacketCount>, Refused> {
        self.maps.nexthops(len)
    }

    fn counters(&self) -> Result<Counters, Refused> {
        let mut counters = self.maps.counters()?;
        for (count, mirrored) in counters.iter_mut().zip(self.mirrored.counters()) {
            count.packets += mirrored.packets;
            count.bytes += mirrored.bytes;
        }
        Ok(counters)
    }

    fn present(&self) -> [Result<usize, Refused>; 3] {
        self.maps.present()
    }

    fn map_uses(&self) -> Vec<MapUse> {
        self.maps.map_uses()
    }

    fn mirrored(&self) -> Option<&Mirrored> {
        Some(&self.mirrored)
    }

    fn mirrored_mut(&mut self) -> Option<&mut Mirrored> {
        Some(&mut self.mirrored)
    }
}
