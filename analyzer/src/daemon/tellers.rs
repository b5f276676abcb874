//! Who tells facts: databases, files of next hops, and the kernel. How each is doing, and what follows of what it tells.

use super::beginning::Asked;
use super::databases::{Databases, Role, Told};
use super::effect::Effect;
use super::flows::Answer;
use super::sources::{SourceId, Sources};
use super::voice::Voice;
use crate::engine::fact::Delta;
use crate::ovsdb::client;
use crate::types::Timestamp;

/// The sources of facts.
#[derive(Debug)]
pub(super) struct Tellers {
    sources: Sources,
    databases: Databases,
    /// The source that rtnetlink is.
    rtnetlink: SourceId,
    /// Those that files of next hops are.
    files: Vec<SourceId>,
}

impl Tellers {
    /// Those who are asked at `at`. They have told nothing yet. `seed` is another on each node.
    pub(super) fn new(asked: &Asked, seed: u64, at: Timestamp) -> Self {
        let mut sources = Sources::default();
        let databases = Databases::new(&asked.databases, &mut sources, seed, at);
        let files = asked.files.iter().map(|place| sources.add("nexthops.toml", place.clone(), true, at)).collect();
        let rtnetlink = sources.add("kernel", "rtnetlink".to_owned(), asked.kernel_routes, at);
        Self { sources, databases, rtnetlink, files }
    }

    /// How each is doing.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What databases told.
    pub(super) fn databases(&self) -> &Databases {
        &self.databases
    }

    /// Takes over what a database tells.
    pub(super) fn take(&mut self, role: Role, event: client::Event, now: Timestamp) -> Told {
        self.databases.take(role, event, &mut self.sources, now)
    }

    /// Takes over what came of a question for logical flows.
    pub(super) fn answered(&mut self, answer: Answer, now: Timestamp) -> Told {
        self.databases.answered(answer, now)
    }

    /// Asks for logical flows, if it is time to.
    pub(super) fn ask(&mut self, now: Timestamp, voice: &mut Voice) {
        if let Some(question) = self.databases.question(&self.sources, true, now) {
            voice.ask(Effect::AskFlows(question));
        }
    }

    /// Takes over what a file of next hops tells. Returns what changed; nothing where it cannot be read.
    pub(super) fn take_file(
        &mut self,
        number: usize,
        read: Result<Delta, String>,
        now: Timestamp,
        voice: &mut Voice,
    ) -> Option<Delta> {
        let &id = self.files.get(number)?;
        match read {
            Ok(delta) => {
                if let Some(source) = self.sources.synchronised(id, now) {
                    voice.complain(format!("{} is read", source.place));
                }
                Some(delta)
            }
            Err(error) => {
                // Its last facts go on to hold for verdicts: a file does not age. Repairs wait.
                self.sources.unusable(id, error.clone(), now);
                voice.complain(error);
                None
            }
        }
    }

    /// The kernel has told all. Returns whether that is news.
    pub(super) fn kernel_told(&mut self, now: Timestamp) -> bool {
        self.sources.synchronised(self.rtnetlink, now).is_some()
    }

    /// The kernel cannot be followed any more. Returns whether that is news.
    pub(super) fn kernel_lost(&mut self, error: String, now: Timestamp, voice: &mut Voice) -> bool {
        let Some(source) = self.sources.lost(self.rtnetlink, error, now) else { return false };
        voice.complain(format!("{} is lost: {}", source.name, source.error.as_deref().unwrap_or_default()));
        true
    }
}
