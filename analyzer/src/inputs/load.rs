//! Reads dumps and tells their facts.

mod error;
mod tables;
mod text;
mod told;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;

pub use self::error::InputError;
use self::text::{Open, Text, texts};
use self::told::{Database, Told};
use super::paths::Paths;
use super::source::Source;
use super::ticket::{Block, Kind, Ticket};
use crate::capture;
use crate::conntrack;
use crate::engine::fact::{EvidenceKind, EvidenceKinds, Fact, Gap, Scope};
use crate::ovn::moments::Listings;
use crate::ovn::{Facts, lflows, lr_route_list, mac_owners, nexthops_toml, northbound, southbound, zones};
use crate::ovsdb::file;
use crate::types::{Place, Position, Timestamp, Validity, Warning};

/// Longest dump that is read as a whole. Conntrack dumps and databases are streamed and may be longer.
const MAX_TEXT: u64 = 1 << 30;

/// Warnings kept of one file; what exceeds them is counted.
const MAX_WARNINGS: usize = 100;

/// Tables that have no rows on many clusters.
pub(super) const MAY_BE_EMPTY: &[&str] = &["BFD", "Static_MAC_Binding", "Learned_Route", ECMP_NEXTHOP];

/// A table that is known and decides nothing. northd fills it where OVN watches next hops itself; it keeps a MAC there
/// that the binding has lost since, and all else in it stands in routes, BFD sessions and bindings, too.
pub(super) const ECMP_NEXTHOP: &str = "ECMP_Nexthop";

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
    /// Texts of tickets that may hold packets and cannot be read, and why. The warnings have them too.
    pub lost_captures: Vec<Warning>,
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
    let has_tickets = !paths.tickets.is_empty();
    let (database, of_tickets, listings) = Default::default();
    let mut loader = Loader { tell, loaded, database, has_tickets, of_tickets, listings };
    for path in &paths.nb_db {
        loader.database_file(path, "nb-db", "OVN_Northbound")?;
    }
    for path in &paths.sb_db {
        loader.database_file(path, "sb-db", "OVN_Southbound")?;
    }
    for path in &paths.ovs_db {
        loader.database_file(path, "ovs-db", "Open_vSwitch")?;
    }
    let rows = |files, table| (texts(files, &paths.tickets, move |kind: &Kind| *kind == Kind::Rows(table)), table);
    let northbound = [
        (rows(&paths.static_routes, "Logical_Router_Static_Route"), "static-routes"),
        (rows(&paths.bfd, "BFD"), "bfd"),
        (rows(&paths.static_mac_bindings, "Static_MAC_Binding"), "static-mac-bindings"),
    ];
    loader.listed(&northbound, Database::Northbound, northbound::facts)?;
    let southbound = [
        (rows(&paths.datapaths, "Datapath_Binding"), "datapaths"),
        (rows(&paths.port_bindings, "Port_Binding"), "port-bindings"),
        (rows(&paths.mac_bindings, "MAC_Binding"), "mac-bindings"),
        (rows(&paths.learned_routes, "Learned_Route"), "learned-routes"),
    ];
    loader.listed(&southbound, Database::Southbound, southbound::facts_of_texts)?;
    let without_facts = [(rows(&paths.ecmp_nexthops, ECMP_NEXTHOP), "ecmp-nexthops")];
    loader.listed(&without_facts, Database::Southbound, |_, _| Facts::default())?;
    loader.routes(paths)?;
    for text in texts(&paths.nexthops, &paths.tickets, |kind| *kind == Kind::Nexthops) {
        loader.facts(text, NEXTHOPS, |bytes, file| Ok(nexthops_toml::parse(utf8(file, bytes)?, file)?))?;
    }
    for text in texts(&paths.logical_flows, &paths.tickets, |kind| *kind == Kind::LogicalFlows) {
        loader.facts(text, LOGICAL_FLOWS, |bytes, file| Ok(lflows::parse(bytes, file)))?;
    }
    for text in texts(&paths.ct_zones, &paths.tickets, |kind| *kind == Kind::Zones) {
        loader.facts(text, ZONES, |bytes, file| Ok(zones::parse(bytes, file)))?;
    }
    for text in texts(&paths.mac_owners, &paths.tickets, |kind| *kind == Kind::Owners) {
        loader.facts(text, OWNERS, |bytes, file| Ok(mac_owners::parse(bytes, file)?))?;
    }
    for path in &paths.conntrack {
        loader.conntrack(path)?;
    }
    for text in texts(&[], &paths.tickets, |kind| *kind == Kind::Connections) {
        loader.entries(&text.open()?)?;
    }
    loader.tickets(&paths.tickets);
    Ok(loader.loaded)
}

