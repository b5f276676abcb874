//! What stands in single characters: colours, blanks that are none, typographic quotes, the entities of HTML.

use super::mapped::Mapped;

/// Columns between the stops of a terminal's tabs.
const STOP: usize = 8;

/// Most blanks that a terminal's step to the right stands for.
const MAX_STEP: usize = 200;

/// What a glance at the bytes of a line tells. Most lines are plain and hold no comment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Glance {
    /// Whether nothing in single characters is to be taken off.
    pub(super) is_plain: bool,
    /// Whether a comment may stand in the line.
    pub(super) may_hold_comment: bool,
}

/// Looks at a line. It ends nowhere early, so that the compiler makes vectors of it.
pub(super) fn glance(line: &[u8]) -> Glance {
    let (mut is_odd, mut is_mark) = (false, false);
    for &byte in line {
        is_odd |= (byte.wrapping_sub(b' ') > b'~' - b' ') | (byte == b'&');
        is_mark |= (byte == b'#') | (byte == b'/') | (byte == b'<');
    }
    Glance { is_plain: !is_odd, may_hold_comment: is_odd | is_mark }
}

/// The text of a line without its end.
pub(super) fn clean(line: &[u8], number: usize) -> Mapped {
    let chars = decode(line);
    let mut mapped = Mapped::plain(String::with_capacity(line.len()), number);
    let mut index = 0;
    while let Some(&(at, found)) = chars.get(index) {
        let rest = &chars[index + 1..];
        index += 1;
        match found {
            '\x1b' => {
                let (length, step) = escape(rest);
                index += length;
                mapped.push(number, at, &" ".repeat(step));
            }
            '\x08' => mapped.pop(),
            // A terminal goes on at the line's start. Where nothing stands there, nothing is lost.
            '\r' if mapped.text.trim().is_empty() || rest.iter().all(|&(_, next)| next == '\r') => {}
            '&' => {
                let (decoded, length) = entity(rest).unwrap_or(('&', 0));
                index += length;
                put(&mut mapped, number, at, decoded);
            }
            other => put(&mut mapped, number, at, other),
        }
    }
    mapped
}

/// Adds a character as it is meant.
fn put(mapped: &mut Mapped, line: usize, at: usize, found: char) {
    let mut bytes = [0; 4];
    let text = match found {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\r' | '\x0c' => " ",
        '\x07' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => return,
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' => "\"",
        '\u{2018}'..='\u{201b}' | '\u{2032}' => "'",
        '\u{2010}'..='\u{2012}' | '\u{2212}' => "-",
        other => other.encode_utf8(&mut bytes),
    };
    mapped.push(line, at, text);
}

/// The characters of a line with their offsets. Bytes that are no UTF-8 are those of Windows-1252, or of Latin-1.
fn decode(line: &[u8]) -> Vec<(usize, char)> {
    let mut chars = Vec::with_capacity(line.len());
    let mut offset = 0;
    for chunk in line.utf8_chunks() {
        chars.extend(chunk.valid().char_indices().map(|(at, found)| (offset + at, found)));
        offset += chunk.valid().len();
        for &byte in chunk.invalid() {
            let found = match byte {
                0x91 | 0x92 => '\'',
                0x93 | 0x94 => '"',
                other => char::from(other),
            };
            chars.push((offset, found));
            offset += 1;
        }
    }
    chars
}

/// How many characters behind ESC belong to the sequence, and the steps to the right that it takes.
fn escape(rest: &[(usize, char)]) -> (usize, usize) {
    let at = |index: usize| rest.get(index).map(|&(_, found)| found);
    match at(0) {
        Some('[') => {
            let is_parameter = |found: char| (' '..='?').contains(&found);
            let length = rest[1..].iter().take_while(|&&(_, found)| is_parameter(found)).count();
            let parameters: String = rest[1..=length].iter().map(|&(_, found)| found).collect();
            let step = if at(length + 1) == Some('C') { parameters.parse().unwrap_or(1) } else { 0 };
            (length + 1 + usize::from(at(length + 1).is_some()), step.min(MAX_STEP))
        }
        // The title of a window, up to BEL or ESC \.
        Some(']') => {
            let length = rest.iter().position(|&(_, found)| matches!(found, '\x07' | '\x1b')).unwrap_or(rest.len());
            let end = match at(length) {
                Some('\x1b') => length + 2,
                Some(_) => length + 1,
                None => length,
            };
            (end.min(rest.len()), 0)
        }
        Some('(' | ')' | '#' | '%') => (2.min(rest.len()), 0),
        Some(_) => (1, 0),
        None => (0, 0),
    }
}

