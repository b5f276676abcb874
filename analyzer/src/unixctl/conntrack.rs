//! The conntrack table of the userspace datapath, which lives in ovs-vswitchd: ctnetlink shows nothing of it.

use std::path::PathBuf;
use std::time::Duration;

pub use super::pacing::Pacing;

use super::pacing::Pacer;
use super::{UnixctlError, call};
use crate::conntrack::flush::Flush;
use crate::conntrack::reader::{self, Reading};
use crate::engine::fact::Connection;
use crate::types::{Release, Timestamp};

/// How long a dump may take: the daemon may be busy with its own work before it comes to ours.
pub const WAIT: Duration = Duration::from_secs(10);

/// The table of ovs-vswitchd, read zone by zone and not too often.
#[derive(Debug)]
pub struct UserspaceTable {
    socket: PathBuf,
    datapath: Option<String>,
    pacer: Pacer,
}

impl UserspaceTable {
    /// The table behind a control socket of ovs-vswitchd. `datapath` is needed where it has several:
    /// `netdev@ovs-netdev`, as `dpctl/dump-dps` names them.
    pub fn new(socket: PathBuf, datapath: Option<String>, pacing: Pacing) -> Self {
        Self { socket, datapath, pacer: Pacer::new(pacing) }
    }

    /// Asks this socket from now on: a daemon that was started again has another one.
    pub fn go_to(&mut self, socket: PathBuf) {
        self.socket = socket;
    }

    /// The release of the daemon, where it tells.
    pub async fn release(&self) -> Option<Release> {
        super::release(&self.socket).await
    }

    /// Gives the entries of one zone to `sink` (`dpctl/dump-conntrack zone=N`). `clock` is read before and after.
    ///
    /// # Errors
    /// Any but those of [`super::control_socket`]. What [`Reading`] counts as unreadable is no error.
    pub async fn dump(
        &mut self,
        zone: u16,
        clock: impl Fn() -> Timestamp,
        mut sink: impl FnMut(&Connection),
    ) -> Result<Reading, UnixctlError> {
        let begun = clock();
        if let Some(until) = self.pacer.wait_until(zone, begun) {
            return Err(UnixctlError::TooSoon { zone, until });
        }
        self.pacer.begin(zone, begun);
        let zone_arg = format!("zone={zone}");
        let args: Vec<_> = self.datapath.as_deref().into_iter().chain([zone_arg.as_str()]).collect();
        let text = call(&self.socket, "dpctl/dump-conntrack", &args, WAIT).await;
        self.pacer.end(begun, clock());
        let file = format!("{} {zone_arg}", self.socket.display());
        let reading = reader::read(text?.as_bytes(), file, |connection, _| {
            if connection.zone == zone {
                sink(&connection);
            }
        });
        Ok(reading.expect("reading from memory does not fail"))
    }
}

impl UserspaceTable {
    /// Deletes the one entry that `flush` names (`dpctl/flush-conntrack zone=N TUPLE`). The daemon does not compare ids, and
    /// says nothing where there is no such entry: whoever asks for this looks before and after.
    ///
    /// # Errors
    /// Any but those of [`super::control_socket`] and [`UnixctlError::TooSoon`].
    pub async fn flush(&self, flush: &Flush) -> Result<(), UnixctlError> {
        let args: Vec<_> = self.datapath.as_deref().into_iter().chain([flush.zone(), flush.tuple()]).collect();
        call(&self.socket, "dpctl/flush-conntrack", &args, WAIT).await.map(drop)
    }
}

/// Names of the datapaths that the daemon has (`dpctl/dump-dps`): `netdev@ovs-netdev`, `system@ovs-system`.
///
/// # Errors
/// Those of [`call`].
pub async fn datapaths(socket: &std::path::Path) -> Result<Vec<String>, UnixctlError> {
    let text = call(socket, "dpctl/dump-dps", &[], WAIT).await?;
    Ok(text.lines().map(|line| line.trim_ascii().to_owned()).filter(|name| !name.is_empty()).collect())
}
