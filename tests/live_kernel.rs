//! `analyzer live` as users run it: the real program on NICs of a namespace of its own, with the kernel's own eBPF,
//! conntrack, routes and neighbours, and real ovsdb-servers. What it counts is compared with what was sent, packet by
//! packet.

#[path = "common/mod.rs"]
mod common;
#[path = "common/ctnetlink.rs"]
mod ctnetlink;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/ovsdb.rs"]
mod ovsdb;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/received.rs"]
mod received;

#[path = "live_kernel/alerts.rs"]
mod alerts;
#[path = "live_kernel/bad_days.rs"]
mod bad_days;
#[path = "live_kernel/capacity.rs"]
mod capacity;
#[path = "live_kernel/conntrack.rs"]
mod conntrack;
#[path = "live_kernel/daemon.rs"]
mod daemon;
#[path = "live_kernel/fleet.rs"]
mod fleet;
#[path = "live_kernel/heard.rs"]
mod heard;
#[path = "live_kernel/kernel_routes.rs"]
mod kernel_routes;
#[path = "live_kernel/lab.rs"]
mod lab;
#[path = "live_kernel/logical_flows.rs"]
mod logical_flows;
#[path = "live_kernel/mirror.rs"]
mod mirror;
#[path = "live_kernel/nexthops.rs"]
mod nexthops;
#[path = "live_kernel/nics.rs"]
mod nics;
#[path = "live_kernel/ovn.rs"]
mod ovn;
#[path = "live_kernel/recording.rs"]
mod recording;
#[path = "live_kernel/repairing.rs"]
mod repairing;
#[path = "live_kernel/syslog.rs"]
mod syslog;
#[path = "live_kernel/tracing.rs"]
mod tracing;
#[path = "live_kernel/two_daemons.rs"]
mod two_daemons;
#[path = "live_kernel/wire.rs"]
mod wire;
