//! Lines and words of texts, with their places.

use crate::paste::{Line, Lines, Next, Shape};
use crate::types::Position;

/// A line that is longer than any line of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this line has more than {max} bytes; no line of this format is that long")]
pub(super) struct TooLong {
    number: usize,
    /// The longest line that is read.
    max: usize,
}

impl TooLong {
    pub(super) fn position(&self) -> Position {
        Position::Line(self.number)
    }
}

/// Gives the lines of a text to `take`, without what was put around them where they were pasted.
pub(super) fn each_line(text: &[u8], rows: impl Shape, max: usize, mut take: impl FnMut(Result<Line<'_>, TooLong>)) {
    let mut lines = Lines::new(text, rows, max);
    loop {
        match lines.advance() {
            Ok(Next::Line) => take(Ok(lines.line())),
            Ok(Next::TooLong) => take(Err(TooLong { number: lines.line().number(), max })),
            // Memory can be read.
            Ok(Next::End) | Err(_) => return,
        }
    }
}

/// The words of a line, each with its offset.
pub(super) fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    // Every separator is one byte long.
    line.split(|c: char| c.is_ascii_whitespace())
        .scan(0, |next, word| {
            let offset = *next;
            *next += word.len() + 1;
            Some((offset, word))
        })
        .filter(|(_, word)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct None;

    impl Shape for None {
        fn begins(&self, _: &str) -> bool {
            false
        }

        fn is_whole(&self, _: &str) -> bool {
            false
        }

        fn may_follow(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    #[test]
    fn lines_are_numbered_and_bounded() {
        let mut read = Vec::new();
        each_line(b"ab\r\n\nabcd\n\xff\nend", None, 3, |line| {
            read.push(line.map(|line| (line.number(), line.text.to_owned())));
        });
        let expected = [
            Ok((1, "ab".to_owned())),
            Ok((2, String::new())),
            Err(TooLong { number: 3, max: 3 }),
            Ok((4, "\u{ff}".to_owned())),
            Ok((5, "end".to_owned())),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn words_have_offsets() {
        assert_eq!(words("  ab\tc  \u{e9}d e").collect::<Vec<_>>(), [(2, "ab"), (5, "c"), (8, "\u{e9}d"), (12, "e")]);
        assert_eq!(words("   ").count(), 0);
    }
}