/// The character that an entity behind its `&` stands for, and its length. `&amp;gt;` was made one twice.
fn entity(rest: &[(usize, char)]) -> Option<(char, usize)> {
    let name: String = rest.iter().take(8).map(|&(_, found)| found).take_while(|&found| found != ';').collect();
    let length = name.chars().count() + 1;
    if rest.get(length - 1).map(|&(_, found)| found) != Some(';') {
        return None;
    }
    let found = match name.as_str() {
        "amp" => match rest.get(length..).and_then(entity) {
            Some((inner, more)) => return Some((inner, length + more)),
            None => '&',
        },
        "gt" => '>',
        "lt" => '<',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        name => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number).filter(|found| !found.is_control())?
        }
    };
    Some((found, length))
}

/// Makes blanks of tabs.
pub(super) fn untab(mapped: &mut Mapped, stops: bool) {
    if !mapped.text.contains('\t') {
        return;
    }
    let mut untabbed = Mapped::plain(String::with_capacity(mapped.text.len()), mapped.places.line);
    let mut columns = 0;
    let mut bytes = [0; 4];
    for (at, found) in mapped.text.char_indices() {
        let width = if found == '\t' && stops { STOP - columns % STOP } else { 1 };
        columns += width;
        let (line, offset) = mapped.places.origin(at);
        let text = if found == '\t' { &" ".repeat(width) } else { &*found.encode_utf8(&mut bytes) };
        untabbed.push(line, offset, text);
    }
    *mapped = untabbed;
}

/// Whether a word holds what stands for characters that were lost: a mask, or what a converter or terminal puts for those that
/// it does not know. Names of OVN and of its ports hold none.
pub fn is_damaged(word: &str) -> bool {
    word.contains(['*', '?', '#', char::REPLACEMENT_CHARACTER])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Position;

    #[test]
    fn glances() {
        for (line, is_plain, may_hold_comment) in [
            ("udp,orig=(src=10.0.0.5", true, false),
            ("10.0.0.5 # x", true, true),
            ("a // b", true, true),
            ("a\u{a0}b", false, true),
            ("a &gt; b", false, true),
            ("a\tb", false, true),
        ] {
            assert_eq!(glance(line.as_bytes()), Glance { is_plain, may_hold_comment }, "{line}");
        }
    }

    #[test]
    fn what_is_taken_off() {
        for (line, expected) in [
            ("plain", "plain"),
            ("a \x1b[01;31m\x1b[Kb\x1b[m\x1b[K c", "a b c"),
            ("\x1b[?2004l\r   10.0.0.1\r\r", "   10.0.0.1"),
            ("\x1b]0;root@w: ~\x07$ \x1b(Bx", "$ x"),
            ("a\x1b[3Cb", "a   b"),
            ("lx\x08s", "ls"),
            ("a\u{a0}b\u{202f}c\u{200b}d", "a b cd"),
            ("\u{201c}x\u{201d} \u{2018}y\u{2019}", "\"x\" 'y'"),
            ("a &gt; b &amp;quot;c&quot; &amp;&amp; d &#39;e&#x27; &nope; &", "a > b \"c\" && d 'e' &nope; &"),
            ("over\rwritten", "over written"),
        ] {
            assert_eq!(clean(line.as_bytes(), 1).text, expected, "{line:?}");
        }
        assert_eq!(clean(b"caf\xe9 \x93x\x94\xa0y", 1).text, "caf\u{e9} \"x\" y");
        assert_eq!(clean(b"\x1b", 1).text, "");
        assert_eq!(clean(b"a\x1b[1", 1).text, "a");
    }

    #[test]
    fn places_are_those_of_the_line() {
        let mapped = clean("\x1b[1mab\u{a0}c&gt;d".as_bytes(), 7);
        assert_eq!(mapped.text, "ab c>d");
        let places = [0, 2, 3, 4, 5].map(|offset| mapped.places.position(offset));
        assert_eq!(places, [5, 7, 9, 10, 14].map(|column| Position::LineColumn(7, column)));
    }

    #[test]
    fn tabs() {
        let mut mapped = Mapped::plain("ip\t:\tx".to_owned(), 1);
        untab(&mut mapped, true);
        assert_eq!(
            (mapped.text.as_str(), mapped.places.position(16)),
            ("ip      :       x", Position::LineColumn(1, 6))
        );
        let mut mapped = Mapped::plain("ip\t:".to_owned(), 1);
        untab(&mut mapped, false);
        assert_eq!(mapped, Mapped::plain("ip :".to_owned(), 1));
    }
}
