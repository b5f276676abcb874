//! Which table a message is full of, where it is too large to be read.

use std::collections::HashMap;

/// The table of which a message has most rows, and how many have arrived. Rows are keys that are UUIDs, in the object
/// that is the table's; so it is in the replies and notifications of all methods.
pub(super) fn most_rows(json: &[u8]) -> Option<(String, usize)> {
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    // The last key of each object that is open.
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => keys.push(&[]),
            b'}' | b']' => drop(keys.pop()),
            b'"' => {
                let rest = json.get(at..).unwrap_or_default();
                // The message ends here for now.
                let Some(length) = string_len(rest) else { break };
                let (text, behind) = rest.split_at(length);
                at += length + 1;
                if behind.iter().skip(1).find(|byte| !byte.is_ascii_whitespace()) != Some(&b':') {
                    continue;
                }
                let [.., table, key] = keys.as_mut_slice() else { continue };
                if is_uuid(text) && !table.is_empty() {
                    *counts.entry(table).or_default() += 1;
                } else {
                    *key = text;
                }
            }
            _ => {}
        }
        if counts.len() > MAX_TABLES {
            return None;
        }
    }
    most(counts)
}

/// More tables than any schema has: it is no message of a database.
const MAX_TABLES: usize = 1000;

fn most(counts: HashMap<&[u8], usize>) -> Option<(String, usize)> {
    let (table, rows) = counts.into_iter().max_by_key(|(table, rows)| (*rows, *table))?;
    Some((String::from_utf8_lossy(table).chars().take(64).collect(), rows))
}

/// Bytes before the quote that ends a string.
fn string_len(json: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    json.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36 && [8, 13, 18, 23].iter().all(|&at| text.get(at) == Some(&b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "00000000-0000-0000-0000-00000000000a";

    #[test]
    fn rows_are_counted_where_they_stand() {
        let rows = |count: usize| -> String {
            let row =
                format!("\"{A}\": {{\"initial\": {{\"ip\": \"a\\\"{A}\\\": b\", \"datapath\": [\"uuid\", \"{A}\"]}}}}");
            vec![row; count].join(",")
        };
        let reply = format!("{{\"id\":4,\"result\":[false,\"{A}\",{{\"T\":{{{}}},\"U\":{{{}}}}}]}}", rows(2), rows(3));
        assert_eq!(most_rows(reply.as_bytes()), Some(("U".to_owned(), 3)));
        let plain = format!("{{\"id\":4,\"result\":{{\"T\":{{{}}}}}}}", rows(2));
        assert_eq!(most_rows(plain.as_bytes()), Some(("T".to_owned(), 2)));
    }

    /// Wherever it is cut, what has arrived is counted or nothing is.
    #[test]
    fn cut_anywhere() {
        let row = format!("\"{A}\":{{\"initial\":{{\"ip\":\"a\"}}}}");
        let reply = format!("{{\"result\":[true,\"{A}\",{{\"T\":{{{row},{row}}}}}]}}");
        for cut in 0..reply.len() {
            let counted = most_rows(&reply.as_bytes()[..cut]);
            assert!(counted.is_none_or(|(table, rows)| table == "T" && rows <= 2), "{cut}");
        }
        for other in ["", "}}]]", "\"", "{\"a\"", "[[[[\"x\":", "{\"\\"] {
            assert_eq!(most_rows(other.as_bytes()), None, "{other}");
        }
    }
}
