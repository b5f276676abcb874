//! How labelled entries stand: what `conntrack` lists, `explain` tells and `repair` goes by must be the same, in keeping with
//! the verdict, and with the model.

use analyzer_ebpf::abi::{Direction, LinkTags};
use analyzer_engine::Engine;
use analyzer_engine::finding::CitedConnection;
use analyzer_engine::observation::Observation;
use analyzer_engine::pins::Pin;
use analyzer_engine::standing::Standing as Theirs;
use analyzer_engine::types::{MacAddr, Timestamp};
use analyzer_engine::verdict::{Info, Verdict};
use analyzer_engine::view::ConnectionView;

use crate::ask;
use crate::model::{Played, Standing, standing};
use crate::told::{Given, at};
use crate::world::{Flow, World};

/// What is wrong with what is said of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    /// Not all who are asked say the same.
    Contradiction,
    /// Its MAC is right, or may be, and it is called stale.
    FalselyStale,
    /// OVN does not ask its label, and it is called stale.
    StaleThoughIgnored,
    /// OVN sends packets to its MAC, which is no next hop's, and it is called right.
    FalselyRight,
}

/// What is wrong on whole evidence at the end of the world, and of which flow's entry.
pub(crate) fn wrong(world: &World, played: &Played) -> Vec<(usize, Wrong)> {
    let Some(end) = played.frames.iter().map(|frame| frame.at).max() else { return Vec::new() };
    let mut wrong = Vec::new();
    let mut engine = ask::engine(world, played, Given::Whole);
    let seen = ask::observations(world, played, Given::Whole, &mut engine);
    let (pins, listed) = (engine.pins(at(end)), engine.connections(at(end)));
    for (index, flow) in world.flows.iter().enumerate() {
        let explained = engine.explain(flow.tuple, seen.as_slice()).connections;
        for view in listed.iter().filter(|view| is_of(&view.connection, flow)) {
            let entry = Entry { flow, view, pin: pins.iter().find(|pin| is_same(&pin.cited, &view.connection)) };
            let explained = explained.iter().find(|other| is_same(&other.connection, &view.connection));
            let is_own = view.connection.zone == world.routers[flow.router].zone;
            let truth = standing(world, played, index, end).filter(|_| is_own);
            let is_agreed = entry.is_agreed(explained, is_followed(played, flow, view.connection.reply_eth))
                && (!is_own || entry.fits_verdict(&mut engine, world, at(end)));
            let found = entry.wrong(truth).or((!is_agreed).then_some(Wrong::Contradiction));
            wrong.extend(found.map(|found| (index, found)));
        }
    }
    wrong
}

fn is_of(entry: &CitedConnection, flow: &Flow) -> bool {
    entry.orig == flow.tuple || entry.reply == flow.tuple
}

fn is_same(a: &CitedConnection, b: &CitedConnection) -> bool {
    (a.zone, a.orig) == (b.zone, b.orig)
}

/// Whether the flow's last packet left to the MAC: that may prove that OVN reads what it is not known to read.
fn is_followed(played: &Played, flow: &Flow, mac: MacAddr) -> bool {
    let mut sent = played.frames.iter().filter(|frame| frame.tuple == flow.tuple);
    sent.next_back().is_some_and(|frame| frame.eth_dst == mac)
}

/// An entry as it is listed.
struct Entry<'a> {
    flow: &'a Flow,
    view: &'a ConnectionView,
    pin: Option<&'a Pin>,
}

impl Entry<'_> {
    /// Whether all who are asked of the entry say the same.
    fn is_agreed(&self, explained: Option<&ConnectionView>, is_followed: bool) -> bool {
        let standing = &self.view.standing;
        let is_explained = explained.is_some_and(|explained| is_followed || explained.standing == *standing);
        let is_pinned = self.pin.is_some_and(|pin| pin.standing == *standing);
        is_explained && is_pinned
    }

    /// Whether the verdict on a packet of the flow to the MAC is in keeping with how the entry stands.
    fn fits_verdict(&self, engine: &mut Engine, world: &World, at: Timestamp) -> bool {
        let verdict = engine.verdict(&Observation {
            nic: 0,
            tags: LinkTags::NONE.with_direction(Direction::Outbound),
            eth_src: world.routers[self.flow.router].mac,
            eth_dst: self.view.connection.reply_eth,
            tuple: self.flow.tuple,
            packets: 1,
            bytes: 94,
            first: at,
            last: at,
        });
        match self.view.standing {
            Theirs::Stale => matches!(verdict, Verdict::Violating(_) | Verdict::Grace),
            Theirs::Nexthop(_) => matches!(verdict, Verdict::Conforming | Verdict::Info(Info::AsymmetricReply)),
            _ => true,
        }
    }

    /// What is wrong by the model. An entry in a zone that is not the router's own is never to be deleted.
    fn wrong(&self, truth: Option<Standing>) -> Option<Wrong> {
        let is_stale = self.view.standing.is_stale();
        match truth {
            Some(Standing::Armed) => matches!(self.view.standing, Theirs::Nexthop(_)).then_some(Wrong::FalselyRight),
            Some(Standing::Ignored) => is_stale.then_some(Wrong::StaleThoughIgnored),
            Some(Standing::Right) | None => is_stale.then_some(Wrong::FalselyStale),
        }
    }
}
