//! Lines of `conntrack -L -o extended,id,labels`, read without help of the code under test.

use std::collections::BTreeMap;

use analyzer::types::Tuple;
use analyzer::types::tuple::proto;

/// An entry as it is printed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Printed {
    pub(crate) orig: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) zone: u16,
    pub(crate) mark: u32,
    pub(crate) label: u128,
    /// The state's name, where the protocol has states.
    pub(crate) state: Option<String>,
    pub(crate) is_replied: bool,
    pub(crate) is_assured: bool,
    /// Packets and bytes of both directions.
    pub(crate) counters: [[u64; 2]; 2],
    /// Seconds until it goes.
    pub(crate) timeout: u32,
}

/// What a line tells: an entry by its id, or one that is in a zone with one of its directions only, which is none of OVN's.
pub(crate) enum Line {
    Entry(u32, Printed),
    ZoneOfOneDirection,
}

/// What is printed beside that is no part of an entry: users of the kernel's memory, and the time since the start.
const NOT_OF_THE_ENTRY: [&str; 2] = ["use", "delta-time"];

/// The fields of one direction.
type Fields<'a> = BTreeMap<&'a str, &'a str>;

fn number(text: &str) -> u64 {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Reads `ipv4 2 tcp 6 3599 ESTABLISHED src=.. dst=.. .. [UNREPLIED] src=.. .. [ASSURED] mark=0 zone=5 use=1 id=7 labels=b1,b2`.
///
/// Panics at any word that is not known, so that nothing printed goes without comparison.
pub(crate) fn line(text: &str) -> Line {
    let mut words = text.split_ascii_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("{text}"));
    let (_family, _number, _name) = (next(), next(), next());
    let nw_proto = number(next()) as u8;
    let timeout = number(next()) as u32;
    let (mut state, mut is_replied, mut is_assured) = (None, true, false);
    let (mut directions, mut rest): (Vec<Fields>, Fields) = (Vec::new(), Fields::new());
    for word in words {
        match (word, word.split_once('=')) {
            ("[UNREPLIED]", _) => is_replied = false,
            ("[ASSURED]", _) => is_assured = true,
            (_, Some((key, value))) => {
                if key == "src" {
                    directions.push(Fields::new());
                }
                let is_of_entry = matches!(key, "mark" | "zone" | "id" | "labels") || NOT_OF_THE_ENTRY.contains(&key);
                // `id` is the identifier of ICMP too, which stands behind a type and code.
                let is_icmp_id = key == "id" && !rest.contains_key("mark");
                let last = directions.last_mut().unwrap_or_else(|| panic!("{text}"));
                let before = if is_of_entry && !is_icmp_id { rest.insert(key, value) } else { last.insert(key, value) };
                assert_eq!(before, None, "{key} is told twice: {text}");
            }
            (word, None) if directions.is_empty() => state = Some(word.to_owned()),
            _ => panic!("{word:?} in {text}"),
        }
    }
    let [mut orig, mut reply] = directions.try_into().unwrap_or_else(|_| panic!("two directions: {text}"));
    if orig.contains_key("zone-orig") || reply.contains_key("zone-reply") {
        return Line::ZoneOfOneDirection;
    }
    let counters = [&mut orig, &mut reply].map(|fields| ["packets", "bytes"].map(|key| take(fields, key)));
    let [orig, reply] = [orig, reply].map(|fields| tuple(nw_proto, fields, text));
    for key in NOT_OF_THE_ENTRY {
        rest.remove(key);
    }
    let (mark, zone, id) = (take(&mut rest, "mark"), take(&mut rest, "zone"), take(&mut rest, "id"));
    let label = rest.remove("labels").map_or(0, label);
    assert!(rest.is_empty(), "{rest:?} in {text}");
    let (mark, zone) = (mark as u32, zone as u16);
    let printed = Printed { orig, reply, zone, mark, label, state, is_replied, is_assured, counters, timeout };
    Line::Entry(id as u32, printed)
}

/// The number of a field; 0 where it is not printed.
fn take(fields: &mut Fields, key: &str) -> u64 {
    fields.remove(key).map_or(0, number)
}

fn tuple(nw_proto: u8, mut fields: Fields, text: &str) -> Tuple {
    let [src, dst] = ["src", "dst"].map(|key| {
        let address = fields.remove(key).unwrap_or_else(|| panic!("{key}: {text}"));
        address.parse().unwrap_or_else(|error| panic!("{address}: {error}"))
    });
    let [tp_src, tp_dst] = match nw_proto {
        proto::ICMP | proto::ICMPV6 => {
            let [id, icmp_type, code] = ["id", "type", "code"].map(|key| take(&mut fields, key) as u16);
            [id, icmp_type << 8 | code]
        }
        proto::GRE => ["srckey", "dstkey"].map(|key| take(&mut fields, key) as u16),
        _ => ["sport", "dport"].map(|key| take(&mut fields, key) as u16),
    };
    assert!(fields.is_empty(), "{fields:?} in {text}");
    Tuple { src, dst, nw_proto, tp_src, tp_dst }
}

/// Labels are printed by the names of their bits, which are those of [`LABEL_NAMES`].
fn label(names: &str) -> u128 {
    let bit = |name: &str| name.strip_prefix('b').and_then(|bit| bit.parse::<u32>().ok());
    names.split(',').map(|name| 1 << bit(name).unwrap_or_else(|| panic!("{name:?} in {names}"))).sum()
}

/// Lets conntrack(8) know a name for each bit of labels, for as long as the shell runs that `ip netns exec` has given
/// mounts of its own.
pub(crate) const LABEL_NAMES: &str = "mount -t tmpfs tmpfs /etc && mkdir /etc/xtables || exit
    bit=0; while [ $bit -lt 128 ]; do echo $bit b$bit; bit=$((bit + 1)); done >/etc/xtables/connlabel.conf";
