//! YAML of `oc get pods -o yaml`: one pod, a list, or several documents.
//!
//! What is damaged loses its own pod alone: each element of the list is read by itself.

use saphyr_parser::{Event, Parser};

use super::Owners;
use super::pods::{OVN, Pod, STATUS};
use crate::paste::Text;
use crate::types::Position;

/// Most values within one another. A pod has about ten.
const MAX_DEPTH: usize = 64;

/// Whether a line by itself shows that a pod begins in YAML, or a part of one that tells MACs.
pub(super) fn shows(line: &str) -> bool {
    let trimmed = line.trim();
    let key = trimmed.strip_prefix("- ").unwrap_or(trimmed).split_once(':').map(|(key, rest)| (key.trim(), rest));
    key.is_some_and(|(key, rest)| {
        let is_value = rest.is_empty() || rest.starts_with(' ');
        let is_told = ["apiVersion", "kind", "items", "metadata", "annotations", OVN].contains(&key);
        is_value && (is_told || STATUS.contains(&key))
    })
}

/// Whether a line that may be of any text stands above the annotations of pods.
pub(super) fn begins_pods(line: &str) -> bool {
    let text = line.trim();
    let text = text.strip_prefix("- ").unwrap_or(text);
    matches!(
        text,
        "apiVersion: v1" | "kind: List" | "kind: Pod" | "kind: PodList" | "items:" | "metadata:" | "annotations:"
    )
}

/// Whether a line begins a document.
pub(super) fn begins_document(line: &str) -> bool {
    line.trim_end() == "---"
}

/// Tells the owners of the pods behind so many lines.
pub(super) fn read(pasted: &Text, before: usize, owners: &mut Owners<'_>) {
    let mut lines = pasted.as_str().lines().enumerate().skip(before).peekable();
    let margin = lines.peek().map_or(0, |(_, line)| line.len() - line.trim_start_matches(' ').len());
    let mut part = Part { text: String::new(), first: before };
    for (index, line) in lines {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        let line = line.get(margin.min(blanks)..).unwrap_or_default();
        if part.ends_before(line) {
            part.tell(pasted, owners);
            part = Part { text: String::new(), first: index };
        }
        part.text.push_str(line);
        part.text.push('\n');
    }
    part.tell(pasted, owners);
}

/// A part of the text that is YAML by itself: a document, or an element of the list.
struct Part {
    text: String,
    /// How many lines stand before it.
    first: usize,
}

impl Part {
    /// Whether the next line begins another part.
    fn ends_before(&self, line: &str) -> bool {
        let at_margin = !line.is_empty() && !line.starts_with([' ', '#']);
        let is_element = line.starts_with("- ");
        at_margin && (is_element || begins_document(line) || line.starts_with("apiVersion:") || self.is_element())
    }

    fn is_element(&self) -> bool {
        self.text.starts_with("- ")
    }

    fn tell(&self, pasted: &Text, owners: &mut Owners<'_>) {
        let place = |line: usize| pasted.origin(Position::Line(self.first + line));
        let mut walk = Walk::default();
        let mut parser = Parser::new_from_str(&self.text);
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let message = format!("{} is no YAML from here on: {}", walk.what(), error.info());
                    owners.warn(place(error.marker().line()), message);
                    break;
                }
            };
            let ended = walk.step(event, place(span.start.line()));
            ended.into_iter().for_each(|pod| pod.tell(owners));
            if walk.levels.len() > MAX_DEPTH {
                owners.warn(place(span.start.line()), "nested too deeply; this part is passed over".to_owned());
                break;
            }
        }
        walk.pod.tell(owners);
    }
}

/// The way through a part.
#[derive(Default)]
struct Walk {
    levels: Vec<Level>,
    pod: Pod,
}

enum Level {
    Sequence,
    /// A mapping, and the key whose value comes next.
    Mapping(Option<String>),
}

impl Walk {
    /// What is read, in words.
    fn what(&self) -> String {
        self.pod.name.as_ref().map_or_else(|| "this".to_owned(), |name| format!("pod {name}"))
    }

    /// Takes an event. Gives a pod that ended.
    fn step(&mut self, event: Event<'_>, position: Position) -> Option<Pod> {
        match event {
            Event::Scalar(text, ..) => self.scalar(&text, position),
            Event::Alias(_) => self.scalar("", position),
            Event::SequenceStart(..) => self.levels.push(Level::Sequence),
            Event::MappingStart(..) => self.levels.push(Level::Mapping(None)),
            Event::SequenceEnd | Event::MappingEnd => return self.leave(),
            Event::DocumentEnd => return Some(std::mem::take(&mut self.pod)),
            _ => {}
        }
        None
    }

    fn scalar(&mut self, text: &str, position: Position) {
        if let Some(Level::Mapping(key @ None)) = self.levels.last_mut() {
            *key = Some(text.to_owned());
            return;
        }
        self.value(text, position);
        self.end_value();
    }

    fn leave(&mut self) -> Option<Pod> {
        let ended = self.levels.pop();
        let is_pod = matches!(ended, Some(Level::Mapping(_))) && self.path().is_some_and(|path| path.is_empty());
        self.end_value();
        is_pod.then(|| std::mem::take(&mut self.pod))
    }

    /// The value of the key at work is over. A mapping may also be a key, though none is in a pod.
    fn end_value(&mut self) {
        if let Some(Level::Mapping(key)) = self.levels.last_mut() {
            *key = if key.is_some() { None } else { Some(String::new()) };
        }
    }

    /// The keys that lead from a pod to the value at work; `None` where it is in a list of the pod's own.
    fn path(&self) -> Option<Vec<&str>> {
        let mut keys: Vec<&str> = Vec::new();
        for level in &self.levels {
            match level {
                Level::Mapping(key) => keys.push(key.as_deref().unwrap_or_default()),
                Level::Sequence if matches!(keys.as_slice(), [] | ["items"]) => keys.clear(),
                Level::Sequence => return None,
            }
        }
        Some(keys)
    }

    fn value(&mut self, text: &str, position: Position) {
        let Some(path) = self.path() else { return };
        // A part that was pasted may begin at the metadata or at the annotations.
        match *path.strip_prefix(&["metadata"]).unwrap_or(&path) {
            ["name"] => self.pod.name = Some(text.to_owned()),
            ["namespace"] => self.pod.namespace = Some(text.to_owned()),
            ["spec", "nodeName"] => self.pod.node = Some(text.to_owned()),
            ["annotations", key] | [key] => {
                let key = key.to_owned();
                self.pod.annotate(&key, position, text.to_owned());
            }
            _ => {}
        }
    }
}
