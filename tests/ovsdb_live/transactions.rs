//! Random transactions for any schema (RFC 7047 sections 3.2 and 5.2): rows with values of every type, references
//! between them, changes of them, and some that the server has to refuse.

use std::collections::BTreeMap;
use std::path::Path;

use analyzer::ovn::follow::monitored::TableColumns;
use serde_json::{Map, Value, json};

use crate::ovsdb::Random;

/// Rows of a table that are remembered: the latest.
const KNOWN: usize = 30;
/// Texts that need care in one form or another.
const TEXTS: [&str; 9] = ["", "a b", "x=\"y\", {z}", "\u{e4}\n", "true", "[]", "0", "src-ip", "\\"];

/// Makes transactions, the same for the same seed and the same answers of the server.
pub(crate) struct Generator {
    schema: Map<String, Value>,
    tables: Vec<&'static TableColumns>,
    random: Random,
    /// UUIDs of rows that were made, by table. Some are gone.
    known: BTreeMap<String, Vec<String>>,
    /// Rows that the present transaction makes, so far.
    named: usize,
    operations: Vec<Value>,
}

impl Generator {
    /// For these tables, and those that their rows cannot be without.
    pub(crate) fn new(schema: &Path, tables: &'static [TableColumns], seed: u64) -> Self {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
        let schema = schema["tables"].as_object().unwrap().clone();
        let tables = tables.iter().filter(|it| schema.contains_key(it.table)).collect();
        let known = BTreeMap::new();
        Self { schema, tables, random: Random(seed), known, named: 0, operations: Vec::new() }
    }

    /// The operations of the next transaction.
    pub(crate) fn transaction(&mut self) -> Vec<Value> {
        (self.named, self.operations) = (0, Vec::new());
        for _ in 0..=self.random.below(3) {
            let table = self.tables[self.random.below(self.tables.len() as u64) as usize].table;
            match self.random.below(20) {
                0..=6 => {
                    self.insert(table);
                }
                7..=12 => self.update(table),
                13..=16 => self.mutate(table),
                17 | 18 => self.delete(table),
                _ if self.random.below(3) == 0 => self.operations.push(json!({"op": "abort"})),
                _ => {
                    let comment = self.text();
                    self.operations.push(json!({"op": "comment", "comment": comment}));
                }
            }
        }
        std::mem::take(&mut self.operations)
    }

    /// Remembers the rows that a transaction has made.
    pub(crate) fn learn(&mut self, operations: &[Value], results: &[Value]) {
        for (operation, result) in operations.iter().zip(results).filter(|(operation, _)| operation["op"] == "insert") {
            let uuid = result["uuid"][1].as_str().expect("an insert has its UUID").to_owned();
            let known = self.known.entry(operation["table"].as_str().unwrap().to_owned()).or_default();
            known.push(uuid);
            if known.len() > KNOWN {
                known.remove(0);
            }
        }
    }

    /// The operations that ask which rows there are.
    pub(crate) fn selection(&self) -> Vec<Value> {
        let select = |table: &String| json!({"op": "select", "table": table, "where": [], "columns": ["_uuid"]});
        self.known.keys().map(select).collect()
    }

    /// Forgets rows that are gone, by the results of the selection.
    pub(crate) fn forget_others(&mut self, results: &[Value]) {
        for (known, result) in self.known.values_mut().zip(results) {
            let rows = result["rows"].as_array().expect("a selection gives rows");
            known.retain(|uuid| rows.iter().any(|row| row["_uuid"][1] == **uuid));
        }
    }

    /// Whether a table may have one row only. All others hang on it.
    fn is_single(&self, table: &str) -> bool {
        self.schema[table]["maxRows"] == 1
    }

    /// Makes a row, and the reference that a row of this table needs to stay. Gives the reference to it.
    fn insert(&mut self, table: &str) -> Value {
        if self.is_single(table)
            && let Some(row) = self.row_of(table)
        {
            return row;
        }
        let name = self.new_row(table);
        if self.is_root(table) {
            return name;
        }
        if let Some((parent, column, max)) = self.parent_of(table) {
            let holder = match self.row_of(&parent) {
                Some(uuid) => uuid,
                // There it is held by the row that is made for it.
                None => return self.insert_holder(&parent, &column, name),
            };
            let condition = json!([["_uuid", "==", holder]]);
            self.operations.push(match max {
                1 => json!({"op": "update", "table": parent, "where": condition, "row": {column: name.clone()}}),
                _ => json!({"op": "mutate", "table": parent, "where": condition,
                            "mutations": [[column, "insert", ["set", [name.clone()]]]]}),
            });
        }
        name
    }

