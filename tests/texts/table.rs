//! Rows of a table as `ovn-nbctl` and `ovn-sbctl` print them (ovs-db `lib/table.c`).

use crate::numbers::Numbers;

/// A format of `--format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    List,
    Table,
    Csv,
    Json,
}

impl Format {
    pub(crate) fn any(numbers: &mut Numbers) -> Self {
        numbers.one(&[Self::List, Self::List, Self::Table, Self::Csv, Self::Json])
    }
}

/// A value of a column.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Uuid(String),
    /// A string that is printed in quotes, as all are that are no plain word.
    Text(String),
    Word(String),
    Number(u64),
    Bool(bool),
    /// A map of words.
    Map(Vec<(&'static str, String)>),
    /// A set of strings.
    Texts(Vec<String>),
}

impl Value {
    /// As it stands in a list or table.
    fn printed(&self) -> String {
        match self {
            Self::Uuid(uuid) => uuid.clone(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Word(word) => word.clone(),
            Self::Number(number) => number.to_string(),
            Self::Bool(is_so) => is_so.to_string(),
            Self::Map(pairs) => {
                let pair = |(key, value): &(&str, String)| match value.starts_with(|first: char| first.is_ascii_digit())
                {
                    true => format!("{key}=\"{value}\""),
                    false => format!("{key}={value}"),
                };
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Self::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                format!("[{}]", texts.join(", "))
            }
        }
    }

    /// As OVSDB's JSON has it (RFC 7047 5.1).
    fn json(&self) -> String {
        match self {
            Self::Uuid(uuid) => format!("[\"uuid\",\"{uuid}\"]"),
            Self::Text(text) | Self::Word(text) => format!("\"{text}\""),
            Self::Number(number) => number.to_string(),
            Self::Bool(is_so) => is_so.to_string(),
            Self::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("[\"{key}\",\"{value}\"]")).collect();
                format!("[\"map\",[{}]]", pairs.join(","))
            }
            Self::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                format!("[\"set\",[{}]]", texts.join(","))
            }
        }
    }
}

/// Rows with the names of their columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Table {
    /// The table without a column; the first, `_uuid`, stays.
    pub(crate) fn without_column(&self, numbers: &mut Numbers) -> (Vec<&'static str>, Vec<Vec<Value>>) {
        let gone = numbers.between(1, self.columns.len() as u32 - 1) as usize;
        let (mut columns, mut rows) = (self.columns.to_vec(), self.rows.clone());
        columns.remove(gone);
        rows.iter_mut().for_each(|row| drop(row.remove(gone)));
        (columns, rows)
    }

    pub(crate) fn print(&self, format: Format) -> String {
        print(self.columns, &self.rows, format)
    }
}

/// Columns and rows in that format.
pub(crate) fn print(columns: &[&str], rows: &[Vec<Value>], format: Format) -> String {
    match format {
        Format::List => list(columns, rows),
        Format::Table => columned(columns, rows),
        Format::Csv => csv(columns, rows),
        Format::Json => json(columns, rows),
    }
}

fn list(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let row = |row: &Vec<Value>| -> String {
        columns.iter().zip(row).map(|(column, value)| format!("{column:<20}: {}\n", value.printed())).collect()
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn columned(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(Value::printed).collect()).collect();
    let width = |at: usize| cells.iter().map(|row| row[at].len()).chain([columns[at].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |words: &mut dyn Iterator<Item = &str>| {
        let words: Vec<_> = words.zip(&widths).map(|(word, &width)| format!("{word:<width$}")).collect();
        words.join(" ").trim_end().to_owned() + "\n"
    };
    let dashes: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut text = line(&mut columns.iter().copied()) + &line(&mut dashes.iter().map(String::as_str));
    cells.iter().for_each(|row| text += &line(&mut row.iter().map(String::as_str)));
    text
}

fn csv(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let cell = |value: &Value| {
        let text = value.printed();
        if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let row = |row: &Vec<Value>| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\n";
    columns.join(",") + "\n" + &rows.iter().map(row).collect::<String>()
}

fn json(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let row = |row: &Vec<Value>| format!("[{}]", row.iter().map(Value::json).collect::<Vec<_>>().join(","));
    let headings: Vec<_> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    let rows: Vec<_> = rows.iter().map(row).collect();
    format!("{{\"data\":[{}],\"headings\":[{}]}}\n", rows.join(","), headings.join(","))
}
