//! Changes of live rows as changes of facts.
//!
//! The pure converters of rows (`northbound`, `southbound`, `zones`) look at whole tables; a database of 100,000 rows
//! changes a row at a time. A [`Follower`] therefore gives them small tables: the rows that changed, the rows whose
//! facts depend on these, and what those in turn are joined with, once as they were and once as they are. What the two
//! answers differ in is the change. So live and replay share one conversion, and the work grows with the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use self::monitored::TableColumns;
use self::references::{Dependent, References, Relation, Turnover};
use self::rows::Rows;
use super::{Facts, northbound, southbound, zones};
use crate::engine::fact::{Delta, Fact};
use crate::ovsdb::row::{Atom, Change, Datum, Row, RowVersion, Tables};
use crate::types::{Place, Position, Validity, Warning};

pub mod conditions;
pub mod flows;
pub mod monitored;
mod references;
pub mod rows;

/// Rows of a table without joins that are converted at a time, so that the first 100,000 need no second copy of all.
const CHUNK: usize = 4096;

/// Warnings told of one batch of changes; what exceeds them is counted.
const MAX_WARNINGS: usize = 100;

/// A database that is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Database {
    /// `OVN_Northbound`.
    Northbound,
    /// `OVN_Southbound`.
    Southbound {
        /// Whether the Northbound database is followed too, which then tells the states of BFD sessions.
        with_northbound: bool,
    },
    /// `Open_vSwitch`.
    OpenVswitch,
}

impl Database {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Northbound => "OVN_Northbound",
            Self::Southbound { .. } => "OVN_Southbound",
            Self::OpenVswitch => "Open_vSwitch",
        }
    }

    /// What to monitor. Changes of other tables are passed over.
    pub fn monitored(self) -> &'static [TableColumns] {
        match self {
            Self::Northbound => monitored::NORTHBOUND,
            Self::Southbound { with_northbound: true } => monitored::SOUTHBOUND,
            Self::Southbound { with_northbound: false } => monitored::SOUTHBOUND_ALONE,
            Self::OpenVswitch => monitored::OPEN_VSWITCH,
        }
    }

    fn relations(self) -> &'static [Relation] {
        match self {
            Self::Northbound => references::NORTHBOUND,
            Self::Southbound { .. } => references::SOUTHBOUND,
            Self::OpenVswitch => &[],
        }
    }

    /// A table that is always looked at as a whole, because its rows are few and several may tell the same fact.
    fn whole_table(self) -> Option<&'static str> {
        (self == Self::OpenVswitch).then_some("Bridge")
    }

    fn facts(self, tables: &Tables, file: &Arc<str>) -> Facts {
        match self {
            Self::Northbound => northbound::facts(tables, file),
            Self::Southbound { .. } => southbound::facts(tables, file),
            Self::OpenVswitch => zones::facts(tables, file),
        }
    }
}

/// What a batch of changes amounts to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Followed {
    /// Facts that ended and facts that began.
    pub delta: Delta,
    /// Rows that cannot be read and could, or were not there, before.
    pub warnings: Vec<Warning>,
}

/// Table and UUID.
type RowId = (&'static str, Arc<str>);

/// How the references of a row in one relation changed.
struct Referring<'a> {
    relation: usize,
    referrer: &'a Arc<str>,
    turnover: Turnover,
}

/// The facts of one live database.
#[derive(Clone, Debug)]
pub struct Follower {
    database: Database,
    remote: Arc<str>,
    rows: Rows,
    /// One for each of the database's relations.
    references: Vec<References>,
    unreadable: usize,
}

impl Follower {
    /// Follows an empty database. `remote` names it in warnings, as `unix:/run/ovn/ovnnb_db.sock`.
    pub fn new(database: Database, remote: Arc<str>) -> Self {
        let references = vec![References::default(); database.relations().len()];
        Self { database, remote, rows: Rows::default(), references, unreadable: 0 }
    }

    /// The database.
    pub fn database(&self) -> Database {
        self.database
    }

    /// The rows as they are now.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// How many rows cannot be read at present.
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Takes changes over, those of one transaction or more. What a change says of the row before is not used: the
    /// follower goes by what it knows itself, so a change that is told twice changes nothing.
    pub fn apply(&mut self, changes: &[Change]) -> Followed {
        let changed = self.changed(changes);
        if changed.is_empty() {
            return Followed::default();
        }
        let referring = self.referring(&changed);
        let affected = self.affected(&changed, &referring);
        let before = self.facts(&affected);
        for Referring { relation, referrer, turnover } in &referring {
            self.references[*relation].update(referrer, turnover);
        }
        drop(referring);
        for ((table, uuid), row) in changed {
            match row {
                Some(row) => self.rows.insert(table, row),
                None => self.rows.remove(table, &uuid),
            }
        }
        let after = self.facts(&affected);
        let warnings = self.new_warnings(before.warnings, after.warnings);
        Followed { delta: difference(before.facts, after.facts), warnings }
    }

