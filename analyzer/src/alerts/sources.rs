//! Sources of facts, told when they are lost and when they are back. One that comes and goes is told at growing
//! intervals, with how often it went.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alert::{Alert, Field, Kind};
use super::settings::{Settings, doubled};
use crate::output::escape::Escaped;
use crate::types::Timestamp;

/// What names a source: what it is, and where.
type Name = (&'static str, String);

#[derive(Debug, Default)]
pub(super) struct Sources {
    states: BTreeMap<Name, State>,
}

#[derive(Debug)]
struct State {
    is_lost: bool,
    is_told_lost: bool,
    since: Timestamp,
    error: Option<String>,
    /// How often it was lost since the last message.
    losses: u64,
    quiet_until: Timestamp,
    pause: Duration,
    is_held: bool,
}

impl Sources {
    /// Notes the state of a source. Returns whether it is another than before.
    pub(super) fn note(&mut self, name: Name, error: Option<&str>, at: Timestamp) -> bool {
        let is_lost = error.is_some();
        let state = self.states.entry(name).or_insert(State {
            is_lost: false,
            is_told_lost: false,
            since: at,
            error: None,
            losses: 0,
            quiet_until: Timestamp::default(),
            pause: Duration::ZERO,
            is_held: false,
        });
        if is_lost {
            state.error = error.map(str::to_owned);
        }
        let is_news = state.is_lost != is_lost;
        if is_news {
            (state.is_lost, state.since) = (is_lost, at);
            state.losses += u64::from(is_lost);
        }
        is_news
    }

    /// Sources that were told lost.
    pub(super) fn told_lost(&self) -> impl Iterator<Item = &Name> {
        self.states.iter().filter(|(_, state)| state.is_told_lost).map(|(name, _)| name)
    }

    /// A source was told lost before a restart, and nobody has said since that it is back.
    pub(super) fn was_lost(&mut self, name: Name, at: Timestamp) {
        let pause = Duration::ZERO;
        let state = State {
            is_lost: true,
            is_told_lost: true,
            since: at,
            error: None,
            losses: 0,
            quiet_until: at,
            pause,
            is_held: false,
        };
        self.states.insert(name, state);
    }

    /// Sources of which there is something to tell at `at`, and whether they wait for the rate limit.
    pub(super) fn due(&mut self, at: Timestamp) -> impl Iterator<Item = (Name, &mut bool)> {
        let due = move |state: &State| state.is_lost != state.is_told_lost && state.quiet_until <= at;
        let states = self.states.iter_mut().filter(move |(_, state)| due(state));
        states.map(|(name, state)| (name.clone(), &mut state.is_held))
    }

    pub(super) fn tell(&mut self, name: &Name, settings: &Settings, at: Timestamp) -> Option<Alert> {
        let state = self.states.get_mut(name)?;
        // Whoever was steady for long is told anew at once.
        let is_flapping = at.since(state.quiet_until) < state.pause;
        state.pause = match is_flapping {
            true => doubled(state.pause, Settings::MAX_GATHER),
            false => settings.gather,
        };
        state.quiet_until = at.saturating_add(state.pause);
        (state.is_told_lost, state.is_held) = (state.is_lost, false);
        let (what, place) = (name.0, &name.1);
        let since = state.since.to_rfc3339(3);
        let mut fields = vec![Field { name: "source", value: what.to_owned() }];
        let mut add = |name: &'static str, value: String| {
            if !value.is_empty() {
                fields.push(Field { name, value });
            }
        };
        add("place", place.clone());
        add("since", since.clone());
        let named = if place.is_empty() { what.to_owned() } else { format!("{what} ({})", Escaped(place)) };
        let (kind, text) = match (state.is_lost, &state.error) {
            (true, error) => {
                let error = error.as_deref().unwrap_or("no reason is known");
                add("error", error.to_owned());
                (Kind::SourceLost, format!("{named} is lost since {since}: {}", Escaped(error)))
            }
            (false, _) => (Kind::SourceBack, format!("{named} is back since {since}")),
        };
        add("losses", state.losses.to_string());
        state.losses = 0;
        Some(Alert { kind, reason: None, at, seen: None, text, fields })
    }
}
