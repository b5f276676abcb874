//! What findings take for granted: what all of them do is said once.

use std::io;

use super::layout::Page;
use crate::engine::finding::Assumes;
use crate::output::escape::Escaped;
use crate::output::report::Report;

/// Codes shown with one finding.
const SHOWN: usize = 3;

/// What all that is told of a run takes for granted. What takes nothing so does not count: it says what is not known.
pub(super) fn common(report: &Report) -> Assumes {
    let findings = report.findings.iter().map(|finding| &finding.assumes);
    let all = findings.chain(report.latent.iter().map(|latent| &latent.assumes));
    let common = all.filter(|assumes| !assumes.is_empty()).cloned().reduce(|common, assumes| common.common(&assumes));
    common.unwrap_or_default()
}

/// The sentence on it.
pub(super) fn note(common: &Assumes) -> Option<String> {
    let codes: Vec<_> = common.codes().map(|code| Escaped(&code).to_string()).collect();
    let codes = codes.join(", ");
    (!common.is_empty()).then(|| format!("Taken for granted, as nothing tells it (docs/verdicts.md): {codes}."))
}

/// Writes what one flow takes for granted beside that.
pub(super) fn write(page: &mut Page<'_>, indent: usize, assumes: &Assumes) -> io::Result<()> {
    let codes: Vec<_> = assumes.codes().map(|code| Escaped(&code).to_string()).collect();
    if codes.is_empty() {
        return Ok(());
    }
    let (shown, more) = codes.split_at(codes.len().min(SHOWN));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more (--format json)", more.len()) };
    page.labelled(indent, "assumes", &format!("{}{more}", shown.join(", ")))
}
