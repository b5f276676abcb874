//! What switches the packets of a lab.

use std::env;
use std::fs;
use std::process::Command;

use crate::netns::Missing;

/// Set by `cargo xtask lab --datapath`: the type of the bridges, `netdev` or `system`.
const DATAPATH: &str = "ANALYZER_LAB_DATAPATH";

/// A datapath of Open vSwitch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Datapath {
    /// ovs-vswitchd itself, with a conntrack table of its own.
    Userspace,
    /// openvswitch.ko, and nf_conntrack in the namespace of the node.
    Kernel,
}

impl Datapath {
    /// The one that the environment asks for.
    pub(crate) fn chosen() -> Result<Self, Missing> {
        match env::var(DATAPATH).as_deref() {
            Err(_) | Ok("netdev") => Ok(Self::Userspace),
            Ok("system") if kernel_has_it() => Ok(Self::Kernel),
            Ok("system") => Err(Missing::new(
                "the kernel has no module openvswitch; `cargo xtask vm` plays the scenarios in a VM that has it",
            )),
            Ok(other) => panic!("{DATAPATH} is netdev or system, not {other}"),
        }
    }

    /// The type of a bridge, as Open vSwitch names it.
    pub(crate) fn bridge_type(self) -> &'static str {
        match self {
            Self::Userspace => "netdev",
            Self::Kernel => "system",
        }
    }

    /// What ovs-vswitchd is started with.
    pub(crate) fn options(self) -> &'static str {
        match self {
            Self::Userspace => "--disable-system",
            Self::Kernel => "",
        }
    }
}

/// Whether openvswitch.ko is in the kernel, or gets there when it is asked for.
fn kernel_has_it() -> bool {
    let is_there = || fs::exists("/sys/module/openvswitch").is_ok_and(|found| found);
    is_there() || Command::new("modprobe").args(["-q", "openvswitch"]).status().is_ok_and(|status| status.success())
}
