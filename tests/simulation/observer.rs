//! The observer who knows all: what was right of each packet, what the daemon told of it, and whether the two fit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use analyzer::alerts::{Alert, Kind};
use analyzer::engine::finding::Finding;
use analyzer::engine::verdict::{Verdict, Violating};
use analyzer::types::{MacAddr, Tuple};

use crate::faults::SECOND;
use crate::frames::{announces, has_ports, tuple};
use crate::node::{Ns, Truth};

/// How long what was sent is remembered packet by packet.
const REMEMBERED: Ns = 600 * SECOND;
/// Within so long after a violating packet it is told that its flow violates.
const TOLD_WITHIN: Ns = 6 * SECOND;
/// For so long after a disturbance nothing has to be told in time.
const CALM: Ns = 20 * SECOND;
/// Who sent the other direction of a flow is alive for so long at least.
const ANSWERED: Ns = 50 * SECOND;
/// Who was heard is alive for so long, as far as the daemon knows.
const HEARD: Ns = 65 * SECOND;
/// The link tells of a new box at most so long before its grace period is over by the databases.
const AHEAD: Ns = 15 * SECOND;
/// A source is at most so late where nothing is wrong with it.
pub(crate) const LAG: Ns = 2 * SECOND;
/// A cause of which nothing was sent for so long is cleared.
const CLEARED_WITHIN: Ns = 200 * SECOND;
/// A flow that was sent so shortly before its cause was cleared, and so shortly behind it, was not over.
const HOLD: Ns = 50 * SECOND;
const GOES_ON: Ns = 15 * SECOND;

/// Packets of a flow to a MAC, sent together.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Ns,
    /// What is right of them; `None` of those that are never wrong.
    truth: Option<Truth>,
    is_watched: bool,
}

/// What was sent of a flow to a MAC.
#[derive(Default)]
struct Sending {
    sent: VecDeque<Sent>,
    /// Packets in the present run of the daemon that are wrong, that may be taken for wrong, and all.
    wrong: u64,
    doubtful: u64,
    all: u64,
}

/// A cause that was told and is not cleared.
struct Open {
    mac: MacAddr,
    since: Ns,
}

/// A cause that was cleared.
struct Clearing {
    id: String,
    at: Ns,
    /// Flows that had left to its MAC just before.
    flows: BTreeSet<Tuple>,
}

/// A fault of the daemon's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) at: Ns,
    pub(crate) what: String,
}

/// All that was seen and told.
pub(crate) struct Observer {
    grace: Ns,
    /// Whether OVN learns flows, which live on for half a minute when the entry is gone.
    learns: bool,
    flows: BTreeMap<(Tuple, MacAddr), Sending>,
    /// When packets left last to a MAC.
    last_to: BTreeMap<MacAddr, Ns>,
    /// When the last frame came from a MAC: for a while it may be taken for a live router.
    heard: BTreeMap<MacAddr, Ns>,
    /// When the other direction of flows came last, from which MAC.
    answered: BTreeMap<(Tuple, MacAddr), Ns>,
    /// When neighbours announced themselves lately.
    announced: VecDeque<Ns>,
    /// Flows that were told as violating in this run of the daemon.
    told: BTreeSet<(Tuple, MacAddr)>,
    /// The same of all runs.
    told_ever: BTreeSet<(Tuple, MacAddr)>,
    open: BTreeMap<String, Open>,
    /// Causes that were cleared, and when.
    over: BTreeMap<MacAddr, Clearing>,
    /// Where each flow left to last, when, and whether that had to be told.
    latest: BTreeMap<Tuple, (MacAddr, Ns, bool)>,
    /// Ids that were cleared.
    cleared: BTreeSet<String>,
    /// Packets that are wrong and to be told, and when.
    awaited: VecDeque<(Ns, Tuple, MacAddr, Ns)>,
    /// Until when what sources tell may be older than the grace period.
    behind_until: Ns,
    /// Whether not all NICs are watched.
    pub(crate) is_partial: bool,
    /// Until when anything is disturbed.
    disturbed_until: Ns,
    /// Since when the daemon knows the next hops; `None` while it does not.
    sighted: Option<Ns>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) checks: BTreeMap<&'static str, u64>,
}

