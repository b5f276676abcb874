//! The task that connects, reads, writes and waits; what any of it means is for [`Replica`] to say.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{self, ConnectionError, Stream};
use super::probe::{Due, Probe};
use super::remote::Remote;
use super::replica::{Output, Replica};
use super::schedule::Schedule;
use super::{Conditions, Config, Event, census};
use crate::jsonrpc::{Frame, Framer, FramingError};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Time to write without a probe interval to go by.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Follows the database for ever.
pub(super) async fn run(config: Config, events: mpsc::Sender<Event>, conditions: watch::Receiver<Conditions>) {
    let mut schedule = Schedule::new(config.remotes.clone(), config.backoff, config.seed);
    let mut follower = Follower { replica: Replica::new(&config), config, events, conditions };
    while let Some(remote) = schedule.remote().cloned() {
        let mut in_step = None;
        let error = match follower.attempt(&remote, &mut in_step).await {
            Ok(never) => match never {},
            Err(Ended::Failed(error)) => error,
            Err(Ended::ReceiverGone) => return,
        };
        let mut retry_in = schedule.lost(in_step.map_or(Duration::ZERO, |since: Instant| since.elapsed()));
        if error.is_too_much() {
            retry_in = retry_in.max(follower.config.pause_if_too_much);
        }
        if follower.events.send(Event::Lost { remote, error, retry_in }).await.is_err() {
            return;
        }
        sleep(retry_in).await;
    }
}

struct Follower {
    config: Config,
    events: mpsc::Sender<Event>,
    conditions: watch::Receiver<Conditions>,
    replica: Replica,
}

/// Why a connection is no longer followed.
enum Ended {
    Failed(ConnectionError),
    ReceiverGone,
}

impl<E: Into<ConnectionError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What wakes a follower.
enum Wake {
    Read(std::io::Result<usize>),
    Conditions,
    Time,
}

impl Follower {
    /// One connection, from its attempt to its end. `in_step` is when the content first was the server's.
    async fn attempt(
        &mut self,
        remote: &Remote,
        in_step: &mut Option<Instant>,
    ) -> Result<std::convert::Infallible, Ended> {
        let stream = connection::connect(remote, self.config.tls.as_ref(), self.config.connect_timeout).await?;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let start = Instant::now();
        let mut framer = Framer::new(self.config.max_message);
        let mut chunk = vec![0; CHUNK];
        let mut probe = Probe::new(self.config.probe_interval);
        let mut waiting = Waiting::default();
        self.take_conditions();
        self.replica.connected();
        self.deliver(remote, &mut writer, &framer, in_step).await?;
        loop {
            waiting.update(&self.replica, &framer, start.elapsed());
            match self.wake(&mut reader, &mut chunk, start, [probe.deadline(), waiting.deadline(&self.config)]).await {
                Wake::Read(Ok(0)) => {
                    let (received, in_message) = (framer.received(), framer.is_in_message());
                    return Err(ConnectionError::Closed { received, in_message }.into());
                }
                Wake::Read(Ok(length)) => {
                    framer.push(chunk.get(..length).unwrap_or_default());
                    while let Some(frame) = taken(&mut framer)? {
                        let offset = frame.offset;
                        let handled = self.replica.handle(frame.json);
                        // What came before an error was told and stands.
                        self.deliver(remote, &mut writer, &framer, in_step).await?;
                        handled.map_err(|source| ConnectionError::Session { offset, source })?;
                    }
                    // From here, as a slow receiver of the events is not the server's silence.
                    probe.heard(start.elapsed());
                }
                Wake::Read(Err(error)) => return Err(self.broken(error, &framer).into()),
                Wake::Conditions => self.take_conditions(),
                Wake::Time => {
                    let now = start.elapsed();
                    match probe.check(now) {
                        Some(Due::GiveUp) => {
                            let silence = self.config.probe_interval.saturating_mul(2);
                            return Err(ConnectionError::Silent { received: framer.received(), silence }.into());
                        }
                        Some(Due::Ask) => self.replica.probe(),
                        None => {}
                    }
                    if waiting.deadline(&self.config).is_some_and(|deadline| now >= deadline)
                        && let Some((_, method)) = self.replica.pending()
                    {
                        return Err(ConnectionError::NoReply { method, timeout: self.config.reply_timeout }.into());
                    }
                }
            }
            self.deliver(remote, &mut writer, &framer, in_step).await?;
        }
    }

