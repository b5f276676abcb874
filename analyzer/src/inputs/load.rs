//! Reads dumps and tells their facts.

use std::io::{self, Read};
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashSet;

use super::paths::Paths;
use super::source::Source;
use crate::capture::{self, CaptureError};
use crate::conntrack;
use crate::engine::fact::{EvidenceKind, EvidenceKinds, Fact, Gap, Policy, Scope};
use crate::ovn::{self, Facts, lflows, lr_route_list, mac_owners, nexthops_toml, northbound, southbound, zones};
use crate::ovsdb::file::{self, FileError};
use crate::ovsdb::row::{Row, RowVersion, Tables};
use crate::ovsdb::text::{self, TextError};
use crate::types::{IpPrefix, MacAddr, Place, Position, Timestamp, Validity, Warning};

/// Longest dump that is read as a whole. Conntrack dumps and databases are streamed and may be longer.
const MAX_TEXT: u64 = 1 << 30;

/// Warnings kept of one file; what exceeds them is counted.
const MAX_WARNINGS: usize = 100;

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

/// Tables that have no rows on many clusters.
const MAY_BE_EMPTY: &[&str] = &["BFD", "Static_MAC_Binding", "Learned_Route", ECMP_NEXTHOP];

/// A table that is known and decides nothing. northd fills it where OVN watches next hops itself; it keeps a MAC there
/// that the binding has lost since, and all else in it stands in routes, BFD sessions and bindings, too.
const ECMP_NEXTHOP: &str = "ECMP_Nexthop";

