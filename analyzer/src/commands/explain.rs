//! `analyzer explain`: everything known of one flow.

use super::counting::{count, nic_names};
use super::engine::prepare;
use super::printing::{frame, print};
use super::{Status, running, warn};
use crate::cli::{ExplainArgs, Format, PathOrNone};
use crate::engine::observation::Observation;
use crate::engine::settings::Settings;
use crate::engine::verdict::Verdict;
use crate::live::snapshot::Wanted;
use crate::output::{json, listing};

pub(super) fn run(ExplainArgs { tuple, inputs, sources, history, run: args }: ExplainArgs) -> anyhow::Result<Status> {
    let settings = Settings { followed: Some(tuple), ..Settings::from(&args.judging) };
    let history = match history {
        PathOrNone::None => None,
        PathOrNone::Path(path) => Some(path),
    };
    let wanted = Wanted::Flow { tuple, history };
    let from_running = running::prepare(&inputs, &args.paths, sources, &wanted, settings.clone())?;
    let mut prepared = match from_running {
        Some(prepared) => prepared,
        None => prepare(&inputs, args.paths, settings)?,
    };
    warn(&prepared.loaded.warnings);
    let mut frame = frame(&args.output);
    let explanation = if prepared.captures.is_empty() {
        let none: [Observation; 0] = [];
        prepared.engine.explain(tuple, none.as_slice())
    } else {
        let counted = count(&mut prepared, &args.reading)?;
        warn(&counted.warnings);
        frame.time_digits = counted.time_digits();
        frame.lacks_times = counted.lacks_times;
        frame.nic_names = nic_names(&counted);
        prepared.engine.explain(tuple, &counted.by_flow())
    };
    print(|out| match args.output.format {
        Format::Text => listing::write_explanation(out, &explanation),
        Format::Json | Format::Jsonl => json::write_explanation(out, &frame, &explanation),
    })?;
    let is_violating = explanation.seen.iter().any(|finding| matches!(finding.verdict, Verdict::Violating(_)))
        || explanation.connections.iter().any(|view| view.standing.is_stale());
    let is_known = !explanation.seen.is_empty()
        && explanation.seen.iter().all(|finding| !matches!(finding.verdict, Verdict::Undetermined(_)));
    Ok(match (is_violating, is_known) {
        (true, _) => Status::Violation,
        (false, true) => Status::Fine,
        (false, false) => Status::Undetermined,
    })
}
