//! The nodes that a command is about: each folder is one, judged by its own dumps.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::printing::Unwritable;
use super::{Status, message};
use crate::cli::NodeName;
use crate::inputs::{Paths, case_dir};
use crate::output::escape::Escaped;
use crate::output::say;

/// One node, and what tells of it.
pub(super) struct Node {
    /// What it is called; always told where there are several.
    pub(super) name: Option<String>,
    pub(super) inputs: Vec<PathBuf>,
    pub(super) paths: Paths,
}

/// The nodes of what was given: one, or as many as there are folders. Files that options name tell of each of them, and of
/// other nodes' folders those that tell whose MAC it was.
///
/// # Errors
/// Where it cannot be told which node a capture or a name is of.
pub(super) fn of(given: Vec<PathBuf>, names: &[NodeName], paths: Paths) -> anyhow::Result<Vec<Node>> {
    let folders: Vec<PathBuf> = given.iter().filter(|input| input.is_dir()).cloned().collect();
    let of_folders = || names.iter().filter_map(|name| name.folder.as_ref());
    if let Some(unknown) = of_folders().find(|named| !folders.iter().any(|folder| is_same(folder, named))) {
        bail!("--node names {}, which is none of the folders given", unknown.display());
    }
    let mut plain = names.iter().filter(|name| name.folder.is_none()).map(|name| &name.name);
    let (plain, another) = (plain.next(), plain.next());
    if let (Some(one), Some(other)) = (plain, another) {
        bail!("--node {one} and --node {other} name one node: with several folders each is --node NAME=DIR");
    }
    let name_of = |folder: &Path| {
        let is_named = |name: &&NodeName| name.folder.as_ref().is_some_and(|named| is_same(folder, named));
        names.iter().find(is_named).map(|name| name.name.clone())
    };
    if folders.len() < 2 {
        let name = folders.first().and_then(|folder| name_of(folder)).or_else(|| plain.cloned());
        return Ok(vec![Node { name, inputs: given, paths }]);
    }
    if let Some(name) = plain {
        bail!("--node {name} names one node, and each folder is one: --node {name}={}", folders[0].display());
    }
    if let Some(capture) = given.iter().find(|input| !input.is_dir()) {
        if capture.as_os_str() != "-" {
            capture.metadata().with_context(|| format!("cannot open {}", capture.display()))?;
        }
        bail!("each folder is a node of its own: put {} into that of its node", capture.display());
    }
    let owners: Vec<_> = folders.iter().map(|folder| owners(folder)).collect();
    let nodes = folders.iter().enumerate().map(|(at, folder)| {
        let others = owners.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, files)| files);
        let mut paths = paths.clone();
        paths.mac_owners.extend(others.cloned());
        let name = name_of(folder).unwrap_or_else(|| label(folder, &folders));
        Node { name: Some(name), inputs: vec![folder.clone()], paths }
    });
    Ok(nodes.collect())
}

/// Refuses names of folders where the command is about one node.
pub(super) fn is_one(names: &[NodeName]) -> anyhow::Result<()> {
    match names {
        [] | [NodeName { folder: None, .. }] => Ok(()),
        _ => bail!("this is about one node: --node NAME, given once"),
    }
}

/// The files of a folder that tell whose MAC it was. A folder that cannot be listed has none, and says so in its turn.
fn owners(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Paths::default();
    match case_dir::add(folder, &mut paths, &mut Vec::new()) {
        Ok(_) => paths.mac_owners,
        Err(_) => Vec::new(),
    }
}

/// Whether two paths lead to one folder.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The folder's name, or its whole path where another one has that name too.
fn label(folder: &Path, all: &[PathBuf]) -> String {
    let namesakes = all.iter().filter(|other| other.file_name() == folder.file_name()).count();
    match folder.file_name() {
        Some(name) if namesakes == 1 => name.to_string_lossy().into_owned(),
        _ => folder.display().to_string(),
    }
}

/// Does something for each node. One that fails is told on standard error and does not end the others, if there are any.
///
/// # Errors
/// Where the only node fails, or what is said of one cannot be written.
pub(super) fn each(nodes: Vec<Node>, mut run: impl FnMut(Node) -> anyhow::Result<Status>) -> anyhow::Result<Status> {
    let is_only = nodes.len() == 1;
    let mut worst = Status::Fine;
    for node in nodes {
        let name = node.name.clone();
        let status = match run(node) {
            Ok(status) => status,
            Err(error) if is_only || error.is::<Unwritable>() => return Err(error),
            Err(error) => {
                complain(name.as_deref(), &error);
                Status::Failed
            }
        };
        worst = worst.worse(status);
    }
    Ok(worst)
}

/// What stands above the text of each node, where there are several.
pub(super) struct Heading {
    is_wanted: bool,
    is_first: Cell<bool>,
}

impl Heading {
    pub(super) fn new(nodes: &[Node]) -> Self {
        Self { is_wanted: nodes.len() > 1, is_first: Cell::new(true) }
    }

    /// Writes it, behind a blank line after the text of another.
    pub(super) fn write(&self, out: &mut impl io::Write, node: Option<&str>) -> io::Result<()> {
        match node {
            Some(node) if self.is_wanted => {
                if !self.is_first.replace(false) {
                    writeln!(out)?;
                }
                writeln!(out, "Node {}", Escaped(node))
            }
            _ => Ok(()),
        }
    }
}

/// Says on standard error why a node could not be judged.
pub(super) fn complain(node: Option<&str>, error: &anyhow::Error) {
    let node = node.map(|node| format!("{}: ", Escaped(node))).unwrap_or_default();
    say(format_args!("{node}{}", message(error)));
}
