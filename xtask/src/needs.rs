//! Programs that the tests run beside cargo, the Debian packages that bring them, and their installation.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail};

use crate::project;

/// A program that must be there.
pub(crate) struct Need {
    /// Its name in `PATH`, or the path of a file.
    pub(crate) program: &'static str,
    /// The Debian package that holds it.
    pub(crate) package: &'static str,
    /// What it is needed for.
    pub(crate) purpose: &'static str,
}

/// What `cargo xtask lab` needs.
pub(crate) const LAB: &[Need] = &[
    Need { program: "tcpdump", package: "tcpdump", purpose: "records packets, and prints captures as text" },
    Need { program: "ip", package: "iproute2", purpose: "makes network namespaces" },
    Need { program: "ovsdb-tool", package: "openvswitch-common", purpose: "makes, writes and compacts database files" },
    Need { program: "ovs-vswitchd", package: "openvswitch-switch", purpose: "runs the userspace datapath of the lab" },
    Need { program: "ovn-nbctl", package: "ovn-common", purpose: "prints routes and rows" },
    Need { program: "ovn-northd", package: "ovn-central", purpose: "runs the gateway routers of the lab" },
    Need { program: "ovn-controller", package: "ovn-host", purpose: "runs the gateway routers of the lab" },
    Need { program: "ethtool", package: "ethtool", purpose: "makes NICs of the lab fill in checksums" },
    Need { program: "sysctl", package: "procps", purpose: "sets up the routers of the lab" },
];

/// What `cargo xtask test` needs beside it.
pub(crate) const TESTS: &[Need] = &[
    Need { program: "g++", package: "g++", purpose: "builds libFuzzer for the fuzz targets" },
    Need { program: "python3", package: "python3", purpose: "counts captures independently of the analyzer" },
    Need { program: "tshark", package: "tshark", purpose: "decodes captures independently of the analyzer" },
    Need { program: "unshare", package: "util-linux", purpose: "makes mount namespaces" },
    Need { program: "mount", package: "mount", purpose: "makes disks that are full or read-only" },
    Need { program: "setpriv", package: "util-linux", purpose: "runs the doctor with fewer rights" },
    Need { program: "nft", package: "nftables", purpose: "makes traffic enter conntrack zones" },
    Need { program: "conntrack", package: "conntrack", purpose: "runs the printed remedies on a real table" },
    Need { program: "bpftool", package: "bpftool", purpose: "lists the programs at the hooks of a NIC" },
    Need { program: "ss", package: "iproute2", purpose: "tells when a receiver of alerts listens" },
    Need { program: "rsyslogd", package: "rsyslog", purpose: "receives alerts" },
    Need {
        program: "/var/lib/dpkg/info/rsyslog-gnutls.list",
        package: "rsyslog-gnutls",
        purpose: "receives alerts by TLS",
    },
    Need {
        program: "/var/lib/dpkg/info/rsyslog-openssl.list",
        package: "rsyslog-openssl",
        purpose: "receives alerts by TLS, with another library",
    },
    Need { program: "/lib/systemd/systemd-journald", package: "systemd", purpose: "receives alerts as journald" },
    Need { program: "prometheus", package: "prometheus", purpose: "scrapes the daemon; its promtool tries the rules" },
    Need { program: "systemd-analyze", package: "systemd", purpose: "checks the unit file" },
    Need { program: "groff", package: "groff-base", purpose: "checks the manual pages" },
    Need {
        program: "/usr/lib/python3/dist-packages/yaml/__init__.py",
        package: "python3-yaml",
        purpose: "reads the manifest of the daemon set",
    },
];

/// What the kernel program is built with, beside its linker. The committed object is of these packages.
pub(crate) const KERNEL_PROGRAM: &[Need] = &[
    Need { program: "/usr/bin/rustc", package: "rustc-web", purpose: "compiles the kernel program" },
    Need { program: "/usr/bin/cargo", package: "cargo-web", purpose: "compiles the kernel program" },
    Need {
        program: "/usr/lib/rustlib/src/rust/library/core/src/lib.rs",
        package: "rust-web-src",
        purpose: "is compiled into the kernel program",
    },
    Need {
        program: "/usr/lib/llvm-22/bin/llvm-config",
        package: "llvm-22-dev",
        purpose: "is the library that the linker of the kernel program is made of",
    },
];

/// What `cargo xtask vm` makes virtual machines of.
pub(crate) const VM: &[Need] = &[
    Need { program: "qemu-system-x86_64", package: "qemu-system-x86", purpose: "runs other kernels" },
    Need {
        program: "/var/lib/dpkg/info/busybox-static.list",
        package: "busybox-static",
        purpose: "is the first program of a guest",
    },
    Need { program: "modprobe", package: "kmod", purpose: "loads modules into other kernels" },
    Need { program: "xz", package: "xz-utils", purpose: "unpacks modules of kernels" },
    Need { program: "setpriv", package: "util-linux", purpose: "ends a guest with whoever started it" },
];

