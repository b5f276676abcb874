//! What the kernel counted of suspect packets, and what was said of them.
//!
//! The kernel counts under one key: flow, both MACs, generation. Packets counted since the last look belong to the
//! verdict that the engine gives now; should it give another one later, what was counted before stays where it is, unless
//! the later one rests on an entry that was not known when these were judged: then they go with it. What leaves the
//! kernel's map without a verdict is a loss. So each packet is in exactly one verdict or lost, and the sum over all of
//! them is what the kernel counted.

use std::net::IpAddr;
use std::time::Duration;

use hashbrown::hash_map::Entry as MapEntry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};

use crate::engine::Assessment;
use crate::engine::bounded::{BoundedFindings, FindingKey, Flow, flow_of};
use crate::engine::finding::{self, Finding, NexthopCount, Summary};
use crate::engine::observation::Observation;
use crate::engine::verdict::{Undetermined, Verdict, Violating};
use crate::types::{MacAddr, Timestamp, Tuple};

/// The books of a run. `K` is the key that the kernel counts under.
#[derive(Debug)]
pub(crate) struct Ledger<K> {
    entries: HashMap<K, Entry>,
    flows: HashMap<Flow, FlowState>,
    findings: BoundedFindings,
    nexthops: HashMap<MacAddr, Nexthop>,
    judged: HashMap<Verdict, Judged>,
    /// What was said of packets when they were booked, whatever was said of them later: it only ever grows.
    first_said: HashMap<Verdict, Counts>,
    summary: Summary,
    max_findings: usize,
    /// Packets that nobody judged.
    unjudged: u64,
    /// Flows that samples tell something of.
    remarks: u64,
}

/// A finding that comes back after so long is news again.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// What is known of one key of the kernel.
#[derive(Clone, Copy, Debug)]
struct Entry {
    flow: Flow,
    eth_dst: MacAddr,
    packets: u64,
    bytes: u64,
    verdict: Verdict,
    judged: Timestamp,
    /// Those of the packets that this verdict was said of.
    own: Counts,
}

/// Packets and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Counts {
    packets: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct FlowState {
    worst: Verdict,
    /// Keys of the kernel that count this flow.
    keys: u32,
}

#[derive(Debug, Default)]
struct Nexthop {
    ips: HashSet<IpAddr>,
    packets: u64,
    bytes: u64,
}

/// What the books say of a key that the kernel counts under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// Nothing yet.
    New,
    /// No packet has come since.
    Unchanged,
    /// Packets have come; this was said of the last ones, at that time.
    More(Verdict, Timestamp),
}

/// Conntrack entries by orig tuple, zone and MAC, and when the last packets left that a finding cites them for.
pub(crate) type Cited = HashMap<(Tuple, u16, MacAddr), Timestamp>;

/// Packets that a verdict was said of, and flows on the books whose worst verdict it is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Judged {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
}

/// Packets that were booked, and under which verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Booked {
    pub(crate) verdict: Verdict,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// What came of a judgement.
#[derive(Debug)]
pub(crate) struct Told {
    /// Packets that were new, or were not known to violate before.
    pub(crate) booked: Booked,
    /// The finding, where it is news: the first of its kind, or the first for a long time.
    pub(crate) news: Option<Finding>,
    /// A finding that this one takes the place of: all of its packets went over.
    pub(crate) withdrawn: Option<Finding>,
}

impl<K: Copy + Eq + std::hash::Hash> Ledger<K> {
    /// Books that keep so many findings. `hasher` is that of the map that the keys come from, where it is one of ours: keys that
    /// come in its order are then found one behind the other here, and not each by a miss of the cache.
    pub(crate) fn new(max_findings: usize, hasher: DefaultHashBuilder) -> Self {
        Self {
            entries: HashMap::with_hasher(hasher),
            flows: HashMap::new(),
            findings: BoundedFindings::default(),
            nexthops: HashMap::new(),
            judged: HashMap::new(),
            first_said: HashMap::new(),
            summary: Summary::default(),
            max_findings,
            unjudged: 0,
            remarks: 0,
        }
    }

    /// What is known of `key`, under which the kernel has counted `packets` in all.
    pub(crate) fn known(&self, key: &K, packets: u64) -> Known {
        match self.entries.get(key) {
            None => Known::New,
            Some(entry) if entry.packets >= packets => Known::Unchanged,
            Some(entry) => Known::More(entry.verdict, entry.judged),
        }
    }

    /// What was said last of a key that the kernel counts under.
    pub(crate) fn verdict(&self, key: &K) -> Option<Verdict> {
        self.entries.get(key).map(|entry| entry.verdict)
    }

