use super::*;

/// The answer of kernel 6.18 to a request for the incident's entry in zone 35.
const ANSWER: &[u8] = include_bytes!("../../../../fuzz/seeds/ctnetlink/udp-labelled");

fn asked(bytes: &[u8], tuple: &str, zone: u16) -> Result<Option<Entry>, Error> {
    let message = Messages::new(bytes).next().unwrap().unwrap();
    answered(&message, tuple.parse().unwrap(), zone)
}

#[test]
#[cfg(target_endian = "little")]
fn answer_is_compared_with_the_question() {
    let (orig, reply) =
        ("udp 172.27.0.13:5005 -> 192.168.16.230:59943", "udp 192.168.16.230:59943 -> 172.27.0.13:5005");
    for (tuple, zone, is_it) in [
        (orig, 35, true),
        (reply, 35, true),
        (orig, 0, false),
        (orig, 36, false),
        ("tcp 172.27.0.13:5005 -> 192.168.16.230:59943", 35, false),
        ("udp 172.27.0.13:5006 -> 192.168.16.230:59943", 35, false),
    ] {
        assert_eq!(asked(ANSWER, tuple, zone).unwrap().is_some(), is_it, "{tuple} {zone}");
    }
}

/// An error message with this number, as the kernel tells it.
fn error(number: i32) -> Vec<u8> {
    let mut bytes = 36_u32.to_ne_bytes().to_vec();
    bytes.extend(wire::NLMSG_ERROR.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend((-number).to_ne_bytes());
    bytes.extend([0; 16]);
    bytes
}

#[test]
fn errors_of_the_kernel() {
    let asked = |bytes: &[u8]| asked(bytes, "udp 10.0.0.1:1 -> 10.0.0.2:2", 0);
    assert!(matches!(asked(&error(wire::ENOENT)), Ok(None)));
    let denied = asked(&error(1)).unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    let refused = asked(&error(22)).unwrap_err();
    assert!(refused.to_string().starts_with("cannot read a conntrack entry: Invalid argument"), "{refused}");
    let mut other = error(0);
    other[4] = 16;
    assert!(matches!(asked(&other), Err(Error::Senseless { reason: message::Malformed::Kind(16), .. })));
    let mut short = error(0);
    short.truncate(18);
    short[0] = 18;
    assert!(cfg!(target_endian = "big") || matches!(asked(&short), Err(Error::Senseless { .. })));
}
