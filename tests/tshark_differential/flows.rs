//! Flow by flow: packets, bytes, and times of the first and the last packet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::RangeBounds;
use std::path::Path;

use analyzer::capture::{self, Interface};
use analyzer::engine::epoch::Epochs;
use analyzer::engine::observation::{HeardNeighbour, Observation};
use analyzer::replay::{self, OrderedSink, Skipped};
use analyzer::types::{MacAddr, Timestamp, Tuple};
use analyzer_ebpf::parse::Fragment;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{TempDir, require};
use crate::files::{Case, cases};
use crate::headers::{Unread, seen_by_tshark};
use crate::seen::{Network, Seen};
use crate::tshark::Packet;

/// What packets are counted under: all of a flow key but the epoch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) tuple: Tuple,
    pub(crate) eth_dst: MacAddr,
    pub(crate) eth_src: MacAddr,
    pub(crate) vids: Vec<u16>,
    more_tags: bool,
    direction: u64,
    pub(crate) nic: Option<String>,
    /// A later fragment whose datagram is not known: its ports are 0.
    pub(crate) is_later_fragment: bool,
}

/// What is counted of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// Flows of a capture, and the frames that belong to none.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Flows {
    pub(crate) flows: BTreeMap<Key, Counts>,
    /// Frames and their bytes, all together.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Frames that are not IP, and those with a header that cannot be read.
    pub(crate) not_ip: u64,
    pub(crate) unread: u64,
    /// Later fragments that no first one was seen for.
    pub(crate) unattributed: u64,
}

impl Flows {
    fn count(&mut self, key: Key, counts: Counts) {
        self.flows.entry(key).and_modify(|before| before.add(counts)).or_insert(counts);
    }
}

/// Hears, but no verdict depends on it: everything is counted in one epoch.
struct Deaf;

impl OrderedSink for Deaf {
    fn heard(&mut self, _: HeardNeighbour) -> [Option<Timestamp>; 2] {
        [None, None]
    }

    fn retire(&mut self, _: &Observation) -> bool {
        false
    }
}

/// What the analyzer counts.
fn counted_by_us(capture: &Path) -> Flows {
    let epochs = Epochs::new([]);
    let options = replay::Options::default();
    let counted = replay::count(&[capture.into()], &capture::Options::default(), epochs, &options, &mut Deaf)
        .unwrap_or_else(|error| panic!("{error}"));
    let totals = counted.totals;
    assert_eq!((totals.retired_observations, totals.untracked_packets), (0, 0));
    let Skipped { truncated, not_ip, unparsed } = totals.skipped;
    let mut flows = Flows {
        frames: totals.packets,
        bytes: totals.bytes,
        not_ip,
        unread: truncated + unparsed,
        unattributed: totals.unattributed_fragments,
        ..Flows::default()
    };
    counted.for_each_observation(|it| {
        let key = key_of(it, &counted.interfaces);
        let counts = Counts { packets: it.packets, bytes: it.bytes, first: it.first, last: it.last };
        assert!(flows.flows.insert(key, counts).is_none(), "a flow is counted once: {it:?}");
    });
    flows
}

fn key_of(it: &Observation, nics: &[Interface]) -> Key {
    Key {
        tuple: it.tuple,
        eth_dst: it.eth_dst().expect("an Ethernet capture"),
        eth_src: it.eth_src,
        vids: it.tags.outer().into_iter().chain(it.tags.inner()).collect(),
        more_tags: it.tags.has_more_tags(),
        direction: it.direction() as u64,
        nic: nics.get(usize::from(it.nic)).and_then(|nic| nic.name.as_deref().map(str::to_owned)),
        is_later_fragment: it.tags.is_later_fragment(),
    }
}

/// What a frame is for tshark, where it can be told.
fn seen(packet: &Packet) -> Option<Seen> {
    match seen_by_tshark(packet) {
        Ok(seen) | Err(Unread::PortsBeyondDatagram(seen)) => Some(seen),
        Err(Unread::Undissected(_) | Unread::Header) => None,
    }
}

