//! Sets of prefixes.

use std::net::IpAddr;

use hashbrown::HashSet;

use crate::types::IpPrefix;

/// What a prefix was found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum FoundBy {
    SrcIp,
    DstIp,
    Connected,
}

/// A set of prefixes that tells which of them hold an address.
///
/// A look-up for each length in use is enough: routers have a handful of lengths, whatever the number of prefixes.
#[derive(Debug, Default)]
pub(super) struct PrefixSet {
    prefixes: HashSet<IpPrefix>,
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
}

impl PrefixSet {
    pub(super) fn insert(&mut self, prefix: IpPrefix) {
        let lengths = if prefix.addr().is_ipv4() { &mut self.lengths_v4 } else { &mut self.lengths_v6 };
        if !lengths.contains(&prefix.prefix_len()) {
            lengths.push(prefix.prefix_len());
        }
        self.prefixes.insert(prefix);
    }

    /// The prefixes that hold `addr`.
    pub(super) fn around(&self, addr: IpAddr) -> impl Iterator<Item = IpPrefix> + '_ {
        let lengths = if addr.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        let around = lengths.iter().filter_map(move |&len| IpPrefix::new(addr, len));
        around.filter(|prefix| self.prefixes.contains(prefix))
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
}
