//! Lines of bounded length.

use crate::capture::stream::ByteStream;

/// Longest line read. tcpdump with every option stays below it.
const MAX_LINE_LEN: usize = 64 * 1024;

/// Splits a stream into lines.
pub(super) struct Lines {
    stream: ByteStream,
    /// Bytes of the current line with its end, which stay in the stream until the next step.
    len: usize,
    number: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    TooLong,
}

/// A line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line<'a> {
    /// Text without its line end.
    Text {
        text: &'a str,
        /// Whether the line has an end. The last line of a cut file has none.
        whole: bool,
    },
    /// Bytes that are no UTF-8.
    Binary,
    /// More bytes than a line may have; they are dropped.
    TooLong,
}

impl Lines {
    pub(super) fn new(stream: ByteStream) -> Self {
        Self { stream, len: 0, number: 0, state: State::Whole }
    }

    /// Number of the current line, counted from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The stream that the lines are of.
    pub(super) fn stream(&self) -> &ByteStream {
        &self.stream
    }

    /// Steps to the next line; `false` at the end.
    pub(super) fn advance(&mut self) -> bool {
        self.stream.drop_front(std::mem::take(&mut self.len));
        let mut searched = 0;
        loop {
            let bytes = self.stream.peek(searched + 1);
            if bytes.len() == searched {
                (self.len, self.state) = (searched, State::Cut);
                break;
            }
            if let Some(index) = line_end(&bytes[searched..]) {
                (self.len, self.state) = (searched + index + 1, State::Whole);
                break;
            }
            searched = bytes.len();
            if searched > MAX_LINE_LEN {
                self.number += 1;
                self.state = State::TooLong;
                self.drop_line();
                return true;
            }
        }
        if self.len > MAX_LINE_LEN {
            self.state = State::TooLong;
        }
        self.number += usize::from(self.len > 0);
        self.len > 0
    }

    /// The bytes of that line, with its end.
    pub(super) fn bytes(&self) -> &[u8] {
        self.stream.buffered().get(..self.len).unwrap_or_default()
    }

    /// The line that the last [`Lines::advance`] reached.
    pub(super) fn line(&self) -> Line<'_> {
        if self.state == State::TooLong {
            return Line::TooLong;
        }
        let line = self.stream.buffered().get(..self.len).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let whole = self.state == State::Whole;
        std::str::from_utf8(line).map_or(Line::Binary, |text| Line::Text { text, whole })
    }

    /// Drops what is left of a line that is too long.
    fn drop_line(&mut self) {
        loop {
            let bytes = self.stream.peek(1);
            let count = bytes.len();
            let end = line_end(bytes);
            self.stream.drop_front(end.map_or(count, |index| index + 1));
            if end.is_some() || count == 0 {
                return;
            }
        }
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: Vec<u8>) -> Lines {
        Lines::new(ByteStream::new(Box::new(std::io::Cursor::new(bytes))))
    }

    fn next(lines: &mut Lines) -> Option<Line<'_>> {
        lines.advance().then(|| lines.line())
    }

    #[test]
    fn ends_of_lines() {
        let mut lines = lines(b"one\r\n\ntw\xff\nlast".to_vec());
        assert_eq!(next(&mut lines), Some(Line::Text { text: "one", whole: true }));
        assert_eq!(next(&mut lines), Some(Line::Text { text: "", whole: true }));
        assert_eq!(next(&mut lines), Some(Line::Binary));
        assert_eq!(next(&mut lines), Some(Line::Text { text: "last", whole: false }));
        assert_eq!(lines.number(), 4);
        assert_eq!(next(&mut lines), None);
        assert_eq!(next(&mut lines), None);
    }

    #[test]
    fn long_lines_are_dropped() {
        for len in [MAX_LINE_LEN + 1, 1_000_000] {
            let mut bytes = vec![b'x'; len];
            bytes.extend(b"\nnext\n");
            let mut lines = lines(bytes);
            assert_eq!(next(&mut lines), Some(Line::TooLong), "{len}");
            assert_eq!(next(&mut lines), Some(Line::Text { text: "next", whole: true }));
            assert_eq!(lines.number(), 2);
            assert_eq!(next(&mut lines), None);
        }
        let mut endless = lines(vec![b'x'; 1_000_000]);
        assert_eq!(next(&mut endless), Some(Line::TooLong));
        assert_eq!(next(&mut endless), None);
    }
}
