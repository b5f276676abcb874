//! Lines that may be rows and cannot be read.

use std::sync::Arc;

use super::{FLAGS, policy};
use crate::engine::fact::{Policy, Scope};
use crate::ovn::lines::words;
use crate::paste::is_damaged;
use crate::types::IpPrefix;

/// What the row may decide that a line may be, or the rows below it where it may be a heading.
pub(super) fn row_or_heading(line: &str, router: Option<Arc<str>>) -> Option<Scope> {
    match is_damaged_heading(line.trim()) {
        true => Some(Scope::Routes { router, policy: None, prefix: None }),
        false => row(line, router),
    }
}

/// What the row may decide that a line may be; `None` for a line that is none. A row has a prefix, mostly a next hop, and a
/// policy: two of them make a line one, or an address alone.
pub(super) fn row(line: &str, router: Option<Arc<str>>) -> Option<Scope> {
    let words: Vec<&str> = words(line).map(|(_, word)| word).collect();
    let addresses: Vec<usize> = (0..words.len()).filter(|&at| is_address(words[at])).collect();
    let told = words.iter().position(|word| policy(word).is_some());
    let is_alone = words.len() == 1 && addresses.len() == 1;
    let is_indented = line.len() - line.trim_start().len() >= INDENT;
    // A row that ends in its prefix or its next hop.
    let is_begun = match words[..] {
        [word] => is_fragment(word, is_indented, false),
        [_, word] => addresses.first() == Some(&0) && is_fragment(word, is_indented, true),
        _ => false,
    };
    // A word of the row that another one was merged with.
    let is_part =
        |word: &&str| FLAGS.contains(word) || is_damaged(word) || word.ends_with("-ip") || word.contains("xx");
    let is_ordinary = |word: &&str| {
        let letters = word.trim_end_matches([',', '.', '?', '!', ':', ';']);
        let is_known = policy(letters).is_some() || letters == "discard" || may_be_flag(letters);
        letters.len() > 1 && letters.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_known
    };
    let has_part = addresses.first() == Some(&0) && words.iter().skip(1).any(is_part) && !words.iter().any(is_ordinary);
    // A row that lost its front.
    let is_end = told.is_some_and(|told| {
        let behind = &words[told + 1..];
        behind.iter().any(|word| FLAGS.contains(word)) && behind.iter().skip(1).all(|word| FLAGS.contains(word))
    });
    if !is_alone && !is_begun && !has_part && !is_end && addresses.len() + usize::from(told.is_some()) < 2 {
        return None;
    }
    // Of two addresses in front of the policy the first is the prefix, and so is what begins a row with three words up to it. One
    // behind something else may be either.
    let prefix = match (&addresses[..], told) {
        (&[first, second], Some(told)) if second == first + 1 && told == second + 1 => words[first].parse().ok(),
        (&[0, ..], Some(2)) => words[0].parse().ok(),
        _ => None,
    };
    let policy: Option<Policy> = told.and_then(|at| policy(words[at]));
    Some(Scope::Routes { router, policy, prefix })
}

/// Blanks that stand in front of every prefix that is no long one of IPv6: it is padded to 25 columns.
const INDENT: usize = 7;

/// Whether a word may be the beginning of an address, or its end.
fn is_fragment(word: &str, is_indented: bool, is_behind_prefix: bool) -> bool {
    let is_of_address = |byte: u8| byte.is_ascii_hexdigit() || b".:/xX*".contains(&byte);
    let has_points = word.contains('.') || word.contains("::");
    let has_digit = || word.bytes().any(|byte| byte.is_ascii_digit());
    word.bytes().all(is_of_address) && (is_indented || has_digit() && (has_points || is_behind_prefix))
}

fn is_address(word: &str) -> bool {
    word.parse::<IpPrefix>().is_ok() || is_masked(word)
}

/// Whether a line is the beginning of the heading of a table, or its end, or one in which letters were lost.
fn is_damaged_heading(line: &str) -> bool {
    let is_beginning = line.len() >= "Route".len() && HEADING.starts_with(line);
    let alike = line.chars().zip(HEADING.chars()).filter(|(of_line, of_heading)| of_line == of_heading).count();
    let is_garbled = || line.ends_with(':') && (is_damaged(line) || line.contains("xx")) && 2 * alike >= HEADING.len();
    let is_end =
        || line.ends_with(':') && (1..HEADING.len() - "able".len()).any(|cut| line.starts_with(&HEADING[cut..]));
    is_beginning || line.starts_with(HEADING) || is_garbled() || is_end()
}

