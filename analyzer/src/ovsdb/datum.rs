//! Values in the notation of RFC 7047 section 5.1.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::row::{Atom, Datum};
use super::schema::{AtomType, ColumnType};

/// JSON that is no value, or not one of its column's type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DatumError {
    /// Not the notation.
    #[error("{0} is no value (RFC 7047 section 5.1)")]
    Malformed(String),
    /// Another type than the schema says.
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: &'static str },
}

/// Reads a value by its shape: an atom, `["set", [...]]` or `["map", [...]]`.
pub(super) fn from_json(json: &Value) -> Result<Datum, DatumError> {
    let tagged = match json.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), Value::Array(elements)]) => Some((tag.as_str(), elements)),
        _ => None,
    };
    match tagged {
        Some(("set", elements)) => Ok(Datum::Set(elements.iter().map(atom).collect::<Result<_, _>>()?)),
        Some(("map", pairs)) => Ok(Datum::Map(pairs.iter().map(pair).collect::<Result<_, _>>()?)),
        _ => Ok(Datum::Set(vec![atom(json)?])),
    }
}

fn pair(json: &Value) -> Result<(Atom, Atom), DatumError> {
    match json.as_array().map(Vec::as_slice) {
        Some([key, value]) => Ok((atom(key)?, atom(value)?)),
        _ => Err(malformed(json)),
    }
}

fn atom(json: &Value) -> Result<Atom, DatumError> {
    let atom = match json {
        Value::Bool(value) => Some(Atom::Boolean(*value)),
        Value::String(text) => Some(Atom::String(text.as_str().into())),
        Value::Number(number) => {
            number.as_i64().map(Atom::Integer).or_else(|| Some(Atom::Real(number.as_f64().filter(|n| n.is_finite())?)))
        }
        Value::Array(elements) => match elements.as_slice() {
            [Value::String(tag), Value::String(text)] if tag == "uuid" => uuid(text).map(Atom::Uuid),
            _ => None,
        },
        _ => None,
    };
    atom.ok_or_else(|| malformed(json))
}

