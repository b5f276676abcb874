//! SIGINT and SIGTERM while captures are read: the verdict so far, instead of none.

use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::capture::Interruption;

/// How long a pipe is read on: whoever writes into it flushes on the same signal, and ends.
const STREAMS_GO_ON: Duration = Duration::from_secs(2);

/// What a shell adds to a signal's number for the exit status of a process that the signal ended.
const ENDED_BY_SIGNAL: i32 = 128;

/// Reading that a signal can end. Once this is dropped, and at the second signal in any case, a signal ends the process.
pub(super) struct Interruptible {
    interruption: Arc<Interruption>,
    is_over: Arc<AtomicBool>,
}

impl Interruptible {
    /// Listens from now on. `says` whether the first signal is answered on standard error where a pipe is read on.
    pub(super) fn listen(captures: &[impl AsRef<Path>], says: bool) -> anyhow::Result<Self> {
        let interruption = Arc::new(Interruption::new().context("cannot listen to signals")?);
        let is_over = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot listen to signals")?;
        let signals = {
            let _context = runtime.enter();
            Signals::new().context("cannot listen to signals")?
        };
        let says = says && captures.iter().any(|capture| !capture.as_ref().is_file());
        let (ended, over) = (Arc::clone(&interruption), Arc::clone(&is_over));
        let listen = move || runtime.block_on(signals.end(&ended, &over, says));
        thread::Builder::new().name("signals".into()).spawn(listen).context("cannot listen to signals")?;
        Ok(Self { interruption, is_over })
    }

    pub(super) fn interruption(&self) -> &Arc<Interruption> {
        &self.interruption
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A signal's name, and its number.
type Named = (&'static str, i32);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Named {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        }
    }

    /// Ends the reading at the first signal, the process at the second.
    async fn end(mut self, interruption: &Interruption, is_over: &AtomicBool, says: bool) {
        let (name, number) = self.next().await;
        if is_over.load(Ordering::Relaxed) {
            process::exit(ENDED_BY_SIGNAL + number);
        }
        interruption.end_files(name);
        if says {
            let seconds = STREAMS_GO_ON.as_secs();
            eprintln!("analyzer: {name}: pipes are read to their end, for at most {seconds} s; once more ends at once");
        }
        let second = tokio::select! {
            second = self.next() => second,
            () = tokio::time::sleep(STREAMS_GO_ON) => {
                interruption.end_streams();
                self.next().await
            }
        };
        process::exit(ENDED_BY_SIGNAL + second.1);
    }
}
