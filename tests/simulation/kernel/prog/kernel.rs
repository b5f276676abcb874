//! In place of what the kernel gives a program: tables, a clock that is set, and numbers that are random from a seed.
#![expect(unsafe_code, reason = "the program reads the values of maps where they stand")]

use std::borrow::Borrow;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::rc::Rc;

use analyzer_ebpf::maps::Event;

use super::tables::Tables;
use crate::kernel::stores::{Ring, Slots, Store, Trie};

/// As include/uapi/linux/bpf.h has it.
pub(super) const BPF_NOEXIST: u32 = 1;

thread_local! {
    /// The tables that the packet at hand is judged by.
    static PRESENT: RefCell<Option<Rc<Tables>>> = const { RefCell::new(None) };
}

/// Runs a program by some tables.
pub(crate) fn run(tables: &Rc<Tables>, program: impl FnOnce()) {
    PRESENT.with(|present| present.replace(Some(Rc::clone(tables))));
    program();
    PRESENT.with(|present| present.take());
}

fn present<T>(read: impl FnOnce(&Tables) -> T) -> T {
    PRESENT.with(|present| read(present.borrow().as_ref().expect("programs are run by tables")))
}

/// Nanoseconds of `CLOCK_MONOTONIC`, as they were set.
pub(super) fn now() -> u64 {
    present(|tables| tables.clock_ns.get())
}

/// The next number from the seed.
pub(super) fn random() -> u32 {
    present(|tables| (tables.random.borrow_mut().next() >> 32) as u32)
}

/// Adds. There is one CPU here.
///
/// # Safety
/// `number` is valid for writes.
pub(super) unsafe fn fetch_add(number: *mut u64, more: u64) {
    // SAFETY: The caller says so.
    unsafe { *number = (*number).wrapping_add(more) };
}

/// A value that stays as it is while a packet is judged.
///
/// # Safety
/// The pointer is one to a value of the present tables that only user space writes.
unsafe fn standing<V>(value: *mut V) -> &'static V {
    // SAFETY: User space does nothing while a packet is at hand, and no program keeps what it read for the next.
    unsafe { &*value }
}

/// A hash map. As in the kernel, it asks nothing of its keys: where they stand knows what they are.
pub(super) struct HashMap<K, V, const N: usize = 0, const FLAGS: usize = 0>(pub(super) fn(&Tables) -> &dyn Store<K, V>);

/// A hash map that forgets. The store behind it does.
pub(super) struct LruHashMap<K, V, const N: usize = 0, const FLAGS: usize = 0>(
    pub(super) fn(&Tables) -> &dyn Store<K, V>,
);

impl<K, V: Copy, const N: usize, const FLAGS: usize> HashMap<K, V, N, FLAGS> {
    pub(super) fn get_ptr_mut(&self, key: &K) -> Option<*mut V> {
        present(|tables| (self.0)(tables).find(key))
    }

    pub(super) fn insert(&self, key: &K, value: &V, flags: u64) -> Result<(), i32> {
        present(|tables| (self.0)(tables).put(key, *value, flags == u64::from(BPF_NOEXIST)))
    }
}

impl<K, V: Copy, const N: usize, const FLAGS: usize> LruHashMap<K, V, N, FLAGS> {
    pub(super) fn get_ptr_mut(&self, key: impl Borrow<K>) -> Option<*mut V> {
        present(|tables| (self.0)(tables).find(key.borrow()))
    }

    pub(super) fn insert(&self, key: impl Borrow<K>, value: impl Borrow<V>, flags: u64) -> Result<(), i32> {
        present(|tables| (self.0)(tables).put(key.borrow(), *value.borrow(), flags == u64::from(BPF_NOEXIST)))
    }
}

/// The value of a key that only user space writes.
pub(super) fn get<K, V: Copy>(map: &HashMap<K, V>, key: &K) -> Option<&'static V> {
    // SAFETY: The caller's map is of that kind.
    map.get_ptr_mut(key).map(|value| unsafe { standing(value) })
}

/// An array that only user space writes.
pub(super) struct Array<V>(pub(super) fn(&Tables) -> &Slots<V>);

impl<V> Array<V> {
    pub(super) fn get(&self, index: u32) -> Option<&'static V> {
        // SAFETY: The array is of that kind.
        present(|tables| (self.0)(tables).find(index)).map(|value| unsafe { standing(value) })
    }
}

/// An array of each CPU's own, of which there is one.
pub(super) struct PerCpuArray<V, const N: usize = 0>(pub(super) fn(&Tables) -> &Slots<V>);

impl<V, const N: usize> PerCpuArray<V, N> {
    pub(super) fn get_ptr_mut(&self, index: u32) -> Option<*mut V> {
        present(|tables| (self.0)(tables).find(index))
    }
}

/// What is looked up in a trie.
pub(super) struct Key<A> {
    addr: A,
}

impl<const LEN: usize> Key<[u8; LEN]> {
    /// All look-ups are of whole addresses.
    pub(super) fn new(bits: u32, addr: [u8; LEN]) -> Self {
        assert_eq!(bits as usize, LEN * 8);
        Self { addr }
    }
}

/// A trie that only user space writes.
pub(super) struct LpmTrie<const LEN: usize, V: 'static>(pub(super) fn(&Tables) -> &Trie<LEN, V>);

impl<const LEN: usize, V: Copy> LpmTrie<LEN, V> {
    pub(super) fn get(&self, key: &Key<[u8; LEN]>) -> Option<&'static V> {
        // SAFETY: The trie is of that kind.
        present(|tables| (self.0)(tables).longest(key.addr)).map(|value| unsafe { standing(value) })
    }
}

/// The ring of events.
pub(super) struct RingBuf(pub(super) fn(&Tables) -> &Ring);

/// Room in the ring.
pub(super) struct RingBufEntry<T> {
    ring: fn(&Tables) -> &Ring,
    value: Box<MaybeUninit<T>>,
}

impl RingBuf {
    pub(super) fn reserve_untyped<T>(&self, _: u64) -> Option<RingBufEntry<T>> {
        let has_room = present(|tables| (self.0)(tables).has_room());
        has_room.then(|| RingBufEntry { ring: self.0, value: Box::new_uninit() })
    }
}

impl<T> RingBufEntry<T> {
    pub(super) fn as_mut_ptr(&mut self) -> *mut T {
        self.value.as_mut_ptr()
    }
}

impl RingBufEntry<Event> {
    pub(super) fn submit(self, _: u64) {
        // SAFETY: The program writes all of an event, as the kernel's memory would be handed on as it is.
        let event = unsafe { self.value.assume_init() };
        present(|tables| (self.ring)(tables).push(*event));
    }
}

/// A value of all zeros, which the kernel begins with.
///
/// # Safety
/// All zeros are a value of the type.
pub(super) unsafe fn zeroed<V>() -> V {
    // SAFETY: The caller says so.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
