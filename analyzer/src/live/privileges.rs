//! Rights that are given up once they are not needed any longer.
//!
//! Attaching programs, making maps and opening sockets take more than to keep them going. After that the process keeps
//! [`KEPT`], and for files and sockets that it may have to open again the right to, if it has no other way to them. The
//! rest is dropped for good: from the permitted, inheritable, ambient and bounding sets, and with `no_new_privs` no
//! program that we start gets it back (capabilities(7), prctl(2)).
//!
//! Works for root as for a file with capabilities. Capabilities belong to threads: call [`drop_unneeded`] before
//! threads are started, which then inherit what is left.

use std::fmt;
use std::path::{Path, PathBuf};

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use thiserror::Error;

/// What a running daemon needs: to read and write maps, to attach again when a NIC comes back, to ask conntrack, and for
/// the verifier to accept the program as it did at the start.
pub const KEPT: [Capability; 3] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON];

/// Rights that could not be dropped, or that are missing.
#[derive(Error, Debug)]
pub enum PrivilegeError {
    /// The kernel refuses a change of our capabilities.
    #[error("cannot {what}: {source}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: CapsError,
    },
    /// The kernel refuses `no_new_privs`.
    #[error("cannot set no_new_privs")]
    NoNewPrivileges(#[source] std::io::Error),
    /// What live needs is not there.
    #[error(
        "live needs {}: run as root, or give the file the capabilities with setcap \
         cap_bpf,cap_net_admin,cap_perfmon+ep; `analyzer doctor` tells more",
        names(.missing)
    )]
    Missing {
        /// The capabilities.
        missing: Vec<Capability>,
    },
}

/// What is left after [`drop_unneeded`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Capabilities, sorted by name.
    pub capabilities: Vec<Capability>,
    /// Paths that can be reached only with CAP_DAC_OVERRIDE, which is why it is kept.
    pub reached_by_override: Vec<PathBuf>,
    /// Whether the bounding set could be emptied too, which takes CAP_SETPCAP. Where not, `no_new_privs` alone keeps
    /// programs that we start from getting more.
    pub bounds: bool,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.capabilities.is_empty() {
            true => f.write_str("no capability")?,
            false => f.write_str(&names(&self.capabilities))?,
        }
        if let Some(path) = self.reached_by_override.first() {
            write!(f, " (the last for {})", path.display())?;
        }
        Ok(())
    }
}

/// Checks that what live needs is there, before anything else fails for the lack of it with a lesser message.
///
/// # Errors
/// [`PrivilegeError::Missing`], naming the capabilities. CAP_PERFMON is not among them: whether the program is accepted
/// without it is the verifier's to say.
pub fn require() -> Result<(), PrivilegeError> {
    let effective = read(CapSet::Effective)?;
    missing(&effective, &caps::runtime::thread_all_supported())
}

fn missing(effective: &CapsHashSet, known: &CapsHashSet) -> Result<(), PrivilegeError> {
    // CAP_SYS_ADMIN has what CAP_BPF was made from in Linux 5.8.
    let loading = if known.contains(&Capability::CAP_BPF) { Capability::CAP_BPF } else { Capability::CAP_SYS_ADMIN };
    let may_load = effective.contains(&loading) || effective.contains(&Capability::CAP_SYS_ADMIN);
    let mut missing = Vec::new();
    if !may_load {
        missing.push(loading);
    }
    if !effective.contains(&Capability::CAP_NET_ADMIN) {
        missing.push(Capability::CAP_NET_ADMIN);
    }
    if missing.is_empty() { Ok(()) } else { Err(PrivilegeError::Missing { missing }) }
}

/// Drops what a running daemon does not need. `paths` are the sockets, files and folders that it may open again, and for
/// what; `also` are rights that it needs beside [`KEPT`].
///
/// # Errors
/// When the kernel refuses. Rights may then be dropped in part, never added.
pub fn drop_unneeded(paths: &[(&Path, Access)], also: &[Capability]) -> Result<Kept, PrivilegeError> {
    let permitted = read(CapSet::Permitted)?;
    let mut kept = kept(&permitted, &caps::runtime::thread_all_supported());
    kept.extend(also.iter().filter(|capability| permitted.contains(capability)));

    caps::clear(None, CapSet::Inheritable).map_err(refused("clear the inheritable set"))?;
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient).map_err(refused("clear the ambient set"))?;
    }
    let bounds = read(CapSet::Effective)?.contains(&Capability::CAP_SETPCAP);
    if bounds {
        caps::clear(None, CapSet::Bounding).map_err(refused("clear the bounding set"))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(|errno| PrivilegeError::NoNewPrivileges(errno.into()))?;

    // Without the override at first, to see what can be reached without it.
    set(CapSet::Effective, &kept)?;
    let is_out_of_reach =
        |(path, access): &&(&Path, Access)| reach(path, *access).is_err_and(|errno| errno == rustix::io::Errno::ACCESS);
    let mut reached_by_override: Vec<PathBuf> =
        paths.iter().filter(is_out_of_reach).map(|(path, _)| path.to_path_buf()).collect();
    if permitted.contains(&Capability::CAP_DAC_OVERRIDE) && !reached_by_override.is_empty() {
        kept.insert(Capability::CAP_DAC_OVERRIDE);
        set(CapSet::Effective, &kept)?;
    } else {
        reached_by_override.clear();
    }
    set(CapSet::Permitted, &kept)?;

    let mut capabilities: Vec<Capability> = kept.into_iter().collect();
    capabilities.sort_by_key(|capability| (*capability == Capability::CAP_DAC_OVERRIDE, capability.to_string()));
    Ok(Kept { capabilities, reached_by_override, bounds })
}

