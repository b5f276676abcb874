//! A sink's task: connects, writes, and begins anew when that fails.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::config::Delivery;
use super::format::Encoder;
use super::link::{Link, LinkError};
use super::shared::{Next, Shared};
use super::target::Place;
use crate::net::backoff::SplitMix64;

/// The task.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
    pub(super) encoder: Encoder,
    pub(super) delivery: Delivery,
    pub(super) random: SplitMix64,
}

impl Worker {
    /// Runs until there is nothing to send and nothing will come.
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let begun = Instant::now();
            let error = tokio::select! {
                biased;
                () = self.shared.over() => return,
                link = Link::connect(&self.place, &self.delivery, failures > 0) => match link {
                    Ok(link) => match self.deliver(link).await {
                        Ok(()) => return,
                        Err(error) => error,
                    },
                    Err(error) => error,
                },
            };
            self.shared.failed(error.to_string());
            // One that soon breaks again is not trusted.
            if begun.elapsed() >= self.delivery.backoff.max {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            let pause = self.delivery.backoff.pause(failures, &mut self.random);
            tokio::select! {
                () = self.shared.over() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Sends what comes until the end.
    async fn deliver(&self, mut link: Link) -> Result<(), LinkError> {
        let mut is_told = link.is_sure();
        if is_told {
            self.shared.connected();
        }
        let is_numbered = Link::is_numbered(&self.place);
        loop {
            let next = tokio::select! {
                biased;
                error = link.closed() => return Err(error),
                next = self.shared.next() => next,
            };
            let Next::Write(entry) = next else {
                link.finish().await?;
                self.shared.confirmed();
                return Ok(());
            };
            let encoded = self.encoder.encode(&entry.alert, is_numbered.then_some(entry.sequence));
            match link.write(&encoded.bytes, self.delivery.stall_timeout).await {
                Ok(()) => {
                    if !std::mem::replace(&mut is_told, true) {
                        self.shared.connected();
                    }
                    self.shared.written(&entry, &encoded);
                    if link.has_taken() {
                        self.shared.confirmed();
                    }
                }
                Err(error @ LinkError::TooLong(_)) => self.shared.refused(error.to_string()),
                Err(error) => return Err(error),
            }
        }
    }
}
