//! Bundles of entries that stand alike.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::fact::Connection;
use crate::label::EcmpReply;

/// The largest number of a bundle.
const MAX_NUMBER: usize = u32::MAX as usize - 2;

/// What the entries of a bundle have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) is_ipv4: bool,
    /// Classes of the addresses of the original tuple, and of the reply's.
    pub(super) ends: [Ends; 2],
    pub(super) zone: u16,
    pub(super) reply: EcmpReply,
}

/// Classes of a source and of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ends {
    pub(super) source: u16,
    pub(super) destination: u16,
}

/// What a bundle's judgement came to.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Whether the MAC may be outside the set.
    pub(crate) is_outside: bool,
    /// Addresses by which the next hops are found that it rests on.
    pub(crate) hops: HashSet<IpAddr>,
}

#[derive(Debug)]
struct Bundle {
    key: Key,
    /// One of its entries, which stands for all.
    sample: Connection,
    watched: Watched,
}

/// All bundles, by number.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    bundles: Vec<Option<Bundle>>,
    by_key: HashMap<Key, u32>,
    by_hop: HashMap<IpAddr, HashSet<u32>>,
    /// Those that are to be judged.
    due: HashSet<u32>,
    /// Numbers of bundles that are gone, which entries may still have as their place.
    gone: Vec<u32>,
    /// Numbers that are free.
    free: Vec<u32>,
    outside: usize,
}

impl Bundles {
    /// Number of the bundle of that key, to which `entry` belongs; `None` where there are too many.
    pub(super) fn of(&mut self, key: Key, entry: &Connection) -> Option<u32> {
        if let Some(&number) = self.by_key.get(&key) {
            return Some(number);
        }
        let bundle = Bundle { key, sample: entry.clone(), watched: Watched::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.bundles[number as usize] = Some(bundle);
                number
            }
            None if self.bundles.len() > MAX_NUMBER => return None,
            None => {
                self.bundles.push(Some(bundle));
                self.bundles.len() as u32 - 1
            }
        };
        self.by_key.insert(key, number);
        self.due.insert(number);
        Some(number)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    fn get(&self, number: u32) -> Option<&Bundle> {
        self.bundles.get(number as usize)?.as_ref()
    }

    pub(super) fn sample(&self, number: u32) -> Option<&Connection> {
        self.get(number).map(|bundle| &bundle.sample)
    }

    pub(super) fn is_gone(&self, number: u32) -> bool {
        self.get(number).is_none()
    }

    pub(super) fn are_any_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Whether the bundle lies outside, as far as is known: one that was not judged yet may.
    pub(super) fn is_outside(&self, number: u32) -> bool {
        self.due.contains(&number) || self.get(number).is_none_or(|bundle| bundle.watched.is_outside)
    }

    pub(super) fn is_any_outside(&self) -> bool {
        self.outside > 0 || !self.due.is_empty()
    }

    /// Has the bundles judged anew that rest on a next hop of that address.
    pub(super) fn touch(&mut self, ip: IpAddr) {
        self.due.extend(self.by_hop.get(&ip).into_iter().flatten());
    }

    /// Has all bundles judged anew.
    pub(super) fn touch_all(&mut self) {
        self.due.extend(self.by_key.values());
    }

    /// The bundles that are to be judged.
    pub(super) fn take_due(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.due).into_iter().collect()
    }

    /// Notes how a bundle was judged. Returns whether it lies outside now, and did not.
    pub(super) fn set(&mut self, number: u32, watched: Watched) -> bool {
        let Some(bundle) = self.bundles.get_mut(number as usize).and_then(Option::as_mut) else { return false };
        let before = core::mem::replace(&mut bundle.watched, watched);
        let now = &bundle.watched;
        self.outside = self.outside + usize::from(now.is_outside) - usize::from(before.is_outside);
        for ip in before.hops.difference(&now.hops) {
            leave(&mut self.by_hop, *ip, number);
        }
        for &ip in now.hops.difference(&before.hops) {
            self.by_hop.entry(ip).or_default().insert(number);
        }
        now.is_outside && !before.is_outside
    }

    /// Drops the bundles for which another entry has to stand: their entries are to be given places anew.
    pub(super) fn drop_where(&mut self, is_moved: impl Fn(&Connection) -> bool) {
        for (number, slot) in (0..).zip(&mut self.bundles) {
            let Some(bundle) = slot.take_if(|bundle| is_moved(&bundle.sample)) else { continue };
            self.by_key.remove(&bundle.key);
            self.due.remove(&number);
            self.outside -= usize::from(bundle.watched.is_outside);
            bundle.watched.hops.iter().for_each(|ip| leave(&mut self.by_hop, *ip, number));
            self.gone.push(number);
        }
    }

    /// No entry has a bundle that is gone as its place any more.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.gone);
    }
}

fn leave(by_hop: &mut HashMap<IpAddr, HashSet<u32>>, ip: IpAddr, number: u32) {
    if let Some(bundles) = by_hop.get_mut(&ip) {
        bundles.remove(&number);
        if bundles.is_empty() {
            by_hop.remove(&ip);
        }
    }
}
