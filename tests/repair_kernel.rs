//! `analyzer repair` on real conntrack tables: exactly the entries that are meant go or change, and every other one stays
//! bit by bit as it was, by our own dump and by conntrack(8).

#[path = "common/mod.rs"]
mod common;
#[path = "common/ctnetlink.rs"]
mod ctnetlink;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/ovs.rs"]
mod ovs;

#[path = "repair_kernel/afterwards.rs"]
mod afterwards;
#[path = "repair_kernel/apply.rs"]
mod apply;
#[path = "repair_kernel/journal.rs"]
mod journal;
#[path = "repair_kernel/races.rs"]
mod races;
#[path = "repair_kernel/userspace.rs"]
mod userspace;
#[path = "repair_kernel/world.rs"]
mod world;
