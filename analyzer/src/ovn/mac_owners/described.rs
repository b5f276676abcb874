//! Text of `oc describe pod`, of one pod or of several behind one another.
//!
//! Long annotations stand below their names, indented by two; lines of more than 138 bytes are cut there.

use super::Owners;
use super::pods::Pod;
use crate::paste::Text;
use crate::types::Position;

const ANNOTATIONS: &str = "Annotations:";

/// Whether a line by itself shows that a description begins.
pub(super) fn shows(line: &str) -> bool {
    let name = line.trim_start().strip_prefix("Name:");
    name.is_some_and(|rest| rest.starts_with("  ") && rest.split_ascii_whitespace().count() == 1)
        || line.trim_start().starts_with(ANNOTATIONS)
}

/// Tells the owners of the pods described behind so many lines.
pub(super) fn read(pasted: &Text, before: usize, owners: &mut Owners<'_>) {
    let lines = || pasted.as_str().lines().enumerate().skip(before).filter(|(_, line)| !line.trim().is_empty());
    let margin = lines().next().map_or(0, |(_, line)| indent(line));
    let mut description = Description::default();
    for (index, line) in lines() {
        let position = pasted.origin(Position::Line(index + 1));
        let line = line.get(margin.min(indent(line))..).unwrap_or_default();
        if let Some(pod) = description.take(line, position) {
            pod.tell(owners);
        }
    }
    description.end().tell(owners);
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A pod whose description is read.
#[derive(Default)]
struct Description {
    pod: Pod,
    /// Where the names of annotations begin, within them.
    column: Option<usize>,
    annotation: Option<Annotation>,
}

struct Annotation {
    key: String,
    position: Position,
    value: String,
}

impl Description {
    /// Takes a line. Gives the pod before where the line begins the next.
    fn take(&mut self, line: &str, position: Position) -> Option<Pod> {
        let indent = indent(line);
        match self.column {
            Some(column) if indent == column => self.annotation(line.trim(), position),
            Some(column) if indent > column => {
                if let Some(Annotation { value, .. }) = &mut self.annotation {
                    value.push_str(line.trim());
                    value.push('\n');
                }
            }
            _ if indent == 0 => return self.field(line, position),
            _ => {}
        }
        None
    }

    /// Takes a line that begins at the margin.
    fn field(&mut self, line: &str, position: Position) -> Option<Pod> {
        self.end_annotation();
        self.column = None;
        let (name, value) = line.split_once(':')?;
        let value = Some(value.trim()).filter(|value| !value.is_empty() && *value != "<none>");
        match name {
            "Name" => {
                let before = std::mem::take(&mut self.pod);
                self.pod.name = value.map(str::to_owned);
                return Some(before);
            }
            "Namespace" => self.pod.namespace = value.map(str::to_owned),
            // `worker-19/10.1.2.3`
            "Node" => self.pod.node = value.and_then(|node| node.split('/').next()).map(str::to_owned),
            "Annotations" => {
                let value = value?;
                self.column = Some(line.len() - line[name.len() + 1..].trim_start().len());
                self.annotation(value, position);
            }
            _ => {}
        }
        None
    }

    /// Begins an annotation. Its value stands behind its name, or in the lines below.
    fn annotation(&mut self, text: &str, position: Position) {
        self.end_annotation();
        if let Some((key, value)) = text.split_once(": ").or_else(|| Some((text.strip_suffix(':')?, ""))) {
            self.annotation = Some(Annotation { key: key.to_owned(), position, value: value.to_owned() });
        }
    }

    fn end_annotation(&mut self) {
        if let Some(Annotation { key, position, value }) = self.annotation.take() {
            self.pod.annotate(&key, position, value.trim_end().to_owned());
        }
    }

    fn end(mut self) -> Pod {
        self.end_annotation();
        self.pod
    }
}
