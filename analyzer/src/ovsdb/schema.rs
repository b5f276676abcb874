//! Database schemas (RFC 7047 section 3.2), as far as they are needed to read rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

/// An `<atomic-type>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AtomType {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
}

/// A `<type>`: what a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ColumnType {
    /// Type of a set's elements or a map's keys.
    pub(super) key: AtomType,
    /// Type of a map's values; `None` for a set.
    pub(super) value: Option<AtomType>,
    /// Whether the column may be empty (`min` is 0). Its default is empty then.
    pub(super) optional: bool,
    /// Whether it may hold more than one element (`max` is above 1).
    pub(super) many: bool,
}

/// A `<column-schema>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Column {
    /// `None` where the type is not one we know; the column's values are passed over then.
    pub(super) column_type: Option<ColumnType>,
    /// Whether files hold its values.
    pub(super) persistent: bool,
}

/// A `<table-schema>`: columns by name.
pub(super) type TableSchema = BTreeMap<Arc<str>, Column>;

/// A `<database-schema>`, cut down to the tables that are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Schema {
    /// Name of the database, as `OVN_Northbound`.
    pub(super) name: String,
    /// Version of the schema; old databases have none.
    pub(super) version: Option<String>,
    /// Tables by name.
    pub(super) tables: BTreeMap<Arc<str>, TableSchema>,
}

#[derive(Deserialize)]
struct SchemaJson {
    name: String,
    version: Option<String>,
    tables: BTreeMap<String, TableJson>,
}

#[derive(Deserialize)]
struct TableJson {
    columns: BTreeMap<String, ColumnJson>,
}

#[derive(Deserialize)]
struct ColumnJson {
    r#type: Value,
    #[serde(default)]
    ephemeral: bool,
}

impl Schema {
    /// Reads a schema's JSON text and keeps the tables in `wanted`.
    pub(super) fn from_json(json: &str, wanted: &[Arc<str>]) -> Result<Self, serde_json::Error> {
        let mut schema: SchemaJson = serde_json::from_str(json)?;
        let table = |name: &Arc<str>| Some((Arc::clone(name), schema.tables.remove(&**name)?.into_schema()));
        Ok(Self { tables: wanted.iter().filter_map(table).collect(), name: schema.name, version: schema.version })
    }

    /// Table and name of the columns whose type is not known.
    pub(super) fn unknown_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().flat_map(|(table, columns)| {
            let unknown = columns.iter().filter(|(_, column)| column.column_type.is_none());
            unknown.map(move |(name, _)| (&**table, &**name))
        })
    }
}

impl TableJson {
    fn into_schema(self) -> TableSchema {
        let column = |(name, json): (String, ColumnJson)| {
            (name.into(), Column { column_type: ColumnType::from_json(&json.r#type), persistent: !json.ephemeral })
        };
        self.columns.into_iter().map(column).collect()
    }
}

impl AtomType {
    /// The type's name in a schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    /// Reads a `<base-type>`: a name, or an object that gives the name and constraints, which rows keep anyhow.
    fn from_json(json: &Value) -> Option<Self> {
        let name = match json {
            Value::Object(members) => members.get("type")?,
            name => name,
        };
        [Self::Integer, Self::Real, Self::Boolean, Self::String, Self::Uuid]
            .into_iter()
            .find(|candidate| name.as_str() == Some(candidate.name()))
    }
}

impl ColumnType {
    fn from_json(json: &Value) -> Option<Self> {
        let Value::Object(members) = json else {
            return Some(Self { key: AtomType::from_json(json)?, value: None, optional: false, many: false });
        };
        let value = match members.get("value") {
            Some(value) => Some(AtomType::from_json(value)?),
            None => None,
        };
        let many = match members.get("max") {
            Some(Value::Number(max)) => max.as_u64()? > 1,
            Some(Value::String(unlimited)) if unlimited == "unlimited" => true,
            Some(_) => return None,
            None => false,
        };
        let optional = members.get("min").is_some_and(|min| min.as_u64() == Some(0));
        Some(Self { key: AtomType::from_json(members.get("key")?)?, value, optional, many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        use AtomType::{Integer, String, Uuid};
        let of = |key, value, optional, many| Some(ColumnType { key, value, optional, many });
        // Types as the schemas of OVN 23.03 write them, then such as no schema has.
        let cases = [
            (r#""string""#, of(String, None, false, false)),
            (r#"{"key":"integer"}"#, of(Integer, None, false, false)),
            (r#"{"key":{"type":"integer","minInteger":0},"min":0,"max":1}"#, of(Integer, None, true, false)),
            (r#"{"key":"string","min":0}"#, of(String, None, true, false)),
            (r#"{"key":"string","min":1,"max":"unlimited"}"#, of(String, None, false, true)),
            (r#"{"key":"string","min":0,"max":2}"#, of(String, None, true, true)),
            (r#"{"key":{"type":"uuid","refTable":"BFD","refType":"weak"},"min":0}"#, of(Uuid, None, true, false)),
            (r#"{"key":"string","value":"string","min":0,"max":"unlimited"}"#, of(String, Some(String), true, true)),
            (r#""decimal""#, None),
            (r#"{"key":"string","value":"decimal"}"#, None),
            (r#"{"key":"string","max":"plenty"}"#, None),
            (r#"{"min":0}"#, None),
            ("3", None),
        ];
        for (json, expected) in cases {
            assert_eq!(ColumnType::from_json(&serde_json::from_str(json).unwrap()), expected, "{json}");
        }
    }

    #[test]
    fn only_wanted_tables_are_kept() {
        let json = r#"{"name":"D","tables":{
            "A":{"columns":{"a":{"type":"string"},"b":{"type":"text"},"c":{"type":"real","ephemeral":true}}},
            "B":{"columns":{}}}}"#;
        let schema = Schema::from_json(json, &["A".into(), "C".into()]).unwrap();
        assert_eq!((schema.name.as_str(), schema.version.as_deref()), ("D", None));
        assert_eq!(schema.tables.keys().map(|name| &**name).collect::<Vec<_>>(), ["A"]);
        assert_eq!(schema.unknown_columns().collect::<Vec<_>>(), [("A", "b")]);
        assert!(!schema.tables["A"]["c"].persistent && schema.tables["A"]["a"].persistent);
        assert!(Schema::from_json("[]", &[]).is_err());
    }
}
