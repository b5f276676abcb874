//! What stands for the maps of the kernel: plain tables whose values stay where they are while they are there.
//!
//! All of it is read in the order in which it was written (of what forgets the least used, in which it was used), so that a
//! run is the same each time.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash};

use analyzer_ebpf::maps::Event;

/// `EEXIST` of include/uapi/asm-generic/errno-base.h, as helpers return it.
const EXISTS: i32 = -17;
/// `E2BIG` likewise: a map is full.
const FULL: i32 = -7;

/// A header of the kernel's and an event: what one takes of the ring.
const RECORD_BYTES: usize = 8 + size_of::<Event>();
/// The least that a ring has.
const PAGE_BYTES: usize = 4096;

/// A map of keys to values, as a program uses it.
pub(crate) trait Store<K, V> {
    /// Where the value of a key stands.
    fn find(&self, key: &K) -> Option<*mut V>;
    /// Writes a value, or gives the number of the error. Where `is_new` is asked for, the key must not be there.
    fn put(&self, key: &K, value: V, is_new: bool) -> Result<(), i32>;
}

/// A hash map, which takes no more than it has room for; or one that forgets what was used least lately.
pub(crate) struct Hashed<K, V> {
    table: RefCell<Table<K, V>>,
    max_entries: usize,
    forgets: bool,
}

struct Table<K, V> {
    entries: HashMap<K, Entry<V>, BuildHasherDefault<DefaultHasher>>,
    /// Keys by the number of the write, or of the use, that was their last.
    order: BTreeMap<u64, K>,
    next: u64,
}

struct Entry<V> {
    value: Box<Cell<V>>,
    number: u64,
}

impl<K: Copy + Eq + Hash, V: Copy> Hashed<K, V> {
    /// One that is full some day.
    pub(crate) fn new(max_entries: usize) -> Self {
        let table = Table { entries: HashMap::default(), order: BTreeMap::new(), next: 0 };
        Self { table: RefCell::new(table), max_entries, forgets: false }
    }

    /// One that forgets.
    pub(crate) fn forgetful(max_entries: usize) -> Self {
        Self { forgets: true, ..Self::new(max_entries) }
    }

    /// The value of a key. Whoever asks from outside does not use it.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.table.borrow().entries.get(key).map(|entry| entry.value.get())
    }

    /// Writes a value from outside.
    pub(crate) fn insert(&self, key: &K, value: V) -> Result<(), i32> {
        self.put(key, value, false)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&self, key: &K) -> Option<V> {
        let mut table = self.table.borrow_mut();
        let entry = table.entries.remove(key)?;
        table.order.remove(&entry.number);
        Some(entry.value.get())
    }

    /// All entries.
    pub(crate) fn all(&self) -> Vec<(K, V)> {
        let table = self.table.borrow();
        table.order.values().map(|key| (*key, table.entries[key].value.get())).collect()
    }
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    fn number(&mut self, key: &K) -> u64 {
        self.next += 1;
        self.order.insert(self.next, *key);
        self.next
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Store<K, V> for Hashed<K, V> {
    fn find(&self, key: &K) -> Option<*mut V> {
        let table = &mut *self.table.borrow_mut();
        let entry = table.entries.get_mut(key)?;
        let value = entry.value.as_ptr();
        if self.forgets {
            table.order.remove(&entry.number);
            table.next += 1;
            entry.number = table.next;
            table.order.insert(table.next, *key);
        }
        Some(value)
    }

    fn put(&self, key: &K, value: V, is_new: bool) -> Result<(), i32> {
        let table = &mut *self.table.borrow_mut();
        if let Some(entry) = table.entries.get(key) {
            entry.value.set(value);
            return if is_new { Err(EXISTS) } else { Ok(()) };
        }
        if table.entries.len() >= self.max_entries {
            if !self.forgets {
                return Err(FULL);
            }
            let forgotten = table.order.pop_first();
            forgotten.map(|(_, key)| table.entries.remove(&key));
        }
        let number = table.number(key);
        table.entries.insert(*key, Entry { value: Box::new(Cell::new(value)), number });
        Ok(())
    }
}

/// A trie that the longest prefix is found in.
pub(crate) struct Trie<const LEN: usize, V> {
    by_length: RefCell<BTreeMap<u8, Prefixes<LEN, V>>>,
    max_entries: usize,
}

/// Those of one length.
type Prefixes<const LEN: usize, V> = BTreeMap<[u8; LEN], Box<Cell<V>>>;

impl<const LEN: usize, V: Copy> Trie<LEN, V> {
    pub(crate) fn new(max_entries: usize) -> Self {
        Self { by_length: RefCell::default(), max_entries }
    }

    /// Where the value of the longest prefix stands that holds an address.
    pub(crate) fn longest(&self, addr: [u8; LEN]) -> Option<*mut V> {
        let by_length = self.by_length.borrow();
        let found = by_length.iter().rev().find_map(|(&len, prefixes)| prefixes.get(&masked(addr, len)));
        found.map(|value| value.as_ptr())
    }

    pub(crate) fn insert(&self, len: u8, addr: [u8; LEN], value: V) -> Result<(), i32> {
        let addr = masked(addr, len);
        let mut by_length = self.by_length.borrow_mut();
        let is_full = by_length.values().map(BTreeMap::len).sum::<usize>() >= self.max_entries;
        let prefixes = by_length.entry(len).or_default();
        if is_full && !prefixes.contains_key(&addr) {
            return Err(FULL);
        }
        prefixes.insert(addr, Box::new(Cell::new(value)));
        Ok(())
    }

    pub(crate) fn remove(&self, len: u8, addr: [u8; LEN]) {
        if let Some(prefixes) = self.by_length.borrow_mut().get_mut(&len) {
            prefixes.remove(&masked(addr, len));
        }
    }
}

/// The first `len` bits of an address.
fn masked<const LEN: usize>(addr: [u8; LEN], len: u8) -> [u8; LEN] {
    let mut bits = usize::from(len);
    addr.map(|byte| {
        let kept = bits.min(8);
        bits -= kept;
        byte & !(0xff_u16 >> kept) as u8
    })
}

/// Values by their index.
pub(crate) struct Slots<V>(Vec<Cell<V>>);

impl<V> Slots<V> {
    pub(crate) fn new(len: usize, value: impl Fn() -> V) -> Self {
        Self((0..len).map(|_| Cell::new(value())).collect())
    }

    /// Where a value stands.
    pub(crate) fn find(&self, index: u32) -> Option<*mut V> {
        self.0.get(index as usize).map(Cell::as_ptr)
    }
}

impl<V: Copy> Slots<V> {
    /// All values.
    pub(crate) fn all(&self) -> Vec<V> {
        self.0.iter().map(Cell::get).collect()
    }

    pub(crate) fn set(&self, index: usize, value: V) {
        self.0[index].set(value);
    }
}

/// The ring of events.
pub(crate) struct Ring {
    events: RefCell<VecDeque<Event>>,
    bytes: usize,
}

impl Ring {
    /// Of so many bytes, rounded as the kernel program's loader does it.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { events: RefCell::default(), bytes: bytes.max(PAGE_BYTES).next_power_of_two() }
    }

    /// Whether one more finds room. The last byte of a ring is never used.
    pub(crate) fn has_room(&self) -> bool {
        (self.events.borrow().len() + 1) * RECORD_BYTES < self.bytes
    }

    pub(crate) fn push(&self, event: Event) {
        self.events.borrow_mut().push_back(event);
    }

    pub(crate) fn pop(&self) -> Option<Event> {
        self.events.borrow_mut().pop_front()
    }
}