fn malformed(json: &Value) -> DatumError {
    const SHOWN: usize = 60;
    let text = json.to_string();
    let end = (0..=text.len().min(SHOWN)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    DatumError::Malformed(if end < text.len() { format!("{}...", &text[..end]) } else { text })
}

/// A UUID in lower case, where `text` is one in the form of RFC 4122.
pub(super) fn uuid(text: &str) -> Option<Arc<str>> {
    is_uuid(text.as_bytes()).then(|| text.to_ascii_lowercase().into())
}

/// Whether a text is a UUID in the form of RFC 4122, of 36 bytes.
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Checks a value against its column's type and puts it into the order in which OVSDB keeps sets and maps.
pub(super) fn of_type(datum: Datum, column_type: &ColumnType) -> Result<Datum, DatumError> {
    let datum = match (datum, column_type.value) {
        (Datum::Set(atoms), None) => {
            let mut atoms: Vec<Atom> =
                atoms.into_iter().map(|atom| atom_of_type(atom, column_type.key)).collect::<Result<_, _>>()?;
            atoms.sort_by(order);
            Datum::Set(atoms)
        }
        (Datum::Map(pairs), Some(value_type)) => {
            let pair = |(key, value)| Ok((atom_of_type(key, column_type.key)?, atom_of_type(value, value_type)?));
            let mut pairs: Vec<(Atom, Atom)> = pairs.into_iter().map(pair).collect::<Result<_, DatumError>>()?;
            pairs.sort_by(|a, b| order(&a.0, &b.0));
            Datum::Map(pairs)
        }
        (Datum::Map(_), None) => return Err(DatumError::Type { expected: column_type.key.name(), found: "map" }),
        (Datum::Set(_), Some(_)) => return Err(DatumError::Type { expected: "map", found: "set" }),
    };
    if !column_type.many && len(&datum) > 1 {
        return Err(DatumError::Type { expected: "one element", found: "several" });
    }
    Ok(datum)
}

fn len(datum: &Datum) -> usize {
    match datum {
        Datum::Set(atoms) => atoms.len(),
        Datum::Map(pairs) => pairs.len(),
    }
}

fn atom_of_type(atom: Atom, expected: AtomType) -> Result<Atom, DatumError> {
    let found = match atom {
        Atom::Integer(_) => AtomType::Integer,
        Atom::Real(_) => AtomType::Real,
        Atom::Boolean(_) => AtomType::Boolean,
        Atom::String(_) => AtomType::String,
        Atom::Uuid(_) => AtomType::Uuid,
    };
    match atom {
        // A real without a fraction is written as an integer.
        Atom::Integer(number) if expected == AtomType::Real => Ok(Atom::Real(number as f64)),
        atom if found == expected => Ok(atom),
        _ => Err(DatumError::Type { expected: expected.name(), found: found.name() }),
    }
}

/// The order of atoms of one type. JSON has no NaN, so all of them compare.
pub(super) fn order(a: &Atom, b: &Atom) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

/// What a column holds that a new row does not mention (RFC 7047 section 5.2.1).
pub(super) fn default_of(column_type: &ColumnType) -> Datum {
    let atom = |atom_type| match atom_type {
        AtomType::Integer => Atom::Integer(0),
        AtomType::Real => Atom::Real(0.0),
        AtomType::Boolean => Atom::Boolean(false),
        AtomType::String => Atom::String("".into()),
        AtomType::Uuid => Atom::Uuid("00000000-0000-0000-0000-000000000000".into()),
    };
    match (column_type.value, column_type.optional) {
        (None, true) => Datum::Set(Vec::new()),
        (None, false) => Datum::Set(vec![atom(column_type.key)]),
        (Some(_), true) => Datum::Map(Vec::new()),
        (Some(value), false) => Datum::Map(vec![(atom(column_type.key), atom(value))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0806d25f-1cd4-40b9-93f5-b929aa5b3188";

    fn read(json: &str) -> Result<Datum, DatumError> {
        from_json(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn shapes() {
        let text = |text: &str| Atom::String(text.into());
        let cases = [
            (r#""a""#, Datum::Set(vec![text("a")])),
            ("-3", Datum::Set(vec![Atom::Integer(-3)])),
            ("9223372036854775807", Datum::Set(vec![Atom::Integer(i64::MAX)])),
            ("1e+300", Datum::Set(vec![Atom::Real(1e300)])),
            ("true", Datum::Set(vec![Atom::Boolean(true)])),
            (r#"["set",[]]"#, Datum::Set(vec![])),
            (r#"["set",["b","a"]]"#, Datum::Set(vec![text("b"), text("a")])),
            (r#"["map",[["k","v"]]]"#, Datum::Map(vec![(text("k"), text("v"))])),
            (r#"["uuid","0806D25F-1CD4-40B9-93F5-B929AA5B3188"]"#, Datum::Set(vec![Atom::Uuid(UUID.into())])),
        ];
        for (json, expected) in cases {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
        for json in
            ["null", "{}", "[]", r#"["set",3]"#, r#"["map",[["k"]]]"#, r#"["uuid","x"]"#, r#"["set",[["set",[]]]]"#]
        {
            assert!(matches!(read(json), Err(DatumError::Malformed(_))), "{json}");
        }
        let long = format!("[\"\u{e4}{}\"]", "\u{e4}".repeat(100));
        assert!(matches!(read(&long), Err(DatumError::Malformed(text)) if text.ends_with("...") && text.len() <= 63));
    }

    #[test]
    fn types_are_checked_and_sets_put_in_order() {
        let set = ColumnType { key: AtomType::Real, value: None, optional: true, many: true };
        let checked = of_type(read(r#"["set",[2,1.5]]"#).unwrap(), &set).unwrap();
        assert_eq!(checked, Datum::Set(vec![Atom::Real(1.5), Atom::Real(2.0)]));

        let one = ColumnType { many: false, ..set };
        let map = ColumnType { key: AtomType::String, value: Some(AtomType::Integer), ..set };
        let cases = [
            (r#""a""#, set, "expected real, found string"),
            (r#"["set",[1,2]]"#, one, "expected one element, found several"),
            (r#"["map",[]]"#, set, "expected real, found map"),
            (r#"["set",[]]"#, map, "expected map, found set"),
            (r#"["map",[["k","v"]]]"#, map, "expected integer, found string"),
        ];
        for (json, column_type, message) in cases {
            assert_eq!(of_type(read(json).unwrap(), &column_type).unwrap_err().to_string(), message, "{json}");
        }
    }

    #[test]
    fn uuids() {
        assert_eq!(uuid(UUID).as_deref(), Some(UUID));
        for text in ["", "x", &UUID[1..], &UUID.replace('-', "0"), &UUID.replace('d', "g")] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }
}
