//! What compilers do not check: the arrows between modules, file sizes, folders of cases, leftovers.

mod arrows;
mod cases;
mod paths;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::project;

/// Something that a rule forbids, or warns of.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Complaint {
    path: PathBuf,
    /// Counted from 1; 0 where the whole file or folder is meant.
    line: usize,
    severity: Severity,
    message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Severity {
    Warning,
    Error,
}

impl Complaint {
    fn error(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, severity: Severity::Error, message: message.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<ExitCode> {
    check()?;
    println!("tidy: nothing to complain of");
    Ok(ExitCode::SUCCESS)
}

/// Checks every file of the project and prints what the rules forbid.
///
/// # Errors
/// There is at least one complaint that is no warning.
pub(crate) fn check() -> Result<()> {
    let files = project::files()?;
    let mut complaints = cases::check(&files);
    for path in &files {
        let content = match fs::read(project::root().join(path)) {
            Ok(content) => content,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        // Captures and other files that are no text have no lines to check.
        let Ok(content) = String::from_utf8(content) else { continue };
        complaints.extend(text::check(path, &content));
        if path.extension().is_some_and(|extension| extension == "rs") {
            complaints.extend(check_source(path, &content));
        }
    }
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    let errors = complaints.iter().filter(|complaint| complaint.severity == Severity::Error).count();
    if errors > 0 {
        bail!("tidy: {errors} places to mend");
    }
    Ok(())
}

fn check_source(path: &Path, content: &str) -> Vec<Complaint> {
    match paths::CodePath::all_in(path, content) {
        Ok(paths) => [arrows::check(path, &paths), text::check_source(path, &paths)].concat(),
        Err(error) => vec![Complaint::error(path, 0, format!("is no Rust: {error}"))],
    }
}
