//! Tables as the clients print them: `ovn-nbctl`, `ovn-sbctl` and `ovs-vsctl` for `list` and `find`, and `ovsdb-client
//! dump`, with `--format` `list`, `table`, `csv` or `json` and `--data` `string`, `bare` or `json` (ovn-nbctl(8), "Table
//! Formatting Options").
//!
//! Text comes by mail and out of tickets, so it is read without its decoration ([`crate::paste`]). What is not
//! understood is passed over with a warning.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::datum;
use super::row::{Atom, Datum, Row, RowVersion};
use super::warnings::Warnings;
use crate::paste::{Shape, Text};
use crate::types::{Place, Position, Validity, Warning};

/// Places of lost rows that are kept of one text.
const MAX_LOST: usize = 256;

/// Columns that hold the names of ports.
const PORTS: [&str; 2] = ["logical_port", "output_port"];

mod csv;
mod json;
mod line;
mod list;
mod table;
mod value;

/// Rows, warnings, and places of rows that are lost.
pub type Parsed = (Vec<RowVersion>, Vec<Warning>, Vec<Position>);

/// Text that is no printed table.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// None of the formats.
    #[error(
        "{place}: expected a table in one of the formats list, table, csv and json; print it again with \
         `--format=list` and without `--no-headings` and `--bare`"
    )]
    Format {
        /// The first line that is not understood.
        place: Place,
    },
}

/// Reads the rows of `table`, valid without bound, as a text has no history.
///
/// Where the text holds several tables under captions, as `ovsdb-client dump` prints them, those of another name are
/// passed over. A text without any row is an empty table.
///
/// Text does not tell types: numbers come as [`Integer`](super::row::Atom::Integer), `true` and `false` as
/// [`Boolean`](super::row::Atom::Boolean), the rest, reals and UUIDs too, as [`String`](super::row::Atom::String). Only
/// JSON tells them. With `--data=bare` it does not even tell a string with blanks from a set, nor an empty string from
/// an empty set: the first comes as a set of its words, the second as an empty set.
///
/// The places are those of what may be rows, or values of rows, and could not be read.
///
/// # Errors
/// [`TextError`] where the format is not recognised.
pub fn parse(text: &[u8], file_name: &str, table: &str) -> Result<Parsed, TextError> {
    let pasted = Text::new(text, TableRows);
    let text = pasted.as_str();
    let mut rows = Rows::new(file_name, table);
    match recognise(text) {
        Recognised::Empty => {}
        Recognised::Format(Format::List) => list::read(text, &mut rows),
        Recognised::Format(Format::Table) => table::read(text, &mut rows),
        Recognised::Format(Format::Csv) => csv::read(text, &mut rows),
        Recognised::Format(Format::Json { start }) => json::read(text, start, &mut rows),
        Recognised::Nothing { line } => {
            let position = pasted.origin(Position::Line(line));
            return Err(TextError::Format { place: rows.warnings.place(position) });
        }
    }
    let (rows, mut warnings, mut lost) = rows.finish();
    let places = warnings.iter_mut().map(|warning| &mut warning.place.position).chain(&mut lost);
    places.for_each(|position| *position = pasted.origin(*position));
    Ok((rows, warnings, lost))
}

/// Whether a name is an ordinary one but for blanks in it.
fn has_blank(value: &Datum) -> bool {
    let is_ordinary = |letter: char| letter.is_alphanumeric() || "-_.:/".contains(letter) || letter.is_whitespace();
    let is_broken = |atom: &Atom| match atom {
        Atom::String(text) => text.contains(char::is_whitespace) && text.chars().all(is_ordinary),
        _ => false,
    };
    matches!(value, Datum::Set(atoms) if atoms.iter().any(is_broken))
}

/// What lines of a printed table look like.
struct TableRows;

impl Shape for TableRows {
    const STOPS: bool = true;
    const BLANKS: bool = true;

    fn begins(&self, line: &str) -> bool {
        list::field(line).is_some() || table::is_underline(line) || csv::shows(line) || json::shows(line)
    }

    fn is_whole(&self, line: &str) -> bool {
        list::field(line).is_some_and(|(_, value, _)| value::parse(value).is_ok())
    }

    fn may_follow(&self, row: &str, rest: &str) -> bool {
        list::field(row).is_some() && !line::is_passed_over(rest)
    }
}