struct Loader<'a> {
    tell: &'a mut dyn FnMut(Fact),
    loaded: Loaded,
    database: Told,
    has_tickets: bool,
    /// What was told where tickets are read.
    of_tickets: HashSet<Fact>,
    /// What texts list of the same rows.
    listings: Listings,
}

/// What a text that tells facts by itself is.
#[derive(Clone, Copy)]
struct FactsOf {
    taken_for: &'static str,
    expected: &'static str,
    precedence: Precedence,
}

const ROUTES: FactsOf = FactsOf {
    taken_for: "lr-routes",
    expected: "routes of `ovn-nbctl lr-route-list`",
    precedence: Precedence::Behind(Database::Northbound),
};
const NEXTHOPS: FactsOf = FactsOf { taken_for: "nexthops", expected: "next hops", precedence: Precedence::Own };
const LOGICAL_FLOWS: FactsOf = FactsOf {
    taken_for: "logical-flows",
    expected: "logical flows of symmetric replies",
    precedence: Precedence::Behind(Database::Southbound),
};
const ZONES: FactsOf =
    FactsOf { taken_for: "ct-zones", expected: "names of conntrack zones", precedence: Precedence::Own };
const OWNERS: FactsOf = FactsOf { taken_for: "mac-owners", expected: "owners of MACs", precedence: Precedence::Own };

