//! What people write behind a row.

/// What begins a comment where a blank stands in front of it.
const MARKS: [&str; 5] = ["#", "//", "<-", "<=", "\u{2190}"];

/// The offsets at which comments may begin, from the left. Between double quotes none does.
pub(super) fn starts(line: &str) -> impl Iterator<Item = usize> {
    let mut is_quoted = false;
    let mut is_behind_blank = false;
    let mut is_first = true;
    line.char_indices().filter_map(move |(at, found)| {
        let rest = &line[at..];
        let begins =
            is_behind_blank && !is_quoted && MARKS.iter().any(|mark| rest.starts_with(mark)) && !is_masked(rest);
        is_quoted ^= found == '"';
        is_behind_blank = found == ' ' && !is_first;
        is_first &= found == ' ';
        begins.then_some(at)
    })
}

/// Whether a word begins in which letters were made unreadable: `####-GR_worker-08`.
fn is_masked(rest: &str) -> bool {
    let behind = rest.trim_start_matches('#');
    rest.len() - behind.len() > 1 && !behind.is_empty() && !behind.starts_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_of_comments() {
        for (line, expected) in [
            ("10.0.0.5 1.1.1.1 src-ip  # old", &[25][..]),
            ("zone=35 // this one <-- here", &[8, 20]),
            ("ip : \"a # b\" # c", &[13]),
            ("  # all of it", &[]),
            ("10.0.0.5 1.1.1.1 src-ip ####-GR_a ecmp", &[]),
            ("10.0.0.5 1.1.1.1 src-ip ## old", &[24, 25][..1]),
            ("10.0.0.0/24 a#b c", &[]),
        ] {
            assert_eq!(starts(line).collect::<Vec<_>>(), expected, "{line}");
        }
    }
}
