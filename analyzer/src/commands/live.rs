//! `analyzer live`: the verdict on a running worker.

use anyhow::Context;

use super::nodes;
use super::printing::{print, style};
use super::provenance;
use super::{Status, warn};
use crate::cli::{Format, LiveArgs};
use crate::live;
use crate::live::config::Config;
use crate::output::{write_json, write_jsonl, write_text};

pub(super) fn run(args: LiveArgs) -> anyhow::Result<Status> {
    let config = Config::try_from(args)?;
    nodes::is_one(&config.output.node)?;
    let output = config.output.clone();
    let at = provenance::now();
    let mut report = live::run(config)?;
    report.provenance.run = provenance::run(at, &output);
    if output.format != Format::Text {
        warn(&report.warnings);
    }
    let style = style(&output);
    print(|out| match output.format {
        Format::Text => write_text(out, &report, &style),
        Format::Json => write_json(out, &report),
        Format::Jsonl => write_jsonl(out, &report),
    })
    .context("cannot tell how the run ended")?;
    Ok(report.answer().into())
}
