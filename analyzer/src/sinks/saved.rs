//! Alerts that were not sent, as they can be kept over a restart.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alerts::{Alert, Field, Kind};
use crate::types::Timestamp;

/// Most names of fields and reasons that are taken from what was saved. They live until the process ends; the analyzer
/// itself has far fewer.
const MOST_NAMES: usize = 256;

/// What waited for one sink.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unsent {
    /// The sink's name, as in its status.
    pub sink: String,
    /// The alerts, in order.
    pub alerts: Vec<SavedAlert>,
}

/// An alert, as it is saved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedAlert {
    /// The name of its kind.
    pub kind: String,
    /// Its reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it happened, in nanoseconds since 1970.
    pub at: u64,
    /// Its text.
    pub text: String,
    /// Names and values of its fields.
    pub fields: Vec<(String, String)>,
}

impl From<&Alert> for SavedAlert {
    fn from(alert: &Alert) -> Self {
        Self {
            kind: alert.kind.name().to_owned(),
            reason: alert.reason.map(str::to_owned),
            at: alert.at.as_nanos(),
            text: alert.text.clone(),
            fields: alert.fields.iter().map(|field| (field.name.to_owned(), field.value.clone())).collect(),
        }
    }
}

/// Turns saved alerts back into alerts.
#[derive(Default)]
pub(super) struct Names(HashMap<String, &'static str>);

impl Names {
    /// The alert; none where its kind is not known, a name is none, or there are too many of them: a file that somebody
    /// else wrote.
    pub(super) fn restore(&mut self, saved: &SavedAlert) -> Option<Arc<Alert>> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == saved.kind)?;
        let reason = match &saved.reason {
            Some(reason) => Some(self.name(reason)?),
            None => None,
        };
        let field = |(name, value): &(String, String)| Some(Field { name: self.name(name)?, value: value.clone() });
        let fields = saved.fields.iter().map(field).collect::<Option<_>>()?;
        let (at, text) = (Timestamp::from_nanos(saved.at), saved.text.clone());
        Some(Arc::new(Alert { kind, reason, at, seen: None, text, fields }))
    }

    fn name(&mut self, name: &str) -> Option<&'static str> {
        if let Some(known) = self.0.get(name) {
            return Some(known);
        }
        let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 32 || !name.chars().all(is_legal) || self.0.len() == MOST_NAMES {
            return None;
        }
        let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
        self.0.insert(name.to_owned(), kept);
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let alert = Alert {
            kind: Kind::SourceLost,
            reason: Some("stale-conntrack"),
            at: Timestamp::from_millis(7),
            seen: None,
            text: "a text".into(),
            fields: vec![Field { name: "flow", value: "a\n]".into() }, Field { name: "flow", value: "b".into() }],
        };
        let unsent = Unsent { sink: "local".into(), alerts: vec![SavedAlert::from(&alert)] };
        let json = serde_json::to_string(&unsent).unwrap();
        let read: Unsent = serde_json::from_str(&json).unwrap();
        let mut names = Names::default();
        assert_eq!(*names.restore(&read.alerts[0]).unwrap(), alert);
        assert_eq!(names.0.len(), 2);
    }

    #[test]
    fn what_others_wrote_is_left() {
        let good = SavedAlert { kind: "LOSS".into(), reason: None, at: 0, text: "t".into(), fields: vec![] };
        let mut names = Names::default();
        assert!(names.restore(&good).is_some());
        assert!(names.restore(&SavedAlert { kind: "PARTY".into(), ..good.clone() }).is_none());
        for name in ["", "a b", "A", "thirty-three-characters-are-too-many"] {
            let fields = vec![(name.to_owned(), "x".to_owned())];
            assert!(names.restore(&SavedAlert { fields, ..good.clone() }).is_none(), "{name}");
        }
        let many = (0..300).map(|number| (format!("f{number}"), "x".to_owned())).collect();
        assert!(names.restore(&SavedAlert { fields: many, ..good }).is_none());
        assert_eq!(names.0.len(), MOST_NAMES);
    }
}
