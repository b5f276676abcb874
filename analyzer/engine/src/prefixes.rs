//! Sets of prefixes.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::types::IpPrefix;

/// What a prefix was found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum FoundBy {
    SrcIp,
    DstIp,
    Connected,
}

/// A set of prefixes that tells which of them hold an address. What is inserted more than once is there until it is
/// removed as often.
///
/// A look-up for each length in use is enough: routers have a handful of lengths, whatever the number of prefixes.
#[derive(Debug, Default)]
pub(super) struct PrefixSet {
    /// How often each was inserted.
    prefixes: HashMap<IpPrefix, u32>,
    lengths_v4: Lengths,
    lengths_v6: Lengths,
}

/// Prefix lengths in use, and how many prefixes have each.
type Lengths = Vec<(u8, u32)>;

impl PrefixSet {
    pub(super) fn insert(&mut self, prefix: IpPrefix) {
        let count = self.prefixes.entry(prefix).or_insert(0);
        *count += 1;
        if *count > 1 {
            return;
        }
        let lengths = self.lengths_mut(prefix);
        match lengths.iter_mut().find(|(len, _)| *len == prefix.prefix_len()) {
            Some((_, count)) => *count += 1,
            None => lengths.push((prefix.prefix_len(), 1)),
        }
    }

    pub(super) fn remove(&mut self, prefix: IpPrefix) {
        let Entry::Occupied(mut entry) = self.prefixes.entry(prefix) else { return };
        *entry.get_mut() -= 1;
        if *entry.get() > 0 {
            return;
        }
        entry.remove();
        let lengths = self.lengths_mut(prefix);
        if let Some(index) = lengths.iter().position(|(len, _)| *len == prefix.prefix_len()) {
            lengths[index].1 -= 1;
            if lengths[index].1 == 0 {
                lengths.remove(index);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Whether there are prefixes of that family.
    pub(super) fn has_family(&self, is_ipv4: bool) -> bool {
        let lengths = if is_ipv4 { &self.lengths_v4 } else { &self.lengths_v6 };
        !lengths.is_empty()
    }

    /// All prefixes, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.prefixes.keys().copied()
    }

    pub(super) fn contains(&self, prefix: IpPrefix) -> bool {
        self.prefixes.contains_key(&prefix)
    }

    /// The prefixes that hold `addr`.
    pub(super) fn around(&self, addr: IpAddr) -> impl Iterator<Item = IpPrefix> + '_ {
        let lengths = if addr.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        let around = lengths.iter().filter_map(move |&(len, _)| IpPrefix::new(addr, len));
        around.filter(|prefix| self.prefixes.contains_key(prefix))
    }

    fn lengths_mut(&mut self, prefix: IpPrefix) -> &mut Lengths {
        if prefix.addr().is_ipv4() { &mut self.lengths_v4 } else { &mut self.lengths_v6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_around_an_address() {
        let mut set = PrefixSet::default();
        for text in ["10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "0.0.0.0/0", "fd00::/8"] {
            set.insert(text.parse().unwrap());
        }
        let around = |addr: &str| {
            let mut found: Vec<String> = set.around(addr.parse().unwrap()).map(|prefix| prefix.to_string()).collect();
            found.sort();
            found
        };
        assert_eq!(around("10.1.2.3"), ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"]);
        assert_eq!(around("11.0.0.0"), ["0.0.0.0/0"]);
        assert_eq!(around("fd00::1"), ["fd00::/8"]);
        assert!(around("fe80::1").is_empty());
    }
    #[test]
    fn a_prefix_is_there_until_it_is_removed_as_often_as_it_was_inserted() {
        let mut set = PrefixSet::default();
        let prefix: IpPrefix = "10.1.0.0/16".parse().unwrap();
        let addr: IpAddr = "10.1.2.3".parse().unwrap();
        set.insert(prefix);
        set.insert(prefix);
        set.remove(prefix);
        assert_eq!(set.around(addr).count(), 1);
        set.remove(prefix);
        set.remove(prefix);
        assert_eq!(set.around(addr).count(), 0);
        assert!(set.lengths_v4.is_empty() && !set.contains(prefix));
    }
}