    /// The rows that are not as they were; a row that went is `None`. Of several changes of a row the last one counts.
    fn changed(&self, changes: &[Change]) -> BTreeMap<RowId, Option<Arc<Row>>> {
        let mut changed = BTreeMap::new();
        for Change { table, old, new } in changes {
            let followed = self.database.monitored().iter().find(|followed| followed.table == &**table);
            let (Some(followed), Some(row)) = (followed, new.as_ref().or(old.as_ref())) else { continue };
            changed.insert((followed.table, Arc::clone(&row.uuid)), new.clone());
        }
        changed.retain(|(table, uuid), new: &mut Option<Arc<Row>>| self.rows.get(table, uuid) != new.as_ref());
        changed
    }

    fn referring<'a>(&self, changed: &'a BTreeMap<RowId, Option<Arc<Row>>>) -> Vec<Referring<'a>> {
        let mut referring = Vec::new();
        for ((table, uuid), new) in changed {
            let old = self.rows.get(table, uuid).map(Arc::as_ref);
            let relations = self.database.relations().iter().enumerate();
            for (index, relation) in relations.filter(|(_, relation)| relation.from == *table) {
                let turnover = Turnover::of(relation.column, old, new.as_deref());
                referring.push(Referring { relation: index, referrer: uuid, turnover });
            }
        }
        referring
    }

    /// The rows whose facts may change, and the rows that these are joined with, before or after.
    fn affected(&self, changed: &BTreeMap<RowId, Option<Arc<Row>>>, referring: &[Referring<'_>]) -> BTreeSet<RowId> {
        let mut affected: BTreeSet<RowId> = changed.keys().cloned().collect();
        let relations = self.database.relations();
        for Referring { relation, turnover: Turnover { lost, gained }, .. } in referring {
            let Relation { to, dependent, .. } = relations[*relation];
            if dependent == Dependent::Referred {
                affected.extend(lost.iter().chain(gained).map(|uuid| (to, Arc::clone(uuid))));
            }
        }
        for ((table, uuid), new) in changed {
            let old = self.rows.get(table, uuid).map(Arc::as_ref);
            for (Relation { from, column, to, dependent, read }, references) in relations.iter().zip(&self.references) {
                match dependent {
                    Dependent::Referred if from == table && differ(old, new.as_deref(), read) => {
                        // Those that came or went with the row are there already.
                        affected.extend(old.into_iter().flat_map(|row| uuids_in(row, column, to)));
                    }
                    Dependent::Referrer if to == table && differ(old, new.as_deref(), read) => {
                        affected.extend(references.to(uuid).map(|referrer| (*from, Arc::clone(referrer))));
                    }
                    _ => {}
                }
            }
        }
        affected.extend(self.whole_table(&affected));
        affected.extend(self.joined(&affected, changed));
        affected
    }

    fn whole_table(&self, affected: &BTreeSet<RowId>) -> Vec<RowId> {
        let table = self.database.whole_table().filter(|table| affected.iter().any(|(changed, _)| changed == table));
        let rows = table.into_iter().flat_map(|table| self.rows.of(table).map(move |row| (table, &row.uuid)));
        rows.map(|(table, uuid)| (table, Arc::clone(uuid))).collect()
    }

    fn joined(&self, affected: &BTreeSet<RowId>, changed: &BTreeMap<RowId, Option<Arc<Row>>>) -> Vec<RowId> {
        let mut joined = Vec::new();
        for id in affected {
            let (table, uuid) = id;
            let old = self.rows.get(table, uuid);
            let new = changed.get(id).and_then(Option::as_ref);
            for (Relation { from, column, to, dependent, .. }, references) in
                self.database.relations().iter().zip(&self.references)
            {
                match dependent {
                    Dependent::Referrer if from == table => {
                        joined.extend(old.into_iter().chain(new).flat_map(|row| uuids_in(row, column, to)));
                    }
                    // A row that refers from now on is one that changed.
                    Dependent::Referred if to == table => {
                        joined.extend(references.to(uuid).map(|referrer| (*from, Arc::clone(referrer))));
                    }
                    _ => {}
                }
            }
        }
        joined
    }

    /// The facts of these rows as they are now. Those of rows that are only joined with others may be told wrongly, but
    /// equally so before and after.
    fn facts(&self, ids: &BTreeSet<RowId>) -> Facts {
        let relations = self.database.relations();
        let is_joined = |table: &str| {
            relations.iter().any(|relation| relation.from == table || relation.to == table)
                || self.database.whole_table() == Some(table)
        };
        let (joined, alone): (Vec<&RowId>, Vec<&RowId>) = ids.iter().partition(|(table, _)| is_joined(table));
        let mut facts = Facts::default();
        for part in [joined.as_slice()].into_iter().chain(alone.chunks(CHUNK)) {
            let told = self.database.facts(&self.tables(part), &self.remote);
            facts.facts.extend(told.facts);
            facts.facts.extend(told.gaps.into_iter().map(Fact::Gap));
            facts.warnings.extend(told.warnings);
        }
        facts
    }

    /// Tables of these rows alone. A row that holds others holds those of them only that are among these.
    fn tables(&self, ids: &[&RowId]) -> Tables {
        let holds: Vec<(&Relation, &References)> = self
            .database
            .relations()
            .iter()
            .zip(&self.references)
            .filter(|(relation, _)| relation.dependent == Dependent::Referred)
            .collect();
        let mut held: HashMap<(&str, &str, &str), Vec<Atom>> = HashMap::new();
        for (table, uuid) in ids {
            for (relation, references) in holds.iter().filter(|(relation, _)| relation.to == *table) {
                for holder in references.to(uuid) {
                    let key = (relation.from, &**holder, relation.column);
                    held.entry(key).or_default().push(Atom::Uuid(Arc::clone(uuid)));
                }
            }
        }
        let mut tables = Tables::default();
        for (table, uuid) in ids {
            let Some(row) = self.rows.get(table, uuid) else { continue };
            let is_held = |column: &str| holds.iter().any(|(held, _)| held.from == *table && held.column == column);
            let columns = row.columns.iter().map(|(column, value)| {
                let value = match is_held(column) {
                    true => Datum::Set(held.remove(&(*table, &**uuid, &**column)).unwrap_or_default()),
                    false => value.clone(),
                };
                (Arc::clone(column), value)
            });
            let row = Row { uuid: Arc::clone(uuid), columns: columns.collect() };
            let version = RowVersion { row, validity: Validity::ALWAYS };
            match tables.tables.get_mut(*table) {
                Some(versions) => versions.push(version),
                None => drop(tables.tables.insert((*table).into(), vec![version])),
            }
        }
        tables
    }

    /// Those of `after` that are new, and keeps count.
    fn new_warnings(&mut self, before: Vec<Warning>, after: Vec<Warning>) -> Vec<Warning> {
        self.unreadable = (self.unreadable + after.len()).saturating_sub(before.len());
        let known: HashSet<String> = before.into_iter().map(|warning| warning.message).collect();
        let mut warnings = after;
        warnings.retain(|warning| !known.contains(&warning.message));
        let left_out = warnings.len().saturating_sub(MAX_WARNINGS);
        if left_out > 0 {
            warnings.truncate(MAX_WARNINGS);
            let place = Place { file: Arc::clone(&self.remote), position: Position::Whole };
            warnings.push(Warning { place, message: format!("{left_out} further rows cannot be read") });
        }
        warnings
    }
}

