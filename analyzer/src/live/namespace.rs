//! The network namespace that we are in.

use std::fs;

use crate::alerts::Namespace;

/// What the kernel calls it, and which start of the machine this is; `None` where /proc does not tell.
pub(super) fn own() -> Option<Namespace> {
    let name = fs::read_link("/proc/self/ns/net").ok()?.to_str()?.to_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
    Some(Namespace { boot, name })
}
