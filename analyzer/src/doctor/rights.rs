//! Capabilities of this process.

use std::io;

use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported};
use caps::{CapSet, Capability, CapsHashSet};
use rustix::process::{Resource, getrlimit};

use super::check::Check;

const GET_RIGHTS: &str = "Run as root, or give the file the capabilities: setcap cap_bpf,cap_net_admin,cap_perfmon+ep; \
                          in a pod, securityContext.capabilities.add.";

/// What this process may do.
pub(super) struct Rights {
    effective: CapsHashSet,
    /// Capabilities that this kernel knows: CAP_BPF and CAP_PERFMON came with Linux 5.8.
    known: CapsHashSet,
}

impl Rights {
    pub(super) fn read() -> Self {
        let effective = caps::read(None, CapSet::Effective).unwrap_or_default();
        Self { effective, known: caps::runtime::thread_all_supported() }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.effective.contains(&capability)
    }

    /// Whether bpf(2) is allowed, as `bpf_capable()` in include/linux/capability.h.
    fn may_load(&self) -> bool {
        self.has(Capability::CAP_BPF) || self.has(Capability::CAP_SYS_ADMIN)
    }

    fn may_perfmon(&self) -> bool {
        self.has(Capability::CAP_PERFMON) || self.has(Capability::CAP_SYS_ADMIN)
    }

    /// What to do where something else than the check of the rights themselves is refused.
    pub(super) fn way_out(&self) -> &'static str {
        if self.may_load() && self.has(Capability::CAP_NET_ADMIN) {
            "The capabilities are there, so something else refuses: a user namespace (run in the first one), a security \
             module, a seccomp filter of the container, or kernel lockdown."
        } else {
            "See rights."
        }
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.rights()];
        checks.extend(self.tries());
        checks.extend(memory_limit(self.has(Capability::CAP_SYS_RESOURCE)));
        checks
    }

    fn rights(&self) -> Check {
        const NAME: &str = "rights";
        let loading =
            if self.known.contains(&Capability::CAP_BPF) { "CAP_BPF" } else { "CAP_SYS_ADMIN (before Linux 5.8)" };
        let mut missing = Vec::new();
        if !self.may_load() {
            missing.push(loading);
        }
        if !self.has(Capability::CAP_NET_ADMIN) {
            missing.push("CAP_NET_ADMIN");
        }
        if !missing.is_empty() {
            return Check::missing(
                NAME,
                format!("without {}", missing.join(" and ")),
                "Programs are loaded with CAP_BPF, and attached with CAP_NET_ADMIN, which conntrack takes too.",
                GET_RIGHTS,
            );
        }
        if !self.may_perfmon() {
            return Check::limited(
                NAME,
                "CAP_NET_ADMIN and CAP_BPF, without CAP_PERFMON",
                "The verifier allows less without it and adds instructions against speculation: the program can be \
                 refused, and each packet costs more.",
                GET_RIGHTS,
            );
        }
        Check::ok(NAME, "programs may be loaded and attached, conntrack asked", "live keeps these and drops the rest")
    }

    /// What CAP_SYS_ADMIN adds: live does not need it, this command does.
    fn tries(&self) -> Option<Check> {
        (!self.has(Capability::CAP_SYS_ADMIN)).then(|| {
            Check::ok(
                "tries",
                "without CAP_SYS_ADMIN, which live does not need: attaching is not tried, and programs of others have no \
                 names",
                "doctor knows less than as root",
            )
        })
    }
}

/// Whether maps count against RLIMIT_MEMLOCK. They do before Linux 5.11; libbpf tells it by the same helper.
fn memory_limit(may_raise: bool) -> Option<Check> {
    let counts_for_cgroup = is_helper_supported(ProgramType::SocketFilter, BpfHelper::BPF_FUNC_ktime_get_coarse_ns);
    let limit = getrlimit(Resource::Memlock).current;
    judge_memory_limit(counts_for_cgroup.ok()?, limit, may_raise)
}

fn judge_memory_limit(counts_for_cgroup: bool, limit: Option<u64>, may_raise: bool) -> Option<Check> {
    const NAME: &str = "memory-limit";
    /// What the maps take with their default sizes, and some room.
    const WANTED: u64 = 256 << 20;
    let limit = limit.filter(|limit| !counts_for_cgroup && *limit < WANTED)?;
    let found = format!("{} KiB may be locked (RLIMIT_MEMLOCK), and maps count as locked here", limit >> 10);
    if may_raise {
        return Some(Check::ok(NAME, found, "live raises the limit by itself, by CAP_SYS_RESOURCE"));
    }
    Some(Check::limited(
        NAME,
        found,
        "Maps of the default sizes do not fit.",
        "ulimit -l unlimited, LimitMEMLOCK=infinity in the unit, or CAP_SYS_RESOURCE; or lower --max-suspects and \
         --max-samples.",
    ))
}

/// Whether an error says that a right is missing.
pub(super) fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn rights(effective: &[Capability], known: CapsHashSet) -> Rights {
        Rights { effective: effective.iter().copied().collect(), known }
    }

    #[test]
    fn what_is_missing_is_named() {
        use Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};
        for (effective, state, expected) in [
            (&[][..], State::Missing, "CAP_BPF and CAP_NET_ADMIN"),
            (&[CAP_BPF], State::Missing, "without CAP_NET_ADMIN"),
            (&[CAP_NET_ADMIN], State::Missing, "without CAP_BPF"),
            (&[CAP_NET_ADMIN, CAP_BPF], State::Limited, "without CAP_PERFMON"),
            (&[CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON], State::Ok, "may be loaded"),
            (&[CAP_NET_ADMIN, CAP_SYS_ADMIN], State::Ok, "may be loaded"),
        ] {
            let check = rights(effective, caps::all()).rights();
            assert_eq!(check.state, state, "{effective:?}");
            assert!(check.found.contains(expected), "{effective:?}: {}", check.found);
        }
        let old = rights(&[CAP_NET_ADMIN], CapsHashSet::new()).rights();
        assert!(old.found.contains("CAP_SYS_ADMIN (before Linux 5.8)"), "{}", old.found);
    }

    #[test]
    fn memory_limit_matters_to_old_kernels() {
        assert_eq!(judge_memory_limit(true, Some(65536), false), None);
        assert_eq!(judge_memory_limit(false, None, false), None);
        for (may_raise, state) in [(false, State::Limited), (true, State::Ok)] {
            let check = judge_memory_limit(false, Some(65536), may_raise).expect("it is little");
            assert_eq!((check.state, check.found.starts_with("64 KiB")), (state, true), "{}", check.found);
        }
    }
}