fn uuids_in<'a>(row: &'a Row, column: &str, table: &'static str) -> impl Iterator<Item = RowId> + use<'a> {
    references::uuids(row, column).map(move |uuid| (table, Arc::clone(uuid)))
}

/// Whether a row came, went, or changed in one of these columns.
fn differ(old: Option<&Row>, new: Option<&Row>, columns: &[&str]) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => columns.iter().any(|&column| old.columns.get(column) != new.columns.get(column)),
        _ => true,
    }
}

/// What two lists of facts, of which some may be told several times, differ in.
pub fn difference(before: Vec<Fact>, after: Vec<Fact>) -> Delta {
    let (ended, begun) = (lacking(&before, &after), lacking(&after, &before));
    let pick = |facts: Vec<Fact>, picked: Vec<bool>| {
        facts.into_iter().zip(picked).filter_map(|(fact, picked)| picked.then_some(fact)).collect()
    };
    Delta { ended: pick(before, ended), begun: pick(after, begun) }
}

/// Which of `facts` are lacking in `other`.
fn lacking(facts: &[Fact], other: &[Fact]) -> Vec<bool> {
    let mut counts: HashMap<&Fact, usize> = HashMap::new();
    for fact in other {
        *counts.entry(fact).or_default() += 1;
    }
    let is_lacking = |fact| match counts.get_mut(fact) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    facts.iter().map(is_lacking).collect()
}

#[cfg(test)]
mod tests;
