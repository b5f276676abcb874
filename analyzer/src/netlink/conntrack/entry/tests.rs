use super::*;
use crate::types::MacAddr;

/// What kernel 6.18 on a little-endian machine answers to a request for an entry with the incident's tuples, label and
/// zone, with accounting and timestamps on: the payload in hexadecimal, an attribute a line.
const UDP: &[&str] = &[
    "02000000",
    // CTA_TUPLE_ORIG
    "340001801400018008000100ac1b000d08000200c0a810e61c000280050001001100000006000200138d000006000300ea270000",
    // CTA_TUPLE_REPLY
    "340002801400018008000100c0a810e608000200ac1b000d1c000280050001001100000006000200ea27000006000300138d0000",
    // CTA_ZONE
    "0600120000230000",
    // CTA_STATUS
    "080003000000000e",
    // CTA_MARK
    "0800080000020000",
    // CTA_ID
    "08000c0009ebab07",
    // CTA_USE
    "08000b0000000002",
    // CTA_TIMEOUT
    "0800070000000258",
    // CTA_COUNTERS_ORIG
    "1c0009800c00010000000000000000000c0002000000000000000000",
    // CTA_COUNTERS_REPLY
    "1c000a800c00010000000000000000000c0002000000000000000000",
    // CTA_TIMESTAMP
    "100014800c00010018ea722921ffab30",
    // CTA_LABELS
    "1400160000000000a439662973ce020000000000",
    // CTA_SYNPROXY
    "1c001880080001000000000008000200000000000800030000000000",
];

/// The same for an ICMPv6 echo, whose entry has no zone, mark or label.
const ICMPV6: &[&str] = &[
    "0a000000",
    // CTA_TUPLE_ORIG
    "540001802c00018014000300fd00000000000000000000000001001314000400fd00000000000000000000000002023024000280050001003a00000006000700004d000005000800800000000500090000000000",
    // CTA_TUPLE_REPLY
    "540002802c00018014000300fd00000000000000000000000002023014000400fd00000000000000000000000001001324000280050001003a00000006000700004d000005000800810000000500090000000000",
    // CTA_STATUS
    "080003000000000e",
    // CTA_MARK
    "0800080000000000",
    // CTA_ID
    "08000c00163449f3",
    // CTA_USE
    "08000b0000000002",
    // CTA_TIMEOUT
    "0800070000000258",
    // CTA_COUNTERS_ORIG
    "1c0009800c00010000000000000000000c0002000000000000000000",
    // CTA_COUNTERS_REPLY
    "1c000a800c00010000000000000000000c0002000000000000000000",
    // CTA_TIMESTAMP
    "100014800c00010018ea722922017f8a",
    // CTA_SYNPROXY
    "1c001880080001000000000008000200000000000800030000000000",
];