    fn insert_holder(&mut self, parent: &str, column: &str, held: Value) -> Value {
        let holder = self.insert(parent);
        let condition = json!([["_uuid", "==", holder]]);
        let row = json!({ column: held.clone() });
        self.operations.push(json!({"op": "update", "table": parent, "where": condition, "row": row}));
        held
    }

    /// The operation that makes a row, with values for the columns that need one and for some others.
    fn new_row(&mut self, table: &str) -> Value {
        let mut row = Map::new();
        for column in self.columns(table, true) {
            let is_needed = self.is_needed(table, &column) || self.is_index(table, &column);
            if (is_needed || self.random.below(2) == 0)
                && let Some(value) = self.value(table, &column)
            {
                row.insert(column, value);
            }
        }
        self.named += 1;
        let name = format!("row{}", self.named);
        self.operations.push(json!({"op": "insert", "table": table, "uuid-name": name, "row": row}));
        json!(["named-uuid", name])
    }

    fn update(&mut self, table: &str) {
        let Some(uuid) = self.row_of(table) else { return };
        let mut row = Map::new();
        for column in self.columns(table, false) {
            // What a reference held goes with it, and all that this one held.
            let is_reference = self.kind(table, &column)["key"].get("refTable").is_some();
            let one_in = if is_reference && self.is_single(table) {
                100
            } else if is_reference {
                12
            } else {
                3
            };
            if self.random.below(one_in) == 0
                && let Some(value) = self.value(table, &column)
            {
                row.insert(column, value);
            }
        }
        self.operations.push(json!({"op": "update", "table": table, "where": [["_uuid", "==", uuid]], "row": row}));
    }

    /// Adds elements to sets and maps, and takes some away; adds to numbers. Of one row, or of all.
    fn mutate(&mut self, table: &str) {
        let condition = match self.row_of(table) {
            Some(uuid) if self.random.below(4) > 0 => json!([["_uuid", "==", uuid]]),
            _ => json!([]),
        };
        let mut mutations: Vec<Value> = Vec::new();
        for column in self.columns(table, false) {
            let kind = self.kind(table, &column);
            let mutator = match (self.random.below(4), kind["key"]["type"].as_str()) {
                (0, Some("integer")) if kind["max"] == 1 && kind["min"] == 1 => {
                    mutations.push(json!([column, "+=", self.random.below(5)]));
                    continue;
                }
                (0, _) if kind["max"] != 1 => "insert",
                (1, _) if kind["max"] != 1 && !self.is_single(table) => "delete",
                _ => continue,
            };
            mutations.extend(self.value(table, &column).map(|value| json!([column, mutator, value])));
        }
        self.operations.push(json!({"op": "mutate", "table": table, "where": condition, "mutations": mutations}));
    }

    fn delete(&mut self, table: &str) {
        if !self.is_single(table)
            && let Some(uuid) = self.row_of(table)
        {
            self.operations.push(json!({"op": "delete", "table": table, "where": [["_uuid", "==", uuid]]}));
        }
    }

    /// A row that was there once, most often one of the latest.
    fn row_of(&mut self, table: &str) -> Option<Value> {
        let known = self.known.get(table).filter(|known| !known.is_empty())?;
        let latest = if self.random.below(4) == 0 { known.len() } else { known.len().min(4) };
        let back = self.random.below(latest as u64) as usize;
        Some(json!(["uuid", known[known.len() - 1 - back]]))
    }

    /// Columns that are followed, and some that are not, but for those that may not change where that matters.
    fn columns(&mut self, table: &str, immutable: bool) -> Vec<String> {
        let followed = self.tables.iter().find(|it| it.table == table).map_or(&[][..], |it| it.columns);
        let all = self.schema[table]["columns"].as_object().unwrap();
        let chosen = all.iter().filter(|(name, column)| {
            let is_wanted = followed.contains(&name.as_str()) || self.random.below(8) == 0;
            is_wanted && (immutable || column["mutable"] != false)
        });
        let mut names: Vec<String> = chosen.map(|(name, _)| name.clone()).collect();
        if immutable {
            let others = all.keys().filter(|name| self.is_needed(table, name) || self.is_index(table, name));
            let missing: Vec<String> = others.filter(|name| !names.contains(name)).cloned().collect();
            names.extend(missing);
        }
        names
    }

    /// The type of a column, with all its members.
    fn kind(&self, table: &str, column: &str) -> Value {
        let told = &self.schema[table]["columns"][column]["type"];
        let base = |told: &Value| if told.is_string() { json!({"type": told}) } else { told.clone() };
        if told.is_string() {
            return json!({"key": base(told), "min": 1, "max": 1});
        }
        let member = |name: &str| told.get(name).map_or(json!(1), Value::clone);
        let mut kind = json!({"key": base(&told["key"]), "min": member("min"), "max": member("max")});
        if let Some(value) = told.get("value") {
            kind["value"] = base(value);
        }
        kind
    }

