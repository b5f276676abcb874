//! One observation by itself, whatever the verdict: what a daemon that keeps its own books asks for.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::finding::Finding;
use super::observation::Observation;
use super::verdict::Verdict;
use super::{Engine, evidence, table};

/// What is said of one observation.
#[derive(Clone, PartialEq, Debug)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// The finding that a verdict makes which is neither conformity, grace nor beyond our routes.
    pub finding: Option<Finding>,
    /// The next hops for which a MAC that conforms is right.
    pub legal_for: Vec<IpAddr>,
}

impl Engine {
    /// What is to be said of `seen`, with what came in of its flow.
    pub fn assess(&mut self, seen: &Observation, requests: &[Observation]) -> Assessment {
        let observations: Vec<Observation> = [*seen].iter().chain(requests).copied().collect();
        self.ask(&observations, |engine, context| {
            context.in_full = true;
            let judgement = table::judge(&engine.knowledge, context, seen);
            let verdict = judgement.verdict;
            let legal_for = judgement.legal_for.clone();
            let is_finding = matches!(verdict, Verdict::Info(_) | Verdict::Undetermined(_) | Verdict::Violating(_));
            let finding =
                is_finding.then(|| evidence::finding(&engine.knowledge, &mut context.remembered, seen, judgement));
            Assessment { verdict, finding, legal_for }
        })
    }
}
