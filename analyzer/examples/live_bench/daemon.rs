//! The daemon: `analyzer live` at `s0`, with the next hops of all pods from a file.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::clock::{now, pause};
use crate::traffic::{NEXTHOPS, Traffic, nexthop_mac};

/// `USER_HZ` of the kernel: the clock ticks of proc_pid_stat(5), on all machines that we run on.
const TICKS_PER_SECOND: u64 = 100;
/// How long the daemon may take to come up, or to read a full table.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon. Dropping it ends it.
pub(crate) struct Daemon {
    child: Child,
    /// Lines of its standard output, with the time at which each was read.
    pub(crate) lines: Receiver<(Instant, String)>,
    /// Its alerts, with the time at which each was received.
    pub(crate) alerts: Receiver<(Instant, String)>,
    nexthops: PathBuf,
    routes: u32,
}

/// What the kernel counted of a process so far, and what it holds now.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    pub(crate) user_ms: u64,
    pub(crate) system_ms: u64,
    pub(crate) resident_kib: u64,
    pub(crate) resident_peak_kib: u64,
    pub(crate) anonymous_kib: u64,
}

impl Usage {
    pub(crate) fn cpu_ms(&self) -> u64 {
        self.user_ms + self.system_ms
    }
}

impl Daemon {
    /// Starts it, and waits until it watches.
    pub(crate) fn start(analyzer: &Path, folder: &Path, routes: u32) -> Result<Self> {
        let nexthops = folder.join("nexthops.toml");
        write_nexthops(&nexthops, routes, 0)?;
        let (socket, alerts) = receiver(folder)?;
        let mut child = Command::new(analyzer)
            .args(["live", "-i", "s0", "--format", "jsonl", "--history", "none", "--conntrack", "kernel"])
            .args(["--nb", "none", "--sb", "none", "--ovs", "none", "--kernel-routes", "no", "--nexthops"])
            .arg(&nexthops)
            .args(["--alert-state", "none", "--alert-rate", "0", "--syslog-format", "5424", "--syslog"])
            .arg(format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", analyzer.display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (told, lines) = channel();
        // From here on the child is ended also where something fails.
        let daemon = Self { child, lines, alerts, nexthops, routes };
        let stdout = BufReader::new(stdout.context("standard output is a pipe")?);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if told.send((now(), line)).is_err() {
                    return;
                }
            }
        });
        let (said, messages) = channel();
        let stderr = BufReader::new(stderr.context("standard error is a pipe")?);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("{line}");
                // Nobody listens once it watches.
                let _ = said.send(line);
            }
        });
        loop {
            match messages.recv_timeout(PATIENCE) {
                Ok(line) if line.contains("watching s0") => return Ok(daemon),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("the daemon does not watch"),
                Err(RecvTimeoutError::Disconnected) => bail!("the daemon has ended"),
            }
        }
    }

    /// Waits until it has read the conntrack table and has nothing to do any more.
    pub(crate) fn settle(&self) -> Result<()> {
        const LOOK: Duration = Duration::from_millis(1500);
        let start = now();
        loop {
            let before = self.usage()?.cpu_ms();
            pause(LOOK);
            if self.usage()?.cpu_ms() - before < LOOK.as_millis() as u64 / 50 {
                return Ok(());
            }
            ensure!(now() - start < PATIENCE, "the daemon does not come to rest");
        }
    }

    /// Writes the next hops anew, with one route that is another each time.
    pub(crate) fn change_nexthops(&self, number: u32) -> Result<()> {
        write_nexthops(&self.nexthops, self.routes, number)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let stat = read(&folder.join("stat"))?;
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| -> Result<u64> {
            let field = fields.get(index).context("proc_pid_stat(5) has more fields")?;
            Ok(field.parse::<u64>()? * 1000 / TICKS_PER_SECOND)
        };
        let status = read(&folder.join("status"))?;
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a line of its status")?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Usage {
            at: now(),
            user_ms: ticks(11)?,
            system_ms: ticks(12)?,
            resident_kib: kib("VmRSS:")?,
            resident_peak_kib: kib("VmHWM:")?,
            anonymous_kib: kib("RssAnon:")?,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("warning: cannot end the daemon: {error}");
        }
    }
}

/// A socket that takes alerts, in place of the one of a daemon before.
fn receiver(folder: &Path) -> Result<(PathBuf, Receiver<(Instant, String)>)> {
    let path = folder.join("alerts.sock");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context("cannot remove a socket"),
        _ => {}
    }
    let socket = UnixDatagram::bind(&path).with_context(|| format!("cannot bind {}", path.display()))?;
    let (came, alerts) = channel();
    thread::spawn(move || {
        let mut message = vec![0; 1 << 16];
        while let Ok(len) = socket.recv(&mut message) {
            let at = now();
            if came.send((at, String::from_utf8_lossy(&message[..len]).into_owned())).is_err() {
                return;
            }
        }
    });
    Ok((path, alerts))
}

/// A route for each pod, and one whose next hop is another for each number. The file takes the place of the old one
/// whole.
fn write_nexthops(path: &Path, routes: u32, number: u32) -> Result<()> {
    let traffic = Traffic::new(1);
    let mut toml = String::new();
    let mut route = |prefix: String, ip: String, lladdr: String| {
        write!(
            toml,
            "[[route]]\npolicy = \"src-ip\"\nprefix = \"{prefix}/32\"\nsymmetric_reply = true\n\
             [[route.nexthop]]\nip = \"{ip}\"\nlladdr = \"{lladdr}\"\n"
        )
    };
    for pod in 0..routes {
        let ip = format!("198.19.3.{}", pod % NEXTHOPS + 1);
        route(traffic.pod(pod).to_string(), ip, nexthop_mac(pod).to_string())?;
    }
    let [_, _, high, low] = number.to_be_bytes();
    route("10.2.0.1".to_owned(), "198.19.4.1".to_owned(), format!("02:01:00:01:{high:02x}:{low:02x}"))?;
    let new = path.with_extension("new");
    fs::write(&new, toml).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}
