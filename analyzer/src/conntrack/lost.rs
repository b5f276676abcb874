//! Lines that may be entries and cannot be read: what of them can be told all the same.

use std::mem;

use super::text::Start;
use crate::engine::fact::{Connection, LostEntry, LostTuple};
use crate::types::Tuple;

/// Gaps kept of one file; one more stands for the rest.
pub(super) const MAX_GAPS: usize = 256;

/// What can be told of an entry of which nothing is known but that it was there.
pub(super) fn any() -> LostEntry {
    LostEntry { may_be_labelled: true, ..LostEntry::default() }
}

/// What can be told of an entry of which fields behind its tuples may be lost.
pub(super) fn of(entry: &Connection) -> LostEntry {
    let tuple = |tuple: &Tuple| LostTuple {
        src: Some(tuple.src),
        dst: Some(tuple.dst),
        sport: tuple.has_ports().then_some(tuple.tp_src),
        dport: tuple.has_ports().then_some(tuple.tp_dst),
    };
    LostEntry {
        nw_proto: Some(entry.orig.nw_proto),
        orig: tuple(&entry.orig),
        reply: tuple(&entry.reply),
        may_be_labelled: true,
    }
}

/// Whether a line may be the end of a label that stands at the end of the line before.
pub(super) fn is_end_of_label(line: &str) -> bool {
    let digits = line.trim_ascii();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What can be told of the entries that a line may be: several where the ends of lines were lost, none where it may be none.
pub(super) fn entries(text: &str) -> impl Iterator<Item = LostEntry> {
    let mut starts: Vec<usize> = text.match_indices(ORIG).map(|(start, _)| start).skip(1).collect();
    starts.push(text.len());
    // Where the name of the protocol of a further one begins is not clear.
    let pieces = starts.into_iter().scan(0, |from, to| Some(&text[mem::replace(from, to)..to]));
    pieces.filter_map(entry)
}

/// What stands before the original tuple.
const ORIG: &str = "orig=(";

/// What can be told of the entry that a line may be; `None` for a line that may be none: it holds neither an address nor a
/// label.
fn entry(text: &str) -> Option<LostEntry> {
    if is_beginning(text.trim_ascii()) {
        return Some(any());
    }
    let is_labelled = text.contains("label=") || text.contains("labels=");
    if !is_labelled && !text.contains("src=") {
        return None;
    }
    // Labels stand behind both tuples: of a line that is whole up to there it is known that it has none.
    let is_whole = text.matches(')').count() >= 2;
    Some(LostEntry {
        nw_proto: Start::find(text).and_then(|start| start.nw_proto(text)),
        orig: tuple(text, ORIG),
        reply: tuple(text, "reply=("),
        may_be_labelled: is_labelled || !is_whole,
    })
}

/// Whether a text is the beginning of an entry, cut in front of its addresses.
fn is_beginning(text: &str) -> bool {
    let is_of = |name: &str| match text.strip_prefix(name) {
        Some(rest) => ",orig=(".starts_with(rest),
        None => text.len() > 2 && name.starts_with(text),
    };
    ["icmp", "icmpv6", "sctp", "tcp", "udp"].iter().any(|name| is_of(name))
}

/// The fields that can be read of the tuple behind `key`.
fn tuple(text: &str, key: &str) -> LostTuple {
    let Some((_, rest)) = text.split_once(key) else { return LostTuple::default() };
    // What a cut line ends with may have gone on.
    let is_cut = !rest.contains(')');
    let own = rest.split_once(')').map_or(rest, |(own, _)| own);
    let own = if is_cut { own.rsplit_once(',').map_or("", |(whole, _)| whole) } else { own };
    let mut lost = LostTuple::default();
    for (name, value) in own.split(',').filter_map(|field| field.split_once('=')) {
        match name.trim_ascii() {
            "src" => lost.src = value.parse().ok(),
            "dst" => lost.dst = value.parse().ok(),
            "sport" => lost.sport = value.parse().ok(),
            "dport" => lost.dport = value.parse().ok(),
            _ => {}
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tuple::proto;

    #[test]
    fn what_is_there_is_told() {
        let masked = "udp,orig=(src=203.0.xxx.13,dst=192.0.2.230,sport=5005,dport=59943),\
                      reply=(src=192.0.2.230,dst=203.0.113.13,sport=59943,dport=5005),zone=35";
        let lost = entry(masked).unwrap();
        let pod = "192.0.2.230".parse().ok();
        assert_eq!((lost.orig.src, lost.orig.dst, lost.orig.dport), (None, pod, Some(59943)));
        assert_eq!((lost.reply.src, lost.reply.sport, lost.may_be_labelled), (pod, Some(59943), false));
        assert!(entry(&format!("{masked},labels=0x2")).unwrap().may_be_labelled);
        // An address that is cut is another address.
        let cut = masked.find("30,sport=5005").unwrap();
        let lost = entry(&masked[..cut]).unwrap();
        assert_eq!((lost.orig, lost.reply, lost.may_be_labelled), (LostTuple::default(), LostTuple::default(), true));
        assert_eq!(lost.nw_proto, Some(proto::UDP));
    }

    #[test]
    fn entries_of_joined_lines_are_told_apart() {
        let line = |host: u8| {
            format!(
                "udp,orig=(src=192.0.2.{host},dst=198.51.100.1,sport=1,dport=2),reply=(src=198.51.100.1,dst=192.0.2.{host},sport=2,dport=1),zone=3,labels=0x2"
            )
        };
        let joined = line(1) + &line(2);
        let lost: Vec<LostEntry> = entries(&joined).collect();
        let sources: Vec<_> = lost.iter().map(|lost| lost.orig.src).collect();
        assert_eq!(sources, ["192.0.2.1".parse().ok(), "192.0.2.2".parse().ok()]);
        assert_eq!((lost[0].nw_proto, lost[1].nw_proto), (Some(proto::UDP), None));
        assert!(lost.iter().all(|lost| lost.may_be_labelled));
    }

    #[test]
    fn what_is_no_entry_is_no_gap() {
        for text in ["", "total 3", "conntrack v1.4.7: 3 flow entries have been shown."] {
            assert_eq!(entry(text), None, "{text}");
        }
        for text in ["udp", "sct", "tcp,", "icmpv6,orig=("] {
            assert_eq!(entry(text), Some(any()), "{text}");
        }
        assert_eq!(entry("tail of an entry,labels=0x2ce").map(|lost| lost.may_be_labelled), Some(true));
    }
}
