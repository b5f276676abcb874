//! Time and memory of child processes.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a running process is asked for its memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(2);

/// Peaks of a process, in bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Memory {
    /// Resident, with the pages of mapped files (`VmHWM`, kept by the kernel).
    pub(super) resident: u64,
    /// Anonymous (`RssAnon`, the largest that was sampled).
    pub(super) anonymous: u64,
}

/// Runs a command with its output thrown away and gives the wall time that it took.
///
/// # Errors
/// It cannot be started, or ends with another status than this.
pub(super) fn wall(mut command: Command, status: i32) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = now();
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let wall = now() - start;
    if output.status.code() != Some(status) {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}, not {status}\n{words}", command.get_program().display(), output.status);
    }
    Ok(wall)
}

/// Runs a command with its output thrown away and watches its memory. The watching costs time, so this is no timed run.
pub(super) fn memory(mut command: Command) -> Result<Memory> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = Memory::default();
    while child.try_wait().context("cannot wait for a child")?.is_none() {
        // Between its end and our wait the file has no memory lines.
        if let Some(sample) = fs::read_to_string(&status).ok().as_deref().and_then(parse_status) {
            peak.resident = peak.resident.max(sample.resident);
            peak.anonymous = peak.anonymous.max(sample.anonymous);
        }
        pause();
    }
    Ok(peak)
}

/// The middle one of at least one time; the upper of the two middle ones where their number is even.
pub(super) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// Reads proc_pid_status(5).
fn parse_status(status: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { resident: bytes("VmHWM")?, anonymous: bytes("RssAnon")? })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "samples of a process's memory are taken at intervals")]
fn pause() {
    thread::sleep(SAMPLE_EVERY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_a_process() {
        let status =
            "Name:\tcat\nVmPeak:\t    5808 kB\nVmHWM:\t    1664 kB\nVmRSS:\t    1600 kB\nRssAnon:\t      96 kB\n";
        assert_eq!(parse_status(status), Some(Memory { resident: 1664 * 1024, anonymous: 96 * 1024 }));
        // A kernel thread, or a process that has just ended.
        assert_eq!(parse_status("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn medians() {
        let times = |seconds: &[u64]| median(&seconds.iter().copied().map(Duration::from_secs).collect::<Vec<_>>());
        assert_eq!(times(&[9, 1, 5]), Duration::from_secs(5));
        assert_eq!(times(&[4]), Duration::from_secs(4));
        assert_eq!(times(&[1, 9]), Duration::from_secs(9));
    }

    #[test]
    fn status_of_failure_is_no_time() {
        assert!(wall(Command::new("false"), 0).is_err());
        assert!(wall(Command::new("false"), 1).is_ok());
    }
}
