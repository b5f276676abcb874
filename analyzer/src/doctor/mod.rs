//! What this machine lets the analyzer do live, what is missing, and what to do about it.
//!
//! Each concern has a file with two halves: one that tries things and reads files, and one that makes [`Check`]s of what
//! it found, which tests call without a machine. Kernel features are tried, not concluded from a version. Nothing on the
//! machine's own interfaces is changed: what must be attached is attached in a network namespace that lasts as long as
//! the try.

mod check;
mod clocks;
mod conntrack;
pub(crate) mod ethtool;
mod features;
mod hooks;
mod json;
mod kernel;
mod netdev;
mod netlink;
mod nics;
mod open_vswitch;
mod ovsdb;
mod rights;
mod sockets;
mod text;
mod trial;

pub use self::check::{Check, Diagnosis, State};
pub use self::json::write_json;
pub(crate) use self::ovsdb::ask as ask_database;
pub use self::text::write_text;

/// Tries everything that live needs. Takes a second at most where a socket does not answer.
pub fn examine() -> Diagnosis {
    let rights = rights::Rights::read();
    let open_vswitch = open_vswitch::ask();
    let mut checks = rights.checks();
    checks.extend(features::checks(&rights));
    checks.extend(trial::checks(&rights));
    checks.extend(nics::checks(&open_vswitch));
    checks.extend(sockets::checks(&open_vswitch));
    checks.extend(open_vswitch::checks(&open_vswitch));
    checks.extend(conntrack::checks(&rights, open_vswitch.datapath()));
    checks.extend(kernel::checks());
    checks.push(clocks::check());
    Diagnosis::new(checks)
}
