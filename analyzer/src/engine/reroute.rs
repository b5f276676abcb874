//! Policies that reroute, in the order in which they were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::fact::ReroutePolicy;
use super::versions::{self, End};
use crate::types::{Timestamp, Validity};

/// All policies that were told, past ones included. OVN-Kubernetes makes one for each pod behind an egress address.
#[derive(Debug, Default)]
pub(super) struct ReroutePolicies {
    /// By the number under which each was told.
    policies: BTreeMap<u64, ReroutePolicy>,
    by_expression: HashMap<Arc<str>, Vec<u64>>,
    next: u64,
}

impl ReroutePolicies {
    pub(super) fn add(&mut self, policy: ReroutePolicy) {
        self.by_expression.entry(policy.expression.clone()).or_default().push(self.next);
        self.policies.insert(self.next, policy);
        self.next += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ReroutePolicy> {
        self.policies.values()
    }

    pub(super) fn begin(&mut self, policy: ReroutePolicy) {
        match self.latest(&policy, versions::continues) {
            Some((_, told)) => told.validity.until = None,
            None => self.add(policy),
        }
    }

    pub(super) fn end(&mut self, policy: &ReroutePolicy, at: Timestamp) -> End {
        let Some((number, told)) = self.latest(policy, versions::is_open) else { return End::Unknown };
        let ended = versions::end_validity(&mut told.validity, at);
        if ended == End::Vanished {
            self.remove(number);
        }
        ended
    }

    pub(super) fn forget(&mut self, is_forgotten: impl Fn(Validity) -> bool) {
        let forgotten = |(&number, policy): (&u64, &ReroutePolicy)| is_forgotten(policy.validity).then_some(number);
        let forgotten: Vec<u64> = self.policies.iter().filter_map(forgotten).collect();
        forgotten.into_iter().for_each(|number| self.remove(number));
    }

    /// The policy told last that stands to `policy` as `is_meant` says.
    fn latest(
        &mut self,
        policy: &ReroutePolicy,
        is_meant: impl Fn(&ReroutePolicy, &ReroutePolicy) -> bool,
    ) -> Option<(u64, &mut ReroutePolicy)> {
        let numbers = self.by_expression.get(&policy.expression)?;
        let is_meant = |number: &&u64| self.policies.get(*number).is_some_and(|told| is_meant(told, policy));
        let number = *numbers.iter().rev().find(is_meant)?;
        Some((number, self.policies.get_mut(&number)?))
    }

    fn remove(&mut self, number: u64) {
        let Some(policy) = self.policies.remove(&number) else { return };
        if let Some(numbers) = self.by_expression.get_mut(&policy.expression) {
            numbers.retain(|&other| other != number);
            if numbers.is_empty() {
                self.by_expression.remove(&policy.expression);
            }
        }
    }
}
