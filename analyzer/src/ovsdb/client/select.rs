//! Rows that are asked for once (RFC 7047 sections 4.1.3 and 5.2.2).
//!
//! A connection of its own asks for them: an answer that is larger than it may be, or none, ends that connection and leaves
//! those that follow a database alone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{self, ConnectionError, Stream};
use super::remote::Remote;
use super::replica::shown;
use super::tls::TlsFiles;
use crate::jsonrpc::{self, Framer, FramingError, Message};
use crate::ovsdb::datum;
use crate::ovsdb::row::Row;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Rows of a table that are wanted.
#[derive(Clone, PartialEq, Debug)]
pub struct Select {
    /// The table.
    pub table: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
    /// `<condition>`s of RFC 7047 section 5.1. Rows that meet **all** of them are told.
    pub conditions: Vec<Value>,
}

impl Select {
    /// The operation.
    fn operation(&self) -> Value {
        json!({"op": "select", "table": self.table, "columns": self.columns, "where": self.conditions})
    }
}

/// What an answer may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes that it may have.
    pub bytes: usize,
    /// How long it, and connecting, may take.
    pub wait: Duration,
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// There is no connection, or no longer.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// It takes too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The answer is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The server closed the connection.
    #[error("the server closed the connection before the answer's end")]
    Closed,
    /// The server answers with an error.
    #[error("the server refuses it: {0}")]
    Refused(String),
    /// The answer is none.
    #[error("the answer is not understood: {0}")]
    Senseless(String),
}

impl From<FramingError> for SelectError {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::TooLarge { limit, .. } => Self::TooLarge(limit),
            other => Self::Senseless(other.to_string()),
        }
    }
}

/// A connection to a server that is asked.
pub struct Session {
    database: String,
    stream: Box<dyn Stream>,
    framer: Framer,
    limits: Limits,
    last_id: u64,
}

impl Session {
    /// Connects to a server.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn open(
        database: &str,
        remote: &Remote,
        tls: Option<&TlsFiles>,
        limits: Limits,
    ) -> Result<Self, SelectError> {
        let stream = connection::connect(remote, tls, limits.wait).await?;
        Ok(Self { database: database.to_owned(), stream, framer: Framer::new(limits.bytes), limits, last_id: 0 })
    }

    /// Asks for rows, all as of one moment, and gives those of each of `selects`. After an error the connection is of no
    /// further use, unless the server refuses what was asked.
    ///
    /// # Errors
    /// [`SelectError`].
    pub async fn select(&mut self, selects: &[Select]) -> Result<Vec<Vec<Row>>, SelectError> {
        if selects.is_empty() {
            return Ok(Vec::new());
        }
        let wait = self.limits.wait;
        tokio::time::timeout(wait, self.exchange(selects)).await.map_err(|_| SelectError::Silent(wait))?
    }

    async fn exchange(&mut self, selects: &[Select]) -> Result<Vec<Vec<Row>>, SelectError> {
        self.last_id += 1;
        let id = self.last_id;
        let params: Value =
            std::iter::once(json!(self.database)).chain(selects.iter().map(Select::operation)).collect();
        self.stream.write_all(jsonrpc::request("transact", &params, &json!(id)).as_bytes()).await?;
        self.stream.flush().await?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let mut echoes = Vec::new();
            while let Some(frame) = self.framer.take()? {
                match Message::parse(frame.json).map_err(|error| SelectError::Senseless(error.to_string()))? {
                    Message::Reply { id: replied, outcome } if replied.get() == id.to_string() => {
                        return outcome.map_or_else(
                            |error| Err(SelectError::Refused(shown(error.get()))),
                            |result| rows(result, selects),
                        );
                    }
                    // The server asks whether we live.
                    Message::Request { id, params, .. } => echoes.push(jsonrpc::reply(id, params)),
                    Message::Reply { .. } | Message::Notification { .. } => {}
                }
            }
            for echo in echoes {
                self.stream.write_all(echo.as_bytes()).await?;
            }
            match self.stream.read(&mut chunk).await? {
                0 => return Err(SelectError::Closed),
                length => self.framer.push(chunk.get(..length).unwrap_or_default()),
            }
        }
    }
}

/// What the server says of one operation, as far as it is read.
#[derive(Deserialize)]
struct Outcome {
    rows: Option<Vec<Map<String, Value>>>,
    error: Option<String>,
    details: Option<String>,
}

/// The rows in an answer.
fn rows(result: &RawValue, selects: &[Select]) -> Result<Vec<Vec<Row>>, SelectError> {
    let senseless = |why: String| SelectError::Senseless(why);
    let outcomes: Vec<Option<Outcome>> =
        serde_json::from_str(result.get()).map_err(|error| senseless(error.to_string()))?;
    // The operations behind one that failed have no outcome, and that of the whole may follow.
    if let Some(Outcome { error: Some(error), details, .. }) =
        outcomes.iter().flatten().find(|outcome| outcome.error.is_some())
    {
        let details = details.as_deref().unwrap_or_default();
        return Err(SelectError::Refused(shown(&format!("{error}: {details}"))));
    }
    let told: Vec<Vec<Map<String, Value>>> =
        outcomes.into_iter().flatten().filter_map(|outcome| outcome.rows).collect();
    if told.len() != selects.len() {
        return Err(senseless(format!("{} operations have an outcome, of {}", told.len(), selects.len())));
    }
    told.into_iter().map(|rows| rows.into_iter().map(row).collect()).collect()
}

fn row(columns: Map<String, Value>) -> Result<Row, SelectError> {
    let mut row = Row { uuid: "".into(), columns: Default::default() };
    for (name, json) in columns {
        let value = datum::from_json(&json).map_err(|error| SelectError::Senseless(format!("{name}: {error}")))?;
        row.columns.insert(Arc::from(name), value);
    }
    if let Some(uuid) = row.text("_uuid").map(Arc::from) {
        row.uuid = uuid;
        row.columns.remove("_uuid");
    }
    Ok(row)
}

#[cfg(test)]
mod tests;
