//! What `redirect.bpf.o`, which gives frames of a mirror port to AF_XDP sockets, shares with user space.

/// Names of the maps.
pub mod name {
    /// `XSKMAP`: the socket of each receive queue.
    pub const SOCKETS: &str = "SOCKETS";
    /// Per-CPU array of one [`crate::maps::PacketCount`]: frames of queues without a socket, which went on to the stack.
    pub const PASSED: &str = "PASSED";
}

/// Names of the programs in the object.
pub mod program {
    /// XDP: for frames that lie in one buffer.
    pub const REDIRECT: &str = "redirect";
    /// The same for frames of any length (Linux 5.18).
    pub const REDIRECT_FRAGS: &str = "redirect_frags";
}
