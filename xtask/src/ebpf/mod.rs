//! The objects with programs for the kernel: built here, committed, and built again to see that they are what the sources
//! give.

mod build;
mod object;
mod record;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::object::{OBJECTS, Object};
use self::record::Record;
use self::toolchain::Toolchain;
use crate::project;

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; build the objects and compare them with the committed ones, byte by byte.
    #[arg(long)]
    check: bool,
}

/// Builds the objects, and writes or compares them.
///
/// # Errors
/// Something is missing to build them, one does not build, or one is not the committed one.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.check {
        check()?
    } else {
        write()?
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the objects and their records.
fn write() -> Result<()> {
    let toolchain = Toolchain::find()?;
    for object in &OBJECTS {
        let (file, record) = (object.file(), object.record());
        let bytes = build::build(&toolchain, object)?;
        let told = Record::new(&toolchain, &record::sources(object)?, &bytes);
        fs::create_dir_all(path(&file).parent().expect("the object lies in a folder"))?;
        fs::write(path(&file), &bytes).with_context(|| format!("cannot write {file}"))?;
        fs::write(path(&record), told.to_string()).with_context(|| format!("cannot write {record}"))?;
        println!("wrote {file} ({} bytes) and {record}", bytes.len());
    }
    if !toolchain.is_pinned() {
        eprintln!(
            "warning: built with {}. The committed objects are to be built with {}, or `--check` cannot compare",
            toolchain.name,
            toolchain::PINNED
        );
    }
    Ok(())
}

/// Builds the objects with the toolchain that they are committed from, and compares.
///
/// # Errors
/// The toolchain is missing or another version, or an object differs.
pub(crate) fn check() -> Result<()> {
    check_records()?;
    let toolchain = Toolchain::pinned()?;
    OBJECTS.iter().try_for_each(|object| compare(&toolchain, object))
}

fn compare(toolchain: &Toolchain, object: &Object) -> Result<()> {
    let (file, record) = (object.file(), object.record());
    let differences = Record::read(&path(&record))?.other_versions(toolchain);
    if !differences.is_empty() {
        bail!(
            "{file} was built with other versions than those here, so that its bytes cannot be compared:\n  {}\n\
             install those that {record} names, or build it anew with `cargo xtask ebpf` and commit both",
            differences.join("\n  ")
        );
    }
    let built = build::build(toolchain, object)?;
    let stored = fs::read(path(&file)).with_context(|| format!("cannot read {file}"))?;
    if built != stored {
        let kept = build::target_dir().join(format!("{}.bpf.o", object.name));
        fs::write(&kept, &built).with_context(|| format!("cannot write {}", kept.display()))?;
        let at = built.iter().zip(&stored).take_while(|(built, stored)| built == stored).count();
        bail!(
            "{file} is not what its sources give: {} bytes, and {} were built; they differ from byte {at} on.\n\
             The object that was built is {}. If the sources are right, `cargo xtask ebpf` writes the object anew",
            stored.len(),
            built.len(),
            kept.display()
        );
    }
    println!("{file} is what its sources give ({} bytes)", built.len());
    Ok(())
}

/// Checks, without building anything, that sources and objects are those that the records tell of.
///
/// # Errors
/// They are not, or cannot be read.
pub(crate) fn check_records() -> Result<()> {
    for object in &OBJECTS {
        let (file, record) = (object.file(), object.record());
        let committed = Record::read(&path(&record))?;
        let bytes = fs::read(path(&file)).with_context(|| format!("cannot read {file}"))?;
        let stale = committed.stale(&record::sources(object)?, &bytes);
        if !stale.is_empty() {
            bail!(
                "{record} tells of other {} than are here; `cargo xtask ebpf` builds the object anew",
                stale.join(" and ")
            );
        }
    }
    Ok(())
}

/// What is missing to build the objects as they are committed, each with the way to get it; empty where nothing is.
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
