//! What the analyzer says otherwise than it is, by name. tcpdump and OVN's own flows are the judge of what is; what is said
//! stands in the scenario until it is mended. A difference that is gone fails, so that this list does not outlive it.

use crate::capture::Seen;

/// Names of differences.
pub(crate) const HEARD_BEFORE_ITS_DEATH: &str = "heard-before-its-death";

/// Those that there are still, and what is said today.
const DIFFERENCES: &[(&str, &str)] = &[(
    HEARD_BEFORE_ITS_DEATH,
    "a dead gateway passes for a live router by its packets from before it died, where no history dates that",
)];

/// Packets by the reasons that they are found under.
pub(crate) type Found<'a> = &'a [(&'a str, &'a Seen)];

/// What has to be found, and what is found today where that is known to differ.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) right: Found<'a>,
    /// By the name of the difference.
    pub(crate) today: Option<(&'static str, Found<'a>)>,
}

impl<'a> Expected<'a> {
    /// What is found today.
    pub(crate) fn today(&self) -> Found<'a> {
        self.difference().map_or(self.right, |(_, today)| today)
    }

    /// What the difference is, if there is one still.
    pub(crate) fn difference(&self) -> Option<(&'static str, Found<'a>)> {
        let (name, today) = self.today?;
        let (_, what) = DIFFERENCES.iter().find(|(known, _)| *known == name)?;
        Some((what, today))
    }
}

impl<'a> From<Found<'a>> for Expected<'a> {
    fn from(right: Found<'a>) -> Self {
        Self { right, today: None }
    }
}
