//! How often ovs-vswitchd may be asked for a dump.

use std::collections::HashMap;
use std::time::Duration;

use crate::types::Timestamp;

/// How a daemon's main loop is spared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pacing {
    /// Shortest time between the starts of two dumps of one zone.
    pub zone_interval: Duration,
    /// All dumps together take at most this part of the time, one in so many: after a dump of 100 ms and with 20, the
    /// daemon is left alone for 1.9 s.
    pub share: u32,
}

impl Default for Pacing {
    /// A zone every 10 seconds, a twentieth of the time.
    fn default() -> Self {
        Self { zone_interval: Duration::from_secs(10), share: 20 }
    }
}

/// What was asked when.
#[derive(Debug)]
pub(super) struct Pacer {
    pacing: Pacing,
    /// When each zone's last dump was begun. There are at most 65,536 zones.
    begun: HashMap<u16, Timestamp>,
    /// When the next dump of any zone may begin.
    free: Timestamp,
}

impl Pacer {
    pub(super) fn new(pacing: Pacing) -> Self {
        Self { pacing, begun: HashMap::new(), free: Timestamp::default() }
    }

    /// When the zone may be asked for, where that is later than `now`.
    pub(super) fn wait_until(&self, zone: u16, now: Timestamp) -> Option<Timestamp> {
        let of_zone = self.begun.get(&zone).map(|begun| begun.saturating_add(self.pacing.zone_interval));
        let until = of_zone.unwrap_or_default().max(self.free);
        (until > now).then_some(until)
    }

    /// A dump begins. Were it given up, it would count as long as the interval says.
    pub(super) fn begin(&mut self, zone: u16, now: Timestamp) {
        self.begun.insert(zone, now);
    }

    /// A dump that began at `begun` is over, done or not.
    pub(super) fn end(&mut self, begun: Timestamp, now: Timestamp) {
        self.free = now.saturating_add(now.since(begun) * self.pacing.share.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn zones_and_their_sum() {
        let mut pacer = Pacer::new(Pacing { zone_interval: Duration::from_secs(10), share: 20 });
        assert_eq!(pacer.wait_until(3, at(1000)), None);
        pacer.begin(3, at(1000));
        pacer.end(at(1000), at(1100));
        // The daemon was held for 100 ms.
        assert_eq!(pacer.wait_until(4, at(1100)), Some(at(3000)));
        assert_eq!(pacer.wait_until(4, at(3000)), None);
        assert_eq!(pacer.wait_until(3, at(3000)), Some(at(11_000)));
        assert_eq!(pacer.wait_until(3, at(11_000)), None);
        // A dump that took longer than its interval.
        pacer.begin(4, at(20_000));
        pacer.end(at(20_000), at(22_000));
        assert_eq!(pacer.wait_until(4, at(30_000)), Some(at(60_000)));
    }

    #[test]
    fn numbers_at_their_ends() {
        let mut pacer = Pacer::new(Pacing { zone_interval: Duration::MAX, share: 0 });
        pacer.begin(0, at(5));
        pacer.end(at(5), at(9));
        assert_eq!(pacer.wait_until(1, at(9)), None);
        assert_eq!(pacer.wait_until(0, at(9)), Some(Timestamp::MAX));
    }
}
