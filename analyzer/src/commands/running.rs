//! Commands on the running system, where no dump was given.

use std::path::PathBuf;

use anyhow::bail;

use super::engine::{Prepared, prepare_dumps};
use super::provenance::Origins;
use crate::cli::SourceArgs;
use crate::engine::settings::Settings;
use crate::inputs::{self, Paths};
use crate::live::config::Sources;
use crate::live::snapshot::{Snapshot, Wanted, snapshot};
use crate::types::Timestamp;

/// An engine that the running system told, where no file was given but those that tell whose MAC it was; else `None`.
///
/// # Errors
/// When files were given and the running system was named too, or when no source answers.
pub(super) fn prepare(
    given: &[PathBuf],
    paths: &Paths,
    sources: SourceArgs,
    wanted: &Wanted,
    settings: Settings,
) -> anyhow::Result<Option<Prepared>> {
    if !given.is_empty() || !paths.are_owners_only() {
        if !sources.is_default() {
            bail!(
                "options such as --nb ask the running system, and files were given too: give one or the other; --help \
                 lists which is which"
            );
        }
        return Ok(None);
    }
    let origins = Origins::of(paths.files(), &[]);
    let Snapshot { mut engine, warnings, tells_nexthops, tells_connections, asked, table, .. } =
        snapshot(&Sources::try_from(sources)?, wanted, settings)?;
    let mut loaded = inputs::load(paths, &mut |fact| engine.add(fact))?;
    loaded.warnings.splice(0..0, warnings);
    let captures = Vec::new();
    let datapath = table.map(|table| table.datapath());
    Ok(Some(Prepared { engine, captures, loaded, tells_nexthops, tells_connections, origins, asked, datapath }))
}

/// An engine that files told, or the running system where none was given, for commands that judge no packets.
///
/// # Errors
/// As [`prepare`]; also when the running system is asked for another time than now.
pub(super) fn prepare_listing(
    given: &[PathBuf],
    paths: Paths,
    sources: SourceArgs,
    at: Option<Timestamp>,
    wanted: &Wanted,
    settings: Settings,
) -> anyhow::Result<Prepared> {
    if given.is_empty() && paths.are_owners_only() && at.is_some() {
        bail!("--at takes dumps, best database files, which hold history: the running system tells of now only");
    }
    match prepare(given, &paths, sources, wanted, settings.clone())? {
        Some(prepared) => Ok(prepared),
        None => prepare_dumps(given, paths, settings),
    }
}
