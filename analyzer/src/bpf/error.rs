//! What can go wrong with the kernel program, and the way out.

use std::io;

/// Why the kernel program cannot be loaded, attached, or told of a set.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The kernel refuses for want of rights.
    #[error("no right to {what}: {missing}")]
    NoRights {
        /// What was tried.
        what: String,
        /// What is missing, and how to get it.
        missing: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel cannot make a map.
    #[error("the kernel cannot make the map {map}: {source}{hint}")]
    Create {
        /// The map.
        map: String,
        /// What the kernel said.
        source: io::Error,
        /// What it may lack.
        hint: &'static str,
    },
    /// The verifier refuses a program.
    #[error("the kernel refuses the program {program}: {source}; the end of its log:\n{log}")]
    Refused {
        /// The program.
        program: &'static str,
        /// What the kernel said.
        source: io::Error,
        /// Last lines of the verifier's log.
        log: String,
    },
    /// The object cannot be read.
    #[error("the kernel program's object cannot be loaded: {0}")]
    Object(#[source] Box<aya::EbpfError>),
    /// A program cannot be loaded for another reason than the kernel's refusal.
    #[error("the program {program} cannot be loaded: {source}")]
    Load {
        /// The program.
        program: &'static str,
        /// What aya said.
        source: Box<aya::programs::ProgramError>,
    },
    /// The object lacks a map or a program.
    #[error("the kernel program's object holds no {name}: it was built from another version of the source")]
    Absent {
        /// Name of the map or program.
        name: &'static str,
    },
    /// Keys or values of a map have other sizes than in this program.
    #[error("the map {name} has another layout than expected: the object was built from another version of the source")]
    Layout {
        /// Name of the map.
        name: &'static str,
    },
    /// An operation on a map fails.
    #[error("cannot {operation} in the map {map}: {source}")]
    Map {
        /// The map.
        map: &'static str,
        /// What was tried.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A map holds no more. What was in force is so still.
    #[error("the map {map} holds at most {max_entries} entries{}{}", needed(*.entries), way_out(.map))]
    Full {
        /// The map.
        map: &'static str,
        /// Entries needed, where that is known.
        entries: Option<usize>,
        /// Entries that it holds.
        max_entries: u32,
    },
    /// A next hop cannot be counted, as it is beyond the map.
    #[error("the next hop number {index} is beyond the map {map} of {max_entries}{}", way_out(.map))]
    NexthopIndex {
        /// The index.
        index: u32,
        /// The map.
        map: &'static str,
        /// Its size.
        max_entries: u32,
    },
    /// The kernel's wait for running programs fails.
    #[error("cannot wait for running programs: {0}")]
    Quiescence(#[source] io::Error),
    /// A program cannot be attached or detached.
    #[error("NIC {nic}: cannot {what}: {source}")]
    Hook {
        /// Name of the NIC.
        nic: String,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another program holds the XDP slot; it was left in place.
    #[error(
        "NIC {nic}: the XDP slot is held by {holder}, which stays; listen on ingress by TC instead, or detach it first"
    )]
    XdpOccupied {
        /// Name of the NIC.
        nic: String,
        /// The program in the slot.
        holder: String,
    },
    /// The NIC has an ingress qdisc where clsact would go, and the kernel has no TCX.
    #[error(
        "NIC {nic}: its {kind} qdisc leaves no place for clsact, and this kernel has no TCX (Linux 6.6); \
         whoever added it could use clsact instead, which does the same and more"
    )]
    QdiscInTheWay {
        /// Name of the NIC.
        nic: String,
        /// Kind of the qdisc.
        kind: String,
    },
}

impl BpfError {
    pub(super) fn map(map: &'static str, operation: &'static str, source: io::Error) -> Self {
        if is_denied(&source) {
            return Self::denied(format!("{operation} in the map {map}"), source);
        }
        Self::Map { map, operation, source }
    }

    pub(super) fn hook(nic: &str, what: &'static str, source: io::Error) -> Self {
        if is_denied(&source) {
            return Self::denied(format!("{what} on NIC {nic}"), source);
        }
        Self::Hook { nic: nic.to_owned(), what, source }
    }

    pub(super) fn denied(what: String, source: io::Error) -> Self {
        Self::NoRights { what, missing: missing_rights(), source }
    }
}

/// Whether the kernel refused for want of rights.
pub(super) fn is_denied(error: &io::Error) -> bool {
    matches!(super::rtnl::errno(error), Some(libc::EPERM | libc::EACCES))
}

fn missing_rights() -> String {
    use caps::Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};
    let has = |capability| caps::has_cap(None, caps::CapSet::Effective, capability).unwrap_or(false);
    let lacking: Vec<String> = [CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON]
        .into_iter()
        .filter(|&capability| !has(capability) && (capability == CAP_NET_ADMIN || !has(CAP_SYS_ADMIN)))
        .map(|capability| capability.to_string())
        .collect();
    if lacking.is_empty() {
        return "the capabilities are there (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON), so it is a security module, a user \
                namespace or a seccomp filter that forbids it; a privileged container would do"
            .to_owned();
    }
    format!("{} missing; run as root or grant what is missing", lacking.join(", "))
}

fn needed(entries: Option<usize>) -> String {
    entries.map_or_else(String::new, |entries| format!(", {entries} are needed"))
}

/// The way out where a map is full: the option that sets its size, where there is one.
fn way_out(map: &str) -> &'static str {
    use analyzer_ebpf::maps::name;

    match map {
        name::HOST_SOURCES4
        | name::HOST_SOURCES6
        | name::SOURCES4
        | name::SOURCES6
        | name::DESTINATIONS4
        | name::DESTINATIONS6 => "; raise --max-routes",
        name::SAMPLES4 | name::SAMPLES6 => "; raise --max-samples",
        name::SUSPECTS4 | name::SUSPECTS6 => "; raise --max-suspects",
        _ => "; flows beyond it are judged one by one",
    }
}