fn bytes(lines: &[&str]) -> Vec<u8> {
    let digits = lines.concat();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn read(payload: &[u8]) -> Result<Entry, Malformed> {
    RawEntry::parse(payload)?.entry()
}

/// The fixture with `new` in place of the only bytes that equal `old`.
fn with(lines: &[&str], old: &str, new: &str) -> Vec<u8> {
    let text = lines.join(" ");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    bytes(&text.replace(old, new).split(' ').collect::<Vec<_>>())
}

#[test]
#[cfg(target_endian = "little")]
fn entry_of_the_incident() {
    let entry = read(&bytes(UDP)).unwrap();
    let orig: Tuple = "udp 172.27.0.13:5005 -> 192.168.16.230:59943".parse().unwrap();
    let connection = Connection {
        orig,
        reply: orig.reversed(),
        zone: 35,
        mark: 0x20000,
        label: 0x2ce73296639a400000000,
        id: Some(0x09eb_ab07),
        offloaded: false,
        dying: false,
    };
    assert_eq!(entry.connection, connection);
    let reply = label::decode(entry.connection.label, 0).unwrap();
    assert_eq!((reply.eth, reply.port), (MacAddr([0xce, 0x73, 0x29, 0x66, 0x39, 0xa4]), 2));
    assert_eq!(entry.counters, Some([Counters::default(); 2]));
    assert_eq!(entry.started, Some(Timestamp::from_nanos(0x18ea_7229_21ff_ab30)));
}

#[test]
#[cfg(target_endian = "little")]
fn entry_of_an_echo() {
    let entry = read(&bytes(ICMPV6)).unwrap().connection;
    let orig: Tuple = "icmpv6 fd00::1:13 -> fd00::2:230 type 128 code 0 id 77".parse().unwrap();
    assert_eq!((entry.orig, entry.reply), (orig, orig.reversed()));
    assert_eq!((entry.zone, entry.mark, entry.label), (0, 0, 0));
}

#[test]
#[cfg(target_endian = "little")]
fn status_bits() {
    for (bits, offloaded, dying) in [
        ("0000000e", false, false),
        ("0000400e", true, false),
        ("0000800e", true, false),
        ("0000c00e", true, false),
        ("0000020e", false, true),
        ("0001bdff", true, false),
        ("00003dff", false, false),
    ] {
        let payload = with(UDP, "080003000000000e", &format!("08000300{bits}"));
        let Connection { offloaded: is_offloaded, dying: is_dying, .. } = read(&payload).unwrap().connection;
        assert_eq!((is_offloaded, is_dying), (offloaded, dying), "{bits}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn counters_and_unknown_attributes() {
    let payload = with(
        UDP,
        "1c0009800c00010000000000000000000c0002000000000000000000",
        "1c0009800c00010000000000000000070c000200000000000000a1b2",
    );
    let counters = read(&payload).unwrap().counters.unwrap();
    assert_eq!(counters, [Counters { packets: 7, bytes: 0xa1b2 }, Counters::default()]);
    // A protocol that the kernel does not look into has no ports.
    let payload = with(UDP, "06000200138d000006000300ea270000", "06007700138d000006007700ea270000");
    assert_eq!(read(&payload).unwrap().connection.orig.to_string(), "udp 172.27.0.13:0 -> 192.168.16.230:0");
    // An offloaded entry has no timeout; a newer kernel has attributes that nobody knows yet.
    let payload = with(UDP, "0800070000000258", "0800770000000258");
    let whole = read(&bytes(UDP)).unwrap();
    assert_eq!((whole.timeout, whole.status, whole.protoinfo), (Some(600), 0xe, None));
    assert_eq!(read(&payload), Ok(Entry { timeout: None, ..whole }));
}

#[test]
#[cfg(target_endian = "little")]
fn what_is_no_entry() {
    let whole = bytes(UDP);
    let attributes: Vec<usize> = UDP
        .iter()
        .scan(0, |end, line| {
            *end += line.len() / 2;
            Some(*end)
        })
        .collect();
    // Behind a zone of 2 bytes stand 2 of padding, which nobody misses.
    let zone = attributes[3];
    for end in (0..whole.len()).filter(|end| !attributes.contains(end) && ![zone - 2, zone - 1].contains(end)) {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    for (old, new, reason) in [
        ("0600120000230000", "0500120000230000", Malformed::Size(wire::CTA_ZONE)),
        ("140016000000", "130016000000", Malformed::Size(wire::CTA_LABELS)),
        ("080003000000000e", "070003000000000e", Malformed::Size(wire::CTA_STATUS)),
        ("34000280", "34007780", Malformed::Missing("CTA_TUPLE_REPLY")),
        (
            "340001801400018008000100ac1b000d0800",
            "340001801400778008000100ac1b000d0800",
            Malformed::Missing("CTA_TUPLE_IP"),
        ),
        (
            "08000200c0a810e61c000280050001001100",
            "08007700c0a810e61c000280050001001100",
            Malformed::Missing("CTA_IP_V4_DST or CTA_IP_V6_DST"),
        ),
        // The last attribute of a tuple becomes its zone.
        ("1c00028005000100110000000600020013", "1c00038005000100110000000600020013", Malformed::ZoneOfOneDirection),
    ] {
        assert_eq!(read(&with(UDP, old, new)), Err(reason), "{old}");
    }
    // A tuple of IPv4 and its reply of IPv6.
    let mixed = [&whole[..4 + 52], &bytes(ICMPV6)[4 + 84..]].concat();
    assert_eq!(read(&mixed), Err(Malformed::Families));
}
