//! Transaction records, read without building what is not wanted.

use std::fmt;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::wanted::{Part, Wanted};
use crate::types::Timestamp;

/// Dates below are in seconds, as the first versions of ovsdb-server wrote them; in milliseconds it is January 1970.
const SECONDS_BELOW: u64 = i32::MAX as u64;

/// A transaction, cut down to the tables that are wanted.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// `_date`.
    pub(super) date: Option<Timestamp>,
    /// `_is_diff`: sets and maps of rows that exist are given as differences.
    pub(super) is_diff: bool,
    /// By table, the JSON object with the rows.
    pub(super) tables: Vec<(Arc<str>, Value)>,
}

impl Transaction {
    /// Reads a record.
    pub(super) fn from_json(json: &str, wanted: &Wanted) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let transaction = deserializer.deserialize_map(TransactionVisitor { wanted })?;
        deserializer.end()?;
        Ok(transaction)
    }
}

struct TransactionVisitor<'a> {
    wanted: &'a Wanted,
}

impl<'de> Visitor<'de> for TransactionVisitor<'_> {
    type Value = Transaction;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a transaction, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Transaction, A::Error> {
        let mut transaction = Transaction::default();
        while let Some(member) = members.next_key_seed(MemberSeed { wanted: self.wanted })? {
            match member {
                Member::Date => {
                    transaction.date = members.next_value::<Value>()?.as_u64().map(timestamp);
                }
                Member::IsDiff => transaction.is_diff = members.next_value()?,
                Member::Table(name) => {
                    let rows = match self.wanted.part(&name) {
                        Some(part) => Value::Object(members.next_value_seed(PartSeed(part))?),
                        None => members.next_value()?,
                    };
                    transaction.tables.push((name, rows));
                }
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(transaction)
    }
}

/// The date that a record bears.
pub(super) fn timestamp(date: u64) -> Timestamp {
    let seconds = date < SECONDS_BELOW;
    Timestamp::from_millis(if seconds { date.saturating_mul(1000) } else { date })
}

enum Member {
    Date,
    IsDiff,
    Table(Arc<str>),
    Other,
}

struct MemberSeed<'a> {
    wanted: &'a Wanted,
}

impl<'de> DeserializeSeed<'de> for MemberSeed<'_> {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberSeed<'_> {
    type Value = Member;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member, E> {
        Ok(match name {
            "_date" => Member::Date,
            "_is_diff" => Member::IsDiff,
            name => self.wanted.table(name).map_or(Member::Other, |name| Member::Table(Arc::clone(name))),
        })
    }
}

/// The rows of a table of which a part is kept, read one at a time.
struct PartSeed<'a>(&'a Part);

impl<'de> DeserializeSeed<'de> for PartSeed<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PartSeed<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut rows = Map::new();
        while let Some((uuid, row)) = members.next_entry::<String, Value>()? {
            rows.extend(self.0.cut(row).map(|row| (uuid, row)));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let wanted = Wanted::new(&["A", "C"], &[]);
        // OVS writes members in no particular order, `_is_diff` after the rows that it concerns.
        let json = r#"{"B":{"x":[1,{"y":"\ud83d\ude00"}]},"C":{"u":null},"_date":1795360625814,"_is_diff":true,
            "_comment":"c","A":{}}"#;
        let transaction = Transaction::from_json(json, &wanted).unwrap();
        assert_eq!(transaction.date, Some("2026-11-22T15:17:05.814Z".parse().unwrap()));
        assert!(transaction.is_diff);
        assert_eq!(transaction.tables.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["C", "A"]);

        let empty = Transaction::from_json("{}\n", &wanted).unwrap();
        assert!(empty.date.is_none() && !empty.is_diff && empty.tables.is_empty());
        for json in ["", "[]", "{", "{} {}", r#"{"_is_diff":3}"#] {
            assert!(Transaction::from_json(json, &wanted).is_err(), "{json}");
        }
    }

    #[test]
    fn dates_in_seconds() {
        let date = |date: &str| {
            Transaction::from_json(&format!(r#"{{"_date":{date}}}"#), &Wanted::new(&[], &[])).unwrap().date
        };
        assert_eq!(date("1300000000"), Some("2011-03-13T07:06:40Z".parse().unwrap()));
        for odd in ["-1", "1.5", "\"today\"", "null"] {
            assert_eq!(date(odd), None, "{odd}");
        }
    }
}
