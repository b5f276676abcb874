//! The diagnosis for people, in 80 columns.

use std::io;

use super::check::{Check, Diagnosis, State};
use crate::output::escape::Escaped;

const WIDTH: usize = 79;

/// Columns of a state with the space behind it.
const STATE: usize = 9;

/// Columns of a name with the space behind it.
const NAME: usize = 17;

/// Writes the verdict, then each check with what it means and what to do. Checks that are ok have a line each.
///
/// # Errors
/// When `out` fails.
pub fn write_text(out: &mut impl io::Write, diagnosis: &Diagnosis, colour: bool) -> io::Result<()> {
    let paint = |state: State, text: &str| match (colour, state) {
        (false, _) => text.to_owned(),
        (true, State::Ok) => format!("\x1b[32m{text}\x1b[0m"),
        (true, State::Limited) => format!("\x1b[1;33m{text}\x1b[0m"),
        (true, State::Missing) => format!("\x1b[1;31m{text}\x1b[0m"),
    };
    let verdict = match diagnosis.state() {
        State::Ok => "The analyzer can run live here.",
        State::Limited => "The analyzer can run live here, with limits.",
        State::Missing => "The analyzer cannot run live here.",
    };
    writeln!(out, "{}", paint(diagnosis.state(), verdict))?;
    let mut was_ok = false;
    for check in diagnosis.checks() {
        let is_ok = check.state == State::Ok;
        if !(is_ok && was_ok) {
            writeln!(out)?;
        }
        was_ok = is_ok;
        let head = paint(check.state, &format!("{:STATE$}", check.state.name()));
        for (index, line) in lines(check).into_iter().enumerate() {
            let margin = if index == 0 { head.as_str() } else { "         " };
            writeln!(out, "{}", format!("{margin}{line}").trim_end())?;
        }
    }
    Ok(())
}

/// The lines of a check, without its state.
fn lines(check: &Check) -> Vec<String> {
    let hang = |label: &str, text: &str, indent: usize| -> Vec<String> {
        let wrapped = wrap(&Escaped(text).to_string(), WIDTH - STATE - indent);
        let label = |index: usize| if index == 0 { label.to_owned() } else { String::new() };
        wrapped.into_iter().enumerate().map(|(index, line)| format!("{:indent$}{line}", label(index))).collect()
    };
    let mut lines = hang(&format!("{} ", check.name), &check.found, NAME.max(check.name.chars().count() + 1));
    if check.state != State::Ok {
        lines.extend(hang("  means", &check.means, 8));
    }
    if let Some(todo) = &check.todo {
        lines.extend(hang("  do", todo, 8));
    }
    lines
}

/// Lines of at most `width` characters, broken at spaces; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_first_with_what_to_do() {
        let diagnosis = Diagnosis::new(vec![
            Check::ok("kernel", "Linux 6.6.0", "features are tried"),
            Check::limited(
                "conntrack",
                "the table of this network namespace cannot be asked: Operation not permitted \u{1b}[2J",
                "No evidence",
                "Run as root",
            ),
            Check::missing("programs", "none loads", "No packet is seen", "Use a kernel with BPF"),
            Check::ok("clock", "tsc", "cheap"),
        ]);
        let mut out = Vec::new();
        write_text(&mut out, &diagnosis, false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
The analyzer cannot run live here.

missing  programs         none loads
           means No packet is seen
           do    Use a kernel with BPF

limited  conntrack        the table of this network namespace cannot be asked:
                          Operation not permitted \\u{1b}[2J
           means No evidence
           do    Run as root

ok       kernel           Linux 6.6.0
ok       clock            tsc
"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let long = "word ".repeat(60);
        let checks = vec![Check::missing("nic enp65s0f0np0", &long, &long, &long), Check::ok("a", &long, "")];
        let mut out = Vec::new();
        write_text(&mut out, &Diagnosis::new(checks), false).unwrap();
        assert!(String::from_utf8(out).unwrap().lines().all(|line| line.chars().count() < 80));
    }
}
