//! The protocol without I/O: messages of a server in; requests, changes of rows, and warnings out.
//!
//! One replica lives through many connections. What it keeps between them is the content, and of a cluster the last
//! transaction and how far its log was seen, so that after a reconnection only what really changed is told.
//!
//! The order of a connection: `list_dbs`; the server's description of itself, which is followed as well; `get_schema`;
//! the monitor request; then notifications for as long as it lasts.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::cache::Cache;
use super::plan::{Method, Plan};
use super::server::{self, Seen, ServerInfo};
use super::{Config, SessionError, TableRequest, update};
use crate::jsonrpc::{self, Message};
use crate::ovsdb::row::Change;
use crate::ovsdb::schema::Schema;

/// Names of our monitors, which notifications bear.
const MONITOR: &str = "rows";
const SERVER_MONITOR: &str = "server";
/// The `id` of our echo requests.
const ECHO: &str = "echo";
/// The transaction that no server knows.
const NO_TRANSACTION: &str = "00000000-0000-0000-0000-000000000000";
/// Texts of servers are cut to this in errors.
const SHOWN: usize = 200;
/// Different warnings that are remembered as told; further ones are not told.
const MAX_TOLD: usize = 1000;

/// What comes out of a replica.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the server.
    Send(String),
    /// The server has the database, in the role that is asked for, and follows our request.
    Accepted,
    /// Rows changed. Never empty.
    Changes {
        /// The changes of one transaction; or of several, those that were missed.
        changes: Vec<Change>,
        /// Whether they are what brings the content into step with the server.
        is_initial: bool,
    },
    /// The content is in step with the server.
    Synchronised,
    /// Something that is asked for is not to be had. Told once.
    Warning(String),
}

/// A replica of a database's tables.
pub struct Replica {
    database: String,
    leader_only: bool,
    requests: Vec<TableRequest>,
    cache: Cache,
    /// The last transaction in the cache and what was asked for then. `None` where the content must come anew.
    resume: Option<(Arc<str>, Arc<Plan>)>,
    seen: Option<Seen>,
    told: BTreeSet<String>,
    session: Session,
    outputs: VecDeque<Output>,
}

/// What ends with the connection.
#[derive(Default)]
struct Session {
    /// Number of the last request.
    last_id: u64,
    /// The request that awaits its reply.
    pending: Option<(u64, Ask)>,
    server: Option<ServerInfo>,
    schema: Option<Schema>,
    plan: Arc<Plan>,
    /// The method that monitors, once it does.
    following: Option<Method>,
    last_transaction: Option<Arc<str>>,
}

/// A request, by what to do with its result.
#[derive(Clone, PartialEq, Debug)]
enum Ask {
    Databases,
    Server,
    Schema,
    Monitor(Method),
    /// These are the conditions once the server agrees.
    Conditions(Arc<Plan>),
}

impl Ask {
    fn method(&self) -> &'static str {
        match self {
            Self::Databases => "list_dbs",
            Self::Server => Method::Plain.name(),
            Self::Schema => "get_schema",
            Self::Monitor(method) => method.name(),
            Self::Conditions(_) => "monitor_cond_change",
        }
    }
}

impl Replica {
    /// An empty one.
    pub fn new(config: &Config) -> Self {
        Self {
            database: config.database.clone(),
            leader_only: config.leader_only,
            requests: config.tables.clone(),
            cache: Cache::new(Arc::clone(&config.budget)),
            resume: None,
            seen: None,
            told: BTreeSet::new(),
            session: Session::default(),
            outputs: VecDeque::new(),
        }
    }

    /// A new connection stands; whatever the last one had in flight is void.
    pub fn connected(&mut self) {
        self.session = Session::default();
        self.outputs.clear();
        self.ask(Ask::Databases, &json!([]));
    }

    /// The next thing to do or to tell.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Number and method of the request that awaits its reply.
    pub fn pending(&self) -> Option<(u64, &'static str)> {
        self.session.pending.as_ref().map(|(id, ask)| (*id, ask.method()))
    }

    /// Asks the server for a sign of life.
    pub fn probe(&mut self) {
        self.outputs.push_back(Output::Send(jsonrpc::request("echo", &json!([]), &json!(ECHO))));
    }

    /// Sets the conditions of a table; an empty list asks for all rows. They outlive the connection.
    pub fn set_conditions(&mut self, table: &str, conditions: Vec<Value>) {
        if let Some(request) = self.requests.iter_mut().find(|request| *request.table == *table) {
            request.conditions = conditions;
            self.change_conditions();
        }
    }

