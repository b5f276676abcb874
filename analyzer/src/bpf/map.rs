//! A map of the kernel program, read and written entry by entry or in batches.
//!
//! aya has no batch operations. They spare a system call for each entry, and read a hash map bucket by bucket, so that
//! entries that come and go meanwhile neither hide others nor show them twice.
#![expect(unsafe_code, reason = "bpf(2) is given pointers to keys and values")]

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::{fmt, fs, io, ptr};

use aya::Pod;
use aya::maps::MapData;

use super::error::BpfError;
use super::sys::{ENOTSUPP, bpf, raw};

const BPF_MAP_LOOKUP_ELEM: u32 = 1;
const BPF_MAP_UPDATE_ELEM: u32 = 2;
const BPF_MAP_DELETE_ELEM: u32 = 3;
const BPF_MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;
const BPF_MAP_LOOKUP_BATCH: u32 = 24;
const BPF_MAP_UPDATE_BATCH: u32 = 26;

/// Entries read by one call at first. A bucket that holds more makes it grow.
const BATCH: u32 = 4096;

#[repr(C)]
#[derive(Default)]
struct Elem {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// A map with keys `K` and values `V`, one value for all CPUs.
pub(super) struct Map<K, V> {
    name: &'static str,
    data: MapData,
    max_entries: u32,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<K: Pod, V: Pod> Map<K, V> {
    /// Takes a map whose keys and values must have the sizes of `K` and `V`.
    pub(super) fn new(name: &'static str, data: MapData) -> Result<Self, BpfError> {
        let info = data.info().map_err(|error| BpfError::map(name, "read its layout", io::Error::other(error)))?;
        let expected = (size_of::<K>(), size_of::<V>());
        if (info.key_size() as usize, info.value_size() as usize) != expected {
            return Err(BpfError::Layout { name });
        }
        Ok(Self { name, max_entries: info.max_entries(), data, types: PhantomData })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The map in the kernel, by name.
    pub(super) fn descriptor(&self) -> (&'static str, BorrowedFd<'_>) {
        (self.name, self.data.fd().as_fd())
    }

    pub(super) fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// Kernel memory of the map, where the kernel tells.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        memory_bytes(&self.data)
    }

    /// The value of a key.
    pub(super) fn lookup(&self, key: &K) -> Result<Option<V>, BpfError> {
        self.take_value(BPF_MAP_LOOKUP_ELEM, key).map_err(|error| BpfError::map(self.name, "look up", error))
    }

    /// Deletes an entry and tells its last value, that of the moment of the deletion where the kernel can do both at
    /// once (since 5.14), else of just before.
    pub(super) fn take(&self, key: &K) -> Result<Option<V>, BpfError> {
        match self.take_value(BPF_MAP_LOOKUP_AND_DELETE_ELEM, key) {
            Err(error) if is_unsupported(&error) => {
                let value = self.lookup(key)?;
                self.delete(key)?;
                Ok(value)
            }
            other => other.map_err(|error| BpfError::map(self.name, "delete", error)),
        }
    }

    fn take_value(&self, command: u32, key: &K) -> io::Result<Option<V>> {
        let mut value = std::mem::MaybeUninit::<V>::uninit();
        let mut attr = Elem {
            map_fd: raw(self.data.fd().as_fd()),
            key: ptr::from_ref(key) as u64,
            value: value.as_mut_ptr() as u64,
            ..Elem::default()
        };
        // SAFETY: key and value have the sizes that the map has; `new` checked.
        match unsafe { bpf(command, &mut attr) } {
            // SAFETY: the kernel has written all bytes of the value, and of a Pod every bit pattern is a value.
            Ok(_) => Ok(Some(unsafe { value.assume_init() })),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`BpfError::Full`] where the map takes no more.
    pub(super) fn update(&self, key: &K, value: &V) -> Result<(), BpfError> {
        let mut attr = Elem {
            map_fd: raw(self.data.fd().as_fd()),
            key: ptr::from_ref(key) as u64,
            value: ptr::from_ref(value) as u64,
            ..Elem::default()
        };
        // SAFETY: key and value have the sizes that the map has, and are only read.
        unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr) }.map_err(|error| self.refused(error))?;
        Ok(())
    }