/// An input that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] CaptureError),
    /// Reading failed.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than a dump can sensibly be.
    #[error("{file} is longer than {} MiB: is it the right file?", MAX_TEXT >> 20)]
    TooLong {
        /// The file.
        file: Arc<str>,
    },
    /// A database file of which nothing can be read.
    #[error(transparent)]
    Database(#[from] FileError),
    /// A database file where text is expected.
    #[error("{file} is a database file: give it with --nb-db, --sb-db or --ovs-db")]
    IsDatabase {
        /// The file.
        file: Arc<str>,
    },
    /// Rows of another table than this one.
    #[error("{file} holds no rows of {table}; list that table with all its columns")]
    OtherTable {
        /// The file.
        file: Arc<str>,
        /// The table that was expected.
        table: &'static str,
    },
    /// A database of another schema than this one.
    #[error("{file} is a database named {name}: expected {expected}")]
    WrongDatabase {
        /// The file.
        file: Arc<str>,
        /// What it is.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Text of a table of which nothing can be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Syntax as a whole is broken.
    #[error(transparent)]
    Unreadable(#[from] ovn::Unreadable),
    /// A conntrack dump that cannot be read on.
    #[error(transparent)]
    Conntrack(#[from] conntrack::reader::ReadError),
    /// A text that should be UTF-8 and is not.
    #[error("{place}: no UTF-8 text")]
    NotUtf8 {
        /// The first byte that is wrong.
        place: Place,
    },
    /// A file that told nothing.
    #[error("{file}: nothing in it could be read as {expected}{first}")]
    Nothing {
        /// The file.
        file: Arc<str>,
        /// What was expected.
        expected: &'static str,
        /// The first warning, behind a colon.
        first: String,
    },
}

/// What reading the dumps left behind.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What was passed over.
    pub warnings: Vec<Warning>,
    /// Lines and rows passed over, those without warning included.
    pub skipped_lines: u64,
    /// What was read, in the order of reading.
    pub sources: Vec<Source>,
    /// Start of the next-hop history: that of the source which starts last. `None` where no source has one.
    pub history: Option<Timestamp>,
    /// Kinds of evidence of which all was told.
    pub kinds: EvidenceKinds,
}

/// Reads all dumps and gives their facts to `tell`, one by one: dumps of conntrack entries are long.
///
/// Database files count more than texts: a text beside them adds nothing, and where it contradicts them a warning says
/// so.
///
/// # Errors
/// When an input cannot be read at all, or nothing in it can.
pub fn load(paths: &Paths, tell: &mut dyn FnMut(Fact)) -> Result<Loaded, InputError> {
    let loaded = Loaded { kinds: paths.kinds(), ..Loaded::default() };
    let mut loader = Loader { tell, loaded, database: Told::default() };
    for path in &paths.nb_db {
        loader.database_file(path, "nb-db", "OVN_Northbound")?;
    }
    for path in &paths.sb_db {
        loader.database_file(path, "sb-db", "OVN_Southbound")?;
    }
    for path in &paths.ovs_db {
        loader.database_file(path, "ovs-db", "Open_vSwitch")?;
    }
    let northbound = [
        (&paths.static_routes, "static-routes", "Logical_Router_Static_Route"),
        (&paths.bfd, "bfd", "BFD"),
        (&paths.static_mac_bindings, "static-mac-bindings", "Static_MAC_Binding"),
    ];
    loader.listed(&northbound, Database::Northbound, northbound::facts)?;
    let southbound = [
        (&paths.datapaths, "datapaths", "Datapath_Binding"),
        (&paths.port_bindings, "port-bindings", "Port_Binding"),
        (&paths.mac_bindings, "mac-bindings", "MAC_Binding"),
        (&paths.learned_routes, "learned-routes", "Learned_Route"),
    ];
    loader.listed(&southbound, Database::Southbound, southbound::facts)?;
    let without_facts = [(&paths.ecmp_nexthops, "ecmp-nexthops", ECMP_NEXTHOP)];
    loader.listed(&without_facts, Database::Southbound, |_, _| Facts::default())?;
    for list in &paths.lr_routes {
        let (file, bytes) = read(&list.file)?;
        let facts = lr_route_list::parse(&bytes, list.router.as_deref(), &file);
        loader.take_file(
            &file,
            "lr-routes",
            "routes of `ovn-nbctl lr-route-list`",
            facts,
            Precedence::Behind(Database::Northbound),
        )?;
    }
    for path in &paths.nexthops {
        let (file, bytes) = read(path)?;
        let facts = nexthops_toml::parse(&utf8(&file, bytes)?, &file)?;
        if facts.facts.iter().filter_map(Fact::validity).any(|validity| validity != Validity::ALWAYS) {
            loader.loaded.kinds.insert(EvidenceKind::History);
        }
        loader.take_file(&file, "nexthops", "next hops", facts, Precedence::Own)?;
    }
    for path in &paths.logical_flows {
        let (file, bytes) = read(path)?;
        let expected = "logical flows of symmetric replies";
        let facts = lflows::parse(&bytes, &file);
        loader.take_file(&file, "logical-flows", expected, facts, Precedence::Behind(Database::Southbound))?;
    }
    for path in &paths.ct_zones {
        let (file, bytes) = read(path)?;
        let facts = zones::parse(&bytes, &file);
        loader.take_file(&file, "ct-zones", "names of conntrack zones", facts, Precedence::Own)?;
    }
    for path in &paths.mac_owners {
        let (file, bytes) = read(path)?;
        let facts = mac_owners::parse(&bytes, &file)?;
        loader.take_file(&file, "mac-owners", "owners of MACs", facts, Precedence::Own)?;
    }
    for path in &paths.conntrack {
        loader.conntrack(path)?;
    }
    Ok(loader.loaded)
}

struct Loader<'a> {
    tell: &'a mut dyn FnMut(Fact),
    loaded: Loaded,
    database: Told,
}

/// What databases told, to hold texts against.
#[derive(Default)]
struct Told {
    routes: HashSet<(Policy, IpPrefix, Option<IpAddr>)>,
    bindings: HashSet<(IpAddr, MacAddr)>,
    nb: Option<Arc<str>>,
    sb: Option<Arc<str>>,
}

/// Rows of several texts together.
struct Listed {
    /// The files, for messages.
    file: Arc<str>,
    tables: Tables,
    /// Of each file its table, which versions of that are its own, and which of the sources it is.
    parts: Vec<(&'static str, Range<usize>, usize)>,
}

/// Whether facts are told, or only compared, where a database tells the same kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precedence {
    Own,
    Behind(Database),
}

/// The database that a text was printed of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Database {
    Northbound,
    Southbound,
}

