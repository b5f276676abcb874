//! The diagnosis for programs.

use std::io;

use serde::Serialize;

use super::check::{Check, Diagnosis};
use crate::output::json::SCHEMA;

#[derive(Serialize)]
struct DiagnosisView<'a> {
    schema: u32,
    r#type: &'static str,
    state: &'static str,
    checks: Vec<CheckView<'a>>,
}

#[derive(Serialize)]
struct CheckView<'a> {
    name: &'a str,
    state: &'static str,
    found: &'a str,
    means: &'a str,
    todo: Option<&'a str>,
}

impl<'a> CheckView<'a> {
    fn new(check: &'a Check) -> Self {
        let Check { name, state, found, means, todo } = check;
        Self { name, state: state.name(), found, means, todo: todo.as_deref() }
    }
}

/// Writes one document: `{"schema":1,"type":"doctor","state":"ok","checks":[..]}`.
///
/// # Errors
/// When `out` fails.
pub fn write_json(out: &mut impl io::Write, diagnosis: &Diagnosis) -> io::Result<()> {
    let view = DiagnosisView {
        schema: SCHEMA,
        r#type: "doctor",
        state: diagnosis.state().name(),
        checks: diagnosis.checks().iter().map(CheckView::new).collect(),
    };
    serde_json::to_writer(&mut *out, &view)?;
    out.write_all(b"\n")
}
