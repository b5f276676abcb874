//! Rows of tables, read of all texts together: what they tell is joined.

use std::ops::Range;
use std::sync::Arc;

use super::error::InputError;
use super::text::{Open, Text};
use super::told::Database;
use super::{ECMP_NEXTHOP, Loader, MAY_BE_EMPTY, Precedence, nothing};
use crate::engine::fact::{Fact, Gap};
use crate::ovn::moments::Asked;
use crate::ovn::{self, Facts};
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::ovsdb::text as tables;
use crate::types::{Place, Position, Validity};

/// By what columns the rows of a table are told from those of the others that are read.
struct Signs {
    table: &'static str,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

const SIGNS: &[Signs] = &[
    Signs { table: "Logical_Router_Static_Route", has: &["nexthop"], lacks: &["logical_port", "port"] },
    Signs { table: "Learned_Route", has: &["ip_prefix", "logical_port"], lacks: &[] },
    Signs { table: ECMP_NEXTHOP, has: &["nexthop", "port"], lacks: &["ip_prefix"] },
    Signs { table: "BFD", has: &["dst_ip"], lacks: &[] },
    Signs { table: "Static_MAC_Binding", has: &["override_dynamic_mac"], lacks: &[] },
    Signs { table: "MAC_Binding", has: &["ip"], lacks: &["override_dynamic_mac"] },
    Signs { table: "Port_Binding", has: &["logical_port"], lacks: &["ip", "dst_ip", "nexthop"] },
    Signs { table: "Datapath_Binding", has: &["external_ids"], lacks: &["logical_port", "nexthop", "dst_ip"] },
];

/// Tables whose listings are held against each other.
const HELD: [&str; 4] = ["Logical_Router_Static_Route", "Learned_Route", "BFD", "Static_MAC_Binding"];

/// Texts of a table with its name, and the option that names them.
pub(super) type TablesTexts<'a> = ((Vec<Text<'a>>, &'static str), &'static str);

/// Rows of several texts together.
#[derive(Default)]
struct Listed {
    /// The files, for messages.
    file: Arc<str>,
    tables: Tables,
    parts: Vec<Part>,
}

/// Rows of one text.
struct Part {
    table: &'static str,
    /// Which versions of the table are its own.
    versions: Range<usize>,
    /// Which of the sources it is.
    source: usize,
    /// What it lists, where that is held against other listings.
    asked: Option<Asked>,
}

impl Loader<'_> {
    /// Rows of all the texts together, as joins need several tables.
    fn tables(&mut self, texts: &[TablesTexts<'_>], database: Database) -> Result<Option<Listed>, InputError> {
        let mut listed = Listed::default();
        let mut files: Vec<Arc<str>> = Vec::new();
        for ((texts, table), taken_for) in texts {
            for text in texts {
                let open = text.open()?;
                if let Err(error) = self.table(&open, table, database, taken_for, &mut listed) {
                    self.unread(&open, error, Precedence::Behind(database))?;
                }
                // Several blocks of a ticket are of one file.
                if !files.contains(&open.file) {
                    files.push(open.file);
                }
            }
        }
        listed.file = files.join(", ").into();
        Ok((!files.is_empty()).then_some(listed))
    }

    /// Adds the rows of a text to those of the others.
    fn table(
        &mut self,
        open: &Open<'_>,
        table: &'static str,
        database: Database,
        taken_for: &'static str,
        listed: &mut Listed,
    ) -> Result<(), InputError> {
        let (rows, warnings, lost) = tables::parse(&open.bytes, &open.file, table)?;
        let (warnings, lost) = (open.warned(warnings), open.lost(lost));
        check_table(&open.file, table, &rows)?;
        if rows.is_empty() && !warnings.is_empty() && lost.is_empty() | open.block.is_none() {
            return Err(nothing(Arc::clone(&open.file), "rows of a table", &warnings));
        }
        if rows.is_empty() && warnings.is_empty() && !MAY_BE_EMPTY.contains(&table) {
            self.silent(open, &format!("a row of {table}"));
        }
        let lost_lines = warnings.len();
        self.loaded.skipped_lines += lost_lines as u64;
        self.loaded.warnings.extend(warnings);
        self.lose(&open.file, table, database, lost);
        if table == ECMP_NEXTHOP {
            self.decides_nothing(open, rows.len());
        }
        let asked = HELD.contains(&table).then(|| open.asked(table));
        let versions = listed.tables.tables.entry(table.into()).or_default();
        let (versions_of_part, source) = (versions.len()..versions.len() + rows.len(), self.loaded.sources.len());
        listed.parts.push(Part { table, versions: versions_of_part, source, asked });
        self.loaded.sources.push(open.source(taken_for, rows.len(), lost_lines));
        versions.extend(rows);
        Ok(())
    }

    /// Takes over what the rows of texts of a database tell: of each its files, the option that names them, and its table.
    pub(super) fn listed(
        &mut self,
        texts: &[TablesTexts<'_>],
        database: Database,
        read: fn(&Tables, &Arc<str>) -> Facts,
    ) -> Result<(), InputError> {
        let Some(listed) = self.tables(texts, database)? else { return Ok(()) };
        let mut facts = read(&listed.tables, &listed.file);
        for (table, index) in &facts.unreadable {
            let is_there = |part: &&Part| part.table == table && part.versions.contains(index);
            if let Some(part) = listed.parts.iter().find(is_there) {
                self.loaded.sources[part.source].lost += 1;
            }
        }
        for Part { table, versions, source, asked } in listed.parts {
            let Some(asked) = asked else { continue };
            let rows = listed.tables.tables.get(table).map_or(&[][..], |rows| &rows[versions]);
            let tables = Tables { tables: [(table.into(), rows.to_vec())].into(), ..Tables::default() };
            let place = self.loaded.sources[source].place.clone();
            facts.contradict(self.listings.compare(asked, place, &read(&tables, &listed.file).facts));
        }
        let open = Open { file: Arc::clone(&listed.file), bytes: (&[][..]).into(), block: None };
        self.take(&open, "rows of these tables", facts, Precedence::Behind(database))
    }

    /// Tells of rows of a table that could not be read, where no database has them.
    fn lose(&mut self, file: &Arc<str>, table: &str, database: Database, lost: Vec<Position>) {
        let Some(scope) = ovn::lost_row(table) else { return };
        for position in lost {
            let place = Place { file: Arc::clone(file), position };
            let gap = Gap { scope: scope.clone(), place, validity: Validity::ALWAYS };
            if !self.database.covers_gap(database, &gap) {
                (self.tell)(Fact::Gap(gap));
            }
        }
    }
}

/// Fails where rows are there and none is one of `table`.
fn check_table(file: &Arc<str>, table: &'static str, rows: &[RowVersion]) -> Result<(), InputError> {
    let Some(signs) = SIGNS.iter().find(|signs| signs.table == table) else { return Ok(()) };
    let fits = |row: &Row| {
        signs.has.iter().all(|column| row.columns.contains_key(*column))
            && !signs.lacks.iter().any(|column| row.columns.contains_key(*column))
    };
    if rows.is_empty() || rows.iter().any(|version| fits(&version.row)) {
        return Ok(());
    }
    Err(InputError::OtherTable { file: Arc::clone(file), table })
}
