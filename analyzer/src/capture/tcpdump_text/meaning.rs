//! What a line means.

use super::clock::{Stamp, stamp};
use super::head::{EthType, Head, HeadError, head, mac};
use super::payload::{self, Ipv4Header, Packet};
use crate::types::command::is_command;

/// What tcpdump and the shell print around the packets, by its start.
const BANNERS: [&str; 7] =
    ["tcpdump: ", "reading from ", "dropped privs ", "Warning: ", "^C", "$ tcpdump ", "# tcpdump "];

/// What tcpdump prints at its end, by how it goes on behind a number.
const COUNTS: [&str; 3] = [" packets captured", " packets received by filter", " packets dropped by "];

/// What a line means.
#[derive(Debug)]
pub(super) enum Meaning<'a> {
    /// A frame.
    Frame { stamp: Stamp, head: Head<'a>, content: Content },
    /// The addresses of the packet that the line before began, or why they are not readable.
    Addresses(Result<Packet, String>),
    /// More of the packet before: options, dumps, a packet within the packet. Or nothing about packets.
    More,
    /// tcpdump listens on the named NIC.
    Listening(&'a str),
    /// A frame without time.
    NoTime,
    /// A frame without MACs.
    NoMacs,
    /// A frame that is not readable, and why.
    Unreadable(String),
    /// Nothing that tcpdump prints.
    Foreign,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// A packet, whole.
    Packet(Packet),
    /// An IPv4 header; the addresses are on the next line.
    Begun(Ipv4Header),
}

/// Finds out what a line means. `whole` tells whether the line has an end, `begun` is the IPv4 header that the line
/// before began a packet with, `recognised` tells whether there was any packet before.
pub(super) fn meaning(text: &str, whole: bool, begun: Option<Ipv4Header>, recognised: bool) -> Meaning<'_> {
    let trimmed = text.trim_start();
    let indented = trimmed.len() < text.len();
    if let Some((stamp, rest)) = stamp(trimmed).or_else(|| stamp(unnumbered(trimmed)?)) {
        return frame(stamp, rest, whole);
    }
    match begun {
        Some(header) if indented => return Meaning::Addresses(packet(trimmed, header, whole)),
        _ if trimmed.is_empty() || (indented && recognised) => return Meaning::More,
        _ => {}
    }
    match listening_on(trimmed) {
        // On `any` every line names its own NIC.
        Some("any") => Meaning::More,
        Some(nic) => Meaning::Listening(nic),
        None if is_banner(trimmed) => Meaning::More,
        // The frame in a VXLAN or Geneve packet stands on a line of its own, without time.
        None if mac(trimmed).is_some() && recognised => Meaning::More,
        None if mac(trimmed).is_some() => Meaning::NoTime,
        None => Meaning::Foreign,
    }
}

fn frame(stamp: Stamp, rest: &str, whole: bool) -> Meaning<'_> {
    let head = match head(rest) {
        Ok(head) => head,
        Err(HeadError::NoMacs) if rest.contains(" > ") => return Meaning::NoMacs,
        Err(error) => return Meaning::Unreadable(error.to_string()),
    };
    let content = match head.eth_type {
        EthType::Other => Ok(Content::Packet(Packet::OTHER)),
        EthType::Arp => {
            let payload = payload::arp(head.body, head.eth_src);
            Ok(Content::Packet(Packet { payload, ..Packet::OTHER }))
        }
        EthType::Ipv4 | EthType::Ipv6 => match payload::verbose_ipv4(head.body) {
            Some(header) => Ok(Content::Begun(header)),
            None => packet(head.body, Ipv4Header::default(), whole).map(Content::Packet),
        },
    };
    match content {
        Ok(content) => Meaning::Frame { stamp, head, content },
        Err(reason) => Meaning::Unreadable(reason),
    }
}

/// Reads a packet. A last line without end may be cut in the word that tells the protocol, so it counts only where
/// that word is whole.
fn packet(body: &str, header: Ipv4Header, whole: bool) -> Result<Packet, String> {
    if !whole && !["length ", "Flags [", ": tcp "].iter().any(|word| body.contains(word)) {
        return Err("the text is cut in this line".to_owned());
    }
    payload::packet(body, header).map_err(|problem| problem.to_string())
}

/// The line behind the packet's number (option --number).
fn unnumbered(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    (rest.len() < line.len()).then(|| rest.strip_prefix("  ")).flatten()
}

fn is_banner(line: &str) -> bool {
    let behind_number = line.trim_start_matches("^C").trim_start_matches(|digit: char| digit.is_ascii_digit());
    BANNERS.iter().any(|banner| line.starts_with(banner))
        || COUNTS.iter().any(|count| behind_number.replacen(" packet ", " packets ", 1).starts_with(count))
}

/// The NIC that `listening on NIC, link-type ...` names.
fn listening_on(line: &str) -> Option<&str> {
    let line = line.strip_prefix("tcpdump: ").unwrap_or(line);
    line.strip_prefix("listening on ")?.split_once(',').map(|(nic, _)| nic)
}

/// Whether a line that is not read may be a frame: it holds two MACs as tcpdump prints them, or a time and the word
/// `ethertype`.
pub(super) fn is_possible_frame(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_mac = |word: &str| mac(word).is_some();
    let has_macs = || words.windows(3).any(|three| is_mac(three[0]) && three[1] == ">" && is_mac(three[2]));
    let has_time = || words.iter().any(|word| text.find(word).is_some_and(|at| stamp(&text[at..]).is_some()));
    !is_command(text) && (has_macs() || words.contains(&"ethertype") && has_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_may_be_frames() {
        for line in [
            "22:48:28.2 02:00:00:00:00:01 > [K02:00:00:00:00:99, ethertype IPv4 (0x0800), length 94: 192.0.2.230.1 > x",
            "| 02:00:00:00:00:01 > 02:00:00:00:00:99, IPv4, length 94",
        ] {
            assert!(is_possible_frame(line), "{line}");
        }
        for line in ["", "a packet of 02:00:00:00:00:01", "at 22:48:28.2 it went wrong", "its ethertype is IPv4"] {
            assert!(!is_possible_frame(line), "{line}");
        }
    }
}
