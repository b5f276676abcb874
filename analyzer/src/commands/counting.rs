//! Captures counted, with a progress bar where that takes a while.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::Prepared;
use crate::capture::{self, Progress};
use crate::cli::ReadingArgs;
use crate::replay::{self, Counted};

/// How long a run lasts before its progress is worth showing.
const QUIET_START: Duration = Duration::from_secs(1);

/// Counts the captures; what is heard on the way goes to the engine.
pub(super) fn count(prepared: &mut Prepared, args: &ReadingArgs) -> anyhow::Result<Counted> {
    let without_times = prepared.holds_at_any_time() && prepared.captures.len() == 1;
    let Prepared { engine, captures, .. } = prepared;
    let bar = Bar::new(args.quiet);
    let show = |progress: Progress| bar.show(progress);
    let mut options = replay::Options { progress: Some(&show), ..replay::Options::default() };
    if let Some(threads) = args.threads {
        options.threads = threads;
    }
    options.max_flows = usize::try_from(args.max_flows).unwrap_or(usize::MAX);
    let epochs = engine.epochs().clone();
    let reading = capture::Options { date: args.date, without_times };
    let counted = replay::count(captures, &reading, epochs, &options, engine);
    bar.clear();
    let counted = counted?;
    if counted.lacks_times {
        engine.set_order_only();
    }
    Ok(counted)
}

/// Name of each NIC by its index, where the captures tell it.
pub(super) fn nic_names(counted: &Counted) -> Vec<Option<String>> {
    counted.interfaces.iter().map(|nic| nic.name.as_deref().map(str::to_owned)).collect()
}

/// A progress bar on standard error that appears when a run takes longer than [`QUIET_START`].
struct Bar {
    bar: ProgressBar,
    is_wanted: bool,
}

impl Bar {
    fn new(quiet: bool) -> Self {
        let bar = ProgressBar::hidden();
        let template = "{bar:40} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, is_wanted: !quiet && io::stderr().is_terminal() }
    }

    fn show(&self, progress: Progress) {
        if !self.is_wanted || self.bar.elapsed() < QUIET_START {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(progress.total.unwrap_or(progress.consumed));
        self.bar.set_position(progress.consumed);
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
