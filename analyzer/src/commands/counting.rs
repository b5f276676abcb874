//! Captures counted, with a progress bar where that takes a while.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::Prepared;
use crate::capture::{self, Interruption, Progress};
use crate::cli::ReadingArgs;
use crate::replay::{self, Counted};

/// How long a run lasts before its progress is worth showing.
const QUIET_START: Duration = Duration::from_secs(1);

/// Counts the captures, unless interrupted before their end; what is heard on the way goes to the engine.
pub(super) fn count(
    prepared: &mut Prepared,
    args: &ReadingArgs,
    interruption: Option<&Arc<Interruption>>,
) -> anyhow::Result<Counted> {
    let are_times_compared = !prepared.holds_at_any_time() || prepared.captures.len() > 1;
    let Prepared { engine, captures, .. } = prepared;
    let bar = Bar::new(args.quiet);
    let show = |progress: Progress| bar.show(progress);
    let mut options = replay::Options { progress: Some(&show), interruption, ..replay::Options::default() };
    if let Some(threads) = args.threads {
        options.threads = threads;
    }
    options.max_flows = usize::try_from(args.max_flows).unwrap_or(usize::MAX);
    let epochs = engine.epochs().clone();
    let capture_options = capture::Options {
        date: args.date,
        zone: args.timezone.clone(),
        are_times_compared,
        without_times: !are_times_compared,
        ..capture::Options::default()
    };
    let counted = replay::count(captures, &capture_options, epochs, &options, engine);
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

/// Of captures whose size is known. Both forms fit 80 columns, whatever the numbers.
const KNOWN_END: &str = "{bar:24} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
/// Where one of them is a pipe.
const OPEN_END: &str = "{spinner} {binary_bytes} read, {binary_bytes_per_sec}";

impl Bar {
    fn new(quiet: bool) -> Self {
        Self { bar: ProgressBar::hidden(), is_wanted: !quiet && io::stderr().is_terminal() }
    }

    fn show(&self, progress: Progress) {
        if !self.is_wanted || self.bar.elapsed() < QUIET_START {
            return;
        }
        if self.bar.is_hidden() {
            dress(&self.bar, progress.total);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(progress.consumed);
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the bar shows, with or without an end to come to.
fn dress(bar: &ProgressBar, total: Option<u64>) {
    let template = match total {
        Some(total) => {
            bar.set_length(total);
            KNOWN_END
        }
        None => OPEN_END,
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    /// A terminal that remembers the widest line.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<Vec<String>>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            500
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.trim_end().to_owned());
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(total: Option<u64>, positions: &[u64]) -> Vec<String> {
        let screen = Screen::default();
        let bar = ProgressBar::hidden();
        dress(&bar, total);
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        for position in positions {
            bar.set_position(*position);
            bar.force_draw();
        }
        let lines = screen.0.lock().unwrap().clone();
        lines.into_iter().filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn the_bar_fits_80_columns() {
        let sizes: Vec<u64> = (0..45).map(|bits| (1 << bits) - 1).collect();
        for total in [None, Some(1_098_974_756_863), Some(1 << 46)] {
            let lines = lines(total, &sizes);
            assert!(lines.len() > 40, "{lines:?}");
            let widest = lines.iter().max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= 80, "{widest}");
        }
    }

    /// A pipe has no end that could be shown, nor a time left.
    #[test]
    fn a_pipe_has_no_total() {
        for line in lines(None, &[1 << 20, 1 << 30]) {
            assert!(line.contains(" MiB read") || line.contains(" GiB read"), "{line}");
            assert!(!line.contains(" of ") && !line.contains("left"), "{line}");
        }
    }
}
