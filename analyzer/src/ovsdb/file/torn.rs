//! A record of which the end is missing: what its bytes tell all the same.

use super::transaction;
use crate::ovsdb::is_uuid;
use crate::types::Timestamp;

/// Length of a UUID as text.
const UUID: usize = 36;

/// The date of the transaction in the bytes of a record.
pub(super) fn date(bytes: &[u8]) -> Option<Timestamp> {
    const KEY: &[u8] = b"\"_date\":";
    let at = bytes.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let digits = &bytes[at..];
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A number that is cut is another number.
    let is_whole = digits.get(count).is_some();
    let number = std::str::from_utf8(&digits[..count]).ok()?.parse().ok()?;
    is_whole.then(|| transaction::timestamp(number))
}

/// The tables of which the bytes hold a row: what stands before `:{"UUID":`.
pub(super) fn tables(bytes: &[u8]) -> Vec<String> {
    const OPEN: &[u8] = b"\":{\"";
    let mut tables: Vec<String> = Vec::new();
    for (at, _) in bytes.windows(OPEN.len()).enumerate().filter(|(_, window)| *window == OPEN) {
        let name = bytes[..at].iter().rposition(|&byte| byte == b'"').map(|quote| &bytes[quote + 1..at]);
        let key = bytes.get(at + OPEN.len()..at + OPEN.len() + UUID + 1);
        let name = name.filter(|_| key.is_some_and(is_quoted)).map(|name| String::from_utf8_lossy(name).into_owned());
        tables.extend(name.filter(|name| !tables.contains(name)));
    }
    tables
}

/// Whether it is a UUID with the quote behind it.
fn is_quoted(text: &[u8]) -> bool {
    text.strip_suffix(b"\"").is_some_and(is_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told() {
        let row = "00000000-0000-4000-8000-000000000001";
        let whole = format!(
            r#"{{"_date":1300000003,"BFD":{{"{row}":{{"map":{{"k":"v"}}}}}},"MAC_Binding":{{"{row}":null}},"_comment":"c"}}"#
        );
        assert_eq!(date(whole.as_bytes()), Some("2011-03-13T07:06:43Z".parse().unwrap()));
        assert_eq!(tables(whole.as_bytes()), ["BFD", "MAC_Binding"]);
        assert_eq!(date(&whole.as_bytes()[..15]), None, "the number may go on");
        let cut = whole.find("MAC_Binding").unwrap() + 20;
        assert_eq!(tables(&whole.as_bytes()[..cut]), ["BFD"]);
        assert_eq!(tables(b"{\"_date\":1300000003,"), [""; 0]);
        // In a cluster's log the transaction stands beside the schema.
        let clustered = format!(r#"{{"data":[null,{{"BFD":{{"{row}":null}}}}],"index":3}}"#);
        assert_eq!(tables(clustered.as_bytes()), ["BFD"]);
    }
}
