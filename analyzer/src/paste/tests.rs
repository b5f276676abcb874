use proptest::prelude::*;

use super::*;
use crate::types::Position;

/// Rows are `row N` and words; a row that reads to its end ends in `end`.
struct Sample;

impl Shape for Sample {
    const BLANKS: bool = true;

    fn begins(&self, line: &str) -> bool {
        line.trim_start().starts_with("row ")
    }

    fn is_whole(&self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.begins(line) && words[2..].iter().all(|word| ["one", "two", "three", "end"].contains(word))
    }

    fn may_follow(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// Text, place of its start, kind.
fn lines(bytes: &[u8]) -> Vec<(String, usize, Kind)> {
    let mut lines = Lines::new(bytes, Sample, 4096);
    let mut read = Vec::new();
    while lines.advance().unwrap() == Next::Line {
        let line = lines.line();
        read.push((line.text.to_owned(), line.number(), line.kind));
    }
    read
}

fn rows(text: &str) -> Vec<String> {
    lines(text.as_bytes()).into_iter().filter(|line| line.2 == Kind::Data).map(|line| line.0).collect()
}

#[test]
fn wrapped_rows_are_joined() {
    for text in [
        "row 1 one two thr\nee end\nrow 2 one two thr\nee end\n",
        "row 1 one two\nthree end\nrow 2 one two\nthree end\n",
        "row 1 on\ne two th\nree end\nrow 2 on\ne two th\nree end\n",
        "> row 1 one two thr\n> ee end\n> row 2 one two thr\n> ee end\n",
    ] {
        assert_eq!(rows(text), ["row 1 one two three end", "row 2 one two three end"], "{text}");
    }
}

#[test]
fn what_follows_a_row_is_no_part_of_it() {
    for rest in ["", "words of another", "end", "$ end", "```"] {
        let text = format!("row 1 one\n{rest}\nrow 2 one\n");
        let read = rows(&text);
        assert_eq!(
            (read.first().unwrap().as_str(), read.last().unwrap().as_str()),
            ("row 1 one", "row 2 one"),
            "{text}"
        );
    }
    assert_eq!(rows("row 1 oops\nwords\nrow 2 one\n"), ["row 1 oops", "words", "row 2 one"]);
}

#[test]
fn places_are_those_of_the_file() {
    let bytes = "\u{feff}```\r\n> \x1b[1mrow 1 one two thr\x1b[m\r\n> ee end\r\n>\r\n> row 2 x # y\r\n".as_bytes();
    let mut lines = Lines::new(bytes, Sample, 4096);
    let mut places = Vec::new();
    while lines.advance().unwrap() == Next::Line {
        let line = lines.line();
        if let Some(at) = line.text.find("ee end").or_else(|| line.text.find('x')) {
            places.push((line.number(), line.position(0), line.position(at)));
        }
    }
    let at = Position::LineColumn;
    assert_eq!(places, [(2, at(2, 7), at(3, 3)), (5, at(5, 3), at(5, 9))]);

    let text = Text::new(bytes, Sample);
    assert_eq!(text.as_str(), "\nrow 1 one two three end\n\nrow 2 x # y\n");
    assert_eq!(text.origin(Position::LineColumn(2, 18)), at(3, 3));
    assert_eq!(text.origin(Position::LineColumn(4, 7)), at(5, 9));
    assert_eq!((text.origin(Position::Line(4)), text.origin(Position::Whole)), (Position::Line(5), Position::Whole));
}

#[test]
fn blank_lines_behind_each() {
    let read = lines(b"row 1 one\n\nrow 2 one\n\n\n\nrow 3 one\n\n");
    let texts: Vec<(&str, usize)> = read.iter().map(|line| (line.0.as_str(), line.1)).collect();
    assert_eq!(texts, [("row 1 one", 1), ("row 2 one", 3), ("", 5), ("", 6), ("row 3 one", 7)]);
}

#[test]
fn comments_end_rows() {
    assert_eq!(
        rows("row 1 one # two\nrow 2 one two <-- this\nrow 3 one // x\n"),
        ["row 1 one", "row 2 one two", "row 3 one"]
    );
}

#[test]
fn memory_is_bounded_by_the_longest_line() {
    let text = [vec![b'x'; 100_000], b"\nrow 1 one\n".to_vec(), vec![b'y'; 5000]].concat();
    let mut lines = Lines::new(&text[..], Sample, 4096);
    assert_eq!([(); 4].map(|()| lines.advance().unwrap()), [Next::TooLong, Next::Line, Next::TooLong, Next::End]);
    assert_eq!(lines.number(), 3);
}

proptest! {
    /// A text without decoration is read as it stands.
    #[test]
    fn plain_text_stays(words in prop::collection::vec("[a-z0-9.:,=()_-]{1,9}", 1..60), breaks in prop::collection::vec(1..8usize, 1..20)) {
        let mut words = words.into_iter();
        let mut text = String::new();
        for (count, number) in breaks.into_iter().zip(1..) {
            let rest: Vec<String> = words.by_ref().take(count).collect();
            text += &format!("  row {number} {}\n", rest.join(" "));
        }
        let pasted = Text::new(text.as_bytes(), Sample);
        prop_assert_eq!(pasted.as_str(), &text);
        prop_assert_eq!(pasted.origin(Position::LineColumn(1, 3)), Position::LineColumn(1, 3));
    }

    /// However the reader cuts the bytes, the same comes out, and nothing panics.
    #[test]
    fn any_buffer_size(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\n\r\x1b[K> row1#&;gt:-\xc2\xa0"[..])], 0..300), size in 1..40usize) {
        let whole = lines(&bytes);
        let mut read = Vec::new();
        let mut lines = Lines::new(std::io::BufReader::with_capacity(size, &bytes[..]), Sample, 4096);
        while lines.advance().unwrap() == Next::Line {
            let line = lines.line();
            read.push((line.text.to_owned(), line.number(), line.kind));
        }
        prop_assert_eq!(read, whole);
    }
}
