//! An engine that has been told what the inputs say.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hashbrown::HashSet;

use super::provenance::Origins;
use crate::capture::Input;
use crate::cli::JudgingArgs;
use crate::engine::Engine;
use crate::engine::fact::EvidenceKind;
use crate::engine::settings::Settings;
use crate::inputs::case_dir::{self, PassedOver};
use crate::inputs::{self, Loaded, Paths, Ticket, ticket};
use crate::output::remedy::Datapath;
use crate::types::{Place, Position, Timestamp, Warning};

/// An engine with its facts, and the captures to judge.
pub(super) struct Prepared {
    pub(super) engine: Engine,
    pub(super) captures: Vec<Input>,
    pub(super) loaded: Loaded,
    /// Whether anything told next hops.
    pub(super) tells_nexthops: bool,
    /// Whether a conntrack dump was given.
    pub(super) tells_connections: bool,
    /// The files, as they were when reading began.
    pub(super) origins: Origins,
    /// What of the running system answered: what it was asked for, and where.
    pub(super) asked: Vec<(&'static str, String)>,
    /// Where conntrack entries live, where the running system was asked.
    pub(super) datapath: Option<Datapath>,
}

/// Reads the dumps that were named and those in the folders given.
pub(super) fn prepare(given: &[PathBuf], mut paths: Paths, settings: Settings) -> anyhow::Result<Prepared> {
    let (mut captures, mut warnings, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
    let mut tickets_passed_over = Vec::new();
    for input in given {
        if input.is_dir() {
            let before = captures.len();
            let known = paths.clone();
            let PassedOver { mut files, near, ticket } = case_dir::add(input, &mut paths, &mut captures)
                .with_context(|| format!("cannot list {}", input.display()))?;
            let is_bare = before == captures.len() && known == paths;
            if let Some(path) = ticket {
                if !is_bare {
                    tickets_passed_over.extend(is_passed_over(&path));
                } else if add_ticket(&path, &mut paths, &mut captures)? {
                    files.retain(|file| *file != path);
                }
            }
            if before == captures.len() && known == paths {
                let near: String = near.iter().map(|near| format!("; {near}")).collect();
                bail!(
                    "{} holds no capture and no dump under a well-known name; `analyzer replay --help` lists the \
                     names{near}",
                    input.display()
                );
            }
            warnings.extend(near);
            passed_over.extend(files);
        } else if !add_ticket(input, &mut paths, &mut captures)? {
            captures.push(input.into());
        }
    }
    let files = || captures.iter().map(|capture| &capture.path).chain(paths.files());
    if files().filter(|path| *path == Path::new("-")).count() > 1 {
        bail!("- stands for standard input, which can be read only once");
    }
    let origins = Origins::of(files(), &passed_over);
    warnings.extend(remove_repeated(&mut captures));
    let mut engine = Engine::new(settings);
    let mut loaded = inputs::load(&paths, &mut |fact| engine.add(fact))?;
    let is_stream = |capture: &Input| capture.path == Path::new("-");
    warnings.extend((captures.iter().any(is_stream) && !paths.tells_nexthops()).then(is_capture_alone));
    warnings.extend(tickets_passed_over.iter().cloned());
    loaded.warnings.splice(0..0, warnings);
    if captures.is_empty() {
        loaded.lost_captures.extend(tickets_passed_over);
    }
    loaded.history.into_iter().for_each(|start| engine.set_history_start(start));
    engine.set_given(loaded.kinds);
    let (tells_nexthops, tells_connections) = (paths.tells_nexthops(), paths.tells_connections());
    let asked = Vec::new();
    Ok(Prepared { engine, captures, loaded, tells_nexthops, tells_connections, origins, asked, datapath: None })
}

/// Says of a ticket that other files of its folder are read instead; `None` where it is none, or too large for one.
fn is_passed_over(path: &Path) -> Option<Warning> {
    let message = "not read, as files of the folder have well-known names: name this ticket by itself to have it read";
    let place = Place { file: path.to_string_lossy().into(), position: Position::Whole };
    ticket::read(path).ok()?.map(|_| Warning { place, message: message.to_owned() })
}

/// Says of standard input, where nothing tells next hops, that these are not looked for in it.
fn is_capture_alone() -> Warning {
    let message = "read as a capture alone; a text with several outputs has to be a file".to_owned();
    Warning { place: Place { file: "standard input".into(), position: Position::Whole }, message }
}

/// Adds what a ticket holds; returns whether the file is one. Given twice, it is read once.
fn add_ticket(path: &Path, paths: &mut Paths, captures: &mut Vec<Input>) -> anyhow::Result<bool> {
    let Some(ticket) = ticket::read(path)? else { return Ok(false) };
    let is_same = |known: &Ticket| matches!((known.path.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if !paths.tickets.iter().any(is_same) {
        captures.extend(ticket.captures());
        paths.tickets.push(ticket);
    }
    Ok(true)
}

/// Removes captures that are given twice, as a file and in its folder for example: their packets would count twice.
fn remove_repeated(captures: &mut Vec<Input>) -> Vec<Warning> {
    let mut known = HashSet::new();
    let mut warnings = Vec::new();
    captures.retain(|capture| {
        // What is no file, such as a pipe, tells something else each time.
        let file = capture.path.canonicalize().ok().filter(|file| file.is_file());
        let is_new = file.is_none_or(|file| known.insert((file, capture.place().position)));
        if !is_new {
            let message = "the capture is given more than once; it is read once".to_owned();
            warnings.push(Warning { place: capture.place(), message });
        }
        is_new
    });
    warnings
}

/// As [`prepare`], for commands that judge no packets.
pub(super) fn prepare_dumps(given: &[PathBuf], paths: Paths, settings: Settings) -> anyhow::Result<Prepared> {
    for file in given.iter().filter(|input| !input.is_dir()) {
        if ticket::read(file)?.is_none() {
            bail!(
                "{} is no folder, and no ticket that holds dumps: name dumps with options such as --conntrack FILE; --help \
                 lists them",
                file.display()
            );
        }
    }
    prepare(given, paths, settings)
}

impl Prepared {
    /// Names of the files that captures are read of, each once.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> =
            self.captures.iter().map(|capture| capture.path.to_string_lossy().into_owned()).collect();
        files.dedup();
        files
    }

    /// Whether no source tells since when next hops were some: all that is told holds at any time.
    pub(super) fn holds_at_any_time(&self) -> bool {
        self.loaded.history.is_none() && !self.loaded.kinds.contains(EvidenceKind::History)
    }

    /// The time that the next hops are asked for: the one given, else the latest known.
    ///
    /// # Errors
    /// When nothing tells the next hops of that time.
    pub(super) fn time(&self, at: Option<Timestamp>) -> anyhow::Result<Timestamp> {
        match (at, self.loaded.history) {
            (Some(at), Some(start)) if at < start => {
                bail!("nothing tells the next hops of {at}: their history starts at {start}; choose a later time")
            }
            (at, _) => Ok(at.unwrap_or(Timestamp::MAX)),
        }
    }
}

impl From<&JudgingArgs> for Settings {
    fn from(args: &JudgingArgs) -> Self {
        Self {
            grace: args.grace,
            heard_window: args.heard_window,
            allowed: args.allow_mac.clone(),
            followed: None,
            max_findings: args.max_findings,
            ..Self::default()
        }
    }
}
