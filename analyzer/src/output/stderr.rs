//! Standard error, for whoever watches a run.

use std::fmt;
use std::io::{self, Write};

use super::escape::Escaped;

/// Says a line. Whoever reads messages may have gone: what is asked for goes elsewhere, and the exit status tells the rest.
pub fn say(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "analyzer: {}", Escaped(&message.to_string()));
}
