//! An engine that has been told what the inputs say.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::cli::JudgingArgs;
use crate::engine::Engine;
use crate::engine::settings::Settings;
use crate::inputs::{self, Loaded, Paths, case_dir};

/// An engine with its facts, and the captures to judge.
pub(super) struct Prepared {
    pub(super) engine: Engine,
    pub(super) captures: Vec<PathBuf>,
    pub(super) loaded: Loaded,
    /// Whether anything told next hops.
    pub(super) tells_nexthops: bool,
}

/// Reads the dumps that were named and those in the folders given.
pub(super) fn prepare(given: &[PathBuf], mut paths: Paths, settings: Settings) -> anyhow::Result<Prepared> {
    let mut captures = Vec::new();
    for input in given {
        if input.is_dir() {
            let before = captures.len();
            let known = paths.clone();
            case_dir::add(input, &mut paths, &mut captures)
                .with_context(|| format!("cannot list {}", input.display()))?;
            if before == captures.len() && known == paths {
                bail!(
                    "{} holds no capture and no dump under a well-known name; `analyzer replay --help` lists the names",
                    input.display()
                );
            }
        } else {
            captures.push(input.clone());
        }
    }
    let mut engine = Engine::new(settings);
    let loaded = inputs::load(&paths, &mut |fact| engine.add(fact))?;
    loaded.history.into_iter().for_each(|start| engine.set_history_start(start));
    Ok(Prepared { engine, captures, loaded, tells_nexthops: paths.tells_nexthops() })
}

/// As [`prepare`], for commands that judge no packets.
pub(super) fn prepare_dumps(given: &[PathBuf], paths: Paths) -> anyhow::Result<Prepared> {
    if given.is_empty() && paths.is_empty() {
        bail!("no dumps given: name a folder, or files with options such as --nb-db FILE; --help lists them");
    }
    if let Some(file) = given.iter().find(|input| !input.is_dir()) {
        bail!("{} is no folder: name dumps with options such as --conntrack FILE; --help lists them", file.display());
    }
    prepare(given, paths, Settings::default())
}

impl From<&JudgingArgs> for Settings {
    fn from(args: &JudgingArgs) -> Self {
        Self {
            grace: args.grace,
            heard_window: args.heard_window,
            allowed: args.allow_mac.clone(),
            max_findings: args.max_findings,
        }
    }
}
