//! The object of the kernel program: built here, committed, and built again to see that it is what the sources give.

mod build;
mod record;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::record::Record;
use self::toolchain::Toolchain;
use crate::project;

/// The committed object.
const OBJECT: &str = "analyzer/ebpf/analyzer.bpf.o";
/// What built it.
const RECORD: &str = "analyzer/ebpf/analyzer.bpf.toml";

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; build the object and compare it with the committed one, byte by byte.
    #[arg(long)]
    check: bool,
}

/// Builds the object, and writes it or compares it.
///
/// # Errors
/// Something is missing to build it, it does not build, or it is not the committed one.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.check {
        check()?
    } else {
        write()?
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the object and its record.
fn write() -> Result<()> {
    let toolchain = Toolchain::find()?;
    let object = build::object(&toolchain)?;
    let record = Record::new(&toolchain, &record::sources()?, &object);
    fs::create_dir_all(path(OBJECT).parent().expect("the object lies in a folder"))?;
    fs::write(path(OBJECT), &object).with_context(|| format!("cannot write {OBJECT}"))?;
    fs::write(path(RECORD), record.to_string()).with_context(|| format!("cannot write {RECORD}"))?;
    println!("wrote {OBJECT} ({} bytes) and {RECORD}", object.len());
    if !toolchain.is_pinned() {
        eprintln!(
            "warning: built with {}. The committed object is to be built with {}, or `--check` cannot compare",
            toolchain.name,
            toolchain::PINNED
        );
    }
    Ok(())
}

/// Builds the object with the toolchain that it is committed from, and compares.
///
/// # Errors
/// The toolchain is missing or another version, or the objects differ.
pub(crate) fn check() -> Result<()> {
    check_record()?;
    let committed = Record::read(&path(RECORD))?;
    let toolchain = Toolchain::pinned()?;
    let differences = committed.other_versions(&toolchain);
    if !differences.is_empty() {
        bail!(
            "{OBJECT} was built with other versions than those here, so that its bytes cannot be compared:\n  {}\n\
             install those that {RECORD} names, or build it anew with `cargo xtask ebpf` and commit both",
            differences.join("\n  ")
        );
    }
    let object = build::object(&toolchain)?;
    let stored = fs::read(path(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    if object != stored {
        let kept = build::target_dir().join("analyzer.bpf.o");
        fs::write(&kept, &object).with_context(|| format!("cannot write {}", kept.display()))?;
        let at = object.iter().zip(&stored).take_while(|(built, stored)| built == stored).count();
        bail!(
            "{OBJECT} is not what its sources give: {} bytes, and {} were built; they differ from byte {at} on.\n\
             The object that was built is {}. If the sources are right, `cargo xtask ebpf` writes the object anew",
            stored.len(),
            object.len(),
            kept.display()
        );
    }
    println!("{OBJECT} is what its sources give ({} bytes)", object.len());
    Ok(())
}

/// Checks, without building anything, that sources and object are those that the record tells of.
///
/// # Errors
/// They are not, or cannot be read.
pub(crate) fn check_record() -> Result<()> {
    let committed = Record::read(&path(RECORD))?;
    let object = fs::read(path(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    let stale = committed.stale(&record::sources()?, &object);
    if !stale.is_empty() {
        bail!(
            "{RECORD} tells of other {} than are here; `cargo xtask ebpf` builds the object anew",
            stale.join(" and ")
        );
    }
    Ok(())
}

/// What is missing to build the object as it is committed, each with the way to get it; empty where nothing is.
pub(crate) fn missing() -> Vec<String> {
    toolchain::missing()
}

/// Installs what `missing` names and apt-get has not: the linker.
///
/// # Errors
/// Cargo cannot build it.
pub(crate) fn install_linker() -> Result<()> {
    toolchain::install_linker()
}

fn path(file: &str) -> PathBuf {
    Path::new(project::root()).join(file)
}