    /// Takes in a message.
    ///
    /// # Errors
    /// [`SessionError`]: the connection is of no further use.
    pub fn handle(&mut self, json: &[u8]) -> Result<(), SessionError> {
        match Message::parse(json)? {
            Message::Request { method, params, id } => {
                let reply = match &*method {
                    "echo" => jsonrpc::reply(id, params),
                    _ => jsonrpc::error_reply(id, "unknown method"),
                };
                self.outputs.push_back(Output::Send(reply));
                Ok(())
            }
            Message::Notification { method, params } => self.notified(&method, params.get()),
            Message::Reply { id, outcome } => self.replied(id, outcome),
        }
    }

    fn ask(&mut self, ask: Ask, params: &Value) {
        self.session.last_id += 1;
        let id = self.session.last_id;
        self.outputs.push_back(Output::Send(jsonrpc::request(ask.method(), params, &json!(id))));
        self.session.pending = Some((id, ask));
    }

    fn notified(&mut self, method: &str, params: &str) -> Result<(), SessionError> {
        let malformed = |method, source| SessionError::Content { method, source };
        if method == "monitor_canceled" {
            return Err(SessionError::Cancelled);
        }
        if method == Method::Plain.notification() {
            let (monitor, updates): (&str, &RawValue) =
                serde_json::from_str(params).map_err(|source| malformed("update", source))?;
            if monitor == SERVER_MONITOR
                && let Some(server) = &mut self.session.server
            {
                return server.update(updates.get(), &self.database, self.leader_only, &mut self.seen);
            }
        }
        // Others, as `locked`, are answers to what we never ask for; RFC 7047 leaves room for more.
        let Some(following) = self.session.following.filter(|following| following.notification() == method) else {
            return Ok(());
        };
        let malformed = |source| malformed(following.notification(), source);
        let (monitor, transaction, updates): (&str, Option<&str>, &RawValue) = match following {
            Method::CondSince => serde_json::from_str(params).map_err(malformed)?,
            Method::Cond | Method::Plain => {
                let (monitor, updates) = serde_json::from_str(params).map_err(malformed)?;
                (monitor, None, updates)
            }
        };
        if monitor != MONITOR {
            return Ok(());
        }
        let plan = Arc::clone(&self.session.plan);
        let updates = update::read(updates.get(), following, &plan, &self.cache)
            .map_err(|error| error.of(following.notification()))?;
        self.apply(updates, &plan, false)?;
        self.session.last_transaction = transaction.map(Arc::from);
        // While conditions change it is not known under which ones a transaction was told.
        if !matches!(self.session.pending, Some((_, Ask::Conditions(_)))) {
            self.resume = self.session.last_transaction.clone().map(|transaction| (transaction, plan));
        }
        Ok(())
    }

    fn apply(&mut self, updates: Vec<update::TableUpdate>, plan: &Plan, is_initial: bool) -> Result<(), SessionError> {
        let changes = self.cache.apply(updates, plan).inspect_err(|_| self.resume = None)?;
        self.tell(changes, is_initial);
        Ok(())
    }

    fn tell(&mut self, changes: Vec<Change>, is_initial: bool) {
        if !changes.is_empty() {
            self.outputs.push_back(Output::Changes { changes, is_initial });
        }
    }

    fn replied(&mut self, id: &RawValue, outcome: Result<&RawValue, &RawValue>) -> Result<(), SessionError> {
        if serde_json::from_str::<&str>(id.get()).is_ok_and(|id| id == ECHO) {
            return Ok(());
        }
        let number: Option<u64> = serde_json::from_str(id.get()).ok();
        let Some((_, ask)) = self.session.pending.take_if(|(pending, _)| Some(*pending) == number) else {
            return Err(SessionError::UnexpectedReply { id: shown(id.get()) });
        };
        let method = ask.method();
        let result = match (outcome, &ask) {
            (Ok(result), _) => result.get(),
            (Err(error), Ask::Monitor(monitor)) if error.get().contains("unknown method") => {
                return match monitor.older() {
                    Some(older) => {
                        self.monitor(older);
                        Ok(())
                    }
                    None => Err(SessionError::Refused { method, error: shown(error.get()) }),
                };
            }
            (Err(error), _) => return Err(SessionError::Refused { method, error: shown(error.get()) }),
        };
        let malformed = |source| SessionError::Content { method, source };
        match ask {
            Ask::Databases => self.listed(serde_json::from_str(result).map_err(malformed)?),
            Ask::Server => {
                let server = self.session.server.insert(ServerInfo::new());
                server.update(result, &self.database, self.leader_only, &mut self.seen)?;
                self.ask_for_schema();
                Ok(())
            }
            Ask::Schema => {
                let wanted: Vec<Arc<str>> = self.requests.iter().map(|request| Arc::clone(&request.table)).collect();
                let schema = Schema::from_json(result, &wanted).map_err(malformed)?;
                self.session.plan = Arc::new(self.plan(&schema));
                self.session.schema = Some(schema);
                self.monitor(Method::CondSince);
                Ok(())
            }
            Ask::Monitor(monitor) => self.synchronise(monitor, result),
            Ask::Conditions(plan) => {
                self.session.plan = plan;
                let transaction = self.session.last_transaction.clone();
                self.resume = transaction.map(|transaction| (transaction, Arc::clone(&self.session.plan)));
                self.change_conditions();
                if self.session.pending.is_none() {
                    // The server tells the rows that the conditions let in before it replies.
                    self.outputs.push_back(Output::Synchronised);
                }
                Ok(())
            }
        }
    }

