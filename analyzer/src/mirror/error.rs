//! What can go wrong with a mirror port, and the way out.

use std::io;

use crate::bpf::error::BpfError;

/// Why frames of a mirror port cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The kernel makes no socket.
    #[error("NIC {nic}, queue {queue}: cannot {what}: {error}{}", way_out(what, error))]
    Socket {
        /// Name of the NIC.
        nic: String,
        /// Number of the receive queue.
        queue: u32,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The programs cannot be loaded or attached.
    #[error(transparent)]
    Program(#[from] BpfError),
    /// The NIC takes no program.
    #[error("{error}{}", if *.is_native { NATIVE } else { "" })]
    Attach {
        /// What the kernel said.
        error: BpfError,
        /// Whether its driver was to run the program.
        is_native: bool,
    },
    /// The NIC cannot be asked about.
    #[error("NIC {nic}: cannot ask the kernel about it: {error}")]
    Unknown {
        /// Name of the NIC.
        nic: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// No thread can be started.
    #[error("NIC {nic}, queue {queue}: cannot start its thread: {error}")]
    Thread {
        /// Name of the NIC.
        nic: String,
        /// Number of the receive queue.
        queue: u32,
        /// What the system said.
        error: io::Error,
    },
}

/// The way out where a driver does not run the program.
const NATIVE: &str = "; where its driver has no XDP, or too few queues for it, --ingress afxdp-generic or tc reads the mirror all \
                      the same";

/// What was tried, as the messages have it.
pub(super) mod step {
    pub(in crate::mirror) const SOCKET: &str = "open an AF_XDP socket";
    pub(in crate::mirror) const MEMORY: &str = "map memory for frames";
    pub(in crate::mirror) const RINGS: &str = "make the rings of its AF_XDP socket";
    pub(in crate::mirror) const BIND: &str = "bind its AF_XDP socket";
    pub(in crate::mirror) const BIND_SPLIT: &str = "bind its AF_XDP socket for frames longer than a page";
}

fn way_out(what: &str, error: &io::Error) -> &'static str {
    match (what, error.raw_os_error()) {
        (step::SOCKET, Some(libc::EAFNOSUPPORT)) => {
            "; this kernel was built without AF_XDP (CONFIG_XDP_SOCKETS): --ingress tc does without"
        }
        (step::SOCKET, Some(libc::EPERM | libc::EACCES)) => "; CAP_NET_RAW is missing: run as root, or grant it",
        (step::RINGS, Some(libc::ENOBUFS)) => {
            "; the limit of locked memory is too small (ulimit -l): raise it, run as root, or give a smaller --ring"
        }
        (step::RINGS | step::MEMORY, Some(libc::ENOMEM)) => "; there is too little memory: a smaller --ring takes less",
        (step::BIND | step::BIND_SPLIT, Some(libc::EBUSY)) => {
            "; another program has an AF_XDP socket on this queue, which stays: end it first, or read the mirror by \
             --ingress tc"
        }
        (step::BIND_SPLIT, Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
            "; such frames need Linux 6.6: lower the NIC's MTU, or read the mirror by --ingress tc"
        }
        (step::BIND | step::BIND_SPLIT, Some(libc::ENETDOWN)) => "; the NIC is down: `ip link set NIC up`",
        _ => "",
    }
}
