//! The kernel's version and what it is set to.

use std::fs;
use std::path::Path;

use rustix::fs::statfs;

use super::check::Check;

/// Where bpffs belongs.
const BPFFS: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` in include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

pub(super) fn checks() -> Vec<Check> {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let is_bpffs = statfs(BPFFS).is_ok_and(|found| found.f_type as u64 & 0xffff_ffff == BPF_FS_MAGIC);
    vec![
        Check::ok("kernel", format!("Linux {release}"), "its features are tried, not concluded from this"),
        judge_jit(setting("/proc/sys/net/core/bpf_jit_enable").as_deref()),
        judge_btf(Path::new("/sys/kernel/btf/vmlinux").exists()),
        judge_bpffs(is_bpffs),
        judge_unprivileged(setting("/proc/sys/kernel/unprivileged_bpf_disabled").as_deref()),
    ]
}

fn judge_jit(setting: Option<&str>) -> Check {
    const NAME: &str = "jit";
    match setting {
        Some("0") => Check::limited(
            NAME,
            "the BPF compiler is off (net.core.bpf_jit_enable = 0)",
            "Each packet costs several times as much.",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        Some("1") => Check::ok(NAME, "the BPF compiler is on", "programs are machine code"),
        Some("2") => Check::limited(
            NAME,
            "the BPF compiler is on and prints what it makes (net.core.bpf_jit_enable = 2)",
            "Machine code goes to the kernel's log.",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        // A network namespace without the setting, or no right to read it.
        _ => Check::ok(NAME, "net.core.bpf_jit_enable cannot be read here", "most kernels compile always"),
    }
}

fn judge_btf(is_there: bool) -> Check {
    if is_there {
        return Check::ok("btf", "the kernel tells its types (/sys/kernel/btf/vmlinux)", "bpftool can show our maps");
    }
    // The program uses no kernel structure, so it runs all the same.
    Check::ok("btf", "the kernel does not tell its types; live does without", "only diagnosis with bpftool shows less")
}

fn judge_bpffs(is_mounted: bool) -> Check {
    if is_mounted {
        return Check::ok("bpffs", "mounted at /sys/fs/bpf", "other tools can pin there; live pins nothing");
    }
    Check::ok("bpffs", "not mounted at /sys/fs/bpf; live pins nothing", "nothing: programs go when live ends")
}

fn judge_unprivileged(setting: Option<&str>) -> Check {
    let found = match setting {
        Some("0") => "users without rights may load programs too (kernel.unprivileged_bpf_disabled = 0)",
        Some(_) => "only processes with rights may load programs",
        None => "kernel.unprivileged_bpf_disabled cannot be read",
    };
    Check::ok("unprivileged", found, "live has rights anyway")
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn settings() {
        for (setting, state) in
            [(None, State::Ok), (Some("0"), State::Limited), (Some("1"), State::Ok), (Some("2"), State::Limited)]
        {
            assert_eq!(judge_jit(setting).state, state, "{setting:?}");
        }
        assert!(judge_bpffs(false).found.contains("not mounted"));
        assert!(judge_btf(false).found.contains("does without"));
        assert!(judge_unprivileged(Some("2")).found.contains("only processes"));
    }
}