impl Loader<'_> {
    fn database_file(
        &mut self,
        path: &Path,
        taken_for: &'static str,
        expected: &'static str,
    ) -> Result<(), InputError> {
        let (file, stream) = capture::unpack(path)?;
        let (wanted, parts) = match expected {
            "OVN_Northbound" => (northbound::TABLES, northbound::PARTS),
            "OVN_Southbound" => (southbound::TABLES, southbound::PARTS),
            _ => (zones::TABLES, &[][..]),
        };
        let (tables, info, warnings) = file::read_with_parts(stream, &file, wanted, parts)?;
        if info.name != expected {
            return Err(InputError::WrongDatabase { file, name: info.name, expected });
        }
        self.loaded.warnings.extend(warnings);
        let facts = match expected {
            "OVN_Northbound" => {
                self.database.nb = Some(Arc::clone(&file));
                northbound::facts(&tables, &file)
            }
            "OVN_Southbound" => {
                self.database.sb = Some(Arc::clone(&file));
                southbound::facts(&tables, &file)
            }
            _ => zones::facts(&tables, &file),
        };
        let (rows, lost) = (tables.tables.values().map(Vec::len).sum(), tables.lost.len() + facts.unreadable.len());
        self.loaded.sources.push(Source::whole(&file, taken_for, rows, lost));
        if expected != "Open_vSwitch" {
            self.loaded.history = self.loaded.history.max(facts.since);
        }
        for fact in &facts.facts {
            match fact {
                Fact::Route(route) if route.validity.until.is_none() => {
                    self.database.routes.insert((route.policy, route.prefix, route.nexthop));
                }
                Fact::Binding(binding) if binding.validity.until.is_none() => {
                    self.database.bindings.extend(binding.mac.map(|mac| (binding.ip, mac)));
                }
                _ => {}
            }
        }
        let mut facts = facts;
        if expected == "OVN_Southbound" && self.database.nb.is_some() {
            // northd goes by the Northbound status, which follows the Southbound one.
            facts.facts.retain(|fact| !matches!(fact, Fact::Bfd(_)));
            facts.gaps.retain(|gap| !matches!(gap.scope, Scope::Bfd { .. }));
        }
        self.tell(facts);
        Ok(())
    }

    /// Rows of all the texts together, as joins need several tables.
    fn tables(
        &mut self,
        texts: &[(&Vec<PathBuf>, &'static str, &'static str)],
        database: Database,
    ) -> Result<Option<Listed>, InputError> {
        let mut tables = Tables::default();
        let (mut files, mut parts) = (Vec::new(), Vec::new());
        for &(paths, taken_for, table) in texts {
            for path in paths {
                let (file, bytes) = read(path)?;
                let (rows, warnings, lost) = text::parse(&bytes, &file, table)?;
                check_table(&file, table, &rows)?;
                if rows.is_empty() && !warnings.is_empty() {
                    return Err(nothing(file, "rows of a table", &warnings));
                }
                if rows.is_empty() && !MAY_BE_EMPTY.contains(&table) {
                    self.silent(&file, &format!("a row of {table}"));
                }
                let lost_lines = warnings.len();
                self.loaded.skipped_lines += lost_lines as u64;
                self.loaded.warnings.extend(warnings);
                self.lose(&file, table, database, lost);
                if table == ECMP_NEXTHOP {
                    self.decides_nothing(&file, rows.len());
                }
                let versions = tables.tables.entry(table.into()).or_default();
                parts.push((table, versions.len()..versions.len() + rows.len(), self.loaded.sources.len()));
                self.loaded.sources.push(Source::whole(&file, taken_for, rows.len(), lost_lines));
                versions.extend(rows);
                files.push(file);
            }
        }
        Ok((!files.is_empty()).then(|| Listed { file: files.join(", ").into(), tables, parts }))
    }

    /// Takes over what the rows of texts of a database tell: of each its files, the option that names them, and its table.
    fn listed(
        &mut self,
        texts: &[(&Vec<PathBuf>, &'static str, &'static str)],
        database: Database,
        facts: fn(&Tables, &Arc<str>) -> Facts,
    ) -> Result<(), InputError> {
        let Some(listed) = self.tables(texts, database)? else { return Ok(()) };
        let facts = facts(&listed.tables, &listed.file);
        for (table, index) in &facts.unreadable {
            let is_there = |(of, versions, _): &&(&str, Range<usize>, usize)| of == table && versions.contains(index);
            if let Some((.., source)) = listed.parts.iter().find(is_there) {
                self.loaded.sources[*source].lost += 1;
            }
        }
        self.take(&listed.file, "rows of these tables", facts, Precedence::Behind(database))
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

    fn conntrack(&mut self, path: &Path) -> Result<(), InputError> {
        let (file, stream) = capture::unpack(path)?;
        let reading = conntrack::reader::read(stream, Arc::clone(&file), |connection, _| {
            (self.tell)(Fact::Connection(connection));
        })?;
        if reading.entries == 0 && reading.unreadable > 0 {
            return Err(nothing(file, "conntrack entries", &reading.warnings));
        }
        if reading.entries == 0 {
            self.silent(&file, "a conntrack entry");
        }
        self.loaded.sources.push(Source::whole(&file, "conntrack", reading.entries, reading.unreadable));
        self.loaded.skipped_lines += reading.unreadable as u64;
        reading.gaps.into_iter().map(Fact::Gap).for_each(&mut self.tell);
        self.loaded.warnings.extend(reading.warnings);
        Ok(())
    }

    /// [`Loader::take`] for a file by itself, which is expected to tell something.
    fn take_file(
        &mut self,
        file: &Arc<str>,
        taken_for: &'static str,
        expected: &'static str,
        facts: Facts,
        precedence: Precedence,
    ) -> Result<(), InputError> {
        self.loaded.sources.push(Source::whole(file, taken_for, facts.facts.len(), facts.warnings.len()));
        if facts.facts.is_empty() && facts.warnings.is_empty() {
            self.silent(file, expected);
        }
        self.take(file, expected, facts, precedence)
    }

    /// Says of a file that it has no weight, so that nobody waits for what it would change.
    fn decides_nothing(&mut self, file: &Arc<str>, rows: usize) {
        let monitor = match rows {
            0 => "it has no rows, as where OVN does not watch next hops itself",
            _ => "that it has rows says that OVN flushes entries of next hops that go (ecmp_nexthop_monitor_enable)",
        };
        let message = format!("ECMP_Nexthop decides nothing, routes, BFD and MAC_Binding do; {monitor}");
        self.loaded
            .warnings
            .push(Warning { place: Place { file: Arc::clone(file), position: Position::Whole }, message });
    }

    /// Warns of a file that tells nothing, as one does that a failed command left behind.
    fn silent(&mut self, file: &Arc<str>, expected: &str) {
        let place = Place { file: Arc::clone(file), position: Position::Whole };
        self.loaded.warnings.push(Warning { place, message: format!("expected {expected}, found none") });
    }

    fn take(
        &mut self,
        file: &Arc<str>,
        expected: &'static str,
        facts: Facts,
        precedence: Precedence,
    ) -> Result<(), InputError> {
        if facts.facts.is_empty() && !facts.warnings.is_empty() {
            return Err(nothing(Arc::clone(file), expected, &facts.warnings));
        }
        self.loaded.skipped_lines += facts.warnings.len() as u64;
        self.loaded.history = self.loaded.history.max(facts.since);
        let mut facts = facts;
        if let Precedence::Behind(database) = precedence {
            let told = &self.database;
            let contradictions: Vec<Warning> = facts
                .facts
                .iter()
                .filter_map(|fact| told.contradiction(database, fact))
                .map(|(message, file_of_database)| Warning {
                    place: Place { file: Arc::clone(file), position: Position::Whole },
                    message: format!("{message}, which {file_of_database} does not have; the database counts"),
                })
                .collect();
            self.loaded.warnings.extend(contradictions);
            facts.facts.retain(|fact| !told.covers(database, fact));
            facts.gaps.retain(|gap| !told.covers_gap(database, gap));
        }
        self.tell(facts);
        Ok(())
    }

    fn tell(&mut self, facts: Facts) {
        self.loaded.warnings.extend(facts.warnings.into_iter().take(MAX_WARNINGS));
        facts.facts.into_iter().for_each(&mut self.tell);
        facts.gaps.into_iter().map(Fact::Gap).for_each(&mut self.tell);
        self.loaded.warnings.extend(facts.assumptions);
    }
}

