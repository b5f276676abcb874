//! Lines and words of texts, with their places.

/// Why a line cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum BadLine {
    /// Longer than any line of the format.
    #[error("this line has more than {max} bytes; no line of this format is that long")]
    TooLong {
        /// The longest line that is read.
        max: usize,
    },
    /// No text.
    #[error("this line is no UTF-8 text")]
    NotText,
}

/// The lines of a text, numbered from 1, without their line ends (LF or CR LF).
pub(super) fn lines(text: &[u8], max: usize) -> impl Iterator<Item = (usize, Result<&str, BadLine>)> {
    text.split(|&byte| byte == b'\n').zip(1..).map(move |(line, number)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = match line.len() > max {
            true => Err(BadLine::TooLong { max }),
            false => std::str::from_utf8(line).map_err(|_| BadLine::NotText),
        };
        (number, line)
    })
}

/// The words of a line, each with its column, counted in bytes from 1.
pub(super) fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    // Every separator is one byte long.
    line.split(|c: char| c.is_ascii_whitespace())
        .scan(1, |next, word| {
            let column = *next;
            *next += word.len() + 1;
            Some((column, word))
        })
        .filter(|(_, word)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let read: Vec<_> = lines(b"ab\r\n\nabcd\n\xff\nend", 3).collect();
        let expected = [
            (1, Ok("ab")),
            (2, Ok("")),
            (3, Err(BadLine::TooLong { max: 3 })),
            (4, Err(BadLine::NotText)),
            (5, Ok("end")),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn words_have_columns() {
        assert_eq!(words("  ab\tc  \u{e9}d e").collect::<Vec<_>>(), [(3, "ab"), (6, "c"), (9, "\u{e9}d"), (13, "e")]);
        assert_eq!(words("   ").count(), 0);
    }
}
