//! `analyzer doctor`: what this machine lets the analyzer do.

use super::Status;
use super::printing::{is_coloured, print};
use crate::cli::{DoctorArgs, DocumentFormat};
use crate::doctor::{self, State};

pub(super) fn run(args: DoctorArgs) -> anyhow::Result<Status> {
    let diagnosis = doctor::examine();
    let colour = is_coloured(args.color);
    print(|out| match args.format {
        DocumentFormat::Text => doctor::write_text(out, &diagnosis, colour),
        DocumentFormat::Json => doctor::write_json(out, &diagnosis),
    })?;
    Ok(match diagnosis.state() {
        State::Ok => Status::Fine,
        State::Limited => Status::Undetermined,
        State::Missing => Status::Failed,
    })
}