    /// Sets many values. Where it fails, tells beside the error how many were set, from the first on.
    pub(super) fn update_all(&self, entries: &[(K, V)]) -> Result<(), (usize, BpfError)> {
        let mut done = 0;
        while done < entries.len() {
            let rest = &entries[done..];
            match self.update_batch(&rest[..rest.len().min(BATCH as usize)]) {
                Ok(count) => done += count,
                Err((_, error)) if is_unsupported(&error) => return self.update_each(done, rest),
                Err((count, error)) => return Err((done + count, self.refused(error))),
            }
        }
        Ok(())
    }

    fn update_each(&self, done: usize, rest: &[(K, V)]) -> Result<(), (usize, BpfError)> {
        for (index, (key, value)) in rest.iter().enumerate() {
            self.update(key, value).map_err(|error| (done + index, error))?;
        }
        Ok(())
    }

    fn update_batch(&self, entries: &[(K, V)]) -> Result<usize, (usize, io::Error)> {
        let (keys, values): (Vec<K>, Vec<V>) = entries.iter().copied().unzip();
        let mut attr = Batch {
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count: keys.len() as u32,
            map_fd: raw(self.data.fd().as_fd()),
            ..Batch::default()
        };
        // SAFETY: keys and values hold `count` items of the sizes that the map has, and are only read.
        match unsafe { bpf(BPF_MAP_UPDATE_BATCH, &mut attr) } {
            Ok(_) => Ok(keys.len()),
            // One that fails has not set all: a count that says so was not written by the kernel.
            Err(error) => Err((Some(attr.count as usize).filter(|&count| count < keys.len()).unwrap_or(0), error)),
        }
    }

    /// Deletes an entry; one that is not there is no error.
    pub(super) fn delete(&self, key: &K) -> Result<(), BpfError> {
        let mut attr = Elem { map_fd: raw(self.data.fd().as_fd()), key: ptr::from_ref(key) as u64, ..Elem::default() };
        // SAFETY: the key has the size that the map has, and is only read.
        match unsafe { bpf(BPF_MAP_DELETE_ELEM, &mut attr) } {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(BpfError::map(self.name, "delete", error)),
            _ => Ok(()),
        }
    }

    /// All entries of a hash map.
    pub(super) fn read_all(&self) -> Result<Vec<(K, V)>, BpfError> {
        let failed = |error| BpfError::map(self.name, "read", error);
        let mut entries = Vec::new();
        let mut size = BATCH.min(self.max_entries.max(1)) as usize;
        let (mut keys, mut values) = (Vec::<K>::with_capacity(size), Vec::<V>::with_capacity(size));
        // The position is a bucket's number for hash maps.
        let mut position: Option<u64> = None;
        loop {
            let (from, mut next) = (position.unwrap_or(0), 0u64);
            let mut attr = Batch {
                in_batch: if position.is_some() { ptr::from_ref(&from) as u64 } else { 0 },
                out_batch: ptr::from_mut(&mut next) as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: size as u32,
                map_fd: raw(self.data.fd().as_fd()),
                ..Batch::default()
            };
            // SAFETY: keys and values have room for `count` items of the sizes that the map has; the position of a
            // hash map is a u32, for which there is room.
            let end = match unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attr) } {
                Ok(_) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && size < self.max_entries as usize => {
                    size = (size * 2).min(self.max_entries as usize);
                    (keys, values) = (Vec::with_capacity(size), Vec::with_capacity(size));
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            let count = (attr.count as usize).min(size);
            // SAFETY: the kernel has written `count` items of each, and of a Pod every bit pattern is a value.
            unsafe {
                keys.set_len(count);
                values.set_len(count);
            }
            entries.extend(keys.drain(..).zip(values.drain(..)));
            if end {
                return Ok(entries);
            }
            position = Some(next);
        }
    }

    fn refused(&self, error: io::Error) -> BpfError {
        match error.raw_os_error() {
            // E2BIG: a hash map is full. ENOSPC: a longest-prefix trie is.
            Some(libc::E2BIG | libc::ENOSPC) => {
                BpfError::Full { map: self.name, entries: None, max_entries: self.max_entries }
            }
            _ => BpfError::map(self.name, "write", error),
        }
    }
}

/// Kernel memory of a map, where the kernel tells.
pub(super) fn memory_bytes(data: &MapData) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", raw(data.fd().as_fd()))).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:"))?.trim().parse().ok()
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOTSUPP | libc::EOPNOTSUPP | libc::EINVAL))
}
