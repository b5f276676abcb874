//! The kernel program, loaded and ready to be run on frames.

use std::net::Ipv6Addr;

use analyzer_ebpf::abi::{Direction, FlowKey};
use analyzer_ebpf::maps::{Counter, config_flag, mac_to_u64, name, program};
use analyzer_ebpf::parse::{ParseError, Payload, parse};
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, LpmTrie, MapData, PerCpuArray};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};

use crate::netns::Missing;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../analyzer/ebpf/analyzer.bpf.o");

/// Index of the loopback device, which `BPF_PROG_TEST_RUN` makes its packets come from.
const LOOPBACK: u32 = 1;
/// The NIC that stands for it in the table of NICs.
pub(crate) const NIC: u8 = 7;
/// The generation of the set, and so the epoch of the keys.
pub(crate) const GENERATION: u16 = 5;
/// Class of all sources in that generation.
const CLASS: u16 = 1;
/// `class_flag::ROUTED`: tunnels of such sources are judged too.
const ROUTED: u16 = 2;

/// Packets and bytes, and two times.
pub(crate) type Counts = [u64; 4];

/// The kernel program, with a set that knows all sources and no outcome: every packet that is judged is suspect.
pub(crate) struct Kernel {
    pub(crate) ebpf: Ebpf,
}

impl Kernel {
    /// Loads the object and its programs.
    pub(crate) fn new() -> Result<Self, Missing> {
        let mut loader = EbpfLoader::new();
        for map in [name::SUSPECTS4, name::SUSPECTS6, name::SAMPLES4, name::SAMPLES6, name::REQUESTS] {
            loader.map_max_entries(map, 1024);
        }
        let ebpf = loader.load(OBJECT).map_err(|error| Missing::new(&format!("no map can be made: {error}")))?;
        let mut kernel = Self { ebpf };
        for program in [program::EGRESS, program::INGRESS, program::MIRROR] {
            kernel.classifier(program).load().unwrap_or_else(|error| panic!("{program}: {error:?}"));
        }
        for program in [program::INGRESS_XDP, program::MIRROR_XDP] {
            kernel.xdp(program).load().unwrap_or_else(|error| panic!("{program}: {error:?}"));
        }
        kernel.know_all_sources();
        Ok(kernel)
    }

    fn know_all_sources(&mut self) {
        let odd = [[0, CLASS], [0, ROUTED]].concat();
        let entry: [u8; 8] =
            odd.iter().flat_map(|half: &u16| half.to_ne_bytes()).collect::<Vec<_>>().try_into().unwrap();
        let mut v4 = LpmTrie::<_, [u8; 4], [u8; 8]>::try_from(self.ebpf.map_mut(name::SOURCES4).unwrap()).unwrap();
        v4.insert(&Key::new(0, [0; 4]), entry, 0).unwrap();
        let mut v6 = LpmTrie::<_, [u8; 16], [u8; 8]>::try_from(self.ebpf.map_mut(name::SOURCES6).unwrap()).unwrap();
        v6.insert(&Key::new(0, Ipv6Addr::UNSPECIFIED.octets()), entry, 0).unwrap();
        self.set_nic(LOOPBACK, NIC);
        self.set_config(GENERATION.into(), 0);
    }

    /// Sets generation and sampling.
    pub(crate) fn set_config(&mut self, generation: u32, sample_every: u32) {
        let words = [generation, sample_every, 1000, config_flag::SOURCES4 | config_flag::SOURCES6];
        let bytes: [u8; 16] = words.map(u32::to_ne_bytes).concat().try_into().unwrap();
        let mut config = Array::<_, [u8; 16]>::try_from(self.ebpf.map_mut(name::CONFIG).unwrap()).unwrap();
        config.set(0, bytes, 0).unwrap();
    }

    /// Gives an interface its place in the table of NICs.
    pub(crate) fn set_nic(&mut self, ifindex: u32, nic: u8) {
        let mut nics = HashMap::<_, u32, u32>::try_from(self.ebpf.map_mut(name::NICS).unwrap()).unwrap();
        nics.insert(ifindex, u32::from(nic), 0).unwrap();
    }

    pub(crate) fn classifier(&mut self, name: &str) -> &mut SchedClassifier {
        self.ebpf.program_mut(name).expect("the object has the program").try_into().expect("it is a classifier")
    }

    pub(crate) fn xdp(&mut self, name: &str) -> &mut Xdp {
        self.ebpf.program_mut(name).expect("the object has the program").try_into().expect("it is for XDP")
    }

    /// Runs a program on a frame, and says what it returned.
    pub(crate) fn run(&mut self, program: &str, frame: &[u8]) -> i32 {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
        let result = match program {
            program::INGRESS_XDP | program::MIRROR_XDP => self.xdp(program).test_run(options),
            _ => self.classifier(program).test_run(options),
        };
        result.unwrap_or_else(|error| panic!("{program} does not run: {error:?}: {frame:02x?}")).return_value as i32
    }

    /// Packets and bytes of a counter, over all CPUs.
    pub(crate) fn counter(&self, counter: Counter) -> [u64; 2] {
        let counters = PerCpuArray::<_, [u64; 2]>::try_from(self.ebpf.map(name::COUNTERS).unwrap()).unwrap();
        let cpus = counters.get(&(counter as u32), 0).unwrap();
        cpus.iter().fold([0; 2], |sum, cpu| [sum[0] + cpu[0], sum[1] + cpu[1]])
    }

