//! Building an object so that its bytes depend on the sources and the toolchain alone.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::object::Object;
use super::toolchain::{Toolchain, cargo_home};
use crate::project;

const TARGET: &str = "bpfel-unknown-none";

/// Separator of `CARGO_ENCODED_RUSTFLAGS`.
const UNIT_SEPARATOR: &str = "\x1f";

/// Builds an object and gives its bytes.
///
/// # Errors
/// It does not build, or a file cannot be read.
pub(super) fn build(toolchain: &Toolchain, object: &Object) -> Result<Vec<u8>> {
    // Folders of crates must be there before their names can be left out of the object.
    project::run(cargo(toolchain).args(["fetch", "--locked"]))?;
    let flags = rustflags(toolchain)?;
    let mut build = cargo(toolchain);
    build.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "analyzer-ebpf",
        "--bin",
        object.program,
        "--features",
        object.feature,
    ]);
    build.args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"]).arg(target_dir());
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join(UNIT_SEPARATOR));
    project::run(&mut build)?;

    let linked = target_dir().join(TARGET).join("release").join(object.program);
    let stripped = target_dir().join("stripped.o");
    // What the kernel reads stays: code, maps, BTF. DWARF goes; BTF was made of it.
    project::run(Command::new(&toolchain.strip).arg("--strip-debug").arg("-o").arg(&stripped).arg(linked))?;
    fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

/// The folder that is built in, apart from that of the other targets: both hold a lock while cargo runs.
pub(super) fn target_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| project::root().join("target"), PathBuf::from);
    target.join("ebpf")
}

/// A cargo that nothing in the environment tells how to build.
fn cargo(toolchain: &Toolchain) -> Command {
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.current_dir(project::root());
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        let steers = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_PKG_", "RUST", "CARGO_CFG_"];
        if steers.iter().any(|prefix| name_text.starts_with(prefix)) && name_text != "RUSTUP_HOME" {
            cargo.env_remove(&name);
        }
    }
    cargo.env_remove("CARGO").env("RUSTC", &toolchain.rustc);
    // Debian's compiler is a stable one. It builds `core` as a nightly one does.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker);
    // BTF is made of debug information. All else is as the release profile has it today, whatever it will have.
    for (setting, value) in
        [("DEBUG", "full"), ("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("OPT_LEVEL", "3"), ("PANIC", "abort")]
    {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    // Layouts of registers, for tracing programs. Ours is none, but a folder is named so, and names are in the object.
    cargo.env("AYA_BPF_TARGET_ARCH", "x86_64");
    cargo
}

/// Flags for the compiler. No path of this machine comes into the object.
fn rustflags(toolchain: &Toolchain) -> Result<Vec<String>> {
    let mut flags = vec!["-Clink-arg=--btf".to_owned(), "-Ctarget-cpu=v3".to_owned()];
    let mut remap = |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    remap(&toolchain.sysroot.join("lib/rustlib/src/rust"), "/rust");
    let registries = cargo_home().context("there is no home directory to find cargo's in")?.join("registry/src");
    if let Ok(entries) = registries.read_dir() {
        let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.sort();
        for folder in folders {
            remap(&folder, "/crates");
        }
    }
    // Of several that fit the last is taken.
    remap(project::root(), "/analyzer");
    Ok(flags)
}
