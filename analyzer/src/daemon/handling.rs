//! The daemon, as whoever drives it sees it: what happened goes in, and what is to be done comes out.

mod body;

use std::fmt::Display;

use self::body::Body;
use super::accounts::LostOutside;
use super::alerting::Look;
use super::beginning::{Asked, Beginning, Machine};
use super::connections::Way;
use super::effect::Effect;
use super::end::{Span, Totals};
use super::event::Event;
use super::history::History;
use super::mirrored::counted;
use super::replies::look_at_replies;
use super::settings::{Changing, Settings};
use super::sweeping::{LastLook, Room, Sweep};
use super::voice::Trouble;
use crate::alerts::saved::NotSaved;
use crate::bpf::counted as noticed;
use crate::engine::Assessment;
use crate::engine::fact::Fact;
use crate::engine::observation::{Counts, Observation};
use crate::metrics::Snapshot;
use crate::mirror::Taken;
use crate::output::Report;
use crate::output::status::NicStatus;
use crate::replay::Flow;
use crate::types::Timestamp;

/// Ticks between two looks at what is rarely needed.
const RARELY: u64 = 60;

/// What the daemon knows, and what it is at.
pub struct Daemon {
    body: Body,
    /// What is long and was begun.
    work: Option<Work>,
}

/// What is long, as far as it has come.
enum Work {
    Sweep(Sweep),
    Looking(Look),
    LastLook(LastLook),
}

impl Daemon {
    /// A daemon that was told nothing yet.
    pub fn new(settings: Settings, machine: Machine, beginning: Beginning, asked: &Asked) -> Self {
        let mut body = Body::new(settings, machine, beginning, asked);
        body.choose_conntrack();
        Self { body, work: None }
    }

    /// Adds a fact that holds for the whole run.
    pub fn add(&mut self, fact: Fact) {
        self.body.facts.engine().add(fact);
    }

    /// Opens alerts again that an earlier run saved.
    ///
    /// # Errors
    /// [`NotSaved`]: the text is none of [`Daemon::open_alerts`]; nothing is opened.
    pub fn restore_alerts(&mut self, text: &str) -> Result<(), NotSaved> {
        self.body.alerting.restore(text, self.body.now)
    }

    /// Open alerts, as JSON.
    pub fn open_alerts(&self) -> String {
        self.body.alerting.save()
    }

    /// Another number whenever [`Daemon::open_alerts`] is another text.
    pub fn alert_changes(&self) -> u64 {
        self.body.alerting.changes()
    }

    /// The history of next hops, to be kept for the next run.
    pub fn history(&self) -> &History {
        self.body.facts.history()
    }

    /// Changes what may change while the daemon runs.
    pub fn change(&mut self, changing: Changing) {
        self.body.settings.changing = changing;
    }

    /// Takes over what was lost elsewhere.
    pub fn lost_outside(&mut self, lost: LostOutside) {
        self.body.lost_outside = lost;
    }

