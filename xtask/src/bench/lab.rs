//! What benchmarks of the running system need and put back: a network namespace, a raised limit.

use std::fs;
use std::path::Path;
use std::process::{self, Command};

use anyhow::{Context, Result, bail};

use crate::project;

/// The machine's limit of conntrack entries, over all network namespaces.
const MAX_ENTRIES: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Checks that programs are installed.
pub(super) fn require(programs: &[&str]) -> Result<()> {
    match programs.iter().find(|program| project::find_program(program).is_none()) {
        Some(program) => bail!("{program} is not installed; `cargo xtask test --install` installs it"),
        None => Ok(()),
    }
}

/// The limit of conntrack entries, raised for as long as this lives.
pub(super) struct Limit {
    before: String,
}

impl Limit {
    pub(super) fn raise(entries: u64) -> Result<Self> {
        let before = fs::read_to_string(MAX_ENTRIES)
            .with_context(|| format!("cannot read {MAX_ENTRIES}: is there conntrack (modprobe nf_conntrack)?"))?;
        let limit = Self { before };
        if limit.before.trim().parse::<u64>().is_ok_and(|before| before < entries) {
            fs::write(MAX_ENTRIES, entries.to_string())
                .with_context(|| format!("cannot raise {MAX_ENTRIES}, which takes root"))?;
        }
        Ok(limit)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Err(error) = fs::write(MAX_ENTRIES, &self.before) {
            eprintln!("warning: cannot set {MAX_ENTRIES} back to {}: {error}", self.before.trim());
        }
    }
}

/// A network namespace for as long as this lives.
pub(super) struct Netns {
    name: String,
}

impl Netns {
    pub(super) fn new() -> Result<Self> {
        let name = format!("analyzer-bench-{}", process::id());
        project::run(Command::new("ip").args(["netns", "add", &name])).context("network namespaces take root")?;
        Ok(Self { name })
    }

    /// A namespace with NICs that can be sent by, and send nothing by themselves. What leaves by each ends at its peer.
    pub(super) fn with_nics(nics: &[&str]) -> Result<Self> {
        let netns = Self::new()?;
        let mut script = "set -e; ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
                          net.ipv6.conf.default.disable_ipv6=1"
            .to_owned();
        for nic in nics {
            // Frames of more than a page are sent in pieces.
            script += &format!(
                "; ip link add {nic} mtu 9000 type veth peer name {nic}-peer mtu 9000; ip link set {nic} up; \
                 ip link set {nic}-peer up"
            );
        }
        project::run(netns.command(Path::new("sh")).arg("-c").arg(script))?;
        Ok(netns)
    }

    /// Makes the kernel give conntrack entries room for labels: it does only where a rule sets some.
    pub(super) fn enable_labels(&self) -> Result<()> {
        let rule = "add table inet t; add chain inet t c; add rule inet t c ct label set 1";
        project::run(self.command(Path::new("nft")).arg(rule))
    }

    /// A command that runs the program inside.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// The same, ahead of all that has no real-time priority.
    pub(super) fn command_at(&self, is_realtime: bool, program: &Path) -> Command {
        if !is_realtime {
            return self.command(program);
        }
        let mut command = self.command(Path::new("chrt"));
        command.args(["-f", "10"]).arg(program);
        command
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let deleted = Command::new("ip").args(["netns", "del", &self.name]).status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("warning: the network namespace {} is left behind", self.name);
        }
    }
}
