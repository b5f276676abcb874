//! The incident and its relatives on real OVN: northd, ovn-controller and Open vSwitch, in network namespaces, with a
//! topology as OVN-Kubernetes names it. `analyzer live` watches beside them, and what it counts is compared with what
//! tcpdump saw, packet by packet. The datapath is that of ovs-vswitchd, or the kernel's (`datapath.rs`).
//!
//! `cargo xtask lab` runs a scenario and tells what happens; with `--keep` what was brought up stays.

#[path = "common/mod.rs"]
mod common;
#[path = "common/frames.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod frames;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/received.rs"]
mod received;

#[path = "live_kernel/daemon.rs"]
#[expect(dead_code, reason = "shared with a test that uses more of it")]
mod daemon;
#[path = "live_kernel/syslog.rs"]
#[expect(dead_code, reason = "shared with a test that uses more of it")]
mod syslog;
#[path = "live_kernel/wire.rs"]
#[expect(dead_code, reason = "shared with a test that sends frames itself")]
mod wire;

#[path = "lab/addresses.rs"]
mod addresses;
#[path = "lab/bfd.rs"]
mod bfd;
#[path = "lab/bridge.rs"]
mod bridge;
#[path = "lab/capture.rs"]
mod capture;
#[path = "lab/case.rs"]
mod case;
#[path = "lab/datapath.rs"]
mod datapath;
#[path = "lab/eras.rs"]
mod eras;
#[path = "lab/gateway.rs"]
mod gateway;
#[path = "lab/keeper.rs"]
mod keeper;
#[path = "lab/node/mod.rs"]
mod node;
#[path = "lab/ovn.rs"]
mod ovn;
#[path = "lab/scenarios/mod.rs"]
mod scenarios;
#[path = "lab/symmetric_replies.rs"]
mod symmetric_replies;
#[path = "lab/traffic/mod.rs"]
mod traffic;
#[path = "lab/watch.rs"]
mod watch;