/// A line of a table, as it shows by itself and the line behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sight<'a> {
    /// The table that the caption announces.
    Caption(&'a str),
    /// The columns that the rows below have.
    Headings(Vec<&'a str>),
    /// A column of a row that has a line for each.
    Column(&'a str),
    /// A row, of whichever columns.
    Row,
    /// An address and a MAC, in a line that begins as a row may.
    Possible,
}

/// What a line of a table may be; `None` for one that is likely none.
pub fn sight<'a>(line: &'a str, next: &str) -> Option<Sight<'a>> {
    let trimmed = line.trim_ascii();
    if let Some(table) = line::caption(trimmed) {
        return Some(Sight::Caption(table));
    }
    if let Some((name, ..)) = list::field(line) {
        return Some(Sight::Column(name));
    }
    if let Some(columns) = table::columns(line.trim_ascii_end(), next.trim_ascii_end()) {
        return Some(Sight::Headings(columns.into_iter().map(|(name, ..)| name).collect()));
    }
    if csv::shows(trimmed) {
        let is_row = trimmed.split(',').next().is_some_and(|first| datum::uuid(first).is_some());
        return Some(if is_row { Sight::Row } else { Sight::Headings(trimmed.split(',').collect()) });
    }
    let first = trimmed.split([' ', '|', ',']).next().unwrap_or_default().trim_matches('"');
    let begins_as_row = datum::uuid(first).is_some() || line::is_bound(first);
    (begins_as_row && line::binds(trimmed)).then_some(Sight::Possible)
}

