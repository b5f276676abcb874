//! JSON of `ip -j` and `oc get -o json`: one value, or several behind one another.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Deserializer;

use super::super::Unreadable;
use super::Owners;
use super::links::Link;
use super::pods;
use crate::types::{Place, Position};

/// Whether a line by itself shows that JSON begins.
pub(super) fn shows(line: &str) -> bool {
    let trimmed = line.trim();
    ["{\"", "[{\""].iter().any(|start| trimmed.starts_with(start)) || matches!(trimmed, "{" | "[")
}

/// Whether a text is JSON by its first bytes. A shell's prompt may begin with a bracket too.
pub(super) fn is_json(text: &[u8]) -> bool {
    let mut bytes = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!((bytes.next(), bytes.next()), (Some(b'['), Some(b'{' | b']')) | (Some(b'{'), _))
}

/// Tells the owners of the values in a text. `origin` makes places of the user's file of those in the text.
pub(super) fn read(
    text: &[u8],
    origin: &dyn Fn(Position) -> Position,
    owners: &mut Owners<'_>,
) -> Result<(), Unreadable> {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| is_json(rest)) {
        let error = |error: serde_json::Error| {
            let (line, column) = line_column(text, at);
            let column = if error.line() <= 1 { column - 1 + error.column() } else { error.column() };
            let position = origin(Position::LineColumn(line - 1 + error.line().max(1), column));
            Unreadable { place: Place { file: Arc::clone(owners.file), position }, message: reason(&error) }
        };
        at += if rest.trim_ascii_start().starts_with(b"[") {
            let (links, end) = first::<Vec<Link>>(rest).map_err(error)?;
            links.into_iter().for_each(|link| link.tell(owners));
            end
        } else {
            let (listing, end) = first::<pods::Listing>(rest).map_err(error)?;
            let Some(pods) = listing.pods() else { return Err(no_pods(owners.file)) };
            pods.for_each(|pod| pod.tell(owners));
            end
        };
    }
    let rest = text.get(at..).unwrap_or_default();
    if !rest.trim_ascii().is_empty() {
        let (line, _) = line_column(text, text.len() - rest.trim_ascii_start().len());
        owners.warn(origin(Position::Line(line)), "this is no JSON; from here on the text is passed over".to_owned());
    }
    Ok(())
}

/// What is wrong, without the place, which stands in front of a message already.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message).to_owned()
}

/// The first value of a text, and where it ends.
fn first<'a, T: Deserialize<'a>>(text: &'a [u8]) -> serde_json::Result<(T, usize)> {
    let mut values = Deserializer::from_slice(text).into_iter();
    let value = values.next().unwrap_or_else(|| serde_json::from_slice(text))?;
    Ok((value, values.byte_offset()))
}

/// Line and column of an offset, counted from 1.
fn line_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (1 + before.iter().filter(|byte| **byte == b'\n').count(), offset - line_start + 1)
}

fn no_pods(file: &Arc<str>) -> Unreadable {
    Unreadable {
        place: Place { file: Arc::clone(file), position: Position::Whole },
        message: "this JSON holds no pods: expected the output of oc get pods -A -o json or ip -j -d link".into(),
    }
}