    /// Whether a row cannot be without a reference in this column.
    fn is_needed(&self, table: &str, column: &str) -> bool {
        let kind = self.kind(table, column);
        kind["min"] == 1 && (kind["key"].get("refTable").is_some() || kind["key"].get("enum").is_some())
    }

    fn is_index(&self, table: &str, column: &str) -> bool {
        let indexes = self.schema[table]["indexes"].as_array();
        indexes.into_iter().flatten().any(|index| index.as_array().unwrap().iter().any(|name| name == column))
    }

    /// Where a schema marks roots, rows of other tables go when nothing refers to them.
    fn is_root(&self, table: &str) -> bool {
        self.schema[table]["isRoot"] == true || self.schema.values().all(|table| table.get("isRoot").is_none())
    }

    /// A column of a followed table that refers strongly to rows of this one, and how many it holds.
    fn parent_of(&self, table: &str) -> Option<(String, String, u64)> {
        self.tables.iter().find_map(|parent| {
            let columns = &self.schema[parent.table]["columns"];
            parent.columns.iter().filter(|column| columns.get(column).is_some()).find_map(|column| {
                let kind = self.kind(parent.table, column);
                let key = &kind["key"];
                let max = kind["max"].as_u64().unwrap_or(u64::MAX);
                let refers = key["refTable"] == table && key["refType"] != "weak";
                refers.then(|| (parent.table.to_owned(), (*column).to_owned(), max))
            })
        })
    }

    /// A value of a column, where one can be made.
    fn value(&mut self, table: &str, column: &str) -> Option<Value> {
        let kind = self.kind(table, column);
        let is_index = self.is_index(table, column);
        let min = kind["min"].as_u64().unwrap();
        let max = kind["max"].as_u64().unwrap_or(4).min(4);
        let size = (min + self.random.below(max - min + 1)).max(min);
        if let Some(value) = kind.get("value") {
            let mut pairs = BTreeMap::new();
            for _ in 0..size {
                let key = self.atom(&kind["key"], false)?;
                pairs.insert(key.to_string(), (key, self.atom(value, false)?));
            }
            return Some(json!([
                "map",
                pairs.into_values().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()
            ]));
        }
        let mut atoms = BTreeMap::new();
        for _ in 0..size {
            let atom = self.atom(&kind["key"], is_index)?;
            atoms.insert(atom.to_string(), atom);
        }
        let mut atoms: Vec<Value> = atoms.into_values().collect();
        if atoms.len() == 1 { atoms.pop() } else { Some(json!(["set", atoms])) }
    }

    /// An atom of a base type. Those of an index are of many, so that most rows find a place.
    fn atom(&mut self, base: &Value, is_index: bool) -> Option<Value> {
        if let Some(allowed) = base.get("enum") {
            let allowed = allowed[1].as_array().cloned().unwrap_or_else(|| vec![allowed.clone()]);
            return Some(allowed[self.random.below(allowed.len() as u64) as usize].clone());
        }
        Some(match base["type"].as_str().unwrap() {
            "integer" => {
                let min = base["minInteger"].as_i64().unwrap_or(-3);
                let max = base["maxInteger"].as_i64().unwrap_or(if is_index { 1 << 30 } else { 9 });
                // A number beyond the bound now and then, which the server refuses.
                let beyond = i64::from(self.random.below(200) == 0);
                json!(min + self.random.below((max - min) as u64 + 1) as i64 - beyond)
            }
            "real" => json!(self.random.below(40) as f64 / 8.0),
            "boolean" => json!(self.random.below(2) == 0),
            "uuid" => return self.reference(base["refTable"].as_str()?),
            _ if is_index => json!(format!("{}{}", self.text(), self.random.below(1 << 12))),
            _ => json!(self.text()),
        })
    }

    /// A reference to a row that was there once, or to one that the transaction makes.
    fn reference(&mut self, table: &str) -> Option<Value> {
        match self.row_of(table) {
            Some(uuid) if self.random.below(8) > 0 => Some(uuid),
            _ if self.named > 8 => None,
            _ => Some(self.new_row(table)),
        }
    }

    fn text(&mut self) -> String {
        match self.random.below(3) {
            0 => TEXTS[self.random.below(TEXTS.len() as u64) as usize].to_owned(),
            1 => format!("GR_{}", self.random.below(5)),
            _ => format!("198.19.{}.{}", self.random.below(3), self.random.below(9)),
        }
    }
}
