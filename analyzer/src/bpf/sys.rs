//! Commands of bpf(2) that aya does not offer: links by ifindex without fallback, queries that need no
//! CAP_SYS_ADMIN, and a wait for running programs.
//!
//! Structs follow `union bpf_attr` in include/uapi/linux/bpf.h. The kernel takes what is not given as zero.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper for these commands")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const BPF_MAP_CREATE: u32 = 0;
const BPF_MAP_UPDATE_ELEM: u32 = 2;
const BPF_OBJ_GET_INFO_BY_FD: u32 = 15;
const BPF_PROG_QUERY: u32 = 16;
const BPF_LINK_CREATE: u32 = 28;

const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// `ENOTSUPP` of the kernel, which has no name in user space: the map type lacks the command.
pub(super) const ENOTSUPP: i32 = 524;

/// Programs of one hook that are read at most; the kernel has room for 64 (`BPF_MPROG_MAX`).
const MAX_PROGRAMS: usize = 64;

/// Where a link holds a program (`enum bpf_attach_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum AttachType {
    Xdp = 37,
    TcxIngress = 46,
    TcxEgress = 47,
}

/// Flags of a link's creation.
pub(super) mod link_flag {
    /// `BPF_F_BEFORE` without a relative: before all others.
    pub(in crate::bpf) const FIRST: u32 = 1 << 3;
    /// `BPF_F_AFTER` without a relative: behind all others.
    pub(in crate::bpf) const LAST: u32 = 1 << 4;
    /// `XDP_FLAGS_SKB_MODE`.
    pub(in crate::bpf) const XDP_GENERIC: u32 = 1 << 1;
    /// `XDP_FLAGS_DRV_MODE`.
    pub(in crate::bpf) const XDP_NATIVE: u32 = 1 << 2;
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    pad: u32,
    expected_revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgQuery {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct InfoByFd {
    fd: u32,
    info_len: u32,
    info: u64,
}

/// The head of `struct bpf_link_info`, with the union of TCX and XDP links.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    link_type: u32,
    id: u32,
    prog_id: u32,
    pad: u32,
    ifindex: u32,
    attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapElem {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Calls bpf(2).
///
/// # Safety
/// `attr` is laid out as the command wants it, and each pointer in it is valid for what the command does with it.
pub(super) unsafe fn bpf<T>(command: u32, attr: &mut T) -> io::Result<RawFd> {
    // SAFETY: attr is valid for size_of::<T>() bytes, read and write; the rest is the caller's promise.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, libc::c_ulong::from(command), std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

/// A file descriptor as the kernel's structs hold it.
pub(super) fn raw(fd: impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// Puts another file in the place of an open one: what has the number of the place refers to it from now on.
pub(super) fn replace(place: BorrowedFd<'_>, by: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are open as long as they are borrowed, and the place stays open.
    match unsafe { libc::dup3(by.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Attaches a program by a link, which ends with the returned file descriptor, and so with the process. A slot that
/// another program holds is never taken.
///
/// # Errors
/// EINVAL where the kernel has no such links.
pub(super) fn link_create(program: BorrowedFd<'_>, ifindex: u32, at: AttachType, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = LinkCreate {
        prog_fd: raw(program),
        target_ifindex: ifindex,
        attach_type: at as u32,
        flags,
        ..LinkCreate::default()
    };
    // SAFETY: the struct is that of BPF_LINK_CREATE and holds no pointer.
    let fd = unsafe { bpf(BPF_LINK_CREATE, &mut attr) }?;
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The NIC that a link is attached to; `None` once it is detached, as when the NIC is gone.
pub(super) fn link_ifindex(link: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut info = LinkInfo::default();
    let mut attr =
        InfoByFd { fd: raw(link), info_len: size_of::<LinkInfo>() as u32, info: std::ptr::from_mut(&mut info) as u64 };
    // SAFETY: the pointer is to a struct of info_len bytes of which every bit pattern is a value.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok((info.ifindex != 0).then_some(info.ifindex))
}

/// Ids of the programs at a TCX hook, in the order in which they run.
///
/// # Errors
/// EINVAL where the kernel has no TCX.
pub(super) fn tcx_programs(ifindex: u32, at: AttachType) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = ProgQuery {
        target_ifindex: ifindex,
        attach_type: at as u32,
        prog_ids: ids.as_mut_ptr() as u64,
        count: MAX_PROGRAMS as u32,
        ..ProgQuery::default()
    };
    // SAFETY: prog_ids points to `count` u32.
    unsafe { bpf(BPF_PROG_QUERY, &mut attr) }?;
    let count = usize::try_from(attr.count).unwrap_or(usize::MAX).min(MAX_PROGRAMS);
    Ok(ids[..count].to_vec())
}

/// Waits until every program that runs now has ended.
///
/// When user space has changed a map of maps, the kernel waits for an RCU grace period, so that no program uses the
/// old inner map any more (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c, since 4.20). An update of a map that
/// nobody looks at is thus a wait for all programs at network hooks. membarrier(2) would do so too, but not on
/// machines with `nohz_full` CPUs, where it is refused, nor on such with one CPU.
#[derive(Debug)]
pub(super) struct Quiescence {
    inner: OwnedFd,
    outer: OwnedFd,
}

impl Quiescence {
    pub(super) fn new() -> io::Result<Self> {
        let array = |map_type, inner_map_fd| {
            let mut attr = MapCreate {
                map_type,
                key_size: 4,
                value_size: 4,
                max_entries: 1,
                inner_map_fd,
                ..MapCreate::default()
            };
            // SAFETY: the struct is the head of that of BPF_MAP_CREATE and holds no pointer.
            let fd = unsafe { bpf(BPF_MAP_CREATE, &mut attr) }?;
            // SAFETY: the kernel has just made the descriptor for us.
            io::Result::Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        };
        let inner = array(BPF_MAP_TYPE_ARRAY, 0)?;
        let outer = array(BPF_MAP_TYPE_ARRAY_OF_MAPS, raw(&inner))?;
        Ok(Self { inner, outer })
    }

    /// Waits; usually some tens of milliseconds.
    pub(super) fn wait(&self) -> io::Result<()> {
        let (key, value) = (0u32, raw(&self.inner));
        let mut attr = MapElem {
            map_fd: raw(&self.outer),
            key: std::ptr::from_ref(&key) as u64,
            value: std::ptr::from_ref(&value) as u64,
            ..MapElem::default()
        };
        // SAFETY: key and value are of the sizes that the map was made with, and are only read.
        unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr) }?;
        Ok(())
    }
}
