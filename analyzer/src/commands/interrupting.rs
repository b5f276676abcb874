//! SIGINT and SIGTERM while captures are read: the verdict so far, instead of none.

use std::future::{pending, ready};
use std::io;
use std::path::Path;
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::capture::Interruption;
use crate::output::say;

/// How long a pipe is read on: whoever writes into it flushes on the same signal, and ends.
const STREAMS_GO_ON: Duration = Duration::from_secs(2);

/// What a shell adds to a signal's number for the exit status of a process that the signal ended.
const ENDED_BY_SIGNAL: i32 = 128;

/// What follows a first signal while captures are read.
pub(super) const SO_FAR: &str = "the verdict so far follows";

/// Reading that the first signal ends. The second one ends the process, whatever it does by then.
pub(super) struct Reading {
    interruption: Arc<Interruption>,
    has_streams: bool,
    over: Option<oneshot::Sender<mpsc::Sender<()>>>,
}

impl Reading {
    /// Listens from now on to the end of the process. `says` what follows the first signal, where it is to be answered on
    /// standard error.
    pub(super) fn listen(inputs: &[impl AsRef<Path>], says: Option<&'static str>) -> anyhow::Result<Self> {
        const REFUSED: &str = "cannot listen to signals";
        let interruption = Arc::new(Interruption::new().context(REFUSED)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(REFUSED)?;
        let signals = {
            let _context = runtime.enter();
            Signals::new().context(REFUSED)?
        };
        let has_streams = inputs.iter().map(AsRef::as_ref).any(|input| !input.is_file() && !input.is_dir());
        let (over, is_over) = oneshot::channel();
        let ended = Arc::clone(&interruption);
        let listen = move || runtime.block_on(signals.listen(&ended, is_over, says, has_streams));
        thread::Builder::new().name("signals".into()).spawn(listen).context(REFUSED)?;
        Ok(Self { interruption, has_streams, over: Some(over) })
    }

    pub(super) fn interruption(&self) -> &Arc<Interruption> {
        &self.interruption
    }

    /// Whether a signal came, after which nothing more is to be read.
    pub(super) fn is_over(&self) -> bool {
        self.interruption.meet().is_some()
    }

    /// Whether a signal came before all was read that was begun. One that is on its way to the thread that listens counts,
    /// too: where a pipe ends by the same signal, its end is here first now and then.
    pub(super) fn end(&mut self) -> bool {
        if let Some(over) = self.over.take() {
            let (answer, answered) = mpsc::channel();
            if over.send(answer).is_ok() {
                // Without an answer there is no signal.
                let _ = answered.recv();
            }
        }
        self.interruption.was_met() || self.has_streams && self.interruption.meet().is_some()
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The name of the next signal, and its number.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        }
    }

    /// Ends the reading at the first signal, the process at the second. `says` what follows the first, where anything is to
    /// be said.
    async fn listen(
        mut self,
        interruption: &Interruption,
        mut over: oneshot::Receiver<mpsc::Sender<()>>,
        says: Option<&'static str>,
        has_streams: bool,
    ) {
        let (mut is_first, mut is_over) = (true, false);
        let (mut streams_end, mut asker) = (None, None);
        loop {
            tokio::select! {
                // Signals first: who asks whether all is over waits for those that came before.
                biased;
                (name, number) = self.next() => {
                    if !is_first {
                        process::exit(ENDED_BY_SIGNAL + number);
                    }
                    is_first = false;
                    interruption.end_files(name);
                    streams_end = Some(Instant::now() + STREAMS_GO_ON);
                    if let Some(follows) = says {
                        answer(name, follows, has_streams && !is_over);
                    }
                }
                () = at(streams_end) => {
                    interruption.end_streams();
                    streams_end = None;
                }
                () = ready(()), if asker.is_some() => {
                    // Whoever asks waits for it.
                    let _ = asker.take().map(|asker: mpsc::Sender<()>| asker.send(()));
                }
                asked = &mut over, if !is_over => {
                    is_over = true;
                    asker = asked.ok();
                    // What the kernel has handed over meanwhile is heard before the answer.
                    yield_now().await;
                }
            }
        }
    }
}

/// Waits until a moment; for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Says on standard error what comes of the first signal. Whoever reads it may have ended by the same one.
fn answer(name: &str, follows: &str, has_streams: bool) {
    let follows = if has_streams {
        format!("pipes are read to their end, for at most {} s", STREAMS_GO_ON.as_secs())
    } else {
        follows.to_owned()
    };
    say(format_args!("{name}: {follows}; once more ends at once"));
}
