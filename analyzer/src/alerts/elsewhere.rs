//! Causes of NICs that are not watched: open since before a restart, and neither told nor cleared, as nobody here can say
//! whether their packets go on.

use std::collections::BTreeSet;
use std::mem;

use super::book::{Alerts, CAUSES_BEYOND, MAX_CAUSES};
use super::place::{Namespace, Watched};
use super::saved::SavedCause;
use crate::types::Timestamp;

impl Alerts {
    /// Where we are, and the NICs that are watched from now on: what was open before a restart and is of these goes on.
    pub fn watch(&mut self, namespace: Option<&Namespace>, nics: BTreeSet<String>, at: Timestamp) {
        self.watched = Watched { namespace: namespace.cloned(), nics };
        self.take_back(at);
    }

    /// Causes of before a restart that stay open, and of which nothing is told: their NICs are not watched.
    pub fn elsewhere(&self) -> usize {
        self.elsewhere.len()
    }

    /// Keeps causes of before a restart as they are, until their NICs are watched.
    pub(super) fn set_aside(&mut self, causes: impl IntoIterator<Item = SavedCause>, at: Timestamp) {
        for cause in causes {
            if self.elsewhere.len() < MAX_CAUSES {
                self.elsewhere.push(cause);
            } else {
                self.beyond.0 += 1;
            }
        }
        self.loss(CAUSES_BEYOND, self.beyond.0);
        self.take_back(at);
    }

    /// Takes over causes of before a restart whose NICs are watched by now. One whose MAC has a cause already waits until
    /// that is over.
    pub(super) fn take_back(&mut self, at: Timestamp) {
        if self.elsewhere.is_empty() {
            return;
        }
        let (ours, elsewhere): (Vec<_>, Vec<_>) = mem::take(&mut self.elsewhere)
            .into_iter()
            .partition(|saved| self.watched.has(saved.namespace.as_ref(), &saved.nics));
        self.elsewhere = elsewhere;
        for saved in ours {
            // What makes no sense is left out.
            let Some(cause) = saved.restored(&self.settings, at) else { continue };
            if self.causes.len() >= MAX_CAUSES || self.causes.contains_key(&(cause.subject, cause.mac)) {
                self.elsewhere.push(saved);
                continue;
            }
            self.members += cause.members.len();
            self.causes.insert((cause.subject, cause.mac), cause);
        }
    }
}
