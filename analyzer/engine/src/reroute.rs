//! Policies that reroute, in the order in which they were told.

mod expression;

use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;

use super::fact::ReroutePolicy;
use super::prefixes::PrefixSet;
use super::versions::{Dated, End, Versions};
use crate::types::{IpPrefix, Timestamp, Validity};

/// All policies that were told, past ones included. OVN-Kubernetes makes one for each pod behind an egress address.
#[derive(Debug, Default)]
pub(super) struct ReroutePolicies {
    /// By the sources that they are for, where these can be told.
    by_source: HashMap<Option<IpPrefix>, Versions<Told>>,
    sources: PrefixSet,
    next: u64,
}

/// A policy, and the number under which it was told.
#[derive(Debug)]
struct Told {
    number: u64,
    policy: ReroutePolicy,
}

impl Dated for Told {
    fn validity(&self) -> Validity {
        self.policy.validity
    }

    fn validity_mut(&mut self) -> &mut Validity {
        &mut self.policy.validity
    }

    fn says_same(&self, other: &Self) -> bool {
        self.policy.says_same(&other.policy)
    }

    fn hash_words(&self, state: &mut impl core::hash::Hasher) {
        self.policy.hash_words(state);
    }
}

impl ReroutePolicies {
    pub(super) fn add(&mut self, policy: ReroutePolicy) {
        let told = self.numbered(policy);
        self.of(&told.policy).push(told);
    }

    fn numbered(&mut self, policy: ReroutePolicy) -> Told {
        self.next += 1;
        Told { number: self.next, policy }
    }

    fn of(&mut self, policy: &ReroutePolicy) -> &mut Versions<Told> {
        let source = expression::source_of(&policy.expression);
        self.by_source.entry(source).or_insert_with(|| {
            source.into_iter().for_each(|source| self.sources.insert(source));
            Versions::default()
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ReroutePolicy> {
        self.by_source.values().flat_map(Versions::iter).map(|told| &told.policy)
    }

    /// Whether any policy holds at `at`.
    pub(super) fn any_holds(&self, at: Timestamp) -> bool {
        self.by_source.values().any(|told| told.holding(at).next().is_some())
    }

    /// Policies that may match a packet from `src` to `dst` at `at`.
    pub(super) fn matching(&self, src: IpAddr, dst: IpAddr, at: Timestamp) -> impl Iterator<Item = &ReroutePolicy> {
        let sources = self.sources.around(src).map(Some).chain([None]);
        let own = sources.filter_map(|source| self.by_source.get(&source)).flat_map(move |told| told.holding(at));
        let mut matching: Vec<&Told> =
            own.filter(|told| expression::may_match(&told.policy.expression, src, dst)).collect();
        matching.sort_unstable_by_key(|told| told.number);
        matching.into_iter().map(|told| &told.policy)
    }

    pub(super) fn begin(&mut self, policy: ReroutePolicy) {
        let told = self.numbered(policy);
        self.of(&told.policy).begin(told);
    }

    pub(super) fn end(&mut self, policy: &ReroutePolicy, at: Timestamp) -> End {
        let told = self.by_source.get_mut(&expression::source_of(&policy.expression));
        told.map_or(End::Unknown, |told| told.end(&Told { number: 0, policy: policy.clone() }, at))
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        let sources = &mut self.sources;
        self.by_source.retain(|&source, told| {
            told.retain(|told| !is_forgotten(told.policy.validity));
            if told.is_empty() {
                source.into_iter().for_each(|source| sources.remove(source));
            }
            !told.is_empty()
        });
    }
}