/// Of what we have, what is needed further on. A kernel before 5.8 has CAP_SYS_ADMIN in the place of CAP_BPF.
fn kept(permitted: &CapsHashSet, known: &CapsHashSet) -> CapsHashSet {
    let mut kept: CapsHashSet = KEPT.into_iter().filter(|capability| permitted.contains(capability)).collect();
    let is_old = !known.contains(&Capability::CAP_BPF);
    if (is_old || !kept.contains(&Capability::CAP_BPF)) && permitted.contains(&Capability::CAP_SYS_ADMIN) {
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    kept
}

fn reach(path: &Path, access: Access) -> rustix::io::Result<()> {
    accessat(CWD, path, access, AtFlags::EACCESS)
}

fn read(set: CapSet) -> Result<CapsHashSet, PrivilegeError> {
    caps::read(None, set).map_err(refused("read our capabilities"))
}

fn set(set: CapSet, capabilities: &CapsHashSet) -> Result<(), PrivilegeError> {
    caps::set(None, set, capabilities).map_err(refused("drop capabilities"))
}

fn refused(what: &'static str) -> impl Fn(CapsError) -> PrivilegeError {
    move |source| PrivilegeError::Refused { what, source }
}

/// `CAP_BPF and CAP_NET_ADMIN`.
fn names(capabilities: &[Capability]) -> String {
    let names: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_of(capabilities: &[Capability]) -> CapsHashSet {
        capabilities.iter().copied().collect()
    }

    #[test]
    fn what_is_missing_is_named() {
        let new = caps::all();
        let error = missing(&set_of(&[]), &new).unwrap_err().to_string();
        assert!(error.starts_with("live needs CAP_BPF and CAP_NET_ADMIN: run as root"), "{error}");
        let old = missing(&set_of(&[Capability::CAP_NET_ADMIN]), &CapsHashSet::new()).unwrap_err().to_string();
        assert!(old.starts_with("live needs CAP_SYS_ADMIN: "), "{old}");
        missing(&set_of(&[Capability::CAP_NET_ADMIN, Capability::CAP_SYS_ADMIN]), &new).unwrap();
        missing(&set_of(&[Capability::CAP_NET_ADMIN, Capability::CAP_BPF]), &new).unwrap();
    }

    #[test]
    fn what_is_kept() {
        let all = caps::all();
        assert_eq!(kept(&all, &all), set_of(&KEPT));
        let old: CapsHashSet = all.iter().copied().filter(|capability| !KEPT[..1].contains(capability)).collect();
        assert!(kept(&old, &old).contains(&Capability::CAP_SYS_ADMIN));
        assert_eq!(kept(&set_of(&[]), &all), set_of(&[]));
    }

    /// On a thread of its own, as capabilities belong to threads; a process without rights has none to drop.
    #[test]
    fn nothing_but_what_is_needed_is_left() {
        let check = || {
            let before = caps::read(None, CapSet::Permitted).unwrap();
            let kept = drop_unneeded(
                &[(Path::new("/"), Access::WRITE_OK), (Path::new("/no/such/file"), Access::WRITE_OK)],
                &[],
            )
            .unwrap();
            for set in [CapSet::Effective, CapSet::Permitted] {
                let left = caps::read(None, set).unwrap();
                assert!(left.iter().all(|capability| KEPT.contains(capability)), "{set:?}: {left:?}");
                assert!(KEPT.iter().all(|capability| left.contains(capability) == before.contains(capability)));
            }
            for set in [CapSet::Inheritable, CapSet::Ambient] {
                assert_eq!(caps::read(None, set).unwrap(), set_of(&[]));
            }
            assert_eq!(kept.bounds, caps::read(None, CapSet::Bounding).unwrap().is_empty());
            assert!(rustix::thread::no_new_privs().unwrap());
            assert_eq!(kept.reached_by_override, [""; 0].map(PathBuf::from));
            // Once more changes nothing.
            assert_eq!(drop_unneeded(&[], &[]).unwrap().capabilities, kept.capabilities);
        };
        std::thread::spawn(check).join().unwrap();
    }
}
