//! What `-V` and `--version` tell. The script of the build finds it out; the digest is SHA-256.

/// The release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from.
pub(crate) const COMMIT: &str = env!("ANALYZER_BUILD_COMMIT");

/// In a line.
pub(super) const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("ANALYZER_BUILD_COMMIT"), ")");

/// With what else a report of a fault needs.
pub(super) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("ANALYZER_BUILD_COMMIT"),
    "\ntarget: ",
    env!("ANALYZER_BUILD_TARGET"),
    "\neBPF object: ",
    env!("ANALYZER_BUILD_OBJECT"),
);
