//! What was found, and what it means.

/// How good it is, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// All that live needs of it is there.
    Ok,
    /// Live runs, but knows less, or costs more.
    Limited,
    /// Live cannot run.
    Missing,
}

impl State {
    /// The word that people read and programs compare.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that live needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What it is about; stable.
    pub name: String,
    /// How good it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What that means for the analyzer.
    pub means: String,
    /// What to do about it; `None` where nothing is to be done.
    pub todo: Option<String>,
}

impl Check {
    /// All is well.
    pub(super) fn ok(name: impl Into<String>, found: impl Into<String>, means: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), means: means.into(), todo: None }
    }

    /// Live runs with a limit.
    pub(super) fn limited(
        name: impl Into<String>,
        found: impl Into<String>,
        means: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        let todo = Some(todo.into());
        Self { name: name.into(), state: State::Limited, found: found.into(), means: means.into(), todo }
    }

    /// Live cannot run.
    pub(super) fn missing(
        name: impl Into<String>,
        found: impl Into<String>,
        means: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self { state: State::Missing, ..Self::limited(name, found, means, todo) }
    }
}

/// All checks, worst first, and of one state what matters more first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    checks: Vec<Check>,
}

impl Diagnosis {
    /// Sorts checks that come in the order of their weight.
    pub(super) fn new(mut checks: Vec<Check>) -> Self {
        checks.sort_by_key(|check| std::cmp::Reverse(check.state));
        Self { checks }
    }

    /// The checks, worst first.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The worst state.
    pub fn state(&self) -> State {
        self.checks.iter().map(|check| check.state).max().unwrap_or(State::Ok)
    }
}
