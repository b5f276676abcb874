//! Compilers that can build for the kernel: they need the sources of Rust's core library, and a linker for BPF.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{needs, project};

/// The toolchain that the committed object is built with.
pub(super) const PINNED: &str = "Debian's rustc-web";

/// Version of the linker that the committed object is built with.
const LINKER_VERSION: &str = "0.13.0";

/// Where the packages put the compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// Where the packages put LLVM.
const DEBIAN_LLVM: &str = "/usr/lib/llvm-22";

/// A compiler for the kernel's target, and what goes with it.
pub(super) struct Toolchain {
    /// For people.
    pub(super) name: String,
    pub(super) cargo: PathBuf,
    pub(super) rustc: PathBuf,
    /// Folder that `lib/rustlib` lies in.
    pub(super) sysroot: PathBuf,
    /// `bpf-linker`.
    pub(super) linker: PathBuf,
    /// `llvm-strip`, of any version.
    pub(super) strip: PathBuf,
    /// Version of the compiler, with its commit.
    pub(super) rustc_version: String,
    /// Version of the LLVM in the compiler.
    pub(super) rustc_llvm: String,
    pub(super) linker_version: String,
    /// Version of the LLVM that the linker is linked with, where that can be told.
    pub(super) linker_llvm: String,
}

impl Toolchain {
    /// The pinned toolchain, else a nightly one of rustup.
    ///
    /// # Errors
    /// There is neither; the error tells how to get one.
    pub(super) fn find() -> Result<Self> {
        if missing().is_empty() {
            return Self::pinned();
        }
        match Self::rustup() {
            Ok(toolchain) => Ok(toolchain),
            Err(reason) => bail!(
                "no toolchain here builds the kernel program.\nOf Debian's this is missing:\n  {}\n\
                 Of rustup's: {reason:#}; `rustup toolchain install nightly --component rust-src,llvm-tools` and \
                 `cargo install bpf-linker` get it",
                missing().join("\n  ")
            ),
        }
    }

    /// The toolchain that the committed object is built with.
    ///
    /// # Errors
    /// Something of it is missing; the error tells how to get it.
    pub(super) fn pinned() -> Result<Self> {
        let missing = missing();
        if !missing.is_empty() {
            bail!(
                "the kernel program is built with {PINNED}, of which this is missing:\n  {}\n\
                 `cargo xtask test --install` installs it on Debian, as root",
                missing.join("\n  ")
            );
        }
        let (rustc, cargo) = (PathBuf::from(DEBIAN_RUSTC), PathBuf::from(DEBIAN_CARGO));
        let strip = Path::new(DEBIAN_LLVM).join("bin/llvm-strip");
        let linker = find_linker().context("bpf-linker is gone")?;
        let mut toolchain = Self::new(PINNED.to_owned(), rustc, cargo, linker, strip)?;
        let mut llvm = Command::new(Path::new(DEBIAN_LLVM).join("bin/llvm-config"));
        toolchain.linker_llvm = text(llvm.arg("--version"))?.trim().to_owned();
        Ok(toolchain)
    }

    fn rustup() -> Result<Self> {
        let which = |program| -> Result<PathBuf> {
            let path = text(Command::new("rustup").args(["which", "--toolchain", "nightly", program]))?;
            Ok(PathBuf::from(path.trim()))
        };
        let (rustc, cargo) = (which("rustc")?, which("cargo")?);
        let linker = find_linker().context("bpf-linker is missing")?;
        let version = text(Command::new(&rustc).arg("-vV"))?;
        let sysroot = sysroot(&rustc)?;
        if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file() {
            bail!("the nightly toolchain lacks the component rust-src");
        }
        let host = line(&version, "host: ").context("rustc does not tell its host")?;
        let tools = sysroot.join("lib/rustlib").join(host).join("bin");
        let strip = [tools.join("llvm-strip"), Path::new(DEBIAN_LLVM).join("bin/llvm-strip")];
        let strip = strip.into_iter().find(|file| file.is_file()).or_else(|| project::find_program("llvm-strip"));
        let strip = strip.context("llvm-strip is missing, which the component llvm-tools has")?;
        Self::new("rustup's nightly".to_owned(), rustc, cargo, linker, strip)
    }

    fn new(name: String, rustc: PathBuf, cargo: PathBuf, linker: PathBuf, strip: PathBuf) -> Result<Self> {
        let version = text(Command::new(&rustc).arg("-vV"))?;
        let field = |name| line(&version, name).with_context(|| format!("rustc does not tell its {name}"));
        let rustc_version = field("rustc ")?.to_owned();
        let rustc_llvm = field("LLVM version: ")?.to_owned();
        let linker_version = linker_version(&linker)?;
        let sysroot = sysroot(&rustc)?;
        let linker_llvm = "unknown".to_owned();
        Ok(Self { name, cargo, rustc, sysroot, linker, strip, rustc_version, rustc_llvm, linker_version, linker_llvm })
    }

    /// Whether the object that it builds is the one to commit.
    pub(super) fn is_pinned(&self) -> bool {
        self.name == PINNED
    }
}

/// What the pinned toolchain lacks, each with the way to get it.
pub(super) fn missing() -> Vec<String> {
    let packages = needs::missing(&[needs::KERNEL_PROGRAM]);
    let mut missing: Vec<String> =
        packages.iter().map(|need| format!("{}; apt-get install {}", need.program, need.package)).collect();
    let linker = find_linker().and_then(|linker| linker_version(&linker).ok());
    if linker.as_deref() != Some(LINKER_VERSION) {
        missing.push(format!(
            "bpf-linker {LINKER_VERSION}; LLVM_PREFIX={DEBIAN_LLVM} cargo install bpf-linker --version \
             {LINKER_VERSION} --no-default-features --features llvm-22"
        ));
    }
    missing
}

/// Builds the linker, if the pinned version is not there.
pub(super) fn install_linker() -> Result<()> {
    let linker = find_linker().and_then(|linker| linker_version(&linker).ok());
    if linker.as_deref() == Some(LINKER_VERSION) {
        return Ok(());
    }
    let mut install = project::cargo();
    install.env("LLVM_PREFIX", DEBIAN_LLVM).args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"]);
    project::run(install.args(["--no-default-features", "--features", "llvm-22"]))
}

/// In `PATH`, or where cargo installs it.
fn find_linker() -> Option<PathBuf> {
    let installed = cargo_home().map(|home| home.join("bin/bpf-linker")).filter(|file| file.is_file());
    project::find_program("bpf-linker").or(installed)
}

/// The folder that cargo keeps sources and programs in.
pub(super) fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))
}

fn linker_version(linker: &Path) -> Result<String> {
    let version = text(Command::new(linker).arg("--version"))?;
    Ok(version.trim().trim_start_matches("bpf-linker ").to_owned())
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(text(Command::new(rustc).args(["--print", "sysroot"]))?.trim()))
}

/// What a program prints. The toolchain that runs us must not choose the one that is asked.
fn text(command: &mut Command) -> Result<String> {
    let output = project::capture(command.env_remove("RUSTUP_TOOLCHAIN"))?;
    String::from_utf8(output).with_context(|| format!("{} prints no text", command.get_program().display()))
}

/// The rest of the line that starts with a prefix.
fn line<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(prefix))
}
