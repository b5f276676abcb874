//! The kernel of a simulated node: packets are judged by the kernel program's own code, compiled for this machine.
//!
//! Word for word that is all of the program but its hooks and its maps. In place of the maps are plain tables, in place of
//! the clock one that is set, and there is one CPU. The set is written to them by the code that writes it to the kernel.

// Not `expect`, which would fail in a test that uses everything.
#![allow(dead_code, reason = "each test uses its part")]

mod packets;
mod set;
mod stores;

/// The parts of the kernel program, and in place of what the kernel gives them something that runs here.
#[path = "../../../analyzer-ebpf/src/prog"]
mod prog {
    #[expect(dead_code, reason = "the word for offsets is that of the hook of XDP")]
    mod cpu;
    mod events;
    mod family;
    mod flows;
    pub(super) mod judge;
    pub(super) mod listen;
    #[expect(dead_code, reason = "the simulation tells what a super-packet becomes, so nobody asks for its L4 header")]
    mod packet;
    mod recent;

    #[path = "../../../tests/simulation/kernel/prog/frame.rs"]
    pub(super) mod frame;
    #[path = "../../../tests/simulation/kernel/prog/kernel.rs"]
    pub(super) mod kernel;
    #[path = "../../../tests/simulation/kernel/prog/tables.rs"]
    pub(super) mod tables;
}

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use analyzer::bpf::counted::Event;
use analyzer::bpf::events;
use analyzer::bpf::sizes::Sizes;
use analyzer::bpf::table::Table;
use analyzer_ebpf::maps::PacketCount;

use prog::frame::Frame;
use prog::judge::judge;
use prog::kernel::run;
use prog::listen::listen;
use prog::tables::Tables;
use set::SetTables;

/// The kernel. Its clones are handles of the same one: the daemon has one and asks, the simulation has one and sends.
#[derive(Clone)]
pub(crate) struct Kernel {
    tables: Rc<Tables>,
    set: Rc<RefCell<Table<SetTables>>>,
    faults: Rc<Faults>,
    sizes: Sizes,
}

/// Of what there is how much.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    /// One in so many conforming packets is sampled; 0 samples none.
    pub(crate) sample_every: u32,
    /// Events that may be raised in a second.
    pub(crate) events_per_second: u32,
}

/// What goes wrong.
#[derive(Default)]
struct Faults {
    /// Nothing can be read.
    reads: Cell<bool>,
    /// Writes of a set that go well before the rest fails; `None` where all go well.
    writes_left: Cell<Option<u32>>,
}

impl Kernel {
    /// A kernel with the program loaded and no set, at the beginning of its time. The seed is that of its random numbers.
    pub(crate) fn new(sizes: &Sizes, rates: Rates, seed: u64) -> Self {
        let tables = Rc::new(Tables::new(sizes, seed));
        let faults = Rc::<Faults>::default();
        let mut set = Table::new(SetTables::new(Rc::clone(&tables), Rc::clone(&faults), sizes));
        set.set_rates(rates.sample_every, rates.events_per_second).expect("nothing goes wrong yet");
        Self { tables, set: Rc::new(RefCell::new(set)), faults, sizes: *sizes }
    }

    /// Sets the time, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) fn set_clock(&self, ns: u64) {
        self.tables.clock_ns.set(ns);
    }

    /// Tells the program the index of a NIC in the reader's own table.
    pub(crate) fn set_nic(&self, ifindex: u32, index: u8) {
        self.tables.nics.insert(&ifindex, index.into()).expect("the table of NICs is not full");
    }

    /// Takes a NIC out of that table, as detaching does.
    pub(crate) fn forget_nic(&self, ifindex: u32) {
        self.tables.nics.remove(&ifindex);
    }

    /// A frame leaves by a NIC that the program is attached to. `packets` and `bytes` are those on the wire.
    pub(crate) fn egress(&self, ifindex: u32, frame: &[u8], packets: u64, bytes: u64) {
        let frame = Frame::<true> { bytes: frame, ifindex, wire: PacketCount { packets, bytes } };
        run(&self.tables, || judge(&frame));
    }

    /// A frame comes in by such a NIC.
    pub(crate) fn ingress(&self, ifindex: u32, frame: &[u8], packets: u64, bytes: u64) {
        let frame = Frame::<false> { bytes: frame, ifindex, wire: PacketCount { packets, bytes } };
        run(&self.tables, || listen(&frame));
    }

    /// A copy of a frame comes in by a mirror port.
    pub(crate) fn mirror(&self, ifindex: u32, frame: &[u8], packets: u64, bytes: u64) {
        let frame = Frame::<false> { bytes: frame, ifindex, wire: PacketCount { packets, bytes } };
        run(&self.tables, || judge(&frame));
    }

    /// Takes the oldest events out of the ring, not more than `most`.
    pub(crate) fn take_events(&self, most: usize) -> Vec<Event> {
        let records = std::iter::from_fn(|| self.tables.events.pop()).take(most);
        records.map(|record| events::parse(record).expect("the program is of this version")).collect()
    }

    /// The generation in force; 0 where no set is.
    pub(crate) fn generation(&self) -> u32 {
        self.set.borrow().generation()
    }

    /// Sampling and the limit of events, from now on.
    pub(crate) fn set_rates(&self, rates: Rates) {
        let set = &mut *self.set.borrow_mut();
        set.set_rates(rates.sample_every, rates.events_per_second).expect("writes go well where rates are set");
    }

    /// Whether all reads are refused.
    pub(crate) fn refuse_reads(&self, is_refused: bool) {
        self.faults.reads.set(is_refused);
    }

    /// Whether all writes of a set are refused.
    pub(crate) fn refuse_installs(&self, is_refused: bool) {
        self.faults.writes_left.set(is_refused.then_some(0));
    }

    /// All writes of a set are refused after so many more.
    pub(crate) fn refuse_writes_after(&self, writes: u32) {
        self.faults.writes_left.set(Some(writes));
    }
}
