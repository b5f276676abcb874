//! Counting: verdicts into flows, packets and findings.

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::bounded::{self, BoundedFindings, Flow};
use super::context::Remembered;
use super::evidence;
use super::fact::{Gap, Scope};
use super::finding::{self, Finding, NexthopCount, Summary};
use super::judgement::Judgement;
use super::knowledge::Knowledge;
use super::observation::Observation;
use super::verdict::Verdict;
use crate::types::{MacAddr, Place};

/// Counts while a run lasts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) summary: Summary,
    findings: BoundedFindings,
    nexthops: HashMap<MacAddr, Nexthop>,
    /// The flow whose observations are being counted.
    flow: Option<Counted>,
    /// Places of gaps that may decide what was judged.
    gaps: HashSet<Place>,
}

/// What is known of the flow that is being counted.
#[derive(Debug)]
struct Counted {
    flow: Flow,
    worst: Verdict,
    is_in_gap: bool,
}

#[derive(Debug, Default)]
struct Nexthop {
    ips: HashSet<IpAddr>,
    packets: u64,
    bytes: u64,
}

impl Tally {
    /// Counts a judgement. Those on one flow must come one after another.
    pub(super) fn count(
        &mut self,
        knowledge: &Knowledge,
        remembered: &mut Remembered,
        observation: &Observation,
        judgement: Judgement<'_>,
    ) {
        let verdict = judgement.verdict;
        let key = bounded::flow_of(observation);
        match &mut self.flow {
            Some(counted) if counted.flow == key => counted.worst = counted.worst.max(verdict),
            _ => {
                self.end_flow();
                self.flow = Some(Counted { flow: key, worst: verdict, is_in_gap: false });
            }
        }
        self.note_gaps(&judgement);
        self.count_packets(observation, &judgement);
        if matches!(verdict, Verdict::Info(_) | Verdict::Undetermined(_) | Verdict::Violating(_)) {
            self.add_finding(knowledge, remembered, key, observation, judgement);
        }
    }

    /// Counts a flow whose last observation has been counted.
    pub(super) fn end_flow(&mut self) {
        let Some(Counted { worst, is_in_gap, .. }) = self.flow.take() else { return };
        self.summary.count_flow(worst);
        self.summary.conforming_in_gaps += u64::from(is_in_gap && worst == Verdict::Conforming);
    }

    fn note_gaps(&mut self, judgement: &Judgement<'_>) {
        if let (Some(counted), [_, ..]) = (&mut self.flow, judgement.assumes.gaps()) {
            counted.is_in_gap = true;
            self.gaps.extend(judgement.assumes.gaps().iter().cloned());
        }
    }

    /// Whether the lost part may decide something that was judged. What a lost conntrack entry without label tells matters to
    /// its own flow alone.
    pub(super) fn is_in_question(&self, gap: &Gap) -> bool {
        match &gap.scope {
            Scope::Connections(lost) => lost.may_be_labelled || self.is_named(gap),
            _ => true,
        }
    }

    /// Whether something that was judged names it.
    pub(super) fn is_named(&self, gap: &Gap) -> bool {
        self.gaps.contains(&gap.place)
    }

    fn count_packets(&mut self, observation: &Observation, judgement: &Judgement<'_>) {
        let Observation { packets, bytes, .. } = *observation;
        match judgement.verdict {
            Verdict::NotCovered(_) => self.summary.uncovered_packets += packets,
            Verdict::Grace => self.summary.grace_packets += packets,
            Verdict::Violating(_) => self.summary.violating_packets += packets,
            Verdict::Conforming | Verdict::Info(super::verdict::Info::AsymmetricReply) => {
                let nexthop = self.nexthops.entry(observation.eth_dst).or_default();
                nexthop.packets += packets;
                nexthop.bytes += bytes;
                nexthop.ips.extend(&judgement.legal_for);
            }
            Verdict::Info(_) | Verdict::Undetermined(_) => {}
        }
    }

    fn add_finding(
        &mut self,
        knowledge: &Knowledge,
        remembered: &mut Remembered,
        flow: Flow,
        observation: &Observation,
        judgement: Judgement<'_>,
    ) {
        let key = (flow, observation.eth_dst, judgement.verdict);
        if let Some(finding) = self.findings.get_mut(&key) {
            finding.packets += observation.packets;
            finding.assumes.insert_all(&judgement.assumes);
            finding.bytes += observation.bytes;
            finding.first_seen = finding.first_seen.min(observation.first);
            finding.last_seen = finding.last_seen.max(observation.last);
            return;
        }
        let most = knowledge.settings.max_findings;
        let finding = || evidence::finding(knowledge, remembered, observation, judgement);
        self.findings.keep(key, observation.packets, most, finding);
    }

    /// Adds the counts of flows that were retired before.
    fn absorb(&mut self, retired: &Self) {
        let summary = &mut self.summary;
        summary.flows += retired.summary.flows;
        summary.covered_flows += retired.summary.covered_flows;
        summary.conforming_flows += retired.summary.conforming_flows;
        summary.uncovered_packets += retired.summary.uncovered_packets;
        summary.evicted_flows += retired.summary.evicted_flows;
        summary.conforming_in_gaps += retired.summary.conforming_in_gaps;
        for (mac, nexthop) in &retired.nexthops {
            let total = self.nexthops.entry(*mac).or_default();
            total.packets += nexthop.packets;
            total.bytes += nexthop.bytes;
            total.ips.extend(&nexthop.ips);
        }
    }

    /// The findings, worst first and by time, and the summary, flows that were retired before included.
    pub(super) fn finish(mut self, retired: &Self) -> (Vec<Finding>, Summary) {
        self.end_flow();
        self.absorb(retired);
        let mut nexthops: Vec<NexthopCount> = self
            .nexthops
            .into_iter()
            .map(|(lladdr, Nexthop { ips, packets, bytes })| {
                let mut nexthops: Vec<IpAddr> = ips.into_iter().collect();
                nexthops.sort_unstable();
                NexthopCount { lladdr, nexthops, packets, bytes }
            })
            .collect();
        nexthops.sort_by(|a, b| (&a.nexthops, a.lladdr).cmp(&(&b.nexthops, b.lladdr)));
        self.summary.nexthops = nexthops;
        self.summary.omitted_findings = self.findings.omitted();
        let mut findings = self.findings.into_vec();
        finding::sort(&mut findings);
        (findings, self.summary)
    }
}
