//! Whether packets that were seen prove that OVN applies a label.

use core::time::Duration;

use super::{Pinned, Standings};
use crate::types::{MacAddr, Timestamp};

/// The longest life of a flow that OVN learned from a packet from outside, by which it applies a label (22.06.1 to 23.06.1).
const LEARNED: Duration = Duration::from_secs(30);

/// The last packets of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// From where they left.
    pub eth_src: MacAddr,
    /// To where they left.
    pub eth_dst: MacAddr,
    /// When the last of them did.
    pub at: Timestamp,
}

impl<'a> Standings<'a> {
    /// Whether packets that follow the label prove that OVN applies it: they left when the MAC had been outside the set for
    /// the grace period, and for as long as a learned flow lives where this OVN may have these. A binding of an active next
    /// hop that names the MAC explains them, too.
    pub(super) fn is_proved(&mut self, pinned: &Pinned<'a>, followed: Option<Left>) -> bool {
        let Some(left) = followed else { return false };
        let mac = pinned.mac();
        if pinned.symmetric.way.explains(mac) {
            return false;
        }
        let last_legal = pinned.symmetric.last_legal(self.knowledge, &mut self.context.remembered, mac, self.at);
        let outside = last_legal.map(|last| last.until).max(self.knowledge.blind.last_end(self.at));
        let wait = match self.behaviour.may_learn() {
            true => LEARNED.max(self.knowledge.settings.grace),
            false => self.knowledge.settings.grace,
        };
        outside.is_none_or(|since| since.saturating_add(wait) <= left.at)
    }
}
