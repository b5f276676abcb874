//! Rows as the clients of OVSDB print them (lib/table.c, lib/ovsdb-data.c of Open vSwitch).

use std::fmt::Write;

/// Rows of one table.
pub(super) struct Table {
    /// Names of the columns, as the client prints them: `_uuid` first, then the others by name.
    pub(super) columns: &'static [&'static str],
    /// Values of each row, as many as there are columns.
    pub(super) rows: Vec<Vec<Value>>,
}

/// A value of a column.
#[derive(Clone)]
pub(super) enum Value {
    Uuid(String),
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// Of a column that may have several values, or of an optional one without. With a value, an optional column is
    /// printed as if it were not.
    Set(Vec<Value>),
    Map(Vec<(&'static str, String)>),
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// An optional column without a value.
pub(super) const NONE: Value = Value::Set(Vec::new());

/// A map without pairs.
pub(super) const NO_PAIRS: Value = Value::Map(Vec::new());

impl Table {
    /// As `--format=list`, the format of `list` unless another is asked for.
    pub(super) fn list(&self) -> String {
        let row = |row: &Vec<Value>| {
            let column = |(name, value): (&&str, &Value)| format!("{name:<20}: {}\n", value.print());
            self.columns.iter().zip(row).map(column).collect::<String>()
        };
        self.rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    /// As `--format=table`.
    pub(super) fn table(&self) -> String {
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Value::print).collect()).collect();
        let widest = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(column, name)| name.len().max(widest(column))).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            // The last column is not filled up.
            padded.join(" ").trim_end().to_owned() + "\n"
        };
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let mut out = line(&mut self.columns.iter().copied());
        out += &line(&mut rules.iter().map(String::as_str));
        out.extend(cells.iter().map(|row| line(&mut row.iter().map(String::as_str))));
        out
    }

    /// As `--format=csv`.
    pub(super) fn csv(&self) -> String {
        let cell = |text: String| match text.contains(['"', ',', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        };
        let row = |row: &Vec<Value>| row.iter().map(|value| cell(value.print())).collect::<Vec<_>>().join(",") + "\n";
        self.columns.join(",") + "\n" + &self.rows.iter().map(row).collect::<String>()
    }

    /// As `--format=json`.
    pub(super) fn json(&self) -> String {
        let row = |row: &Vec<Value>| bracketed('[', row.iter().map(Value::json), ']');
        let data = bracketed('[', self.rows.iter().map(row), ']');
        let headings = bracketed('[', self.columns.iter().map(|name| json_string(name)), ']');
        format!("{{\"data\":{data},\"headings\":{headings}}}\n")
    }
}

impl Value {
    /// With `--data=string`.
    fn print(&self) -> String {
        match self {
            Self::Uuid(uuid) => uuid.clone(),
            Self::Text(text) if needs_quotes(text) => json_string(text),
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::Set(values) => format!("[{}]", values.iter().map(Self::print).collect::<Vec<_>>().join(", ")),
            Self::Map(pairs) => {
                let print = |text: &str| Self::Text(text.to_owned()).print();
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("{}={}", print(key), print(value))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }

    /// With `--data=json`, which `--format=json` implies.
    fn json(&self) -> String {
        match self {
            Self::Uuid(uuid) => format!("[\"uuid\",{}]", json_string(uuid)),
            Self::Text(text) => json_string(text),
            Self::Integer(_) | Self::Boolean(_) => self.print(),
            Self::Set(values) => match values.as_slice() {
                [value] => value.json(),
                values => format!("[\"set\",{}]", bracketed('[', values.iter().map(Self::json), ']')),
            },
            Self::Map(pairs) => {
                let pair = |(key, value): &(&str, String)| format!("[{},{}]", json_string(key), json_string(value));
                format!("[\"map\",{}]", bracketed('[', pairs.iter().map(pair), ']'))
            }
        }
    }
}

fn bracketed(open: char, items: impl Iterator<Item = String>, close: char) -> String {
    format!("{open}{}{close}", items.collect::<Vec<_>>().join(","))
}

/// Whether a text could be taken for another type of value (`string_needs_quotes`).
fn needs_quotes(text: &str) -> bool {
    let starts_like_a_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    !starts_like_a_name || !is_name || matches!(text, "true" | "false") || is_uuid(text)
}

fn is_uuid(text: &str) -> bool {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| (byte == b'-') == is_dash(at) && (is_dash(at) || byte.is_ascii_hexdigit()))
}

fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail"),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table that Open vSwitch 3.1.0 printed into the fixtures of the analyzer's own parser.
    fn printed_by_ovs() -> Table {
        let uuid = |uuid: &str| Value::Uuid(uuid.to_owned());
        let mac = |mac: &str| Value::Set(vec![text(mac)]);
        Table {
            columns: &["_uuid", "mac", "type", "options", "up", "virtual_parent", "tunnel_key", "logical_port"],
            rows: vec![
                vec![
                    uuid("ff928f7c-1419-47e7-8212-a43b5e1f4ed0"),
                    mac("52:54:00:c6:13:08 198.19.3.8/24"),
                    text("l3gateway"),
                    Value::Map(vec![
                        ("l3gateway-chassis", "worker-08".to_owned()),
                        ("peer", "etor-GR_worker-08".to_owned()),
                    ]),
                    Value::Boolean(true),
                    NONE,
                    Value::Integer(1),
                    text("etor"),
                ],
                vec![
                    uuid("260a47b1-1323-4309-a375-ca1b7164f24d"),
                    mac("0a:58:64:40:00:01 100.64.0.1/16"),
                    text("patch"),
                    Value::Map(vec![("peer", "jtor-ovn_cluster_router".to_owned())]),
                    Value::Boolean(false),
                    NONE,
                    Value::Integer(2),
                    text("jtor"),
                ],
                vec![
                    uuid("41e08abe-3705-439d-ad61-c5e3cc24d459"),
                    NONE,
                    text(""),
                    NO_PAIRS,
                    NONE,
                    NONE,
                    Value::Integer(3),
                    text("x y, \"z\""),
                ],
            ],
        }
    }

    #[test]
    fn formats_are_those_of_ovs() {
        let table = printed_by_ovs();
        assert_eq!(table.list(), include_str!("../../../analyzer/src/ovsdb/text/fixtures/list.txt"));
        assert_eq!(table.table(), include_str!("../../../analyzer/src/ovsdb/text/fixtures/table.txt"));
        assert_eq!(table.csv(), include_str!("../../../analyzer/src/ovsdb/text/fixtures/csv.txt"));
        assert_eq!(table.json(), include_str!("../../../analyzer/src/ovsdb/text/fixtures/json.txt"));
    }

    #[test]
    fn quotes() {
        for text in ["", "198.19.3.15", "fe80::1", "true", "c29981bb-c4b7-4da7-aba7-1d8680006181", "a b", "2"] {
            assert!(needs_quotes(text), "{text}");
        }
        for text in ["rtoe-GR_worker-08", "src-ip", "l3gateway", "up", "c29981bb"] {
            assert!(!needs_quotes(text), "{text}");
        }
    }
}