/// What tshark's frames of some time come to, each later fragment counted with the datagram that tshark put it into.
pub(crate) fn counted_by_tshark(Case { packets, datagrams, .. }: &Case, during: impl RangeBounds<Timestamp>) -> Flows {
    let mut flows = Flows::default();
    for (index, packet) in packets.iter().enumerate().filter(|(_, packet)| during.contains(&packet.at)) {
        flows.frames += 1;
        flows.bytes += u64::from(packet.length);
        let Some(own) = seen(packet) else {
            flows.unread += 1;
            continue;
        };
        let Network::Ip { fragment, .. } = own.network else {
            flows.not_ip += 1;
            continue;
        };
        let is_later = matches!(fragment, Fragment::Later(_));
        let first = datagrams.get(&(index + 1)).map(|number| &packets[number - 1]);
        let attributed = first.filter(|_| is_later).map(|first| seen(first).expect("it was put together"));
        let is_unattributed = is_later && attributed.is_none();
        flows.unattributed += u64::from(is_unattributed);
        let Network::Ip { src, dst, nw_proto, ports: (tp_src, tp_dst), .. } =
            attributed.map_or(own.network, |it| it.network)
        else {
            panic!("fragments are of IP")
        };
        let key = Key {
            tuple: Tuple { src, dst, nw_proto, tp_src, tp_dst },
            eth_dst: MacAddr(own.eth_dst),
            eth_src: MacAddr(own.eth_src),
            vids: own.vids,
            more_tags: own.more_tags,
            direction: packet.direction,
            nic: packet.nic.clone(),
            is_later_fragment: is_unattributed,
        };
        flows.count(key, Counts { packets: 1, bytes: packet.length.into(), first: packet.at, last: packet.at });
    }
    flows
}

/// Compares the two on a capture, and once more on the same packed by gzip, which another reader reads.
fn compare(case: &Case) -> Flows {
    let (capture, theirs) = (case.capture.as_path(), counted_by_tshark(case, ..));
    let folder = TempDir::new();
    let packed = folder.path().join("capture.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&std::fs::read(capture).expect("it is there")).expect("memory takes it");
    std::fs::write(&packed, encoder.finish().expect("memory takes it")).expect("the folder is ours");
    for file in [capture, &packed] {
        let ours = counted_by_us(file);
        let difference = difference(&ours, &theirs);
        assert!(ours == theirs, "{} of {}:\n{difference}", file.display(), capture.display());
    }
    theirs
}

/// What only one of the two has, in words.
fn difference(ours: &Flows, theirs: &Flows) -> String {
    let mut words = String::new();
    for (who, one, other) in [("we", ours, theirs), ("tshark", theirs, ours)] {
        for (key, counts) in one.flows.iter().filter(|(key, counts)| other.flows.get(key) != Some(counts)) {
            writeln!(words, "only {who}: {key:?}: {counts:?}").expect("memory takes it");
        }
        let Flows { flows: _, frames, bytes, not_ip, unread, unattributed } = one;
        let totals = format!("frames {frames}, bytes {bytes}, not IP {not_ip}, unread {unread}");
        writeln!(words, "{who}: {totals}, unattributed {unattributed}").expect("memory takes it");
    }
    words
}

#[test]
fn flows_of_all_captures() {
    if !require(&["tshark"]) {
        return;
    }
    let mut all = [0; 6];
    for case in cases() {
        let Flows { flows, frames, not_ip, unread, unattributed, .. } = compare(case);
        let macs = flows.keys().map(|key| (&key.tuple, key.eth_dst)).collect::<std::collections::BTreeSet<_>>().len();
        // Nothing is left out: what is in no flow is counted as such by both.
        let in_flows: u64 = flows.values().map(|counts| counts.packets).sum();
        assert_eq!(in_flows + not_ip + unread, frames, "{}", case.capture.display());
        for (sum, of_capture) in
            all.iter_mut().zip([frames, flows.len() as u64, macs as u64, not_ip, unread, unattributed])
        {
            *sum += of_capture;
        }
    }
    let [frames, flows, macs, not_ip, unread, unattributed] = all;
    println!(
        "{} captures, {frames} frames: {flows} flows of {macs} tuples with their MACs; {not_ip} frames not IP, \
         {unread} with a header that cannot be read, {unattributed} later fragments without their first",
        cases().len()
    );
    assert!(frames > 2_500 && flows > 100, "{frames} {flows}");
    assert!(not_ip > 0 && unread > 0 && unattributed > 0, "{all:?}: there is each of them");
}
