//! Lines of a pasted text, and those among them that are no part of any table.

use std::net::IpAddr;

use crate::types::MacAddr;

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    /// Counted from 1.
    pub(super) number: usize,
    /// Offset in the text.
    pub(super) offset: usize,
}

/// The lines of `text`. Trailing blanks and carriage returns are cut off.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut offset = 0;
    text.split_inclusive('\n').enumerate().map(move |(at, line)| {
        let start = offset;
        offset += line.len();
        Line { text: line.trim_ascii_end(), number: at + 1, offset: start }
    })
}

/// Whether a line is blank, a separator, a caption or a time, and so no sign of a format.
pub(super) fn is_passed_over(line: &str) -> bool {
    line.is_empty() || is_separator(line) || caption(line).is_some() || is_time(line)
}

/// Whether a line is drawn between records by hand, as `=====`.
pub(super) fn is_separator(line: &str) -> bool {
    let line = line.trim_ascii().as_bytes();
    line.len() >= 3
        && line.first().is_some_and(|first| b"=-*_~+".contains(first) && line.iter().all(|byte| byte == first))
}

/// The table that a caption announces, as `MAC_Binding table`.
pub(super) fn caption(line: &str) -> Option<&str> {
    line.trim_ascii().strip_suffix(" table").filter(|name| is_identifier(name))
}

/// Whether a line is the time that `--timestamp` prints, as `2022-06-09 22:48:28.272`.
fn is_time(line: &str) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    line.trim_ascii().bytes().map(shape).eq("0000-00-00 00:00:00.000".bytes())
}

/// Whether a line holds an address and a MAC, as every row of bindings does.
pub(super) fn binds(line: &str) -> bool {
    let mut words = line.split(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '|' | ',' | ';' | '[' | ']'));
    let is_mac = |word: &str| word.parse::<MacAddr>().is_ok();
    words.clone().any(is_mac) && words.any(|word| word.parse::<IpAddr>().is_ok())
}

/// Whether a word is an address or a MAC.
pub(super) fn is_bound(word: &str) -> bool {
    word.parse::<MacAddr>().is_ok() || word.parse::<IpAddr>().is_ok()
}

/// Whether `text` can be the name of a table or column (RFC 7047 section 3.1, `<id>`).
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_ends() {
        let text = "a \r\n\nb";
        let found: Vec<_> = lines(text).map(|line| (line.text, line.number, line.offset)).collect();
        assert_eq!(found, [("a", 1, 0), ("", 2, 4), ("b", 3, 5)]);
    }

    #[test]
    fn passed_over() {
        for line in ["", "=====", "  -----", "MAC_Binding table", "2022-06-09 22:48:28.272"] {
            assert!(is_passed_over(line), "{line}");
        }
        for line in [
            "ovn-sbctl: no row \"x\" in table BFD",
            "==",
            "-=-=-",
            "_uuid",
            "_uuid,mac",
            "mac : x",
            "a nice table",
            "2022-06-09",
            "{",
        ] {
            assert!(!is_passed_over(line), "{line}");
        }
    }
}
