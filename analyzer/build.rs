//! What `--version` tells of the build: its commit, its target, and the digest of the kernel program.
//!
//! The same tree gives the same answers. A commit makes cargo build again only where it is told: in release builds. Those of
//! development and of fuzz targets would start over with each commit, for nothing.

#[path = "build/commit.rs"]
mod commit;

use std::path::Path;
use std::{env, fs};

/// Names the commit where there is no `.git`, as in a container: set by whoever builds.
const COMMIT: &str = "ANALYZER_COMMIT";

const UNKNOWN: &str = "unknown";

/// What the kernel program was built of, beside its digest.
const RECORD: &str = "ebpf/analyzer.bpf.toml";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build/commit.rs");
    println!("cargo:rerun-if-changed={RECORD}");
    println!("cargo:rerun-if-env-changed={COMMIT}");
    println!("cargo:rustc-env=ANALYZER_BUILD_COMMIT={}", commit());
    println!("cargo:rustc-env=ANALYZER_BUILD_TARGET={}", env::var("TARGET").unwrap_or_else(|_| UNKNOWN.to_owned()));
    println!("cargo:rustc-env=ANALYZER_BUILD_OBJECT={}", object().unwrap_or_else(|| UNKNOWN.to_owned()));
}

fn commit() -> String {
    // A line break would end the instruction to cargo.
    if let Some(named) = env::var(COMMIT).ok().filter(|name| !name.is_empty() && !name.contains(char::is_control)) {
        return named;
    }
    let is_tried_only = env::var_os("CARGO_CFG_FUZZING").is_some();
    if is_tried_only || env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return UNKNOWN.to_owned();
    }
    let found = commit::find(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for path in found.watched {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    found.commit.unwrap_or_else(|| UNKNOWN.to_owned())
}

/// SHA-256 of the compiled kernel program, which `cargo xtask ebpf --check` holds against the bytes.
fn object() -> Option<String> {
    let record = fs::read_to_string(RECORD).ok()?;
    record.lines().find_map(|line| line.strip_prefix("object = \"")?.strip_suffix('"')).map(str::to_owned)
}
