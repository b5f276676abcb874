//! Tickets: one text that holds several outputs, as mails, trackers and Markdown have them, with prose between.
//!
//! A ticket is taken apart by its own lines: fences and commands make `parts` of it, and what the lines of a part look
//! like to the readers of texts makes `blocks` of one kind each. Nothing is read here but to tell what it is; the readers
//! take off what stands around rows ([`crate::paste`]) as they do in files.

mod blocks;
mod command;
mod json;
mod lines;
mod parts;
mod repeated;
mod sight;
mod tables;

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::capture::{self, Excerpt};
use crate::paste::encoding;
use crate::types::{Place, Position, Warning};

/// Longest ticket in bytes. What is longer is no mail, and belongs into files of its own.
const MAX_BYTES: usize = 1 << 20;

/// Most lines of a ticket. Of capture text in great numbers no more are looked at to tell that it is no ticket.
const MAX_LINES: usize = 30_000;

/// Most parts that fences and commands make.
const MAX_PARTS: usize = 2000;

/// Most blocks that are read.
const MAX_BLOCKS: usize = 500;

/// Bytes that tell whether a file is a text.
const PROBE_LEN: usize = 512;

/// What to do with a ticket that is too large.
const WAY_OUT: &str = "put them into a folder under well-known names, such as capture.txt, lr-route-list.txt, mac_binding.txt and \
                       conntrack.txt (`analyzer replay --help` has all of them), and name the folder";

/// A ticket, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The file.
    pub path: PathBuf,
    /// Its name for messages.
    pub file: Arc<str>,
    /// What is read of it, in the order of the ticket.
    pub blocks: Vec<Block>,
    /// Lines that are no part of any block, blank ones aside.
    pub prose: usize,
    /// What stands there more than once.
    pub repeated: Vec<Warning>,
    /// Texts that may be of tcpdump, and why they cannot be read.
    pub unread: Vec<Warning>,
}

/// Lines that one reader takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What they are.
    pub kind: Kind,
    /// The lines, counted from 0.
    pub lines: Range<usize>,
    /// Their text.
    pub bytes: Arc<[u8]>,
    /// Whether any of them looks like a row, not just like a damaged one.
    pub has_rows: bool,
    /// The command above them.
    pub command: Option<Arc<str>>,
}

/// What a block is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Text of `tcpdump -e`.
    Capture,
    /// Conntrack entries.
    Connections,
    /// Text of lr-route-list.
    Routes {
        /// The router, where a command names it.
        router: Option<String>,
    },
    /// Rows of a table of OVN's, by its name.
    Rows(&'static str),
    /// Text of lflow-list.
    LogicalFlows,
    /// Names of conntrack zones.
    Zones,
    /// Owners of MACs.
    Owners,
    /// nexthops.toml.
    Nexthops,
}

/// A ticket that is too large to be taken apart.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// Too many bytes or lines.
    #[error(
        "{file} holds several texts and is longer than {} MiB or {MAX_LINES} lines: {WAY_OUT}",
        MAX_BYTES >> 20
    )]
    TooLong {
        /// The file.
        file: Arc<str>,
    },
    /// Too many commands and fences.
    #[error("{place}: more than {MAX_PARTS} texts between fences and commands up to here: {WAY_OUT}")]
    TooManyParts {
        /// The first that is one too many.
        place: Place,
    },
    /// Too many texts.
    #[error("{place}: more than {MAX_BLOCKS} texts up to here: {WAY_OUT}")]
    TooManyBlocks {
        /// The first that is one too many.
        place: Place,
    },
}

impl Block {
    /// Where it stands.
    pub fn position(&self) -> Position {
        match self.lines.len() {
            0 | 1 => Position::Line(self.lines.start + 1),
            _ => Position::Lines(self.lines.start + 1, self.lines.end),
        }
    }
}

impl Ticket {
    /// Takes out what looks like packets and holds none that can be judged, such as text of tcpdump without option -e.
    fn drop_unreadable_captures(&mut self) {
        let mut lost = Vec::new();
        for capture in self.captures() {
            // Whether times are needed is known when all is read.
            let options = capture::Options { without_times: true, ..capture::Options::default() };
            if let Err(error) = capture.open(&options).and_then(|mut reader| reader.advance()) {
                lost.push(Warning {
                    place: capture.place(),
                    message: format!("no packet of this text could be read: {error}"),
                });
            }
        }
        self.blocks.retain(|block| {
            block.kind != Kind::Capture || !lost.iter().any(|lost| lost.place.position == block.position())
        });
        self.unread = lost;
    }

    /// The blocks of some kind.
    pub fn of(&self, is_kind: impl Fn(&Kind) -> bool) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| is_kind(&block.kind))
    }

    /// The captures in it.
    pub fn captures(&self) -> impl Iterator<Item = capture::Input> {
        self.of(|kind| *kind == Kind::Capture).map(|block| capture::Input {
            path: self.path.clone(),
            excerpt: Some(Excerpt {
                bytes: Arc::clone(&block.bytes),
                before: block.lines.start,
                last: block.lines.end,
            }),
        })
    }
}

/// Takes a file apart; `None` where it is no ticket: a capture, something binary, or a text of packets and prose alone. What
/// cannot be opened is none, either; whoever reads it as something else says why.
///
/// # Errors
/// Where it is a ticket and too large.
pub fn read(path: &Path) -> Result<Option<Ticket>, TicketError> {
    if !path.is_file() || capture::is_capture(path, false) {
        return Ok(None);
    }
    let Ok((file, stream)) = capture::unpack(path) else { return Ok(None) };
    let mut bytes = Vec::new();
    if stream.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    let probe = &bytes[..bytes.len().min(PROBE_LEN)];
    if !encoding::is_text(probe) || bytes.starts_with(b"OVSDB ") {
        return Ok(None);
    }
    take_apart(path, &file, &bytes)
}

/// Takes the text of a file apart; `None` where it is no ticket.
///
/// # Errors
/// Where it is a ticket and too large.
pub fn take_apart(path: &Path, file: &Arc<str>, bytes: &[u8]) -> Result<Option<Ticket>, TicketError> {
    let mut ends = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1);
    let of_lines = ends.nth(MAX_LINES - 1).unwrap_or(bytes.len());
    let looked_at = &bytes[..of_lines.min(MAX_BYTES)];
    let is_too_long = looked_at.len() < bytes.len();
    let text = lines::Lines::new(looked_at);
    let parts = parts::parts(&text);
    let found = blocks::blocks(&text, &parts.parts);
    // Packets alone are a capture, whatever stands around them.
    if !found.blocks.iter().any(|block| block.kind != Kind::Capture && block.has_rows) {
        return Ok(None);
    }
    let place = |line: usize| Place { file: Arc::clone(file), position: Position::Line(line + 1) };
    if is_too_long {
        return Err(TicketError::TooLong { file: Arc::clone(file) });
    }
    if let Some(line) = parts.too_many_at {
        return Err(TicketError::TooManyParts { place: place(line) });
    }
    if let Some(block) = found.blocks.get(MAX_BLOCKS) {
        return Err(TicketError::TooManyBlocks { place: place(block.lines.start) });
    }
    let (blocks, repeated) = repeated::removed(found.blocks, file);
    let (path, file, unread) = (path.to_owned(), Arc::clone(file), Vec::new());
    let mut ticket = Ticket { path, file, blocks, prose: found.prose, repeated, unread };
    ticket.drop_unreadable_captures();
    Ok(Some(ticket))
}

#[cfg(test)]
mod tests;