impl Observer {
    pub(crate) fn new(grace: Duration, learns: bool) -> Self {
        Self {
            grace: Ns::try_from(grace.as_nanos()).expect("a short time"),
            learns,
            flows: BTreeMap::new(),
            last_to: BTreeMap::new(),
            heard: BTreeMap::new(),
            answered: BTreeMap::new(),
            announced: VecDeque::new(),
            told: BTreeSet::new(),
            told_ever: BTreeSet::new(),
            open: BTreeMap::new(),
            over: BTreeMap::new(),
            latest: BTreeMap::new(),
            cleared: BTreeSet::new(),
            awaited: VecDeque::new(),
            behind_until: 0,
            is_partial: false,
            disturbed_until: 0,
            sighted: None,
            failures: Vec::new(),
            checks: BTreeMap::new(),
        }
    }

    /// Sources may be behind until then by more than the grace period.
    pub(crate) fn is_behind(&mut self, until: Ns) {
        self.behind_until = self.behind_until.max(until + self.grace + LAG);
        self.disturb(until);
    }

    /// Something is disturbed until then.
    pub(crate) fn disturb(&mut self, until: Ns) {
        self.disturbed_until = self.disturbed_until.max(until + CALM);
    }

    /// The daemon's next hops became known or unknown.
    pub(crate) fn sighted(&mut self, is_sighted: bool, at: Ns) {
        match (is_sighted, self.sighted) {
            (true, None) => self.sighted = Some(at),
            (false, _) => self.sighted = None,
            _ => {}
        }
    }

    /// Another run of the daemon begins.
    pub(crate) fn begins(&mut self) {
        self.told.clear();
        self.awaited.clear();
        self.sighted = None;
        for sending in self.flows.values_mut() {
            (sending.wrong, sending.doubtful, sending.all) = (0, 0, 0);
        }
    }

    /// Alerts that were not saved are lost with the daemon.
    pub(crate) fn forgets_alerts_since(&mut self, at: Ns) {
        self.open.retain(|_, open| open.since < at);
    }

    /// A frame comes in.
    pub(crate) fn heard(&mut self, frame: &[u8], is_watched: bool, at: Ns) {
        if let Some(mac) = frame.get(6..12).and_then(|mac| mac.try_into().ok()) {
            self.heard.insert(MacAddr(mac), at);
            let flow = tuple(frame).filter(|tuple| is_watched && has_ports(tuple));
            flow.map(|tuple| self.answered.insert((tuple.reversed(), MacAddr(mac)), at));
        }
        if announces(frame) {
            self.announced.push_back(at);
            while self.announced.front().is_some_and(|first| first + AHEAD < at) {
                self.announced.pop_front();
            }
        }
    }

    /// Packets leave.
    pub(crate) fn sent(
        &mut self,
        flow: (Tuple, MacAddr),
        packets: u64,
        truth: Option<Truth>,
        is_watched: bool,
        at: Ns,
    ) {
        self.last_to.insert(flow.1, at);
        let is_to_be_told = truth.is_some_and(|truth| self.is_to_be_told(&truth, flow.1, at));
        self.latest.insert(flow.0, (flow.1, at, is_to_be_told));
        let is_behind = at < self.behind_until;
        let sending = self.flows.entry(flow).or_default();
        sending.all += packets;
        if is_watched && truth.is_some_and(|truth| is_wrong(&truth, self.grace, at)) {
            sending.wrong += packets;
        } else if is_watched && (is_behind || truth.is_some_and(|truth| !truth.is_legal || truth.since + LAG > at)) {
            sending.doubtful += packets;
        }
        sending.sent.push_back(Sent { at, truth, is_watched });
        while sending.sent.front().is_some_and(|sent| sent.at + REMEMBERED < at) {
            sending.sent.pop_front();
        }
        let is_calm = at > self.disturbed_until;
        let is_known = self.sighted.is_some_and(|since| since + self.grace + LAG < at);
        if is_to_be_told && is_watched && is_calm && is_known {
            self.awaited.push_back((at + TOLD_WITHIN, flow.0, flow.1, at));
        }
        if is_to_be_told {
            self.check_over(flow, at);
        }
    }

    /// Whether nothing excuses that a packet is not told as violating.
    fn is_to_be_told(&self, truth: &Truth, mac: MacAddr, at: Ns) -> bool {
        let is_silent = self.heard.get(&mac).is_none_or(|heard| heard + HEARD < at);
        let is_long_since = truth.legal_until.is_none_or(|until| until + self.grace + LAG < at);
        let is_clear = truth.are_all_known && !truth.is_some_aged && !truth.is_alive;
        truth.is_covered
            && !truth.is_legal
            && is_long_since
            && is_clear
            && is_silent
            && truth.since + self.grace + LAG < at
    }

