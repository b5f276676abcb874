//! What the analyzer says otherwise than it is, by name. tcpdump and OVN's own flows are the judge of what is; what is said
//! stands in the scenario until it is mended. A difference that is gone fails, so that this list does not outlive it.

use std::collections::BTreeMap;

use crate::watch::{Told, as_expected};
use crate::wire::Count;

/// The names, and what is said today.
const DIFFERENCES: &[(&str, &str)] = &[(
    "heard-before-its-death",
    "replay takes a dead gateway for a live router by its packets from before it died, where no history tells when that was",
)];

/// What has to come out, and what comes out today where that differs.
pub(crate) struct Expected {
    pub(crate) right: BTreeMap<Told, Count>,
    /// By the name of the difference.
    pub(crate) today: Option<(&'static str, BTreeMap<Told, Count>)>,
}

impl Expected {
    /// Checks what was told against what is expected today.
    pub(crate) fn check(&self, told: BTreeMap<Told, Count>, by: &str) {
        let right = as_expected(told.clone(), &self.right);
        let known = self.today.as_ref().and_then(|(name, today)| {
            let (_, what) = DIFFERENCES.iter().find(|(known, _)| known == name)?;
            Some((name, what, today))
        });
        let Some((name, what, today)) = known else {
            assert_eq!(right, self.right, "{by}");
            return;
        };
        assert_ne!(
            right, self.right,
            "{name} is no difference any more ({what}): take it from the list of tests/lab/known.rs"
        );
        assert_eq!(as_expected(told, today), *today, "{by}, with the difference {name}: {what}");
    }
}
