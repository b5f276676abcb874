//! `analyzer explain`: everything known of one flow.

use anyhow::anyhow;

use super::counting::{count, nic_names};
use super::engine::{Prepared, prepare};
use super::interrupting::{Reading, SO_FAR};
use super::nodes::{self, Node};
use super::printing::{frame, print};
use super::{Status, running, warn};
use crate::capture::FileRead;
use crate::cli::{ExplainArgs, Format, PathOrNone, ReadingArgs, RunArgs};
use crate::engine::finding::Finding;
use crate::engine::observation::Observation;
use crate::engine::settings::Settings;
use crate::engine::verdict::Verdict;
use crate::engine::view::Explanation;
use crate::live::snapshot::Wanted;
use crate::output::{Report, json, listing, write_provenance};
use crate::types::{Timestamp, Tuple};

pub(super) fn run(ExplainArgs { tuple, inputs, sources, history, run: args }: ExplainArgs) -> anyhow::Result<Status> {
    let settings = Settings { followed: Some(tuple), ..Settings::from(&args.judging) };
    let history = match history {
        PathOrNone::None => None,
        PathOrNone::Path(path) => Some(path),
    };
    let wanted = Wanted::Flow { tuple, history };
    let RunArgs { output, reading, paths, .. } = args;
    // What the running system tells is not read on the way.
    let mut signals = match inputs.is_empty() {
        true => None,
        false => Some(Reading::listen(&inputs, (!reading.quiet).then_some(SO_FAR))?),
    };
    let nodes = nodes::of(inputs, &output.node, paths)?;
    let heading = nodes::Heading::new(&nodes);
    nodes::each(nodes, |Node { name, inputs, paths }| {
        // One who says stop means all of them.
        if signals.as_ref().is_some_and(Reading::is_over) {
            nodes::complain(name.as_deref(), &anyhow!("not read: interrupted"));
            return Ok(Status::Undetermined);
        }
        let from_running = running::prepare(&inputs, &paths, sources.clone(), &wanted, settings.clone())?;
        let mut prepared = match from_running {
            Some(prepared) => prepared,
            None => prepare(&inputs, paths, settings.clone())?,
        };
        warn(&prepared.loaded.warnings);
        let Explained { frame, explanation, captures, is_whole } =
            explained(&mut prepared, tuple, name, &reading, signals.as_mut())?;
        let provenance = prepared.provenance(&captures, &output);
        let frame = Report { provenance, datapath: prepared.datapath, ..frame };
        print(|out| match output.format {
            Format::Text => {
                heading.write(out, frame.node.as_deref())?;
                listing::write_explanation(out, &frame, &explanation)?;
                write_provenance(out, &frame.provenance)
            }
            Format::Json | Format::Jsonl => json::write_explanation(out, &frame, &explanation),
        })?;
        Ok(status(&explanation, is_whole))
    })
}

/// What is known of a flow.
struct Explained {
    explanation: Explanation,
    /// What it has in common with a report.
    frame: Report,
    /// What became of the captures.
    captures: Vec<FileRead>,
    /// Whether all that was given could be read: what was lost may be of the flow.
    is_whole: bool,
}

/// What the inputs tell of the flow.
fn explained(
    prepared: &mut Prepared,
    tuple: Tuple,
    node: Option<String>,
    reading: &ReadingArgs,
    signals: Option<&mut Reading>,
) -> anyhow::Result<Explained> {
    let (mut frame, mut captures, mut is_whole) = (frame(node), Vec::new(), true);
    let explanation = if prepared.captures.is_empty() {
        let none: [Observation; 0] = [];
        prepared.engine.explain(tuple, none.as_slice())
    } else {
        let counted = count(prepared, reading, signals.as_ref().map(|signals| signals.interruption()))?;
        frame.interrupted = signals.is_some_and(Reading::end);
        warn(&counted.warnings);
        frame.time_digits = counted.time_digits();
        frame.lacks_times = counted.lacks_times;
        frame.nic_names = nic_names(&counted);
        let totals = &counted.totals;
        let lost = totals.skipped.truncated + totals.skipped.unparsed + totals.untracked_packets;
        let by_reader = counted.skipped_by_reader;
        let lost = lost + prepared.loaded.lost_captures.len() as u64;
        is_whole = !frame.interrupted && lost + by_reader.frames + by_reader.ends == 0;
        captures.clone_from(&counted.files);
        prepared.engine.explain(tuple, &counted.by_flow())
    };
    is_whole &= prepared.engine.gaps(explanation.at.unwrap_or(Timestamp::MAX)).next().is_none();
    Ok(Explained { explanation, frame, captures, is_whole })
}

fn status(explanation: &Explanation, is_whole: bool) -> Status {
    let is_violating = explanation.seen.iter().any(|finding| matches!(finding.verdict, Verdict::Violating(_)))
        || explanation.connections.iter().any(|view| view.standing.is_stale());
    let is_judged = |finding: &Finding| {
        !matches!(finding.verdict, Verdict::Undetermined(_) | Verdict::Grace) && finding.assumes.gaps().is_empty()
    };
    let is_known = is_whole && !explanation.seen.is_empty() && explanation.seen.iter().all(is_judged);
    match (is_violating, is_known) {
        (true, _) => Status::Violation,
        (false, true) => Status::Fine,
        (false, false) => Status::Undetermined,
    }
}