    /// The daemon tells a finding. `from` and `until` are the times of its packets.
    pub(crate) fn finding(&mut self, finding: &Finding, from: Ns, until: Ns, at: Ns) {
        let (Verdict::Violating(reason), Some(mac)) = (finding.verdict, finding.eth_dst) else { return };
        self.count("findings told");
        self.told.insert((finding.tuple, mac));
        self.told_ever.insert((finding.tuple, mac));
        if until < self.behind_until || at < self.behind_until {
            self.count("findings told while sources were behind");
            return;
        }
        // What left the set just before the daemon knew it may be in its grace period, which nobody can tell it.
        if self.sighted.is_none_or(|since| until < since + self.grace) {
            self.count("findings told just after the start");
            return;
        }
        let sending = self.flows.get(&(finding.tuple, mac));
        let during = sending.into_iter().flat_map(|sending| &sending.sent);
        let during = during.filter(|sent| sent.is_watched && sent.at + SECOND >= from && sent.at <= until + SECOND);
        let truths: Vec<(Truth, Ns)> = during.filter_map(|sent| Some((sent.truth?, sent.at))).collect();
        if truths.iter().any(|(truth, at)| is_wrong(truth, self.grace, *at)) {
            let was_right = truths.iter().any(|(truth, _)| truth.legal_until.is_some());
            if !was_right && matches!(reason, Violating::StaleConntrack | Violating::UnknownMac) {
                self.check_live_router(finding.tuple, mac, until, at);
            }
            return;
        }
        // Another box announced itself on the link, which is heard before the databases tell of it.
        let is_replaced = |(truth, at): &(Truth, Ns)| {
            let is_in_grace = truth.legal_until.is_some_and(|until| until + self.grace > *at);
            is_in_grace && self.announced.iter().any(|announced| announced + self.grace <= *at)
        };
        if truths.iter().any(is_replaced) {
            self.count("findings told of what was announced");
            return;
        }
        // The MAC was right for a moment, of which the daemon was told together with its end.
        let ends = truths.iter().filter_map(|(truth, at)| Some((truth.legal_until?, *at)));
        let flickers = ends.into_iter().any(|(until, at)| {
            let before =
                sending.into_iter().flat_map(|sending| &sending.sent).filter_map(|sent| sent.truth?.legal_until);
            until + self.grace > at && before.into_iter().any(|before| before < until)
        });
        if flickers {
            self.count("findings told of what was right for a moment");
            return;
        }
        // The packet came before the rows that make it right. It is told at once, and cleared with these.
        if truths.iter().any(|(truth, at)| truth.is_legal && truth.since + LAG > *at) {
            self.count("findings told ahead of the databases");
            return;
        }
        self.fail(at, format!("told as violating ({reason:?}), but no packet of it was: {} to {mac}", finding.tuple));
    }

    /// A router that never was a next hop and from which the flow's other direction comes is there by design.
    fn check_live_router(&mut self, tuple: Tuple, mac: MacAddr, until: Ns, at: Ns) {
        self.count("findings on MACs that never were right");
        let Some(&answered) = self.answered.get(&(tuple, mac)) else { return };
        let is_seen = self.sighted.is_some_and(|since| answered > since + self.grace);
        if is_seen && answered + ANSWERED > until && answered < until && at > self.disturbed_until {
            self.fail(at, format!("told as violating, but a live router sends the other direction: {tuple} to {mac}"));
        }
    }

    /// The daemon sends an alert.
    pub(crate) fn alert(&mut self, alert: &Alert, at: Ns) {
        let value = |name: &str| alert.fields.iter().find(|field| field.name == name).map(|field| field.value.clone());
        let (Some(id), Some(mac)) = (value("id"), value("eth_dst").and_then(|mac| mac.parse::<MacAddr>().ok())) else {
            return;
        };
        match alert.kind {
            Kind::Violation | Kind::Latent | Kind::Repeated => {
                self.count("alerts that open or go on");
                if self.cleared.contains(&id) {
                    self.fail(at, format!("{} tells of {id}, which was cleared", alert.kind.name()));
                }
                if alert.kind != Kind::Repeated || !self.open.contains_key(&id) {
                    self.open.entry(id).or_insert(Open { mac, since: at });
                }
            }
            Kind::Cleared => {
                self.count("alerts cleared");
                if self.open.remove(&id).is_none() {
                    self.fail(at, format!("CLEARED tells of {id}, which was not open"));
                }
                self.cleared.insert(id.clone());
                // What was latent is told by findings once packets follow it.
                if !id.starts_with("latent-") {
                    self.count("clearings checked");
                    self.note_clearing(&id, mac, at);
                }
            }
            _ => {}
        }
    }

