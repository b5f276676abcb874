//! Messages that found no place in a queue, and the message that tells of them.

use crate::alerts::{Alert, Field, Kind};
use crate::types::Timestamp;

/// What was dropped from one queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Loss {
    by_kind: [u64; Kind::ALL.len()],
    first: Timestamp,
    last: Timestamp,
}

impl Loss {
    /// Nothing yet.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { by_kind: [0; Kind::ALL.len()], first: now, last: now }
    }

    /// Counts a message.
    pub(super) fn note(&mut self, kind: Kind, now: Timestamp) {
        let counts = self.by_kind.iter_mut().zip(Kind::ALL);
        if let Some((count, _)) = counts.into_iter().find(|(_, known)| *known == kind) {
            *count += 1;
        }
        self.last = self.last.max(now);
    }

    /// The message that tells it.
    pub(super) fn alert(&self, sink: &str, now: Timestamp) -> Alert {
        let dropped: u64 = self.by_kind.iter().sum();
        let noun = if dropped == 1 { "message was" } else { "messages were" };
        let field = |name, value| Field { name, value };
        let mut fields = vec![
            field("cause", "queue-full".to_owned()),
            field("sink", sink.to_owned()),
            field("dropped", dropped.to_string()),
            field("dropped_since", self.first.to_string()),
            field("dropped_until", self.last.to_string()),
        ];
        let counts = self.by_kind.iter().zip(Kind::ALL).filter(|(count, _)| **count > 0);
        fields.extend(counts.map(|(count, kind)| field(name(kind), count.to_string())));
        let text = format!("{dropped} {noun} dropped because the queue to this receiver was full");
        Alert { kind: Kind::Loss, reason: None, at: now, seen: None, text, fields }
    }
}

/// The field that counts a kind.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Violation => "dropped_violation",
        Kind::Repeated => "dropped_repeated",
        Kind::Cleared => "dropped_cleared",
        Kind::Latent => "dropped_latent",
        Kind::SourceLost => "dropped_source_lost",
        Kind::SourceBack => "dropped_source_back",
        Kind::Loss => "dropped_loss",
    }
}
