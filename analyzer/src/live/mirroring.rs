//! Batches of mirror ports: taken over, and judged flow by flow.

use super::daemon::{Daemon, Inbox};
use super::mirrored::{Added, counted};
use crate::bpf::counted::Counted;
use crate::mirror::Taken;

/// Flows that are taken over before others have their turn.
const TURN: usize = 4096;

impl Daemon {
    /// Takes over what a socket counted. Flows that are new wait to be judged.
    pub(super) async fn take_mirrored(&mut self, mut taken: Taken) {
        self.take_first(taken.first.take());
        for heard in self.kernel.take_mirrored(&taken) {
            self.heard(&heard);
        }
        for (number, flow) in taken.batch.flows().map(counted).enumerate() {
            self.take_flow(&flow);
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn take_flow(&mut self, flow: &Counted) {
        match self.kernel.add_mirrored(flow) {
            Added::Known => {}
            Added::New => self.waiting.push_back(flow.key),
            Added::Crowded { is_request } => self.find_room(flow, is_request),
        }
    }

    /// Books packets of a harmless flow at once, and keeps no other thing of it; of others it is kept as long as there is
    /// any room.
    fn find_room(&mut self, flow: &Counted, is_request: bool) {
        let seen = self.kernel.observation(flow);
        let plain = self.kernel.plain(&mut self.engine, &flow.key, &seen, &mut self.voice);
        let Some(mirrored) = self.kernel.mirrored() else { return };
        match plain {
            Some(verdict) => {
                mirrored.pass(flow);
                let booked = self.ledger.pass(verdict, &seen);
                self.alerting.booked(&seen, booked);
            }
            None => {
                if mirrored.squeeze(flow, is_request) {
                    self.waiting.push_back(flow.key);
                }
            }
        }
    }

    /// Takes over what sockets counted until they were closed.
    pub(super) async fn take_the_last_mirrored(&mut self, inbox: &mut Inbox) {
        // Then nobody is left to send more once the queues have ended.
        self.kernel.close_sockets();
        while let Some(taken) = inbox.batches.recv().await {
            self.take_mirrored(taken).await;
        }
    }
}
