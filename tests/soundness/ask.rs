//! What the engine says of each frame of a world.

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_engine::assumes::Assumes;
use analyzer_engine::finding::{Latent, LatentState};
use analyzer_engine::observation::Observation;
use analyzer_engine::settings::Settings;
use analyzer_engine::types::MacAddr;
use analyzer_engine::verdict::{self as theirs, Info, Undetermined, Violating};
use analyzer_engine::{Conclusion, Engine};

use crate::model::{Frame, Played, Verdict};
use crate::told::{self, Given, Omitted, at};
use crate::world::{Flow, World};

/// What the engine says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Said {
    /// Of each frame; of one that it was not shown, nothing.
    pub(crate) verdicts: Vec<Option<Verdict>>,
    /// Frames for which it names an entry to delete.
    pub(crate) commands: Vec<bool>,
    /// What it takes for granted at each frame.
    pub(crate) assumes: Vec<Assumes>,
    /// Entries that it calls armed, and what it takes for granted.
    pub(crate) armed: Vec<(Armed, Assumes)>,
    /// Whether it says that something could not be read.
    pub(crate) has_gaps: bool,
}

/// An entry that the engine would have deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Armed {
    pub(crate) flow: usize,
    pub(crate) zone: u16,
    pub(crate) mac: MacAddr,
}

/// Asks the engine, with all evidence or less.
///
/// Each frame is counted as so many packets as one bit says, so that every count of the conclusion tells which frames are in
/// it.
pub(crate) fn ask(world: &World, played: &Played, given: Given) -> Said {
    let mut engine = engine(world, played, given);
    let observations = observations(world, played, given, &mut engine);
    said(world, played, &mut engine, &observations)
}

/// What an engine says of the frames, and of the entries that it knows.
pub(crate) fn said(world: &World, played: &Played, engine: &mut Engine, observations: &[Observation]) -> Said {
    let Conclusion { findings, latent, summary } = engine.conclude(observations);
    let count = played.frames.len();
    let mut said = Said {
        verdicts: vec![None; count],
        commands: vec![false; count],
        assumes: vec![Assumes::default(); count],
        armed: Vec::new(),
        has_gaps: !summary.gaps.is_empty(),
    };
    let mut say = |packets: u64, verdict, names_entry, assumes: &Assumes| {
        for index in (0..count).filter(|index| packets >> index & 1 == 1) {
            said.verdicts[index] = Some(verdict);
            said.commands[index] |= names_entry;
            said.assumes[index] = assumes.clone();
        }
    };
    let nothing = Assumes::default();
    say(summary.uncovered_packets, Verdict::NotCovered, false, &nothing);
    say(summary.grace_packets, Verdict::Grace, false, &nothing);
    summary.nexthops.iter().for_each(|nexthop| say(nexthop.packets, Verdict::Conforming, false, &nothing));
    for finding in findings {
        let is_violating = matches!(finding.verdict, theirs::Verdict::Violating(_));
        let names_entry = finding.conntrack.iter().any(|entry| Some(entry.reply_eth) == finding.eth_dst);
        say(finding.packets, translated(finding.verdict), is_violating && names_entry, &finding.assumes);
    }
    for Latent { connection: entry, assumes, .. } in
        latent.into_iter().filter(|latent| latent.state == LatentState::Armed)
    {
        let is_its = |flow: &Flow| flow.tuple == entry.orig || flow.tuple == entry.reply;
        let flow = world.flows.iter().position(is_its).expect("an entry of a flow");
        said.armed.push((Armed { flow, zone: entry.zone, mac: entry.reply_eth }, assumes));
    }
    said
}

/// What the engine takes for granted where it calls a frame conforming, which makes no finding.
pub(crate) fn assumes_of_conforming(world: &World, played: &Played, given: Given, index: usize) -> Assumes {
    let mut engine = engine(world, played, given);
    let observations = observations(world, played, given, &mut engine);
    assumes_of(played, &mut engine, &observations, index)
}

