//! Standard output.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anyhow::Context;

use crate::cli::{Colour, OutputArgs};
use crate::output::Report;
use crate::output::text::Style;

/// How text is to look: coloured on a terminal only, and not where `NO_COLOR` is set (no-color.org).
pub(super) fn style(args: &OutputArgs) -> Style {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    Style { colour: is_coloured(args.color), limit, ..Style::default() }
}

/// Whether text on standard output is to be coloured.
pub(super) fn is_coloured(when: Colour) -> bool {
    match when {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            io::stdout().is_terminal() && !refused
        }
    }
}

/// What listings as JSON have in common with a report: the node, and how times are written.
pub(super) fn frame(node: Option<String>) -> Report {
    Report { node, time_digits: 6, ..Report::default() }
}

/// Standard output takes nothing more.
#[derive(Debug)]
pub(super) struct Unwritable;

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write to standard output")
    }
}

/// Writes to standard output through a buffer.
pub(super) fn print(write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).context(Unwritable)
}
