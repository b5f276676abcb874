//! ICMP messages as tcpdump words them (print-icmp.c and print-icmp6.c there; numbers from the IANA registries
//! "ICMP Parameters" and "ICMPv6 Parameters").

use super::number_after;

/// Type, code and identifier of a message. The identifier is 0 in what is no query, and in the few queries whose
/// identifier tcpdump does not print.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Message {
    pub(super) icmp_type: u8,
    pub(super) code: u8,
    pub(super) id: u16,
}

/// Wordings that stand for one type and code; the first that the text starts with counts.
type Wordings = [(&'static str, u8, u8)];

const V4: &Wordings = &[
    ("echo reply", 0, 0),
    ("source quench", 4, 0),
    ("echo request", 8, 0),
    ("router advertisement", 9, 0),
    ("router solicitation", 10, 0),
    ("time exceeded in-transit", 11, 0),
    ("ip reassembly time exceeded", 11, 1),
    ("parameter problem - octet", 12, 0),
    ("time stamp query", 13, 0),
    ("time stamp reply", 14, 0),
    ("information request", 15, 0),
    ("information reply", 16, 0),
    ("address mask request", 17, 0),
    ("address mask is", 18, 0),
];

const V6: &Wordings = &[
    ("destination unreachable, unreachable route", 1, 0),
    ("destination unreachable,  unreachable prohibited", 1, 1),
    ("destination unreachable, unreachable prohibited", 1, 1),
    ("destination unreachable, beyond scope", 1, 2),
    ("destination unreachable, unreachable address", 1, 3),
    ("destination unreachable, unreachable port", 1, 4),
    ("packet too big", 2, 0),
    ("time exceeded in-transit (reassembly)", 3, 1),
    ("time exceeded in-transit", 3, 0),
    ("parameter problem, erroneous", 4, 0),
    ("parameter problem, next header", 4, 1),
    ("parameter problem, option", 4, 2),
    ("echo request", 128, 0),
    ("echo reply", 129, 0),
    ("multicast listener query", 130, 0),
    ("multicast listener report v2", 143, 0),
    ("multicast listener report", 131, 0),
    ("multicast listener done", 132, 0),
    ("router solicitation", 133, 0),
    ("router advertisement", 134, 0),
    ("neighbor solicitation", 135, 0),
    ("neighbor advertisement", 136, 0),
    ("redirect", 137, 0),
];

/// Wordings behind "unreachable", in the order in which they must be tried.
const UNREACHABLE: &Wordings = &[
    ("need to frag", 3, 4),
    ("source route failed", 3, 5),
    ("source host isolated", 3, 8),
    ("admin prohibited filter", 3, 13),
    ("host precedence violation", 3, 14),
    ("precedence cutoff", 3, 15),
];

/// Reads an ICMP message behind `ICMP `.
pub(super) fn v4(text: &str) -> Option<Message> {
    let (icmp_type, code) = wording(V4, text)
        .or_else(|| unreachable(text))
        .or_else(|| redirect(text))
        .or_else(|| Some((11, number(text.strip_prefix("time exceeded-#")?)?)))
        .or_else(|| Some((12, number(text.strip_prefix("parameter problem - code ")?)?)))
        .or_else(|| Some((number(text.strip_prefix("type-#")?)?, 0)))?;
    let id = if matches!(icmp_type, 0 | 8 | 13 | 14) { identifier(text)? } else { 0 };
    Some(Message { icmp_type, code, id })
}

/// Reads an ICMPv6 message behind `ICMP6, `.
pub(super) fn v6(text: &str) -> Option<Message> {
    let (icmp_type, code) = wording(V6, text)
        .or_else(|| Some((1, number(text.strip_prefix("destination unreachable, unknown unreach code (")?)?)))
        .or_else(|| Some((4, number(text.strip_prefix("parameter problem, code-#")?)?)))
        .or_else(|| Some((number(text.strip_prefix("type-#")?)?, 0)))?;
    if !matches!(icmp_type, 128 | 129) {
        return Some(Message { icmp_type, code, id: 0 });
    }
    // Up to version 4.9 the identifier is not printed, but the sequence number is.
    let has_no_id = !text.contains(" id") && text.contains(", seq ");
    let id = identifier(text).or_else(|| has_no_id.then_some(0))?;
    Some(Message { icmp_type, code, id })
}

/// The identifier of a query. The sequence number follows, or digits of the identifier are elsewhere.
fn identifier(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(" id ")?;
    let (digits, _) = rest.split_once(" seq ")?;
    digits.strip_suffix(',').unwrap_or(digits).parse().ok()
}

fn wording(wordings: &Wordings, text: &str) -> Option<(u8, u8)> {
    wordings.iter().find(|(wording, ..)| text.starts_with(wording)).map(|&(_, icmp_type, code)| (icmp_type, code))
}

fn unreachable(text: &str) -> Option<(u8, u8)> {
    let (before, after) = text.split_once(" unreachable")?;
    let net = before.starts_with("net ");
    let Some(reason) = after.strip_prefix(" - ") else {
        let code = match before {
            _ if net => 0,
            _ if before.starts_with("host ") => 1,
            _ if before.contains(" protocol ") => 2,
            _ if before.contains(" port ") => 3,
            _ => return None,
        };
        return Some((3, code));
    };
    wording(UNREACHABLE, reason).or_else(|| {
        let code = match reason {
            _ if reason.starts_with("unknown") => [7, 6],
            _ if reason.starts_with("admin prohibited") => [10, 9],
            _ if reason.starts_with("tos prohibited") => [12, 11],
            _ => return Some((3, number(reason.strip_prefix('#')?)?)),
        };
        Some((3, code[usize::from(net)]))
    })
}

fn redirect(text: &str) -> Option<(u8, u8)> {
    let text = text.strip_prefix("redirect")?;
    if let Some(code) = text.strip_prefix("-#") {
        return Some((5, number(code)?));
    }
    let host = text.contains(" to host ");
    if !host && !text.contains(" to net ") {
        return None;
    }
    let tos = text.starts_with("-tos ");
    Some((5, u8::from(tos) * 2 + u8::from(host)))
}

/// The number that `text` starts with.
fn number(text: &str) -> Option<u8> {
    number_after(text, "")
}
