//! How much the maps hold.

use aya::EbpfLoader;

use analyzer_ebpf::maps::name;

/// Sizes of the maps, in entries for each of IPv4 and IPv6 where a map is made for both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Host routes by source, and addresses that sources may be translated to.
    pub hosts: u32,
    /// Prefixes of other routes by source; prefixes of routes by destination as many again.
    pub prefixes: u32,
    /// Outcomes of one generation.
    pub outcomes: u32,
    /// Next hops that are counted, and MACs that are legal.
    pub nexthops: u32,
    /// Suspect flows.
    pub suspects: u32,
    /// Suspect flows that find no room there, of all MACs, and MACs that have such.
    pub reserve: u32,
    /// Sampled flows.
    pub samples: u32,
    /// Flows that came in.
    pub requests: u32,
    /// Neighbours heard.
    pub heard: u32,
    /// NICs.
    pub nics: u32,
    /// Bytes of the ring of events; rounded up to a power of two of pages.
    pub event_bytes: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            hosts: 32_768,
            prefixes: 16_384,
            outcomes: 32_768,
            nexthops: 1024,
            suspects: 131_072,
            reserve: 8192,
            samples: 65_536,
            requests: 65_536,
            heard: 4096,
            nics: 64,
            event_bytes: 1 << 20,
        }
    }
}

impl Sizes {
    /// Sets the sizes of the maps that are yet to be made.
    pub(super) fn apply(&self, loader: &mut EbpfLoader<'_>) {
        for (map, size) in self.maps() {
            loader.map_max_entries(map, size);
        }
    }

    /// The maps by name, and the size of each.
    ///
    /// What a set consists of has twice the room: the next set is written while the present one is in force.
    pub fn maps(&self) -> [(&'static str, u32); 20] {
        let twice = |entries: u32| entries.saturating_mul(2);
        let sizes = [
            (name::HOST_SOURCES4, twice(self.hosts)),
            (name::HOST_SOURCES6, twice(self.hosts)),
            (name::SOURCES4, twice(self.prefixes)),
            (name::SOURCES6, twice(self.prefixes)),
            (name::DESTINATIONS4, twice(self.prefixes)),
            (name::DESTINATIONS6, twice(self.prefixes)),
            (name::OUTCOMES, twice(self.outcomes)),
            (name::NEXTHOPS, self.nexthops),
            (name::LEGAL_MACS, twice(self.nexthops)),
            (name::SUSPECTS4, self.suspects),
            (name::SUSPECTS6, self.suspects),
            (name::RESERVE4, self.reserve),
            (name::RESERVE6, self.reserve),
            (name::RESERVE_MACS, self.reserve),
            (name::SAMPLES4, self.samples),
            (name::SAMPLES6, self.samples),
            (name::REQUESTS, self.requests),
            (name::HEARD, self.heard),
            (name::NICS, self.nics),
            (name::EVENTS, self.event_bytes),
        ];
        sizes.map(|(map, size)| (map, size.max(1)))
    }
}