/// Whether a line begins as a row of a table does.
pub fn begins(line: &str) -> bool {
    TableRows.begins(line)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    List,
    Table,
    Csv,
    Json {
        /// Offset in the text of the first object.
        start: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Recognised {
    Format(Format),
    /// No table, but nothing else either.
    Empty,
    /// Text that is no table.
    Nothing {
        /// The first line that is not understood, counted from 1.
        line: usize,
    },
}

/// Recognises the format by what most lines speak for: a caption may look like the heading of another.
fn recognise(text: &str) -> Recognised {
    let mut foreign = None;
    let mut found: Option<(usize, Format)> = None;
    let mut lines = line::lines(text).peekable();
    while let Some(line) = lines.next() {
        let content = line.text.trim_ascii();
        if line::is_passed_over(line.text) {
            continue;
        }
        let next = lines.peek().map_or("", |next| next.text);
        let format = if content.starts_with('{') {
            let start = line.offset + (line.text.len() - line.text.trim_ascii_start().len());
            Some((json::readable(&text[start..]), Format::Json { start }))
        } else if table::columns(line.text, next).is_some() {
            Some((1, Format::Table))
        } else if list::field(line.text).is_some() {
            // One line of a list is less than a table's heading, and more than a word.
            Some((1, Format::List))
        } else if csv::begins(content, next) {
            Some((csv::readable(&text[line.offset..]), Format::Csv))
        } else {
            None
        };
        match format {
            Some((readable, format)) if found.is_none_or(|(most, _)| readable > most) => {
                found = Some((readable, format));
                // A heading that nothing follows may be a caption.
                if readable > 0 {
                    break;
                }
            }
            Some(_) => {}
            None => foreign = foreign.or(Some(line.number)),
        }
    }
    match (found, foreign) {
        (Some((_, format)), _) => Recognised::Format(format),
        (None, Some(line)) => Recognised::Nothing { line },
        (None, None) => Recognised::Empty,
    }
}

/// The rows read so far, the one at work, and the warnings.
struct Rows {
    table: String,
    /// Whether the rows that follow are those of the table that is wanted.
    wanted: bool,
    /// Column names, each kept once.
    names: BTreeSet<Arc<str>>,
    row: Row,
    rows: Vec<RowVersion>,
    warnings: Warnings,
    /// Where rows are lost, or values of rows.
    lost: Vec<Position>,
    /// Whether a value has brackets, braces or quotes, as those of `--data=string` and `json` have.
    has_marks: bool,
    blanks: Vec<Blank>,
}

/// A cell in which nothing stands: an empty value of `--data=bare`, or a value that is lost.
struct Blank {
    /// The row's place among the rows.
    row: usize,
    column: Arc<str>,
    position: Position,
}

impl Rows {
    fn new(file_name: &str, table: &str) -> Self {
        Self {
            table: table.to_owned(),
            wanted: true,
            names: BTreeSet::new(),
            row: empty_row(),
            rows: Vec::new(),
            warnings: Warnings::new(file_name),
            lost: Vec::new(),
            has_marks: false,
            blanks: Vec::new(),
        }
    }

    /// Takes note of the table whose rows follow. Names are compared as the clients do.
    fn caption(&mut self, table: &str) {
        let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
        self.wanted = table.bytes().map(plain).eq(self.table.bytes().map(plain));
    }

    /// Adds a column to the row at work, as its cell in a text tells it. `position` makes a place of an offset in the cell.
    fn cell(&mut self, name: &str, cell: &str, position: impl FnOnce(usize) -> Position) {
        self.has_marks |= self.wanted && value::has_marks(cell);
        let value = value::parse(cell);
        let position = position(value.as_ref().map_or_else(|error| error.at, |_| 0));
        if self.wanted && cell.trim_ascii().is_empty() && name != "_uuid" {
            let column = self.name(name);
            self.blanks.push(Blank { row: self.rows.len(), column, position });
        }
        self.column(name, value.map_err(|error| error.message), position);
    }

    /// Adds a column to the row at work. A value that cannot be read is left out with a warning; so is the name of a port with a
    /// blank, which a terminal may have put where it broke the line.
    fn column(&mut self, name: &str, value: Result<Datum, String>, position: Position) {
        if !self.wanted {
            return;
        }
        let value = value.and_then(|value| {
            if PORTS.contains(&name) && has_blank(&value) {
                return Err("a blank in the name of a port".to_owned());
            }
            if name != "_uuid" {
                return Ok(Some(value));
            }
            self.row.uuid = uuid_of(&value).ok_or("expected a UUID")?;
            Ok(None)
        });
        match value {
            Ok(Some(value)) => {
                let name = self.name(name);
                self.row.columns.insert(name, value);
            }
            Ok(None) => {}
            Err(problem) => self.lose(position, format!("column {name} is passed over: {problem}")),
        }
    }

    /// Notes what may be a row, or a part of one, and cannot be read: what it told is missing.
    fn lose(&mut self, position: Position, message: impl Into<String>) {
        self.warnings.push(position, message);
        if self.wanted && self.lost.len() < MAX_LOST {
            self.lost.push(position.whole_line());
        }
    }

    /// Passes over a line, which may be a row: it goes on with one, or binds an address to a MAC.
    fn pass_over(&mut self, number: usize, line: &str, message: &str) {
        let continues = !self.row.uuid.is_empty() || !self.row.columns.is_empty();
        match continues || line::binds(line) {
            true => self.lose(Position::Line(number), message),
            false => self.warnings.push(Position::Line(number), message),
        }
    }

    /// Whether the row at work has the column already.
    fn has(&self, column: &str) -> bool {
        match column {
            "_uuid" => !self.row.uuid.is_empty(),
            column => self.row.columns.contains_key(column),
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Ends the row at work, if anything of it was read.
    fn end_row(&mut self) {
        let row = std::mem::replace(&mut self.row, empty_row());
        if !row.uuid.is_empty() || !row.columns.is_empty() {
            self.hold_against_first(&row);
            self.rows.push(RowVersion { row, validity: Validity::ALWAYS });
        }
    }

    /// All rows have the same columns: one that has another in the place of one of the first tells that a name was damaged.
    fn hold_against_first(&mut self, row: &Row) {
        let Some(RowVersion { row: first, .. }) = self.rows.first() else { return };
        let lacks = |row: &Row, other: &Row| other.columns.keys().any(|name| !row.columns.contains_key(name));
        if self.lost.is_empty() && lacks(row, first) && lacks(first, row) {
            self.lose(Position::Whole, "a row has other columns than the first one");
        }
    }

    /// Where values have brackets and quotes, the empty ones are printed as `[]`, `{}` and `""`: a blank cell is damage.
    fn lose_blanks(&mut self) {
        for Blank { row, column, position } in std::mem::take(&mut self.blanks) {
            if let Some(version) = self.rows.get_mut(row) {
                version.row.columns.remove(&column);
            }
            self.lose(position, format!("column {column} is passed over: no value stands here, not even an empty one"));
        }
        self.rows.retain(|RowVersion { row, .. }| !row.uuid.is_empty() || !row.columns.is_empty());
    }

    fn finish(mut self) -> Parsed {
        self.end_row();
        if self.has_marks {
            self.lose_blanks();
        }
        (self.rows, self.warnings.finish(), self.lost)
    }
}

fn empty_row() -> Row {
    Row { uuid: "".into(), columns: Default::default() }
}

fn uuid_of(value: &Datum) -> Option<Arc<str>> {
    match value {
        Datum::Set(atoms) => match atoms.as_slice() {
            [atom] => datum::uuid(atom.as_str()?),
            _ => None,
        },
        Datum::Map(_) => None,
    }
}

#[cfg(test)]
mod tests;