/// Whether facts are told, or only compared, where a database tells the same kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precedence {
    Own,
    Behind(Database),
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

    fn conntrack(&mut self, path: &Path) -> Result<(), InputError> {
        let (file, stream) = capture::unpack(path)?;
        let reading = conntrack::reader::read(stream, Arc::clone(&file), |connection, _| {
            (self.tell)(Fact::Connection(connection));
        })?;
        if reading.entries == 0 && reading.unreadable > 0 {
            return Err(nothing(file, "conntrack entries", &reading.warnings));
        }
        self.entered(&Open { file, bytes: (&[][..]).into(), block: None }, reading);
        Ok(())
    }

    /// Takes over the entries of a block.
    fn entries(&mut self, open: &Open<'_>) -> Result<(), InputError> {
        let reading = conntrack::reader::read(&*open.bytes, Arc::clone(&open.file), |connection, _| {
            let fact = Fact::Connection(connection);
            if self.of_tickets.insert(fact.clone()) {
                (self.tell)(fact);
            }
        })?;
        let reading = open.entries(reading);
        if reading.entries == 0 && reading.gaps.is_empty() && reading.unreadable > 0 {
            return self.unread(
                open,
                nothing(Arc::clone(&open.file), "conntrack entries", &reading.warnings),
                Precedence::Own,
            );
        }
        self.entered(open, reading);
        Ok(())
    }

    /// Takes note of what became of a dump of entries.
    fn entered(&mut self, open: &Open<'_>, reading: conntrack::reader::Reading) {
        if reading.entries == 0 && reading.unreadable == 0 {
            self.silent(open, "a conntrack entry");
        }
        self.loaded.sources.push(open.source("conntrack", reading.entries, reading.unreadable));
        self.loaded.skipped_lines += reading.unreadable as u64;
        reading.gaps.into_iter().map(Fact::Gap).for_each(&mut self.tell);
        self.loaded.warnings.extend(reading.warnings);
    }

    /// Takes over what listings of routes tell: an option or a command names the router.
    fn routes(&mut self, paths: &Paths) -> Result<(), InputError> {
        for list in &paths.lr_routes {
            let parse = |bytes: &[u8], file: &Arc<str>| Ok(lr_route_list::parse(bytes, list.router.as_deref(), file));
            self.facts(Text::File(&list.file), ROUTES, parse)?;
        }
        for text in texts(&[], &paths.tickets, |kind| matches!(kind, Kind::Routes { .. })) {
            let router = match text {
                Text::Block(_, Block { kind: Kind::Routes { router }, .. }) => router.as_deref(),
                _ => None,
            };
            self.facts(text, ROUTES, |bytes, file| Ok(lr_route_list::parse(bytes, router, file)))?;
        }
        Ok(())
    }

    /// Takes over what a text by itself tells, which is expected to tell something.
    fn facts(
        &mut self,
        text: Text<'_>,
        FactsOf { taken_for, expected, precedence }: FactsOf,
        parse: impl Fn(&[u8], &Arc<str>) -> Result<Facts, InputError>,
    ) -> Result<(), InputError> {
        let open = text.open()?;
        let mut facts = match parse(&open.bytes, &open.file) {
            Ok(facts) => open.placed(facts),
            Err(error) => return self.unread(&open, error, precedence),
        };
        if [ROUTES, ZONES].iter().any(|listing| listing.taken_for == taken_for) {
            facts.contradict(self.listings.compare(open.asked(taken_for), open.place(), &facts.facts));
        }
        if taken_for == NEXTHOPS.taken_for
            && facts.facts.iter().filter_map(Fact::validity).any(|validity| validity != Validity::ALWAYS)
        {
            self.loaded.kinds.insert(EvidenceKind::History);
        }
        self.loaded.sources.push(open.source(taken_for, facts.facts.len(), facts.warnings.len()));
        if facts.facts.is_empty() && facts.warnings.is_empty() {
            self.silent(&open, expected);
        }
        self.take(&open, expected, facts, precedence)
    }

    /// Ends reading where a file tells nothing; of a block of a ticket, takes note of what is missing for it.
    fn unread(&mut self, open: &Open<'_>, error: InputError, precedence: Precedence) -> Result<(), InputError> {
        if open.block.is_none() {
            return Err(error);
        }
        let message = format!("nothing of this text could be read: {}", open.error(error));
        self.loaded.warnings.push(Warning { place: open.place(), message });
        self.loaded.skipped_lines += 1;
        let place = Place { position: Position::Line(open.before() + 1), ..open.place() };
        let gap = open.scope().map(|scope| Gap { scope, place, validity: Validity::ALWAYS });
        let is_told = |gap: &Gap| match precedence {
            Precedence::Own => false,
            Precedence::Behind(database) => self.database.covers_gap(database, gap),
        };
        if let Some(gap) = gap.filter(|gap| !is_told(gap)) {
            (self.tell)(Fact::Gap(gap));
        }
        Ok(())
    }

    /// Takes note of tickets as such.
    fn tickets(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            self.loaded.sources.push(Source::whole(&ticket.file, "ticket", ticket.blocks.len(), ticket.unread.len()));
            self.loaded.skipped_lines += ticket.prose as u64;
            self.loaded.lost_captures.extend(ticket.unread.iter().cloned());
            self.loaded.warnings.extend(ticket.unread.iter().chain(&ticket.repeated).cloned());
        }
    }

    /// Says of a text that it has no weight, so that nobody waits for what it would change.
    fn decides_nothing(&mut self, open: &Open<'_>, rows: usize) {
        let monitor = match rows {
            0 => "it has no rows, as where OVN does not watch next hops itself",
            _ => "that it has rows says that OVN flushes entries of next hops that go (ecmp_nexthop_monitor_enable)",
        };
        let message = format!("ECMP_Nexthop decides nothing, routes, BFD and MAC_Binding do; {monitor}");
        self.loaded.warnings.push(Warning { place: open.place(), message });
    }

    /// Warns of a text that tells nothing, as one does that a failed command left behind.
    fn silent(&mut self, open: &Open<'_>, expected: &str) {
        self.loaded.warnings.push(Warning { place: open.place(), message: format!("expected {expected}, found none") });
    }

    fn take(
        &mut self,
        open: &Open<'_>,
        expected: &'static str,
        mut facts: Facts,
        precedence: Precedence,
    ) -> Result<(), InputError> {
        let is_lost = facts.facts.is_empty() && !facts.warnings.is_empty();
        // Rows of a table may be of files and of tickets.
        let may_be_of_ticket = open.block.is_some() || self.has_tickets;
        if is_lost && (!may_be_of_ticket || facts.gaps.is_empty()) {
            return self.unread(open, nothing(Arc::clone(&open.file), expected, &facts.warnings), precedence);
        }
        self.loaded.skipped_lines += facts.warnings.len() as u64;
        self.loaded.history = self.loaded.history.max(facts.since);
        if let Precedence::Behind(database) = precedence {
            let told = &self.database;
            let contradictions: Vec<Warning> = facts
                .facts
                .iter()
                .filter_map(|fact| told.contradiction(database, fact))
                .map(|(message, file_of_database)| Warning {
                    place: open.place(),
                    message: format!("{message}, which {file_of_database} does not have; the database counts"),
                })
                .collect();
            self.loaded.warnings.extend(contradictions);
            facts.facts.retain(|fact| !told.covers(database, fact));
            facts.gaps.retain(|gap| !told.covers_gap(database, gap));
        }
        if self.has_tickets {
            // What is pasted twice is one fact.
            facts.facts.retain(|fact| self.of_tickets.insert(fact.clone()));
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

fn utf8<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, InputError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let position = Position::Offset(error.valid_up_to() as u64);
        InputError::NotUtf8 { place: Place { file: Arc::clone(file), position } }
    })
}

#[cfg(test)]
mod tests;
