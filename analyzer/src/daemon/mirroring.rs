//! Batches of mirror ports, taken over flow by flow.

use super::Daemon;
use super::mirrored::Added;
use crate::bpf::counted::Counted;
use crate::mirror::Taken;

impl Daemon {
    /// Takes over all of a socket's batch but its flows.
    pub(super) fn take_batch(&mut self, taken: &Taken) {
        for heard in self.kernel.take_mirrored(taken) {
            self.heard(&heard);
        }
    }

    /// Takes over what a socket counted of a flow. One that is new waits to be judged.
    pub(super) fn take_flow(&mut self, flow: &Counted) {
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
}