/// What the heading of a table begins with.
const HEADING: &str = "Route Table";

/// Whether a line has words of a heading, damaged or not.
pub(super) fn may_hold_heading(line: &str) -> bool {
    line.contains(HEADING) || line.contains("IPv4 Routes") || line.contains("IPv6 Routes")
}

/// Whether a word behind a row may be a flag that was damaged: letters of it are lost or masked.
pub(super) fn may_be_flag(word: &str) -> bool {
    let is_like = |flag: &str| {
        let fits = |(of_word, of_flag): (u8, u8)| of_word == of_flag || b"xX".contains(&of_word);
        word.len() == flag.len() && word.bytes().zip(flag.bytes()).all(fits)
    };
    // The end of a line that a terminal broke may stand behind a blank.
    let is_part = |flag: &str| word.len() > 1 && (flag.starts_with(word) || flag.ends_with(word));
    let holds_part = |flag: &str| word.contains("xx") && flag.split('-').any(|part| word.contains(part));
    let has_more = |flag: &str| word.starts_with(flag);
    let is_question =
        word.trim_start_matches('(').trim_end_matches([')', '?']).bytes().all(|byte| byte.is_ascii_alphabetic());
    is_damaged(word) && !is_question
        || FLAGS.iter().any(|flag| is_like(flag) || is_part(flag) || holds_part(flag) || has_more(flag))
}

/// Whether a word is an address in which digits were masked or lost.
pub(super) fn is_masked(word: &str) -> bool {
    let is_mask = |byte: u8| b"xX*".contains(&byte);
    let is_of =
        |others: fn(&u8) -> bool| word.bytes().all(|byte| others(&byte) || is_mask(byte) || b"./".contains(&byte));
    let is_v4 =
        word.split('.').count() == 4 && word.split('.').all(|part| !part.is_empty()) && is_of(u8::is_ascii_digit);
    let is_v6 = word.matches(':').count() > 1 && is_of(|byte| byte.is_ascii_hexdigit() || *byte == b':');
    is_v4 || is_v6 && word.bytes().any(is_mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_row() {
        let routes = |policy, prefix: Option<&str>| {
            Some(Scope::Routes { router: None, policy, prefix: prefix.map(|prefix| prefix.parse().unwrap()) })
        };
        for (line, expected) in [
            ("\u{1b}[?2004l 192.0.2.230 198.51.100.15 src-ip ecmp", routes(Some(Policy::SrcIp), Some("192.0.2.230"))),
            ("   10.0.x.5    198.51.100.15 dst-ip", routes(Some(Policy::DstIp), None)),
            ("   192.0.2.230    198.51.x.15 src-ip ecmp", routes(Some(Policy::SrcIp), Some("192.0.2.230"))),
            ("   192.0.2.230    198.51.100.15", routes(None, None)),
            ("192.0.2.0/24", routes(None, None)),
            ("10.0.xx.5 198.51.xx.15", routes(None, None)),
            ("fd00:10:xx::5 fd00:19::* src-ip ecmp", routes(Some(Policy::SrcIp), None)),
            ("               10.24", routes(None, None)),
            ("               1", routes(None, None)),
            ("               f", routes(None, None)),
            ("               fd02::5            f", routes(None, None)),
            ("   192.0.2.230    1", routes(None, None)),
            ("   192.0.2.230    fd", None),
            ("9.3.15 src-ip ecmp ecmp-symmetric-reply bfd", routes(Some(Policy::SrcIp), None)),
            ("src-ip rtoe-GR_w ecmp bfd", routes(Some(Policy::SrcIp), None)),
            ("192.168.16.230 is our pod, right?", None),
            ("172.18.0.101 has no bfd session", None),
            ("1", None),
            ("...", None),
            ("22:48:28 src-ip", None),
            ("IPv4 Routes of worker 3", None),
            ("seen on 192.0.2.230", None),
            ("it is a src-ip route", None),
        ] {
            assert_eq!(row(line, None), expected, "{line}");
        }
    }
}