    fn listed(&mut self, databases: Vec<String>) -> Result<(), SessionError> {
        if !databases.contains(&self.database) {
            let served = shown(&databases.join(", "));
            return Err(SessionError::NotServed { database: self.database.clone(), served });
        }
        if databases.iter().any(|database| database == server::DATABASE) {
            let params = json!([server::DATABASE, SERVER_MONITOR, ServerInfo::new().requests()]);
            self.ask(Ask::Server, &params);
        } else {
            self.ask_for_schema();
        }
        Ok(())
    }

    fn ask_for_schema(&mut self) {
        let params = json!([self.database]);
        self.ask(Ask::Schema, &params);
    }

    /// What to ask for, after the schema. What is missing is told once in the replica's life.
    fn plan(&mut self, schema: &Schema) -> Plan {
        let Self { requests, told, outputs, .. } = self;
        Plan::new(requests, schema, &mut |message| warn_once(told, outputs, message))
    }

    fn monitor(&mut self, method: Method) {
        let plan = Arc::clone(&self.session.plan);
        let mut params = vec![json!(self.database), json!(MONITOR), plan.requests(method)];
        if method == Method::CondSince {
            let resume = self.resume.as_ref().filter(|(_, then)| *then == plan);
            params.push(json!(resume.map_or(NO_TRANSACTION, |(transaction, _)| transaction)));
        }
        if method == Method::Plain && plan.tables.values().any(|table| !table.conditions.is_empty()) {
            let message = "the server is too old for conditions (OVS before 2.6); it sends whole tables";
            warn_once(&mut self.told, &mut self.outputs, message.to_owned());
        }
        self.ask(Ask::Monitor(method), &Value::Array(params));
    }

    fn synchronise(&mut self, method: Method, result: &str) -> Result<(), SessionError> {
        let malformed = |source| SessionError::Content { method: method.name(), source };
        let (found, transaction, updates): (bool, Option<&str>, &RawValue) = match method {
            Method::CondSince => serde_json::from_str(result).map_err(malformed)?,
            Method::Cond | Method::Plain => (false, None, serde_json::from_str(result).map_err(malformed)?),
        };
        let plan = Arc::clone(&self.session.plan);
        let updates =
            update::read(updates.get(), method, &plan, &self.cache).map_err(|error| error.of(method.name()))?;
        self.outputs.push_back(Output::Accepted);
        if found {
            self.apply(updates, &plan, true)?;
        } else {
            let changes = self.cache.replace(updates);
            self.tell(changes, true);
        }
        self.session.following = Some(method);
        self.session.last_transaction = transaction.map(Arc::from);
        self.resume = self.session.last_transaction.clone().map(|transaction| (transaction, plan));
        self.outputs.push_back(Output::Synchronised);
        self.change_conditions();
        Ok(())
    }

    /// Asks for the conditions that are wanted now, unless the server has them or is still at the last ones.
    fn change_conditions(&mut self) {
        let follows = self.session.following.is_some_and(|method| method != Method::Plain);
        if !follows || self.session.pending.is_some() {
            return;
        }
        let Some(schema) = self.session.schema.take() else { return };
        let wanted = self.plan(&schema);
        self.session.schema = Some(schema);
        if let Some(changes) = self.session.plan.condition_changes(&wanted) {
            self.resume = None;
            self.ask(Ask::Conditions(Arc::new(wanted)), &json!([MONITOR, MONITOR, changes]));
        }
    }
}

fn warn_once(told: &mut BTreeSet<String>, outputs: &mut VecDeque<Output>, message: String) {
    if told.len() < MAX_TOLD && told.insert(message.clone()) {
        outputs.push_back(Output::Warning(message));
    }
}

pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests;