    /// Notes the flows that a cause is cleared of though they left to its MAC just before, and not elsewhere since.
    fn note_clearing(&mut self, id: &str, mac: MacAddr, at: Ns) {
        if at < self.disturbed_until || self.learns {
            return;
        }
        let is_told = |flow: &&(Tuple, MacAddr)| flow.1 == mac && self.told_ever.contains(*flow);
        let is_fresh = |tuple: &Tuple| {
            self.latest.get(tuple).is_some_and(|&(to, last, is_wrong)| is_wrong && to == mac && last + HOLD > at)
        };
        let flows = self.flows.keys().filter(is_told).map(|flow| flow.0).filter(is_fresh).collect();
        self.over.insert(mac, Clearing { id: id.to_owned(), at, flows });
    }

    /// A cause that was cleared is over: none of these flows goes on to the MAC.
    fn check_over(&mut self, (tuple, mac): (Tuple, MacAddr), at: Ns) {
        let Some(Clearing { id, at: cleared, flows }) = self.over.get(&mac) else { return };
        if cleared + GOES_ON > at && flows.contains(&tuple) {
            let what = format!("CLEARED told of {id} at {}, but {tuple} goes on to {mac}", seconds(*cleared));
            self.fail(at, what);
        }
    }

    /// An entry is healed. One whose MAC is right must not be.
    pub(crate) fn repaired(&mut self, truths: &[Truth], what: &str, at: Ns) {
        if at < self.behind_until {
            self.count("entries healed while sources were behind");
            return;
        }
        self.count("entries healed");
        let is_right = |truth: &Truth| truth.is_legal && truth.since + LAG < at;
        if !truths.is_empty() && truths.iter().all(is_right) {
            self.fail(at, format!("healed, though its MAC is right: {what}"));
        }
    }

    /// What has become due by now.
    pub(crate) fn check(&mut self, at: Ns) {
        while let Some(&(due, tuple, mac, sent)) = self.awaited.front() {
            if due > at {
                break;
            }
            self.awaited.pop_front();
            // What came in between may be why.
            if self.disturbed_until > sent || self.sighted.is_none() {
                continue;
            }
            self.count("violating packets that had to be told");
            if !self.told.contains(&(tuple, mac)) {
                let truth = self.flows[&(tuple, mac)].sent.iter().find(|packet| packet.at == sent).map(|it| it.truth);
                self.fail(at, format!("not told: {tuple} left to {mac} at {}: {truth:?}", seconds(sent)));
            }
        }
        // Causes of NICs that are not watched stay open, as nobody can say whether they are over.
        if at < self.disturbed_until + CLEARED_WITHIN || self.is_partial {
            return;
        }
        let quiet = |open: &Open| {
            let last = self.last_to.get(&open.mac).copied().unwrap_or(0).max(open.since);
            last + CLEARED_WITHIN < at
        };
        // What is latent stays open as long as an entry holds the MAC.
        let is_stuck = |(id, open): &(&String, &Open)| !id.starts_with("latent-") && quiet(open);
        let stuck: Vec<String> = self.open.iter().filter(is_stuck).map(|(id, _)| id.clone()).collect();
        for id in stuck {
            let open = self.open.remove(&id);
            self.fail(at, format!("{id} is not cleared, open since {}", seconds(open.map_or(0, |open| open.since))));
        }
    }

    /// What findings of the run hold, at its end: no more packets than were wrong.
    pub(crate) fn report(&mut self, findings: &[Finding], at: Ns) {
        let mut held: BTreeMap<(Tuple, MacAddr), u64> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Violating(_))) {
            if let Some(mac) = finding.eth_dst {
                *held.entry((finding.tuple, mac)).or_default() += finding.packets;
            }
        }
        for ((tuple, mac), packets) in held {
            self.count("findings counted");
            let sending = self.flows.get(&(tuple, mac));
            let most = sending.map_or(0, |sending| sending.wrong + sending.doubtful);
            if packets > most {
                self.fail(at, format!("{packets} packets are told as violating, {most} were: {tuple} to {mac}"));
            }
        }
    }

    pub(crate) fn fail(&mut self, at: Ns, what: String) {
        self.failures.push(Failure { at, what });
    }

    pub(crate) fn count(&mut self, check: &'static str) {
        *self.checks.entry(check).or_default() += 1;
    }
}

/// Whether a packet violates: its MAC is none that is right, and has not been for the grace period.
fn is_wrong(truth: &Truth, grace: Ns, at: Ns) -> bool {
    let is_past_grace = truth.legal_until.is_none_or(|until| until + grace <= at);
    truth.is_covered && !truth.is_legal && is_past_grace
}

fn seconds(at: Ns) -> String {
    format!("{:.3} s", at as f64 / SECOND as f64)
}