/// What an engine takes for granted at a frame, whatever it says of it.
pub(crate) fn assumes_of(played: &Played, engine: &mut Engine, observations: &[Observation], index: usize) -> Assumes {
    let explained = engine.explain(played.frames[index].tuple, observations);
    let own = explained.seen.into_iter().find(|run| run.packets >> index & 1 == 1);
    own.map(|run| run.assumes).unwrap_or_default()
}

/// The engine, told what is given.
pub(crate) fn engine(world: &World, played: &Played, given: Given) -> Engine {
    let (mut engine, omitted) = (Engine::new(Settings::default()), given.omitted());
    given.facts(world, played).into_iter().for_each(|fact| engine.add(fact));
    engine.set_given(told::kinds(omitted));
    if omitted != Some(Omitted::History) {
        engine.set_history_start(at(world.history_start));
    }
    engine.epochs();
    told::heard(world, omitted).into_iter().for_each(|heard| {
        engine.hear(heard);
    });
    engine
}

/// The frames as a flow table counts them: those of one flow to one MAC within one epoch together.
pub(crate) fn observations(world: &World, played: &Played, given: Given, engine: &mut Engine) -> Vec<Observation> {
    let omitted = given.omitted();
    let epochs = engine.epochs();
    let mut counted: Vec<(u16, Observation)> = Vec::new();
    for (index, frame) in played.frames.iter().enumerate().filter(|(_, frame)| told::is_shown(frame, omitted)) {
        let seen = observation(world, frame, 1 << index);
        let epoch = epochs.at(seen.first).id;
        let is_same = |other: &&mut (u16, Observation)| {
            let key = |seen: &Observation| (seen.tuple, seen.eth_src, seen.eth_dst, seen.tags);
            other.0 == epoch && key(&other.1) == key(&seen)
        };
        match counted.iter_mut().find(is_same) {
            None => counted.push((epoch, seen)),
            Some((_, run)) => {
                run.packets |= seen.packets;
                run.bytes += seen.bytes;
                run.last = seen.last;
            }
        }
    }
    counted.into_iter().map(|(_, seen)| seen).collect()
}

fn observation(world: &World, frame: &Frame, packets: u64) -> Observation {
    let direction = if frame.is_sent() { Direction::Outbound } else { Direction::Inbound };
    let (first, last) = (at(frame.at), at(frame.at));
    Observation {
        nic: 0,
        tags: if world.tells_direction { LinkTags::NONE.with_direction(direction) } else { LinkTags::NONE },
        eth_src: frame.eth_src,
        eth_dst: frame.eth_dst,
        tuple: frame.tuple,
        packets,
        bytes: 94,
        first,
        last,
    }
}

fn translated(verdict: theirs::Verdict) -> Verdict {
    match verdict {
        theirs::Verdict::NotCovered(_) => Verdict::NotCovered,
        theirs::Verdict::Conforming | theirs::Verdict::Info(Info::AsymmetricReply) => Verdict::Conforming,
        theirs::Verdict::Grace => Verdict::Grace,
        theirs::Verdict::Info(Info::AsymmetricGateway) => Verdict::AsymmetricGateway,
        theirs::Verdict::Undetermined(Undetermined::NoNexthopData) => Verdict::NoNexthopData,
        theirs::Verdict::Undetermined(Undetermined::NexthopUnresolved) => Verdict::Unresolved,
        theirs::Verdict::Undetermined(Undetermined::TranslatedSource) => Verdict::TranslatedSource,
        theirs::Verdict::Undetermined(_) => Verdict::OtherUndetermined,
        theirs::Verdict::Violating(Violating::UnknownMac) => Verdict::UnknownMac,
        theirs::Verdict::Violating(Violating::StaleNeighbour) => Verdict::StaleNeighbour,
        theirs::Verdict::Violating(Violating::FormerNexthop) => Verdict::FormerNexthop,
        theirs::Verdict::Violating(Violating::NexthopDown) => Verdict::NexthopDown,
        theirs::Verdict::Violating(Violating::StaleConntrack) => Verdict::StaleConntrack,
    }
}