    /// Books what the kernel has counted in all, under what was said of the key last. Returns what was new.
    pub(crate) fn count(&mut self, key: &K, seen: &Observation) -> Option<Booked> {
        let entry = self.entries.get_mut(key)?;
        let since = entry.take(seen);
        let (verdict, flow) = (entry.verdict, entry.flow);
        self.say(verdict, &since);
        self.attribute(flow, verdict, &since);
        Some(Booked { verdict, packets: since.packets, bytes: since.bytes })
    }

    /// Books what the kernel has counted in all, what is new of it under this assessment; and with it what was counted
    /// before, where this assessment has the better evidence for it.
    pub(crate) fn judge(&mut self, key: K, seen: &Observation, assessment: Assessment, at: Timestamp) -> Told {
        let flow = flow_of(seen);
        let verdict = assessment.verdict;
        let before = self.entries.get(&key).map_or(verdict, |entry| entry.verdict);
        let is_first = before != verdict || !self.entries.contains_key(&key);
        let entry = match self.entries.entry(key) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(place) => {
                let state = self.flows.entry(flow).or_insert_with(|| {
                    self.judged.entry(verdict).or_default().flows += 1;
                    FlowState { worst: verdict, keys: 0 }
                });
                state.keys += 1;
                let own = Counts::default();
                place.insert(Entry { flow, eth_dst: seen.eth_dst, packets: 0, bytes: 0, verdict, judged: at, own })
            }
        };
        if before != verdict && !replaces(verdict, before) {
            entry.own = Counts::default();
        }
        let moved = if before == verdict { Counts::default() } else { entry.own };
        (entry.verdict, entry.judged) = (verdict, at);
        let since = entry.take(seen);
        self.say(verdict, &since);
        let withdrawn = self.take_back(flow, seen.eth_dst, before, moved);
        if let Some(state) = self.flows.get_mut(&flow)
            && (state.worst < verdict || withdrawn.is_some() && state.worst == before)
        {
            self.judged.entry(state.worst).or_default().flows -= 1;
            self.judged.entry(verdict).or_default().flows += 1;
            state.worst = verdict;
        }
        if !assessment.legal_for.is_empty() {
            self.nexthops.entry(seen.eth_dst).or_default().ips.extend(assessment.legal_for);
        }
        let news = assessment.finding.and_then(|finding| self.keep((flow, seen.eth_dst, verdict), finding, is_first));
        let (packets, bytes) = (since.packets + moved.packets, since.bytes + moved.bytes);
        self.attribute(flow, verdict, &Observation { packets, bytes, ..since });
        let booked = match before {
            // These were booked as violating.
            Verdict::Violating(_) => Booked { verdict, packets: since.packets, bytes: since.bytes },
            _ => Booked { verdict, packets, bytes },
        };
        Told { booked, news, withdrawn }
    }

    /// Books packets of a harmless flow of which nothing else is kept.
    pub(crate) fn pass(&mut self, verdict: Verdict, seen: &Observation) -> Booked {
        self.say(verdict, seen);
        self.attribute(flow_of(seen), verdict, seen);
        Booked { verdict, packets: seen.packets, bytes: seen.bytes }
    }

    /// Takes packets out of a verdict that was said of them. Returns its finding where none are left in it.
    fn take_back(&mut self, flow: Flow, eth_dst: MacAddr, verdict: Verdict, moved: Counts) -> Option<Finding> {
        if moved.packets == 0 {
            return None;
        }
        let judged = self.judged.entry(verdict).or_default();
        judged.packets -= moved.packets;
        judged.bytes -= moved.bytes;
        if matches!(verdict, Verdict::Violating(_)) {
            self.summary.violating_packets -= moved.packets;
        }
        let key = (flow, eth_dst, verdict);
        let finding = self.findings.get_mut(&key)?;
        finding.packets = finding.packets.saturating_sub(moved.packets);
        finding.bytes = finding.bytes.saturating_sub(moved.bytes);
        let is_left = finding.packets > 0;
        if is_left { None } else { self.findings.remove(&key) }
    }

    /// Keys whose finding cites no entry that holds the MAC, though one may be what sends the packets there; each with its
    /// flow's tuple, the MAC, and when it was judged last.
    pub(crate) fn uncited(&self) -> impl Iterator<Item = (K, Tuple, MacAddr, Timestamp)> {
        let uncited = self.entries.iter().filter(|(_, entry)| {
            let cites = |finding: &Finding| finding.conntrack.iter().any(|cited| cited.reply_eth == entry.eth_dst);
            is_open(entry.verdict) && !self.findings.get(&(entry.flow, entry.eth_dst, entry.verdict)).is_some_and(cites)
        });
        uncited.map(|(key, entry)| (*key, entry.flow.2, entry.eth_dst, entry.judged))
    }

    /// Whether the assessment has better evidence for the packets of a key than what was said of them. If not, it is noted
    /// that it was asked for.
    pub(crate) fn is_better(&mut self, key: &K, assessment: &Assessment, at: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let holds = assessment.finding.iter().flat_map(|finding| &finding.conntrack);
        let cites = holds.map(|cited| cited.reply_eth).any(|mac| mac == entry.eth_dst);
        entry.judged = at;
        replaces(assessment.verdict, entry.verdict) || assessment.verdict == entry.verdict && cites
    }

    /// Notes what samples tell of a flow that conforms. Returns the finding where it is news.
    pub(crate) fn remark(&mut self, seen: &Observation, finding: Finding) -> Option<Finding> {
        let key = (flow_of(seen), seen.eth_dst, finding.verdict);
        let counts = (finding.packets, finding.bytes);
        let is_known = self.findings.get(&key).is_some();
        self.remarks += u64::from(!is_known);
        let news = self.keep(key, finding, !is_known);
        if let Some(kept) = self.findings.get_mut(&key) {
            // Samples that newer ones pushed out were told of all the same.
            (kept.packets, kept.bytes) = (kept.packets.max(counts.0), kept.bytes.max(counts.1));
        }
        news
    }

    /// Flows that [`Ledger::remark`] told of: they conform, and are more than that.
    pub(crate) fn remarks(&self) -> u64 {
        self.remarks
    }

    /// Closes the books on a key that the kernel counts under no more, and that had counted so much in all. What is new of
    /// it is booked under what was said of the key last, and returned; where nobody has judged it, all of it is lost.
    pub(crate) fn close(&mut self, key: &K, seen: &Observation) -> Option<Booked> {
        let booked = self.count(key, seen);
        let Some(entry) = self.entries.remove(key) else {
            self.unjudged += seen.packets;
            return None;
        };
        if let Some(state) = self.flows.get_mut(&entry.flow) {
            state.keys -= 1;
            if state.keys == 0 {
                let worst = state.worst;
                self.flows.remove(&entry.flow);
                self.judged.entry(worst).or_default().flows -= 1;
                self.summary.count_flow(worst);
            }
        }
        booked
    }

    /// Closes the books on all packets that the kernel has counted as suspect by now, and no key of which it counts any
    /// more: what no verdict was said of is lost, however that came.
    pub(crate) fn settle(&mut self, suspect_packets: u64) {
        let judged: u64 = self.judged.values().map(|judged| judged.packets).sum();
        self.unjudged = self.unjudged.max(suspect_packets.saturating_sub(judged));
    }

    /// Packets that nobody judged.
    pub(crate) fn unjudged(&self) -> u64 {
        self.unjudged
    }

    /// Whether packets of the flow are on the books.
    pub(crate) fn has_flow(&self, seen: &Observation) -> bool {
        self.flows.contains_key(&flow_of(seen))
    }

    /// Entries that findings cite for the MAC that their packets left to, and when the last of these left.
    pub(crate) fn cited(&self) -> Cited {
        let mut cited = HashMap::new();
        for finding in self.findings.iter() {
            for entry in finding.conntrack.iter().filter(|entry| finding.eth_dst == Some(entry.reply_eth)) {
                let last = cited.entry((entry.orig, entry.zone, entry.reply_eth)).or_insert(finding.last_seen);
                *last = finding.last_seen.max(*last);
            }
        }
        cited
    }

    /// When flows violated last, by their tuples on the wire.
    pub(crate) fn last_violations(&self) -> HashMap<Tuple, Timestamp> {
        let mut last = HashMap::new();
        for finding in self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Violating(_))) {
            let known = last.entry(finding.tuple).or_insert(finding.last_seen);
            *known = finding.last_seen.max(*known);
        }
        last
    }

    /// What was said of packets so far, and flows on the books.
    pub(crate) fn judged(&self, verdict: Verdict) -> Judged {
        self.judged.get(&verdict).copied().unwrap_or_default()
    }

    /// The same by what was said of packets when they were booked, for counters, which never fall.
    pub(crate) fn first_said(&self, verdict: Verdict) -> Judged {
        let Counts { packets, bytes } = self.first_said.get(&verdict).copied().unwrap_or_default();
        Judged { packets, bytes, ..self.judged(verdict) }
    }

    /// Packets that conformed beyond those that the kernel counts by next hop.
    pub(crate) fn conforming(&self) -> impl Iterator<Item = NexthopCount> {
        self.nexthops.iter().map(|(&lladdr, nexthop)| {
            let mut nexthops: Vec<IpAddr> = nexthop.ips.iter().copied().collect();
            nexthops.sort_unstable();
            NexthopCount { lladdr, nexthops, packets: nexthop.packets, bytes: nexthop.bytes }
        })
    }

    /// The findings, worst first and by time, and the counts.
    pub(crate) fn close_all(mut self) -> (Vec<Finding>, Summary) {
        self.summary.omitted_findings = self.findings.omitted();
        for state in self.flows.values() {
            self.summary.count_flow(state.worst);
        }
        let mut findings = self.findings.into_vec();
        finding::sort(&mut findings);
        (findings, self.summary)
    }

    /// Keeps a finding; of one that is kept already the evidence is renewed. Returns it where it is news. `is_first` says
    /// whether the key that it is about is judged so for the first time.
    fn keep(&mut self, key: FindingKey, mut finding: Finding, is_first: bool) -> Option<Finding> {
        if let Some(kept) = self.findings.get_mut(&key) {
            let is_news = is_first && finding.first_seen.since(kept.last_seen) > FORGOTTEN;
            let news = is_news.then(|| finding.clone());
            finding.packets = kept.packets;
            finding.bytes = kept.bytes;
            finding.first_seen = kept.first_seen.min(finding.first_seen);
            finding.last_seen = kept.last_seen.max(finding.last_seen);
            *kept = finding;
            return news;
        }
        if !is_first {
            // It gave way to others. What it has counted is in no finding any more.
            return None;
        }
        let (packets, most) = (finding.packets, self.max_findings);
        // It is told all the same, once, where there is no room: only the report at the end lacks it. What the kernel
        // counted is booked right behind.
        self.findings.keep(key, packets, most, || Finding { packets: 0, bytes: 0, ..finding.clone() });
        Some(finding)
    }

    /// Findings that are not kept for the report, because there are too many.
    pub(crate) fn omitted(&self) -> u64 {
        self.findings.omitted()
    }

    fn say(&mut self, verdict: Verdict, since: &Observation) {
        let said = self.first_said.entry(verdict).or_default();
        said.packets += since.packets;
        said.bytes += since.bytes;
    }

    fn attribute(&mut self, flow: Flow, verdict: Verdict, since: &Observation) {
        let judged = self.judged.entry(verdict).or_default();
        judged.packets += since.packets;
        judged.bytes += since.bytes;
        let summary = &mut self.summary;
        match verdict {
            Verdict::NotCovered(_) => summary.uncovered_packets += since.packets,
            Verdict::Grace => summary.grace_packets += since.packets,
            Verdict::Conforming => {
                let nexthop = self.nexthops.entry(since.eth_dst).or_default();
                nexthop.packets += since.packets;
                nexthop.bytes += since.bytes;
            }
            Verdict::Violating(_) => summary.violating_packets += since.packets,
            Verdict::Info(_) | Verdict::Undetermined(_) => {}
        }
        if let Some(finding) = self.findings.get_mut(&(flow, since.eth_dst, verdict)) {
            finding.packets += since.packets;
            finding.bytes += since.bytes;
            finding.last_seen = finding.last_seen.max(since.last);
        }
    }
}

impl Entry {
    /// What was counted since the last look.
    fn take(&mut self, seen: &Observation) -> Observation {
        let since = Observation {
            packets: seen.packets.saturating_sub(self.packets),
            bytes: seen.bytes.saturating_sub(self.bytes),
            ..*seen
        };
        self.packets = self.packets.max(seen.packets);
        self.bytes = self.bytes.max(seen.bytes);
        self.own = Counts { packets: self.own.packets + since.packets, bytes: self.own.bytes + since.bytes };
        since
    }
}

/// Whether a conntrack entry that is not known yet may say more of packets with this verdict.
fn is_open(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Violating(reason) => reason != Violating::StaleConntrack,
        _ => verdict == Verdict::Undetermined(Undetermined::TranslatedSource),
    }
}

/// Whether `new` says of the very packets of which `old` was said what could not be said for want of a conntrack entry.
fn replaces(new: Verdict, old: Verdict) -> bool {
    match old {
        Verdict::Violating(Violating::FormerNexthop | Violating::StaleNeighbour | Violating::UnknownMac) => {
            new == Verdict::Violating(Violating::StaleConntrack)
        }
        Verdict::Undetermined(Undetermined::TranslatedSource) => !matches!(new, Verdict::Undetermined(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
