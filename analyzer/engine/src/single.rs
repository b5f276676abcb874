//! Judging single flows, as a daemon does: it asks about those that the kernel program knows no outcome for.

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::context::Context;
use super::epoch::Epochs;
use super::finding::{Finding, Latent};
use super::observation::Observation;
use super::table::{self, plain};
use super::tally::Tally;
use super::verdict::Verdict;
use super::{Conclusion, Engine, Observations, latent};
use crate::types::{MacAddr, Timestamp, Tuple};

impl Engine {
    /// What [`Engine::conclude`] says of the observations of one or a few flows, their requests among them, but for
    /// latent entries: it takes no longer the more entries are known.
    pub fn judge_flow(&mut self, observations: &[Observation]) -> Vec<Finding> {
        self.conclude_flow(observations).findings
    }

    /// As [`Engine::judge_flow`], with counts. There are no latent entries in it.
    pub fn conclude_flow(&mut self, observations: &[Observation]) -> Conclusion {
        self.ask(observations, |engine, context| {
            let mut tally = Tally::default();
            observations.for_each(&mut |seen| {
                let judgement = table::judge(&engine.knowledge, context, seen);
                tally.count(&engine.knowledge, &mut context.remembered, seen, judgement);
            });
            let (findings, summary) = tally.finish(&Tally::default());
            Conclusion { findings, latent: Vec::new(), summary }
        })
    }

    /// The verdict on one observation, as far as it and the facts tell.
    pub fn verdict(&mut self, seen: &Observation) -> Verdict {
        self.ask(core::slice::from_ref(seen), |engine, context| table::judge(&engine.knowledge, context, seen).verdict)
    }

    /// The verdict that every plain flow has at that moment whose [`Combination`](super::classes::Combination) is that of
    /// `seen`: conforming or not covered. `None` where a flow must be judged by itself, because something is wrong or
    /// unknown, or because a conntrack entry, its requests or its own addresses and ports may change the verdict.
    ///
    /// Entries and requests of this very flow are not looked at. Nor are ports and protocol, so that the answer is `None`
    /// for what the kernel program tells by them before it asks for classes: control traffic, tunnels, group and
    /// link-local addresses. Frames of a NIC that does not tell their direction (a mirror port) are not covered if they
    /// go to a router's own MAC; those to a routed address are `None`, though other flows of their combination may have
    /// an answer.
    pub fn plain_verdict(&mut self, seen: &Observation) -> Option<Verdict> {
        self.ask(&[], |engine, context| plain::plain_verdict(&engine.knowledge, context, seen))
    }

    /// Labelled entries whose MAC is outside the set at `at`. None while the next hops are not known.
    ///
    /// `conforming` tells of flows, by their tuples on the wire, when they last left to a legal next hop, and its MAC: a
    /// label that names another is not applied.
    pub fn latent(
        &self,
        at: Timestamp,
        conforming: impl IntoIterator<Item = (Tuple, Timestamp, MacAddr)>,
    ) -> Vec<Latent> {
        if self.knowledge.blind.holds(at) {
            return Vec::new();
        }
        let mut last_seen = HashMap::new();
        for (tuple, seen, mac) in conforming {
            let tuple = self.knowledge.before_translation(tuple);
            for tuple in tuple.tracked_as() {
                let last = last_seen.entry(tuple).or_insert((seen, Some(mac)));
                *last = (*last).max((seen, Some(mac)));
            }
        }
        latent::latent(&self.knowledge, &Epochs::default(), &[], &last_seen, at)
    }

    /// Asks with the answers that are remembered at hand.
    pub(super) fn ask<T>(
        &mut self,
        observations: &[Observation],
        ask: impl for<'a> FnOnce(&'a Self, &mut Context<'a>) -> T,
    ) -> T {
        let remembered = core::mem::take(&mut self.remembered);
        let epochs = self.epochs.take().unwrap_or_else(|| self.knowledge.epochs());
        let (answer, remembered) = {
            let mut context = self.context(&epochs, observations).with(remembered);
            let answer = ask(self, &mut context);
            (answer, context.remembered)
        };
        self.epochs = Some(epochs);
        self.remembered = remembered;
        answer
    }
}
