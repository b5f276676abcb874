//! What a line means.

use super::clock::{Stamp, begins_plainly, stamp};
use super::head::{EthType, Head, HeadError, head, is_whole_type, mac};
use super::payload::{self, Ipv4Header, Packet};
use crate::paste::{Looks, Shape};

/// What tcpdump and the shell print around the packets, by its start.
const BANNERS: [&str; 5] = ["tcpdump: ", "reading from ", "dropped privs ", "Warning: ", "^C"];

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

/// What the lines before a line told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// The IPv4 header that the line before began a packet with.
    pub(super) begun: Option<Ipv4Header>,
    /// Whether there was any packet.
    pub(super) recognised: bool,
    /// Whether lines without time tell of frames.
    pub(super) without_times: bool,
    /// Whether the frame before holds another, which has a line of its own.
    pub(super) in_tunnel: bool,
}

/// Finds out what a line means. `whole` tells whether the line has an end.
pub(super) fn meaning(text: &str, whole: bool, before: Before) -> Meaning<'_> {
    let trimmed = text.trim_start();
    let indented = trimmed.len() < text.len();
    if let Some((stamp, rest)) = stamped(trimmed) {
        return frame(stamp, rest, whole);
    }
    match before.begun {
        Some(header) if indented => return Meaning::Addresses(packet(trimmed, header, whole)),
        _ if trimmed.is_empty() || indented && before.recognised && !may_be_damaged(trimmed) => return Meaning::More,
        _ => {}
    }
    match listening_on(trimmed) {
        // On `any` every line names its own NIC.
        Some("any") => Meaning::More,
        Some(nic) => Meaning::Listening(nic),
        None if is_banner(trimmed) => Meaning::More,
        None if before.without_times && !before.in_tunnel && begins_without_time(trimmed) => {
            frame(Stamp::Missing, trimmed, whole)
        }
        // The frame in a VXLAN or Geneve packet stands on a line of its own, without time.
        None if mac(trimmed).is_some() && before.recognised => Meaning::More,
        None if mac(trimmed).is_some() => Meaning::NoTime,
        None => Meaning::Foreign,
    }
}

/// Whether what seems to be more of a packet may be a frame whose time is damaged.
fn may_be_damaged(line: &str) -> bool {
    line.contains(", ethertype ")
}

/// Blanks before the second line of a packet (option -v).
const INDENT: usize = 4;

/// Nanoseconds since 1970 that a line's time has at least where it is one of option -tt: it is of 1973 or later.
const MIN_EPOCH: u64 = 100_000_000_000_000_000;

/// What lines of frames look like.
pub(super) struct FrameRows;

impl Shape for FrameRows {
    const BLANKS: bool = true;

    fn begins(&self, line: &str) -> bool {
        let trimmed = line.trim_start();
        if begins_plainly(trimmed) {
            return true;
        }
        match stamped(trimmed) {
            // In `file:22:48:28.272309` the seconds of a time of day are none since 1970.
            Some((Stamp::Epoch(nanos), _)) => nanos >= MIN_EPOCH,
            Some(_) => true,
            None => begins_without_time(trimmed),
        }
    }

    fn is_whole(&self, line: &str) -> bool {
        let trimmed = line.trim_start();
        let (stamp, rest) = stamped(trimmed).unwrap_or((Stamp::Missing, trimmed));
        // A line that is cut in these words would be one of another kind.
        let head = rest.split_once(", length ").map_or(rest, |(head, _)| head);
        let kind = head.split_once("ethertype ").map(|(_, kind)| kind).or_else(|| head.rsplit(", ").next());
        // A fragment behind the first ends so, and the first part of any message.
        !rest.trim_end().ends_with(": ICMP")
            && kind.is_some_and(is_whole_type)
            && matches!(frame(stamp, rest, false), Meaning::Frame { .. })
    }

    fn may_follow(&self, row: &str, rest: &str) -> bool {
        let trimmed = rest.trim_start();
        let indent = |line: &str| line.len() - line.trim_start().len();
        // What options -v and -x print has lines of its own.
        // Each frame has one EtherType.
        let is_frame = row.contains("ethertype ") && trimmed.contains("ethertype ");
        !is_frame
            && indent(rest) < indent(row) + INDENT
            && !trimmed.starts_with("0x")
            && !is_banner(trimmed)
            && listening_on(trimmed).is_none()
    }
}

/// Whether a line tells of a frame that holds another.
pub(super) fn is_tunnel(text: &str) -> bool {
    ["VXLAN, ", "Geneve, ", "GREv0, ", "TEB, "].iter().any(|word| text.contains(word))
}

/// Whether a line is one of tshark's: number, time, `A -> B` with an arrow of one character or two, protocol.
pub(super) fn is_of_tshark(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    matches!(words[..], [number, time, _, "\u{2192}" | "->"] if is_number(number) && is_number(time))
}

/// Whether a line begins as option -t prints it.
fn begins_without_time(line: &str) -> bool {
    mac(line).is_some_and(|(_, rest)| rest.strip_prefix(" > ").is_some_and(|rest| mac(rest).is_some()))
}

/// The time that a line begins with, with or without the packet's number (option --number), and what follows.
fn stamped(line: &str) -> Option<(Stamp, &str)> {
    stamp(line).or_else(|| stamp(unnumbered(line)?))
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

/// Whether a line that is not read may be a frame: it holds two MACs as tcpdump prints them, one behind a time that it
/// begins with, or one or a time and the word `ethertype`.
pub(super) fn is_possible_frame(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_mac = |word: &str| mac(word).is_some();
    let has_macs = || words.windows(3).any(|three| is_mac(three[0]) && three[1] == ">" && is_mac(three[2]));
    let has_time = || words.iter().any(|word| text.find(word).is_some_and(|at| stamp(&text[at..]).is_some()));
    let has_mac = || words.windows(2).any(|two| is_mac(two[0]) && two[1] == ">" || two[0] == ">" && is_mac(two[1]));
    // A MAC, or the beginning of one: more of it than a time of day has.
    let is_like_mac = |word: &str| {
        let mut octets = word.trim_end_matches(',').split(':');
        octets.clone().count() > 3
            && octets.all(|octet| octet.len() < 3 && octet.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_begun = || stamped(text.trim_start()).is_some() && words.iter().any(|word| is_like_mac(word));
    has_macs() || is_begun() || words.contains(&"ethertype") && (has_time() || has_mac())
}

/// What a line is likely to be that may be of any text. A line of tcpdump without option -e is possibly one: what it lacks is
/// for the reader to say.
pub(super) fn looks(line: &str) -> Option<Looks> {
    if is_possible_frame(line) {
        return Some(if FrameRows.begins(line) { Looks::Row } else { Looks::Possible });
    }
    let trimmed = line.trim_start();
    let lacks_macs = || stamped(trimmed).is_some_and(|(_, rest)| ["IP ", "IP6 "].iter().any(|ip| rest.starts_with(ip)));
    match listening_on(trimmed) {
        Some(_) => Some(Looks::Heading),
        None if trimmed.contains(" > ") && lacks_macs() => Some(Looks::Possible),
        None => None,
    }
}

/// Whether another frame stands behind the payload of a line, where the ends of lines were lost.
pub(super) fn holds_another(body: &str) -> bool {
    let mut arrows = body.match_indices(" > ").skip(1);
    arrows.any(|(at, arrow)| {
        let before = at.checked_sub("ce:73:29:66:39:a4".len()).and_then(|start| body.get(start..at));
        before.is_some_and(|before| mac(before).is_some()) && mac(&body[at + arrow.len()..]).is_some()
    })
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
