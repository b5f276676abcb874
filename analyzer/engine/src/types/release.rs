//! Releases of OVN and Open vSwitch.

use core::fmt;

/// A release, by the three numbers of its name: 24.09.1, 3.1.5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Release {
    branch: (u16, u16),
    patch: u16,
}

impl Release {
    /// The release of these numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { branch: (major, minor), patch }
    }

    /// Reads `24.09.1`, and what a longer name begins with: `24.09.1-20.37.0-73.6`, as northd gives its version.
    pub fn parse(text: &str) -> Option<Self> {
        let is_of_release = |c: char| c.is_ascii_digit() || c == '.';
        let end = text.find(|c| !is_of_release(c)).unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map(|number| number.parse().ok());
        let release = Self::new(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(release)
    }

    /// Whether a change is in the release for certain. `firsts` are the first releases with it, one of each branch that
    /// got it and was there already, in order; all branches after the last of them have it.
    ///
    /// A release that is not at or above any of them may have it all the same: distributors port changes back under the
    /// old number.
    pub fn surely_has(self, firsts: &[Self]) -> bool {
        let of_branch = firsts.iter().find(|first| first.branch == self.branch);
        let newest = firsts.last().is_some_and(|last| self.branch > last.branch);
        newest || of_branch.is_some_and(|first| self.patch >= first.patch)
    }
}

impl fmt::Display for Release {
    /// As Open vSwitch writes it: OVN has two digits for the month.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch: (major, minor), patch } = self;
        match *major >= 20 {
            true => write!(f, "{major}.{minor:02}.{patch}"),
            false => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, release) in [
            ("24.09.1", Some("24.09.1")),
            ("26.03.1-21.8.0-82.14", Some("26.03.1")),
            ("3.1.4", Some("3.1.4")),
            ("22.03.0~git", Some("22.03.0")),
            ("24.09", None),
            ("24.09.1.2", None),
            ("24..1", None),
            ("v24.09.1", None),
            ("70000.1.1", None),
            ("", None),
        ] {
            let read = Release::parse(text).map(|release| release.to_string());
            assert_eq!(read.as_deref(), release, "{text:?}");
        }
    }

    #[test]
    fn changes_of_branches() {
        const FIRSTS: &[Release] = &[Release::new(23, 9, 6), Release::new(24, 3, 4), Release::new(25, 3, 0)];
        for (release, has) in [
            ("22.03.9", false),
            ("23.09.5", false),
            ("23.09.6", true),
            ("24.03.3", false),
            ("24.03.10", true),
            // A branch that never got it.
            ("24.09.3", false),
            ("25.03.0", true),
            ("25.09.0", true),
        ] {
            assert_eq!(Release::parse(release).map(|release| release.surely_has(FIRSTS)), Some(has), "{release}");
        }
        assert!(!Release::new(24, 9, 1).surely_has(&[]));
    }
}
