//! Locks of files (flock(2)), and whose they are.
//!
//! The kernel lets a lock go with the process that holds it, however that ends. It does not tell everywhere who holds
//! one, so a holder writes itself into the file: its process id, its start and its PID namespace, because ids are used
//! again. What stands there is read only while somebody holds the lock.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A holder that has just taken the lock has not written its name yet: how often, and how long, that is waited for.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);
/// Longest name of a holder that is read.
const MAX_NAME: u64 = 128;

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// The process with this id.
    Process(u32),
    /// A process that is this one in a PID namespace of its own, as that of a container.
    Elsewhere(u32),
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(id) => write!(f, "process {id}"),
            Self::Elsewhere(id) => write!(f, "process {id} of another PID namespace"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

/// Takes a lock unless another holds it. It goes with the file, or with the process.
///
/// # Errors
/// The file system has no locks.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes a lock, if whoever holds it lets it go within a time.
///
/// # Errors
/// The file system has no locks.
pub fn try_within(file: &File, patience: Duration) -> io::Result<bool> {
    let looks = patience.as_millis() / PAUSE.as_millis();
    for _ in 0..looks {
        if try_lock(file)? {
            return Ok(true);
        }
        thread::park_timeout(PAUSE);
    }
    try_lock(file)
}

/// Waits for a lock.
///
/// # Errors
/// The file system has no locks.
pub fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::LockExclusive)?)
}

/// Writes into the file that we hold it.
///
/// # Errors
/// A disk that is full or read-only: others see then that the file is held, and not by whom.
pub fn sign(mut file: &File) -> io::Result<()> {
    let own = std::process::id();
    let start = start_of(own).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{own} {start} {}\n", pid_namespace().unwrap_or_default()).as_bytes())
}

/// Who signed a file that is held.
pub fn signed_by(file: &File) -> Holder {
    for look in 0..LOOKS {
        if look > 0 {
            thread::park_timeout(PAUSE);
        }
        if let Some(holder) = read(file).and_then(|text| holder(&text)) {
            return holder;
        }
    }
    Holder::Unknown
}

/// Who holds a file that nobody signs, where the kernel tells.
pub fn held_by(file: &File) -> Holder {
    let told = || {
        let metadata = file.metadata().ok()?;
        let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
        let place = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| holder_in(line, &place))
    };
    told().map_or(Holder::Unknown, Holder::Process)
}

/// The process of a line of /proc/locks (proc(5)): `1: FLOCK  ADVISORY  WRITE 123 08:01:4711 0 EOF`.
fn holder_in(line: &str, place: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    match fields.as_slice() {
        // `->` marks those that wait.
        [_, "FLOCK", _, _, id, at, ..] if *at == place => id.parse().ok(),
        _ => None,
    }
}

fn read(mut file: &File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(MAX_NAME).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The holder that a text names; none where it is one of before.
fn holder(text: &str) -> Option<Holder> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let (id, start): (u32, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    if words.next()? != pid_namespace()?.as_str() {
        return Some(Holder::Elsewhere(id));
    }
    let is_alive = match start_of(id) {
        Some(present) => present == start,
        // Processes of others may be hidden (`hidepid`, proc(5)).
        None => {
            let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
            test_kill_process(pid) != Err(Errno::SRCH)
        }
    };
    is_alive.then_some(Holder::Process(id))
}

/// When a process started, in ticks since the machine did.
fn start_of(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Its name may hold anything; behind it the start is the 20th field.
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

fn pid_namespace() -> Option<String> {
    Some(fs::read_link("/proc/self/ns/pid").ok()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn holders_by_what_they_wrote() {
        let own = std::process::id();
        let (start, namespace) = (start_of(own).unwrap(), pid_namespace().unwrap());
        assert_eq!(holder(&format!("{own} {start} {namespace}\n")), Some(Holder::Process(own)));
        // The id was used again, the line is half written, and nothing stands there yet.
        assert_eq!(holder(&format!("{own} {} {namespace}\n", start + 1)), None);
        assert_eq!(holder(&format!("{own} {start} {namespace}")), None);
        assert_eq!(holder(""), None);
        assert_eq!(holder(&format!("7 {start} pid:[1]\n")), Some(Holder::Elsewhere(7)));
        assert_eq!(holder(&format!("{} 0 {namespace}\n", u32::MAX)), None);
    }

    #[test]
    fn lines_of_proc_locks() {
        let place = "08:01:4711";
        assert_eq!(holder_in("1: FLOCK  ADVISORY  WRITE 123 08:01:4711 0 EOF", place), Some(123));
        for other in [
            "1: POSIX  ADVISORY  WRITE 123 08:01:4711 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 123 08:01:47 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 124 08:01:4711 0 EOF",
            "",
        ] {
            assert_eq!(holder_in(other, place), None, "{other}");
        }
    }

    #[test]
    fn one_of_two_holds_it() {
        let path = std::env::temp_dir().join(format!("analyzer-lock-{}", std::process::id()));
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let (first, second) = (open(), open());
        assert!(try_lock(&first).unwrap());
        fs::write(&path, "1 1 pid:[1]\nof a holder of before").unwrap();
        sign(&first).unwrap();
        assert!(!try_lock(&second).unwrap());
        assert_eq!(signed_by(&second), Holder::Process(std::process::id()));
        drop(first);
        assert!(try_lock(&second).unwrap());
        fs::remove_file(&path).unwrap();
    }
}
