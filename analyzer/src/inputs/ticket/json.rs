//! JSON in a ticket: where it ends, and what it is.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Kind;
use super::lines::Line;
use super::tables;

/// What tells one kind of JSON from another.
#[derive(Deserialize)]
struct Signs {
    headings: Option<Vec<String>>,
    caption: Option<String>,
    kind: Option<String>,
    items: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Link {
    ifname: Option<IgnoredAny>,
    lladdr: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Object(Box<Signs>),
    Links(Vec<Link>),
}

/// JSON that begins in a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Json {
    /// It is whole: its lines, and what it is if it is read.
    Whole(Range<usize>, Option<Kind>),
    /// It is a table that is broken or never ends.
    BrokenTable,
}

/// Whether JSON may begin in a line.
pub(super) fn begins(line: &str) -> bool {
    let line = line.trim_start();
    let mut chars = line.chars();
    match chars.next() {
        Some('{') => matches!(chars.as_str().trim_start().chars().next(), None | Some('"' | '}')),
        Some('[') => matches!(chars.as_str().trim_start().chars().next(), None | Some('{')),
        _ => false,
    }
}

/// Finds JSON in the lines of a part.
pub(super) struct Reader {
    /// The lines, put together.
    text: String,
    /// Where each of them begins.
    starts: Vec<usize>,
    /// The table that the command above them lists.
    told: Option<&'static str>,
    /// Whether some was broken: it is not read again from each line of it.
    was_broken: bool,
}

impl Reader {
    pub(super) fn new(lines: &[Line], told: Option<&'static str>) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::with_capacity(lines.len()));
        for line in lines {
            starts.push(text.len());
            text.push_str(&line.text);
            text.push('\n');
        }
        Self { text, starts, told, was_broken: false }
    }

    /// The JSON that begins in this line; `None` where none does, or it is broken and no table.
    pub(super) fn read(&mut self, line: usize) -> Option<Json> {
        let text = self.text.get(*self.starts.get(line)?..)?;
        let first = text.lines().next()?.trim_start();
        if self.was_broken || !begins(first) {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        let Some(Ok(_)) = values.next() else {
            self.was_broken = true;
            let is_table = ["{\"data\"", "{\"headings\"", "{\"caption\""].iter().any(|start| first.starts_with(start));
            return is_table.then_some(Json::BrokenTable);
        };
        let json = text.get(..values.byte_offset())?;
        let lines = line..line + json.matches('\n').count() + 1;
        Some(Json::Whole(lines, serde_json::from_str(json).ok().and_then(|value| kind(value, self.told))))
    }
}

fn kind(value: Value, told: Option<&'static str>) -> Option<Kind> {
    match value {
        Value::Object(signs) => {
            let Signs { headings, caption, kind, items, metadata } = *signs;
            let of_table = caption.as_deref().and_then(|caption| caption.strip_suffix(" table"));
            if let Some(headings) = headings {
                let columns: Vec<&str> = headings.iter().map(String::as_str).collect();
                let table = match of_table {
                    Some(name) => tables::named(name),
                    None => tables::of_columns(&columns, told),
                };
                return table.map(Kind::Rows);
            }
            let is_pods = matches!(kind.as_deref(), Some("List" | "PodList" | "Pod")) || items.is_some();
            (is_pods || metadata.is_some()).then_some(Kind::Owners)
        }
        Value::Links(links) => {
            let names_owner = |link: &Link| link.ifname.is_some() || link.lladdr.is_some();
            links.iter().any(names_owner).then_some(Kind::Owners)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    fn found(text: &str) -> Option<(usize, Option<Kind>)> {
        let lines = Lines::new(text.as_bytes());
        let mut reader = Reader::new(&lines.undecorated(&(0..lines.len())), None);
        match reader.read(0)? {
            Json::Whole(lines, kind) => Some((lines.end, kind)),
            Json::BrokenTable => Some((0, None)),
        }
    }

    #[test]
    fn kinds() {
        for (text, expected) in [
            ("{\"data\":[],\"headings\":[\"_uuid\",\"ip\",\"mac\"]}\nx\n", Some((1, Some(Kind::Rows("MAC_Binding"))))),
            ("{\n\"kind\": \"Pod\",\n\"metadata\": {}\n}\nbye\n", Some((4, Some(Kind::Owners)))),
            ("[{\"ifname\":\"ens1\"}]\n", Some((1, Some(Kind::Owners)))),
            (
                "[{\"dst\":\"198.51.100.15\",\"dev\":\"a\",\"lladdr\":\"02:00:00:00:00:15\"}]\n",
                Some((1, Some(Kind::Owners))),
            ),
            ("[{\"dst\":\"default\",\"dev\":\"a\"}]\n", Some((1, None))),
            ("{\"a\":1}\n", Some((1, None))),
            ("{\"a\":\n", None),
            ("{\"data\":[[\"x\"\n", Some((0, None))),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn beginnings() {
        assert!(["{", "[{", "{ \"a\": 1}", "  {\"a\""].into_iter().all(begins));
        assert!(!["[[route]]", "[root@w ~]# ls", "{code}", "x {", ""].into_iter().any(begins));
    }
}