/// What packages of other Debian releases are downloaded and unpacked with.
pub(crate) const ARCHIVE: &[Need] = &[
    Need { program: "apt-get", package: "apt", purpose: "downloads packages" },
    Need { program: "dpkg-deb", package: "dpkg", purpose: "unpacks packages" },
    Need {
        program: "/usr/share/keyrings/debian-archive-keyring.gpg",
        package: "debian-archive-keyring",
        purpose: "tells whether a package is Debian's",
    },
];

/// Those of the needs that this machine lacks.
pub(crate) fn missing(needs: &[&'static [Need]]) -> Vec<&'static Need> {
    needs.iter().copied().flatten().filter(|need| project::find_program(need.program).is_none()).collect()
}

/// Says what is missing and how to get it.
pub(crate) fn report(missing: &[&Need]) {
    eprintln!("missing programs (with --install they are installed on Debian, as root):");
    for need in missing {
        eprintln!("  {:<12} {}; apt-get install {}", need.program, need.purpose, need.package);
    }
}

/// Installs the packages of the needs with apt-get, without starting the services that some of them bring.
///
/// # Errors
/// This is no Debian, we are not root, or apt-get fails.
pub(crate) fn install(missing: &[&Need]) -> Result<()> {
    if project::find_program("apt-get").is_none() {
        report(missing);
        bail!("there is no apt-get here: install the programs above by the means of this system");
    }
    let mut packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let _no_services = if denies_services(Command::new(policy)) {
        // As in most containers.
        None
    } else {
        let denied = ServicePolicy::deny(policy);
        Some(denied.context("cannot keep new packages from starting services: --install must run as root")?)
    };
    project::run(apt_get().arg("update"))?;
    project::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))?;
    if let Some(need) = missing.iter().find(|need| project::find_program(need.program).is_none()) {
        bail!("package {} is installed, but there is no program {}", need.package, need.program);
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Asks a `policy-rc.d` as invoke-rc.d does. One that is missing, or fails, denies nothing.
fn denies_services(mut policy: Command) -> bool {
    let answer = policy.args(["--quiet", "openvswitch-switch", "start"]).status();
    answer.is_ok_and(|status| status.code() == Some(101))
}

/// Debian's `policy-rc.d` for as long as this lives: no package may start its service. What stood in its place comes
/// back afterwards.
struct ServicePolicy {
    path: PathBuf,
    previous: Option<(Vec<u8>, Permissions)>,
}

impl ServicePolicy {
    const SCRIPT_HEAD: &str =
        "#!/bin/sh\n# Written by `cargo xtask test --install`, which takes it away when apt-get is done.\n";

    fn deny(path: &Path) -> io::Result<Self> {
        let previous = match fs::read(path) {
            // What a killed run left behind is nobody's policy.
            Ok(content) if content.starts_with(Self::SCRIPT_HEAD.as_bytes()) => None,
            Ok(content) => Some((content, fs::metadata(path)?.permissions())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        fs::write(path, Self::script(process::id()))?;
        let policy = Self { path: path.to_owned(), previous };
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(policy)
    }

    /// Denies while the process lives. If it is killed before it takes the script away, the script denies nothing.
    fn script(process: u32) -> String {
        format!("{}kill -0 {process} 2>/dev/null && exit 101\nexit 0\n", Self::SCRIPT_HEAD)
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        let restored = match &self.previous {
            Some((content, permissions)) => {
                fs::write(&self.path, content).and_then(|()| fs::set_permissions(&self.path, permissions.clone()))
            }
            None => fs::remove_file(&self.path),
        };
        if let Err(error) = restored {
            eprintln!("warning: cannot restore {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-needs-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("policy-rc.d")
    }

    /// Asks the script by way of a shell. To start it itself may fail in a test: a child that another thread forks at
    /// this moment holds our files, and a file that is open for writing cannot be started (ETXTBSY).
    fn denies(path: &Path) -> bool {
        let mut shell = Command::new("sh");
        shell.arg(path);
        denies_services(shell)
    }

    #[test]
    fn service_policy_denies_and_goes() {
        let path = file("goes");
        let policy = ServicePolicy::deny(&path).unwrap();
        assert!(denies(&path));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        drop(policy);
        assert!(!path.exists());
        fs::remove_dir(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn earlier_service_policy_comes_back_with_its_mode() {
        let path = file("back");
        fs::write(&path, "#!/bin/sh\nexit 104\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o744)).unwrap();
        let policy = ServicePolicy::deny(&path).unwrap();
        assert!(denies(&path));
        drop(policy);
        assert_eq!(fs::read(&path).unwrap(), b"#!/bin/sh\nexit 104\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o744);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn service_policy_of_a_killed_run_denies_nothing_and_is_not_kept() {
        let path = file("killed");
        let mut killed = Command::new("true").spawn().unwrap();
        killed.wait().unwrap();
        fs::write(&path, ServicePolicy::script(killed.id())).unwrap();
        assert!(!denies(&path));
        drop(ServicePolicy::deny(&path).unwrap());
        assert!(!path.exists());
        fs::remove_dir(path.parent().unwrap()).unwrap();
    }
}