impl Told {
    /// Whether a database tells facts of this kind, so that a text's are not needed.
    fn covers(&self, database: Database, fact: &Fact) -> bool {
        match fact {
            Fact::Route(_) => self.routes_of(database).is_some(),
            Fact::Bfd(_) => self.nb.is_some(),
            Fact::Binding(_) | Fact::RouterPort(_) | Fact::SwitchPort(_) | Fact::Datapath(_) | Fact::Ovn(_) => {
                self.sb.is_some()
            }
            _ => false,
        }
    }

    /// Whether a database tells what a text lost.
    fn covers_gap(&self, database: Database, gap: &Gap) -> bool {
        match gap.scope {
            Scope::Routes { .. } => self.routes_of(database).is_some(),
            Scope::Bfd { .. } => self.nb.is_some(),
            Scope::Bindings { .. } | Scope::Ports | Scope::Behaviour => self.sb.is_some(),
            _ => false,
        }
    }

    /// The file of the database that tells the routes which a text of this database tells: the Southbound one has those
    /// that OVN learned.
    fn routes_of(&self, database: Database) -> Option<&Arc<str>> {
        match database {
            Database::Northbound => self.nb.as_ref(),
            Database::Southbound => self.sb.as_ref(),
        }
    }

    /// What a text tells and the database does not have, and the database's file.
    fn contradiction(&self, database: Database, fact: &Fact) -> Option<(String, &Arc<str>)> {
        match fact {
            Fact::Route(route) if !self.routes.contains(&(route.policy, route.prefix, route.nexthop)) => {
                let nexthop = route.nexthop.map_or("discard".to_owned(), |ip| ip.to_string());
                Some((format!("it has a route {} via {nexthop}", route.prefix), self.routes_of(database)?))
            }
            Fact::Binding(binding) => {
                let mac = binding.mac.filter(|&mac| !self.bindings.contains(&(binding.ip, mac)))?;
                Some((format!("it binds {} to {mac}", binding.ip), self.sb.as_ref()?))
            }
            _ => None,
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

fn nothing(file: Arc<str>, expected: &'static str, warnings: &[Warning]) -> InputError {
    let first = warnings.first().map_or(String::new(), |warning| format!(": {warning}"));
    InputError::Nothing { file, expected, first }
}

fn read(path: &Path) -> Result<(Arc<str>, Vec<u8>), InputError> {
    let (file, stream) = capture::unpack(path)?;
    let mut bytes = Vec::new();
    let mut bounded = stream.take(MAX_TEXT + 1);
    bounded.read_to_end(&mut bytes).map_err(|source| InputError::Read { file: Arc::clone(&file), source })?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(InputError::TooLong { file });
    }
    if bytes.starts_with(b"OVSDB ") {
        return Err(InputError::IsDatabase { file });
    }
    Ok((file, bytes))
}

fn utf8(file: &Arc<str>, bytes: Vec<u8>) -> Result<String, InputError> {
    String::from_utf8(bytes).map_err(|error| {
        let position = Position::Offset(error.utf8_error().valid_up_to() as u64);
        InputError::NotUtf8 { place: Place { file: Arc::clone(file), position } }
    })
}

#[cfg(test)]
mod tests;
