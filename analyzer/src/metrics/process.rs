//! What the process itself takes, as proc(5) tells it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

/// What the process takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Usage {
    /// CPU time of all threads, in seconds.
    pub(super) cpu: f64,
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// When it started, in seconds since the Unix epoch.
    pub(super) started: f64,
}

impl Usage {
    /// Asks the kernel. `None` where /proc is not mounted, or not the one of Linux.
    pub(super) fn read() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let machine = fs::read_to_string("/proc/stat").ok()?;
        Self::parse(&own, &machine, clock_ticks_per_second(), page_size() as u64)
    }

    fn parse(own: &str, machine: &str, ticks_per_second: u64, page: u64) -> Option<Self> {
        // The program's name, the second field, is in parentheses and may hold spaces and parentheses.
        let (_, fields) = own.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Fields are numbered from 1 in proc(5), and the third is the first here.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second.max(1) as f64;
        let booted = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()?;
        Some(Self {
            cpu: seconds(field(14)?.checked_add(field(15)?)?),
            memory: field(24)?.checked_mul(page)?,
            started: booted as f64 + seconds(field(22)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let own = "77 (a) b) S 1 77 77 0 -1 4194304 1 2 3 4 150 50 5 6 20 0 3 0 1000 9999 12 18446744073709551615 1 1";
        let usage = Usage::parse(own, "cpu 1 2\nbtime 1700000000\nprocesses 5\n", 100, 4096).unwrap();
        assert_eq!(usage, Usage { cpu: 2.0, memory: 12 * 4096, started: 1_700_000_010.0 });
        assert_eq!(Usage::parse("77 (a) S 1", "btime 1\n", 100, 4096), None);
        assert_eq!(Usage::parse(own, "", 100, 4096), None);
    }

    #[test]
    fn our_own_can_be_read() {
        let usage = Usage::read().unwrap();
        assert!(usage.memory > 100_000 && usage.started > 1e9, "{usage:?}");
    }
}
