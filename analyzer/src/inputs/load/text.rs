//! Texts to be read: files, and blocks of tickets.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::InputError;
use crate::conntrack::reader::Reading;
use crate::engine::fact::{LostEntry, Scope};
use crate::inputs::source::Source;
use crate::inputs::ticket::{Block, Kind, Ticket};
use crate::ovn::moments::{self, Asked};
use crate::ovn::{self, Facts};
use crate::ovsdb::text::TextError;
use crate::types::{Place, Position, Warning};

/// A text to be read.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    File(&'a Path),
    Block(&'a Ticket, &'a Block),
}

/// A text that was read.
pub(super) struct Open<'a> {
    pub(super) file: Arc<str>,
    pub(super) bytes: Cow<'a, [u8]>,
    /// The block of a ticket that it is.
    pub(super) block: Option<&'a Block>,
}

/// The files, and then the blocks of this kind.
pub(super) fn texts<'a>(
    files: &'a [PathBuf],
    tickets: &'a [Ticket],
    is_kind: impl Fn(&Kind) -> bool + Copy,
) -> Vec<Text<'a>> {
    let blocks = tickets.iter().flat_map(|ticket| ticket.of(is_kind).map(move |block| Text::Block(ticket, block)));
    files.iter().map(|file| Text::File(file)).chain(blocks).collect()
}

impl<'a> Text<'a> {
    pub(super) fn open(self) -> Result<Open<'a>, InputError> {
        Ok(match self {
            Text::File(path) => {
                let (file, bytes) = super::read(path)?;
                Open { file, bytes: bytes.into(), block: None }
            }
            Text::Block(ticket, block) => {
                Open { file: Arc::clone(&ticket.file), bytes: (&*block.bytes).into(), block: Some(block) }
            }
        })
    }
}

impl Open<'_> {
    /// Lines of the file that stand before the text.
    pub(super) fn before(&self) -> usize {
        self.block.map_or(0, |block| block.lines.start)
    }

    /// What it lists.
    pub(super) fn asked(&self, what: &'static str) -> Asked {
        let command = self.block.and_then(|block| block.command.clone());
        Asked { what, command, is_trimmed: moments::is_trimmed(&self.bytes) }
    }

    /// Where the text stands.
    pub(super) fn place(&self) -> Place {
        Place { file: Arc::clone(&self.file), position: self.block.map_or(Position::Whole, Block::position) }
    }

    /// What was read of it.
    pub(super) fn source(&self, taken_for: &'static str, rows: usize, lost: usize) -> Source {
        Source { place: self.place(), ..Source::whole(&self.file, taken_for, rows, lost) }
    }

    /// What the text may decide where nothing in it can be read; `None` for a file, and for what decides nothing.
    pub(super) fn scope(&self) -> Option<Scope> {
        let any_route = |router| Scope::Routes { router, policy: None, prefix: None };
        match &self.block?.kind {
            Kind::Routes { router } => Some(any_route(router.as_deref().map(Arc::from))),
            Kind::Nexthops => Some(any_route(None)),
            Kind::Rows(table) => ovn::lost_row(table),
            Kind::LogicalFlows => Some(Scope::Behaviour),
            Kind::Zones => Some(Scope::Zones),
            Kind::Connections => Some(Scope::Connections(LostEntry { may_be_labelled: true, ..LostEntry::default() })),
            Kind::Capture | Kind::Owners => None,
        }
    }

    /// Facts with the places that they have in the file.
    pub(super) fn placed(&self, mut facts: Facts) -> Facts {
        let warnings = facts.warnings.iter_mut().chain(&mut facts.assumptions).map(|warning| &mut warning.place);
        let places = warnings.chain(facts.gaps.iter_mut().map(|gap| &mut gap.place));
        places.for_each(|place| place.position = place.position.below(self.before()));
        facts
    }

    /// Warnings with the places that they have in the file.
    pub(super) fn warned(&self, mut warnings: Vec<Warning>) -> Vec<Warning> {
        for warning in &mut warnings {
            warning.place.position = warning.place.position.below(self.before());
        }
        warnings
    }

    /// Places of lost rows in the file.
    pub(super) fn lost(&self, lost: Vec<Position>) -> Vec<Position> {
        lost.into_iter().map(|position| position.below(self.before())).collect()
    }

    /// What became of entries, with the places that they have in the file.
    pub(super) fn entries(&self, reading: Reading) -> Reading {
        let mut gaps = reading.gaps;
        gaps.iter_mut().for_each(|gap| gap.place.position = gap.place.position.below(self.before()));
        Reading { gaps, warnings: self.warned(reading.warnings), ..reading }
    }

    /// An error with the place that it has in the file.
    pub(super) fn error(&self, mut error: InputError) -> InputError {
        match &mut error {
            InputError::Text(TextError::Format { place }) => place.position = place.position.below(self.before()),
            InputError::Unreadable(unreadable) => {
                unreadable.place.position = unreadable.place.position.below(self.before());
            }
            _ => {}
        }
        error
    }
}
