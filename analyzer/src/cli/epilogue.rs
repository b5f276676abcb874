//! What help texts and manual pages say behind the options: the same words for both.

use std::fmt::Write as _;

/// What a command says beside its options.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    /// Command lines, and what each does where the line does not tell it.
    pub examples: &'static [(&'static str, &'static str)],
    /// Paragraphs.
    pub notes: &'static [&'static str],
    /// Files that it reads or writes without being told to; in the manual page alone.
    pub files: &'static [(&'static str, &'static str)],
    /// Variables that it looks at; in the manual page alone.
    pub environment: &'static [(&'static str, &'static str)],
    /// How a run ends.
    pub exit_status: &'static [(u8, &'static str)],
    /// Pages of others; in the manual page alone.
    pub see_also: &'static [&'static str],
}

impl Epilogue {
    /// The end of the help text. Whoever prints it wraps its lines.
    pub(super) fn help(&self) -> String {
        let mut paragraphs = Vec::new();
        if !self.examples.is_empty() {
            paragraphs.push(self.examples.iter().fold("Examples:".to_owned(), |text, (line, tells)| {
                let line = line.replace('\n', "\n      ");
                let tells = if tells.is_empty() { String::new() } else { format!("\n      {tells}") };
                format!("{text}\n  {line}{tells}")
            }));
        }
        paragraphs.extend(self.notes.iter().map(ToString::to_string));
        if !self.exit_status.is_empty() {
            paragraphs.push(self.ends());
        }
        paragraphs.join("\n\n")
    }

    fn ends(&self) -> String {
        let mut text = "Exit status:".to_owned();
        for (at, (status, tells)) in self.exit_status.iter().enumerate() {
            let separator = if at == 0 { "" } else { ";" };
            // Memory takes it.
            let _ = write!(text, "{separator} {status} {tells}");
        }
        text + "."
    }
}
