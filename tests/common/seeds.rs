//! Many seeds on all cores, and what the environment wants of a run.

use std::env;
use std::thread;

/// A number that a variable of the environment names.
pub(crate) fn wanted(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

/// What so many seeds from the first on give together. Each core has its share of them, of which `of` makes a report.
pub(crate) fn on_all_cores<R: Default + Send>(
    first: u64,
    count: u64,
    of: impl Fn(&mut dyn Iterator<Item = u64>) -> R + Sync,
    with: fn(R, R) -> R,
) -> R {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let of_thread = |thread: u64| {
        let numbers = (thread..count).step_by(threads as usize);
        of(&mut numbers.map(|number| first.wrapping_add(number)))
    };
    thread::scope(|scope| {
        let of_thread = &of_thread;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        let reports = running.into_iter().map(|thread| thread.join().expect("no seed panics"));
        reports.fold(R::default(), with)
    })
}
