//! Values in a text's cells: `--data=string`, `bare` and `json`.

use std::sync::Arc;

use super::super::datum;
use super::super::row::{Atom, Datum};
use crate::paste;

/// A value that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueError {
    /// Offset in the cell.
    pub(super) at: usize,
    /// What was expected there.
    pub(super) message: String,
}

/// What is wrong with a value in which a converter put U+FFFD.
pub(super) const LOST: &str = "characters of this value are lost";

/// Reads a cell. Brackets, braces and quotes at its start are those of `--data=string`; anything else is words.
pub(super) fn parse(cell: &str) -> Result<Datum, ValueError> {
    let start = cell.len() - cell.trim_ascii_start().len();
    let cell = cell.trim_ascii();
    if let Some(at) = cell.find(char::REPLACEMENT_CHARACTER) {
        return Err(ValueError { at: start + at, message: LOST.to_owned() });
    }
    let result = match cell.as_bytes().first() {
        None => Ok(Datum::Set(Vec::new())),
        Some(b'[') if ["[\"set\"", "[\"map\"", "[\"uuid\""].iter().any(|tag| cell.starts_with(tag)) => from_json(cell),
        Some(b'[') => Cursor::new(cell).set().map(Datum::Set),
        Some(b'{') => Cursor::new(cell).map(),
        Some(b'"') => Cursor::new(cell).quoted_alone(),
        Some(_) => undamaged(cell).map(words),
    };
    result.map_err(|error| ValueError { at: start + error.at, ..error })
}

/// Words without quotes, none of which holds what stands for lost characters: OVSDB quotes a string that does. Nor is one of
/// them the colon behind the name of another column, which the end of a line was lost before.
fn undamaged(cell: &str) -> Result<&str, ValueError> {
    let is_damaged = |word: &&str| paste::is_damaged(word) || *word == ":" || is_broken_uuid(word);
    match cell.split_ascii_whitespace().find(is_damaged) {
        None => Ok(cell),
        Some(word) => {
            Err(ValueError { at: cell.find(word).unwrap_or(0), message: format!("expected a word, not {word:?}") })
        }
    }
}

/// Whether a word is part of a UUID, and not all of it.
fn is_broken_uuid(word: &str) -> bool {
    let is_of_uuid = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let begins = word.find('-') == Some("01234567".len());
    // A date has two hyphens, and a MAC may have five.
    let is_rest = matches!(word.matches('-').count(), 3 | 4) && word.len() > "2022-06-09".len();
    is_of_uuid && word.len() != UUID_LENGTH && (begins || is_rest)
}

/// Characters of a UUID (RFC 9562 section 4).
const UUID_LENGTH: usize = 36;

/// Whether a value has brackets, braces or quotes, as those of `--data=string` have.
pub(super) fn has_marks(cell: &str) -> bool {
    cell.trim_ascii_start().starts_with(['[', '{', '"'])
}

/// The atom of a word without quotes. Strings that look like numbers or truth values are quoted by `--data=string`.
fn bare(word: &str) -> Atom {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let canonical = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (word, word.parse()) {
        ("true", _) => Atom::Boolean(true),
        ("false", _) => Atom::Boolean(false),
        (_, Ok(number)) if canonical => Atom::Integer(number),
        _ => Atom::String(word.into()),
    }
}

/// The words of a cell without brackets. A map where the first is `key=value`; words without a key belong to the value
/// before them, which had blanks.
fn words(cell: &str) -> Datum {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for word in cell.split_ascii_whitespace() {
        match (pair(word), pairs.last_mut()) {
            (Some((key, value)), _) => pairs.push((key, value.to_owned())),
            (None, Some((_, value))) => value.extend([" ", word]),
            (None, None) => return Datum::Set(cell.split_ascii_whitespace().map(bare).collect()),
        }
    }
    Datum::Map(pairs.into_iter().map(|(key, value)| (bare(key), bare(&value))).collect())
}

/// Key and value of a word. Expressions, as in `ip4.src == 10.0.0.1`, are none.
fn pair(word: &str) -> Option<(&str, &str)> {
    let (key, value) = word.split_once('=')?;
    let part_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    (!key.is_empty() && key.bytes().all(part_of_key) && !value.starts_with('=')).then_some((key, value))
}

