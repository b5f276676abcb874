//! Where metrics are served for Prometheus.

use std::sync::Arc;

use tokio::sync::watch;

use super::messages::Messages;
use crate::bpf::programs;
use crate::daemon::Daemon;
use crate::metrics::address::ListenAddress;
use crate::metrics::{Listeners, MetricsError, Server, SinkCounts, Snapshot, bind};
use crate::sinks::status::SinkStatus;

/// Where it is published.
#[derive(Debug)]
pub(crate) struct Exporting {
    server: Option<(Server, watch::Sender<Arc<Snapshot>>)>,
}

impl Exporting {
    /// Listens, as long as there are the rights to.
    ///
    /// # Errors
    /// [`MetricsError`]: an address cannot be listened at.
    pub(crate) fn bind(addresses: &[ListenAddress]) -> Result<Option<Listeners>, MetricsError> {
        if addresses.is_empty() { Ok(None) } else { bind(addresses).map(Some) }
    }

    /// Serves from now on, once rights were dropped.
    ///
    /// # Errors
    /// [`MetricsError`]: there is no thread to serve.
    pub(crate) fn start(listeners: Option<Listeners>) -> Result<Self, MetricsError> {
        let serve = |listeners: Listeners| {
            let (sender, receiver) = watch::channel(Arc::new(Snapshot::default()));
            Ok((listeners.serve(receiver)?, sender))
        };
        Ok(Self { server: listeners.map(serve).transpose()? })
    }

    /// Publishes how the daemon is doing.
    pub(super) fn publish(&self, daemon: &mut Daemon, messages: &Messages) {
        let Some((_, sender)) = &self.server else { return };
        let (latency, sinks) = messages.delivered();
        let snapshot = Snapshot {
            kernel_program: programs::sources_digest().into(),
            latency,
            sinks: sinks.into_iter().map(sink).collect(),
            ..daemon.snapshot()
        };
        sender.send_replace(Arc::new(snapshot));
    }
}

fn sink(status: SinkStatus) -> SinkCounts {
    let SinkStatus { name, counts, queued, .. } = status;
    SinkCounts {
        sink: name.into(),
        sent: counts.sent,
        resent: counts.resent,
        dropped: counts.dropped + counts.too_long,
        failed: counts.failures,
        queued: queued as u64,
    }
}
