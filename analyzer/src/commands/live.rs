//! `analyzer live`: the verdict on a running worker.

use anyhow::Context;

use super::printing::{print, style};
use super::replay::status;
use super::{Status, warn};
use crate::cli::{Format, LiveArgs};
use crate::live::config::Config;
use crate::live::{self, Outcome};
use crate::output::{write_json, write_jsonl, write_text};

pub(super) fn run(args: LiveArgs) -> anyhow::Result<Status> {
    let config = Config::try_from(args)?;
    let output = config.output.clone();
    let Outcome { report, tells_nexthops } = live::run(config)?;
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
    Ok(status(&report.summary, &report.skipped, tells_nexthops))
}