    /// Packets in the maps of samples.
    pub(crate) fn sampled(&self) -> u64 {
        let v4 = HashMap::<_, [u8; 32], Counts>::try_from(self.ebpf.map(name::SAMPLES4).unwrap()).unwrap();
        let v6 = HashMap::<_, [u8; 56], Counts>::try_from(self.ebpf.map(name::SAMPLES6).unwrap()).unwrap();
        v4.iter().map(|entry| entry.unwrap().1[0]).sum::<u64>()
            + v6.iter().map(|entry| entry.unwrap().1[0]).sum::<u64>()
    }

    /// Takes the entry of a suspect out of its map.
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<Counts> {
        match <[u8; 32]>::try_from(key) {
            Ok(key) => take(&mut self.suspects4(), &key),
            Err(_) => take(&mut self.suspects6(), &key.try_into().expect("a key has 32 or 56 bytes")),
        }
    }

    /// The suspects that are left.
    pub(crate) fn suspects(&mut self) -> Vec<(Vec<u8>, Counts)> {
        let mut all: Vec<_> =
            self.suspects4().iter().map(|entry| entry.unwrap()).map(|(k, v)| (k.to_vec(), v)).collect();
        all.extend(self.suspects6().iter().map(|entry| entry.unwrap()).map(|(k, v)| (k.to_vec(), v)));
        all
    }

    /// IPv4 suspects in the reserve.
    pub(crate) fn reserve4(&self) -> Vec<([u8; 32], Counts)> {
        let map = HashMap::<_, [u8; 32], Counts>::try_from(self.ebpf.map(name::RESERVE4).unwrap()).unwrap();
        map.iter().map(|entry| entry.unwrap()).collect()
    }

    /// How many keys the reserve holds for a MAC, as the program counts them.
    pub(crate) fn reserved(&self, mac: [u8; 6]) -> Option<u64> {
        let map = HashMap::<_, u64, u64>::try_from(self.ebpf.map(name::RESERVE_MACS).unwrap()).unwrap();
        map.get(&mac_to_u64(mac), 0).ok()
    }

    fn suspects4(&mut self) -> HashMap<&mut MapData, [u8; 32], Counts> {
        HashMap::try_from(self.ebpf.map_mut(name::SUSPECTS4).unwrap()).unwrap()
    }

    fn suspects6(&mut self) -> HashMap<&mut MapData, [u8; 56], Counts> {
        HashMap::try_from(self.ebpf.map_mut(name::SUSPECTS6).unwrap()).unwrap()
    }
}

fn take<K: aya::Pod>(map: &mut HashMap<&mut MapData, K, Counts>, key: &K) -> Option<Counts> {
    let counts = map.get(key, 0).ok()?;
    map.remove(key).expect("it was there a moment ago");
    Some(counts)
}

/// What the program is to make of a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Expected {
    /// Counted under a suspect's key.
    Suspect(Vec<u8>),
    /// Counted, and nothing else.
    Counted(Counter),
}

/// What the parser on the slice says that the program is to make of a frame, in a set that knows all sources.
pub(crate) fn expected(frame: &[u8], direction: Direction, nic: u8) -> Expected {
    let parsed = match parse(frame) {
        Ok(parsed) => parsed,
        Err(ParseError::Truncated { .. }) => return Expected::Counted(Counter::Truncated),
        Err(ParseError::Malformed { .. }) => return Expected::Counted(Counter::Malformed),
    };
    let (is_group, is_link_local, mut key) = match &parsed.payload {
        Payload::Arp { .. } | Payload::Other { .. } => {
            let is_control = parsed.control().is_some();
            return Expected::Counted(if is_control { Counter::Control } else { Counter::NotIp });
        }
        Payload::Ipv4(ip) => {
            let dst = std::net::Ipv4Addr::from(ip.dst);
            let is_group = dst.is_multicast() || dst.is_broadcast();
            (is_group, dst.is_link_local(), encoded(&FlowKey::new(&parsed, ip, GENERATION, nic)))
        }
        Payload::Ipv6(ip) => {
            let dst = Ipv6Addr::from(ip.dst);
            (dst.is_multicast(), dst.is_unicast_link_local(), encoded(&FlowKey::new(&parsed, ip, GENERATION, nic)))
        }
    };
    if is_group || parsed.eth_dst[0] & 1 != 0 {
        return Expected::Counted(Counter::Group);
    }
    if parsed.control().is_some() {
        return Expected::Counted(Counter::Control);
    }
    if is_link_local {
        return Expected::Counted(Counter::LinkLocal);
    }
    let tags_at = key.len() - 12;
    key[tags_at..tags_at + 4].copy_from_slice(&parsed.tags.with_direction(direction).0.to_ne_bytes());
    Expected::Suspect(key)
}

/// The bytes of a key, written out field by field.
fn encoded<A: AsRef<[u8]>>(key: &FlowKey<A>) -> Vec<u8> {
    let mut bytes = [key.src.as_ref(), key.dst.as_ref(), &key.eth_dst, &key.eth_src].concat();
    bytes.extend(key.tags.0.to_ne_bytes());
    for word in [key.tp_src, key.tp_dst, key.epoch] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend([key.nw_proto, key.nic]);
    bytes
}