    /// Waits for bytes, for other conditions, or for the first of the deadlines.
    async fn wake(
        &mut self,
        reader: &mut ReadHalf<Box<dyn Stream>>,
        chunk: &mut [u8],
        start: Instant,
        deadlines: [Option<Duration>; 2],
    ) -> Wake {
        let deadline = deadlines.into_iter().flatten().min().and_then(|deadline| start.checked_add(deadline));
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Bytes that are there already are no silence, however late we come to read them.
            biased;
            read = reader.read(chunk) => Wake::Read(read),
            // Its end is that of the handle, and the task's.
            Ok(()) = self.conditions.changed() => Wake::Conditions,
            () = timer => Wake::Time,
        }
    }

    fn take_conditions(&mut self) {
        for (table, conditions) in &*self.conditions.borrow_and_update() {
            self.replica.set_conditions(table, conditions.clone());
        }
    }

    /// Sends and tells all that the replica has.
    async fn deliver(
        &mut self,
        remote: &Remote,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        framer: &Framer,
        in_step: &mut Option<Instant>,
    ) -> Result<(), Ended> {
        let mut failed = None;
        while let Some(output) = self.replica.poll() {
            let event = match output {
                Output::Send(message) => {
                    if failed.is_none() {
                        failed = self.send(&message, writer, framer).await.err();
                    }
                    continue;
                }
                Output::Accepted => Event::Connected { remote: remote.clone() },
                Output::Changes { changes, is_initial } => Event::Changes { changes, is_initial },
                Output::Synchronised => {
                    in_step.get_or_insert_with(Instant::now);
                    Event::Synchronised
                }
                Output::Warning(message) => Event::Warning(message),
            };
            // Told also when the connection has just failed: the replica takes it as told.
            self.events.send(event).await.map_err(|_| Ended::ReceiverGone)?;
        }
        failed.map_or(Ok(()), |error| Err(Ended::Failed(error)))
    }

    async fn send(
        &self,
        message: &str,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        framer: &Framer,
    ) -> Result<(), ConnectionError> {
        let limit = if self.config.probe_interval.is_zero() { WRITE_TIMEOUT } else { self.config.probe_interval };
        let written = timeout(limit, async {
            writer.write_all(message.as_bytes()).await?;
            writer.flush().await
        });
        match written.await {
            Ok(written) => written.map_err(|error| self.broken(error, framer)),
            Err(_) => Err(ConnectionError::Blocked(limit)),
        }
    }

    fn broken(&self, error: std::io::Error, framer: &Framer) -> ConnectionError {
        let of_tls = self.config.tls.as_ref().and_then(|files| connection::of_tls(&error, files));
        of_tls.unwrap_or_else(|| ConnectionError::Broken { received: framer.received(), source: error })
    }
}

/// The next message. One that is too large is told with what it is full of.
fn taken(framer: &mut Framer) -> Result<Option<Frame<'_>>, ConnectionError> {
    if let Err(FramingError::TooLarge { limit, .. }) = framer.look() {
        return Err(ConnectionError::TooLarge { limit, largest: census::most_rows(framer.unfinished()) });
    }
    Ok(framer.take()?)
}

/// Since when the reply to a request is awaited. A reply that has begun to arrive is not late any more.
#[derive(Default)]
struct Waiting {
    request: Option<u64>,
    since: Duration,
}

impl Waiting {
    fn update(&mut self, replica: &Replica, framer: &Framer, now: Duration) {
        let request = replica.pending().map(|(id, _)| id);
        if self.request != request || framer.is_in_message() {
            (self.request, self.since) = (request, now);
        }
    }

    fn deadline(&self, config: &Config) -> Option<Duration> {
        self.request.map(|_| self.since.saturating_add(config.reply_timeout))
    }
}