    /// What is to be done, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        self.body.voice.take()
    }

    /// Takes note of what happened at `now`. What it tells takes effect with the next [`Daemon::settle`].
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        let body = &mut self.body;
        body.now = now;
        match event {
            Event::Noticed(noticed::Event::Suspect { key, .. }) => {
                let (suspects, _, mut around) = body.lend();
                suspects.noticed(key, &mut around);
            }
            Event::Noticed(noticed::Event::Heard(heard)) => body.heard([heard]),
            Event::Database(role, event) => {
                let told = body.tellers.take(role, event, now);
                body.take(told);
            }
            Event::LogicalFlows(answer) => {
                let told = body.tellers.answered(answer, now);
                body.take(told);
            }
            Event::File(number, read) => body.take_file(number, read),
            Event::Kernel(event) => body.kernel_tells(event),
            Event::KernelLost(error) => body.kernel_lost(error),
            Event::Guarded(findings) => {
                body.watching.guarded(findings, &mut body.voice);
                body.settle_nics();
            }
            Event::Conntrack(event) => body.connections.note(event, &mut body.evidence),
            Event::ConntrackLost(error) => body.voice.failed(Trouble::ConntrackEvents, &error),
            Event::Labelled(reading) => body.take_reading(*reading),
            Event::Repaired(repair) => {
                if let Some(repairing) = &mut body.repairing {
                    repairing.note_repair(*repair);
                }
            }
            Event::Tick => self.tick(),
        }
    }

    /// Makes what was told take effect, all at one moment.
    ///
    /// # Errors
    /// There is nothing to watch, or nothing can be attached: the run cannot begin.
    pub fn settle(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.body.now = now;
        self.body.commit();
        self.body.open_nics()
    }

    /// Tells what is due.
    pub fn tell(&mut self, now: Timestamp) {
        self.body.now = now;
        self.tell_alerts();
    }

    /// The sources are asked from here on: they have their time before they are late.
    pub fn ask_sources(&mut self, now: Timestamp) {
        self.body.ask_sources(now);
    }

    /// When [`Daemon::settle`] is worth calling though nothing happens: a verdict changes by itself.
    pub fn due(&self) -> Option<Timestamp> {
        self.body.facts.due()
    }

    /// Goes on with what is long and was begun by an event. Returns whether anything is left of it; until then no other
    /// event is to be handled.
    pub fn go_on(&mut self, now: Timestamp) -> bool {
        let body = &mut self.body;
        body.now = now;
        match self.work.take() {
            None => return false,
            Some(Work::Sweep(mut sweep)) => {
                let room = Room { max_suspects: body.settings.max_suspects, tick: body.tick };
                let (suspects, _, mut around) = body.lend();
                match sweep.go_on(suspects, &mut around, room) {
                    true => self.work = Some(Work::Sweep(sweep)),
                    false => self.work = self.tick_after_sweep().map(Work::Looking),
                }
            }
            Some(Work::Looking(mut look)) => match look.go_on(&mut body.alerting, &mut body.evidence, now) {
                true => self.work = Some(Work::Looking(look)),
                false => self.end_tick(),
            },
            Some(Work::LastLook(mut look)) => {
                let end_within = body.settings.end_within;
                let (suspects, _, mut around) = body.lend();
                if look.go_on(suspects, &mut around, end_within) {
                    self.work = Some(Work::LastLook(look));
                }
            }
        }
        self.work.is_some()
    }

    /// Whether flows wait to be judged when nothing else is to be done.
    pub fn has_waiting(&self) -> bool {
        self.body.suspects.has_waiting()
    }

    /// Judges some of the flows that wait for it.
    pub fn judge_some(&mut self, now: Timestamp) {
        self.body.now = now;
        let (suspects, _, mut around) = self.body.lend();
        suspects.judge_some(&mut around);
    }

    /// Takes over all of a socket's batch but its flows.
    pub fn take_mirrored(&mut self, taken: &Taken, now: Timestamp) {
        self.body.now = now;
        let heard = self.body.kernel.take_mirrored(taken);
        self.body.heard(heard);
    }

    /// Takes over a flow of a socket's batch.
    pub fn take_mirrored_flow(&mut self, flow: (Flow, Counts)) {
        let (suspects, _, mut around) = self.body.lend();
        suspects.take_flow(&counted(flow), &mut around);
    }

    /// What the engine says of packets now. Nothing is noted of it.
    pub fn assess(&mut self, seen: &Observation) -> Assessment {
        let requests = self.body.kernel.requests_of(seen, &mut self.body.voice);
        self.body.facts.engine().assess(seen, &requests)
    }

    /// Where conntrack entries are read.
    pub fn conntrack(&self) -> Way {
        self.body.connections.way()
    }

    /// Takes note that something of the kernel program failed elsewhere: it counts, and is said once for each reason.
    pub fn note_failure(&mut self, error: &impl Display) {
        self.body.voice.failed(Trouble::KernelProgram, error);
    }

    /// What is published for Prometheus, without what became of messages.
    pub fn snapshot(&mut self) -> Snapshot {
        self.body.accounts().snapshot()
    }

    /// Detaches from all NICs. Returns how they were watched.
    pub fn detach(&mut self, now: Timestamp) -> Vec<NicStatus> {
        self.body.now = now;
        let nics = self.body.watching.status();
        self.body.watching.close();
        nics
    }

    /// Begins the last look at what was counted: nothing is attached any more. [`Daemon::go_on`] goes on with it.
    pub fn begin_the_end(&mut self, now: Timestamp) {
        let body = &mut self.body;
        body.now = now;
        self.work = Some(Work::LastLook(LastLook::begin(&body.kernel, &mut body.voice)));
    }

    /// Tells what is left to be told, once the last packets were judged.
    pub fn conclude_run(&mut self, now: Timestamp) {
        let body = &mut self.body;
        body.now = now;
        body.latents.leave_out_cited(&body.suspects.books().cited());
        body.kernel.count_evicted(&mut body.voice);
        self.look_at_replies();
        self.tell_alerts();
    }

    /// What the run amounts to, and what is left to be done. `nics` is how they were watched.
    pub fn into_report(mut self, nics: Vec<NicStatus>, now: Timestamp) -> (Report, Vec<Effect>) {
        let body = &mut self.body;
        body.now = now;
        let totals = Totals::of(&mut body.accounts(), nics);
        let gaps = body.facts.engine().gaps_between(body.started, now).cloned().collect();
        let span = Span { started: body.started, ended: now, gaps };
        let effects = self.effects();
        let Body { suspects, latents, settings, .. } = self.body;
        (totals.into_report(span, suspects.into_books(), latents, settings.node), effects)
    }

    fn tick(&mut self) {
        let body = &mut self.body;
        body.tick += 1;
        self.work = match Sweep::begin(&body.kernel, &mut body.voice) {
            Some(sweep) => Some(Work::Sweep(sweep)),
            None => self.tick_after_sweep().map(Work::Looking),
        };
    }

    /// What a second brings once suspects were looked at. Returns the look at silent flows that is left of it.
    fn tick_after_sweep(&mut self) -> Option<Look> {
        let body = &mut self.body;
        // An event tells only of a MAC that is new, not of one that comes back, and may be lost.
        let heard = body.kernel.heard_since(&mut body.voice);
        body.heard(heard);
        body.watching.check(&mut body.voice);
        body.settle_nics();
        body.choose_conntrack();
        body.tellers.ask(body.now, &mut body.voice);
        // A reading from before the set is known tells nothing of it.
        let is_time = body.facts.sighted().is_some() || body.is_late();
        if is_time && body.connections.begins(body.settings.changing.conntrack_interval, body.now) {
            body.evidence.begin_reading();
        }
        body.repair_stale();
        let look = self.tick_alerts();
        if look.is_none() {
            self.end_tick();
        }
        look
    }

    /// What is to be done for alerts each second. Returns the look at silent flows, where it is time for one.
    fn tick_alerts(&mut self) -> Option<Look> {
        let body = &mut self.body;
        body.alerting.note_sources(body.tellers.sources().all(), body.now);
        if body.is_late() {
            body.alerting.note_sight(body.facts.sighted().is_some(), body.now);
        }
        let losses = body.accounts().losses();
        body.alerting.note_losses(&losses);
        let Body { suspects, kernel, voice, .. } = body;
        body.alerting.look(body.tick, body.now, || {
            suspects.conforming(kernel, voice).iter().map(|counted| kernel.observation(counted)).collect()
        })
    }

    fn end_tick(&mut self) {
        let body = &mut self.body;
        let is_watching = body.facts.sighted().is_some() && !body.kernel.has_refused() && body.watching.is_whole();
        body.alerting.tick(is_watching, body.now);
        body.alerting.tell(body.now, &mut body.voice);
        if let Some(failure) = body.evidence.take_failure() {
            body.voice.failed(Trouble::ConntrackEntry, &failure);
        }
        if body.tick.is_multiple_of(RARELY) {
            body.kernel.count_evicted(&mut body.voice);
            if body.alerting.has_latent() {
                // What was deleted since the last reading is told.
                body.look_for_latent();
            }
            self.look_at_replies();
            let body = &mut self.body;
            body.kernel.forget_requests(body.now);
            body.facts.forget(body.now.saturating_sub(body.settings.changing.history_age));
        }
    }

    /// Tells of flows whose requests come in by another next hop.
    fn look_at_replies(&mut self) {
        let (turn, sample) = (self.body.tick / RARELY, self.body.settings.changing.sample);
        let (suspects, _, mut around) = self.body.lend();
        look_at_replies(suspects, &mut around, turn, sample);
    }

    fn tell_alerts(&mut self) {
        self.body.alerting.tell(self.body.now, &mut self.body.voice);
    }
}