fn from_json(cell: &str) -> Result<Datum, ValueError> {
    let json = serde_json::from_str(cell)
        .map_err(|error| ValueError { at: error.column().saturating_sub(1), message: error.to_string() })?;
    datum::from_json(&json).map_err(|error| ValueError { at: 0, message: error.to_string() })
}

/// A place in a cell of `--data=string`.
struct Cursor<'a> {
    cell: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(cell: &'a str) -> Self {
        Self { cell, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.cell.get(self.at..).unwrap_or_default()
    }

    fn expected<T>(&self, what: &str) -> Result<T, ValueError> {
        Err(ValueError { at: self.at, message: format!("expected {what}") })
    }

    fn skip_blanks(&mut self) {
        self.at = self.cell.len() - self.rest().trim_ascii_start().len();
    }

    /// Steps over `token` and the blanks after it, if it comes next.
    fn take(&mut self, token: char) -> bool {
        let comes = self.rest().starts_with(token);
        if comes {
            self.at += token.len_utf8();
            self.skip_blanks();
        }
        comes
    }

    fn end(&self) -> Result<(), ValueError> {
        if self.rest().is_empty() { Ok(()) } else { self.expected("the end of the value") }
    }

    /// `[a, "b c"]`
    fn set(&mut self) -> Result<Vec<Atom>, ValueError> {
        let mut atoms = Vec::new();
        self.take('[');
        while !self.take(']') {
            if !atoms.is_empty() && !self.take(',') {
                return self.expected("`,` or `]`");
            }
            atoms.push(self.atom(",]")?);
        }
        self.end().map(|()| atoms)
    }

    /// `{a="b c", d=e}`
    fn map(&mut self) -> Result<Datum, ValueError> {
        let mut pairs = Vec::new();
        self.take('{');
        while !self.take('}') {
            if !pairs.is_empty() && !self.take(',') {
                return self.expected("`,` or `}`");
            }
            pairs.push(self.pair(",}")?);
        }
        self.end().map(|()| Datum::Map(pairs))
    }

    /// A quoted string, or the one pair of a map that can hold no more, which is printed without braces.
    fn quoted_alone(&mut self) -> Result<Datum, ValueError> {
        let atom = self.atom("=")?;
        let value = if self.take('=') { Datum::Map(vec![(atom, self.atom("")?)]) } else { Datum::Set(vec![atom]) };
        self.end().map(|()| value)
    }

    fn pair(&mut self, ends: &str) -> Result<(Atom, Atom), ValueError> {
        let key = self.atom("=,}")?;
        if !self.take('=') {
            return self.expected("`=`");
        }
        Ok((key, self.atom(ends)?))
    }

    /// A quoted string, or a word up to one of `ends`, and the blanks after it.
    fn atom(&mut self, ends: &str) -> Result<Atom, ValueError> {
        let atom = if self.rest().starts_with('"') {
            Atom::String(self.quoted()?)
        } else {
            let length = self.rest().find(|c: char| c.is_ascii_whitespace() || c == '"' || ends.contains(c));
            let word = self.rest().get(..length.unwrap_or(self.rest().len())).unwrap_or_default();
            if word.is_empty() {
                return self.expected("a value");
            }
            self.at += word.len();
            bare(word)
        };
        self.skip_blanks();
        Ok(atom)
    }

    /// A string quoted as in JSON.
    fn quoted(&mut self) -> Result<Arc<str>, ValueError> {
        let mut strings = serde_json::Deserializer::from_str(self.rest()).into_iter::<String>();
        match strings.next() {
            Some(Ok(text)) => {
                self.at += strings.byte_offset();
                Ok(text.into())
            }
            _ => self.expected("a string in quotes, with the escapes of JSON"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Atom {
        Atom::String(text.into())
    }

    fn set(atoms: impl IntoIterator<Item = Atom>) -> Datum {
        Datum::Set(atoms.into_iter().collect())
    }

    fn map(pairs: &[(&str, &str)]) -> Datum {
        Datum::Map(pairs.iter().map(|(key, value)| (text(key), text(value))).collect())
    }

    #[test]
    fn values() {
        let uuid = "0806d25f-1cd4-40b9-93f5-b929aa5b3188";
        let cases = [
            // --data=string
            ("[]", set([])),
            ("{}", map(&[])),
            ("\"\"", set([text("")])),
            ("rtoe-GR_worker-08", set([text("rtoe-GR_worker-08")])),
            ("\"76:9c:19:34:50:26\"", set([text("76:9c:19:34:50:26")])),
            ("\"a\\\"b\\\\c\\u00e4\\n\"", set([text("a\"b\\c\u{e4}\n")])),
            ("42", set([Atom::Integer(42)])),
            ("-1", set([Atom::Integer(-1)])),
            ("\"42\"", set([text("42")])),
            ("true", set([Atom::Boolean(true)])),
            ("\"true\"", set([text("true")])),
            (uuid, set([text(uuid)])),
            ("[\"0a:58:64:40:00:01 100.64.0.1/16\"]", set([text("0a:58:64:40:00:01 100.64.0.1/16")])),
            ("[\"\", a, 3]", set([text(""), text("a"), Atom::Integer(3)])),
            ("{ecmp_symmetric_reply=\"true\"}", map(&[("ecmp_symmetric_reply", "true")])),
            ("{\"a=b, {c}\"=\"d}\", name=GR_worker-08}", map(&[("a=b, {c}", "d}"), ("name", "GR_worker-08")])),
            ("{a=1}", Datum::Map(vec![(text("a"), Atom::Integer(1))])),
            ("\"k 2\"=\"v w\"", map(&[("k 2", "v w")])),
            // edited by hand
            ("[1xx.168.16.230]", set([text("1xx.168.16.230")])),
            ("  [ a ,b ]  ", set([text("a"), text("b")])),
            // --data=bare
            ("", set([])),
            ("198.19.3.15", set([text("198.19.3.15")])),
            ("ee:8d:82:db:f9:c4", set([text("ee:8d:82:db:f9:c4")])),
            ("007", set([text("007")])),
            ("99999999999999999999", set([text("99999999999999999999")])),
            ("a b 3", set([text("a"), text("b"), Atom::Integer(3)])),
            ("name=ext_worker-08 id=a=b", map(&[("name", "ext_worker-08"), ("id", "a=b")])),
            ("name=my router other=", map(&[("name", "my router"), ("other", "")])),
            ("ip4.src == 10.0.0.1", set([text("ip4.src"), text("=="), text("10.0.0.1")])),
            // --data=json
            ("[\"uuid\",\"0806D25F-1cd4-40b9-93f5-b929aa5b3188\"]", set([Atom::Uuid(uuid.into())])),
            ("[\"set\",[]]", set([])),
            ("[\"map\",[[\"a\",\"b\"]]]", map(&[("a", "b")])),
        ];
        for (cell, expected) in cases {
            assert_eq!(parse(cell), Ok(expected), "{cell}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_placed() {
        let cases = [
            ("[a", 2, "expected `,` or `]`"),
            (" [a b]", 4, "expected `,` or `]`"),
            ("[a,]", 3, "expected a value"),
            ("[a] b", 4, "expected the end of the value"),
            ("{a}", 2, "expected `=`"),
            ("{a=b c=d}", 5, "expected `,` or `}`"),
            ("{=b}", 1, "expected a value"),
            ("\"a", 0, "expected a string in quotes, with the escapes of JSON"),
            ("\"\\q\"", 0, "expected a string in quotes, with the escapes of JSON"),
            ("\"a\"b", 3, "expected the end of the value"),
            ("[\"uuid\",\"x\"]", 0, "[\"uuid\",\"x\"] is no value (RFC 7047 section 5.1)"),
        ];
        for (cell, at, message) in cases {
            assert_eq!(parse(cell), Err(ValueError { at, message: message.to_owned() }), "{cell}");
        }
    }

    proptest! {
        #[test]
        fn any_cell_is_read_or_refused(cell in "\\PC*|[\\[{][a\"=,\\\\ \\]}]*") {
            if let Err(error) = parse(&cell) {
                prop_assert!(error.at <= cell.len());
            }
        }

        #[test]
        fn quoted_strings_come_back(strings: Vec<String>) {
            let strings: Vec<String> =
                strings.iter().map(|string| string.replace(char::REPLACEMENT_CHARACTER, "")).collect();
            let quoted: Vec<String> = strings.iter().map(|string| serde_json::to_string(string).unwrap()).collect();
            prop_assume!(!["set", "map", "uuid"].iter().any(|tag| strings.first().is_some_and(|first| first == tag)));
            let expected = set(strings.iter().map(|string| text(string)));
            prop_assert_eq!(parse(&format!("[{}]", quoted.join(", "))), Ok(expected));
        }
    }
}
