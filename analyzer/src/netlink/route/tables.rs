//! Names of routing tables, as iproute2 keeps them in rt_tables.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// `RT_TABLE_MAIN`.
pub const MAIN: u32 = 254;

/// Where iproute2 looks for names: the first file that exists, and all `.conf` files of the folder beside it.
const FILES: [&str; 2] = ["/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables"];

/// A routing table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Table {
    /// Its number.
    pub id: u32,
    /// Its name in facts; empty for the main table.
    pub name: Arc<str>,
}

/// A word that is neither number nor name of a table.
#[derive(Debug, thiserror::Error)]
pub enum NoTable {
    /// No file names such a table.
    #[error("{0:?} is neither the number of a routing table, 1 to 4294967295, nor a name in /etc/iproute2/rt_tables")]
    Unknown(String),
    /// The names cannot be read.
    #[error("the names of routing tables cannot be read from {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Table {
    /// The main table.
    pub fn main() -> Self {
        Self { id: MAIN, name: "".into() }
    }

    /// The table that `word` means, number or name.
    ///
    /// # Errors
    /// No table is called so, or the files that name tables cannot be read.
    pub fn find(word: &str) -> Result<Self, NoTable> {
        if word == "main" {
            return Ok(Self::main());
        }
        let text = if word.parse::<u32>().is_ok() { String::new() } else { names()? };
        Self::find_in(word, &text).ok_or_else(|| NoTable::Unknown(word.to_owned()))
    }

    /// As [`Self::find`], with the text of rt_tables: number and name in each line, `#` begins a comment.
    fn find_in(word: &str, text: &str) -> Option<Self> {
        let id = word.parse().ok().or_else(|| {
            text.lines().find_map(|line| {
                let mut words = line.split('#').next()?.split_whitespace();
                let id = words.next()?;
                let id = id.strip_prefix("0x").map_or_else(|| id.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?;
                (words.next()? == word).then_some(id)
            })
        });
        match id? {
            0 => None,
            MAIN => Some(Self::main()),
            id => Some(Self { id, name: word.into() }),
        }
    }
}

fn names() -> Result<String, NoTable> {
    let mut text = String::new();
    for file in FILES {
        let folder = format!("{file}.d");
        let mut more: Vec<_> =
            fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        more.sort();
        for path in std::iter::once(Path::new(file)).chain(more.iter().map(AsRef::as_ref)) {
            match fs::read_to_string(path) {
                Ok(read) => {
                    text.push_str(&read);
                    text.push('\n');
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(NoTable::Unreadable { path: path.display().to_string(), source }),
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let text = "# reserved\n255\tlocal\n254\tmain\n\n100 blue # tenant\n0x65 red\nx y\n7";
        let found = |word| Table::find_in(word, text).map(|table| (table.id, table.name.to_string()));
        assert_eq!(found("blue"), Some((100, "blue".to_owned())));
        assert_eq!(found("red"), Some((101, "red".to_owned())));
        assert_eq!(found("1000"), Some((1000, "1000".to_owned())));
        assert_eq!(found("254"), Some((254, String::new())));
        assert_eq!(found("main"), Some((254, String::new())));
        assert_eq!(found("green"), None);
        assert_eq!(found("0"), None);
    }
}
