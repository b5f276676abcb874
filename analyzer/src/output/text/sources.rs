//! The end of a text: what was read, and the run that read it.

use std::io;

use super::layout::{Page, Style};
use super::words::{count, grouped};
use crate::output::escape::{Escaped, escaped};
use crate::output::provenance::{Provenance, Run, Source};

/// Sources and files passed over that are shown; JSON has them all.
const SHOWN: usize = 20;

/// Writes where what stands above comes from.
///
/// # Errors
/// When `out` fails.
pub fn write_provenance(out: &mut impl io::Write, provenance: &Provenance) -> io::Result<()> {
    let Provenance { sources, passed_over, run } = provenance;
    if *provenance == Provenance::default() {
        return Ok(());
    }
    let mut page = Page::new(out, Style::default());
    page.section("Sources")?;
    let dates = run.is_some();
    let rows: Vec<_> = sources.iter().take(SHOWN).map(|source| row(source, dates)).collect();
    page.table(2, &rows)?;
    if sources.len() > SHOWN {
        let more = grouped((sources.len() - SHOWN) as u64);
        page.line(2, &format!("... and {more} more (--format json has them all)"))?;
    }
    if !passed_over.is_empty() {
        let mut names: Vec<_> = passed_over.iter().take(SHOWN).map(|name| escaped(name)).collect();
        if passed_over.len() > SHOWN {
            let more = grouped((passed_over.len() - SHOWN) as u64);
            names.push(format!("and {more} more (--format json has them all)"));
        }
        page.prose(2, &format!("Not read: {}.", names.join(", ")))?;
    }
    run.as_ref().map_or(Ok(()), |run| write_run(&mut page, run))
}

fn row(source: &Source, dates: bool) -> [String; 6] {
    let Source { place, taken_for, size, rows, lost, modified } = source;
    let what = match *taken_for {
        "capture" => "packet",
        "ticket" => "block",
        _ => "row",
    };
    let modified = modified.filter(|_| dates).map(|at| format!("of {}", at.to_rfc3339(0)));
    [
        (*taken_for).to_owned(),
        Escaped(&place.to_string()).to_string(),
        size.map(|size| count(size, "byte")).unwrap_or_default(),
        modified.unwrap_or_default(),
        rows.map(|rows| count(rows, what)).unwrap_or_default(),
        lost.filter(|lost| *lost > 0).map(|lost| format!("{} lost", grouped(lost))).unwrap_or_default(),
    ]
}

fn write_run(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    let Run { version, commit, host, directory, at, .. } = run;
    let from = directory.as_deref().map(|directory| format!(" in {}", escaped(directory))).unwrap_or_default();
    let at = at.to_rfc3339(0);
    page.prose(2, &format!("Told by analyzer {version} (commit {commit}) on {} at {at}{from}:", escaped(host)))?;
    page.line(4, &escaped(&run.command_line()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Place, Position};

    fn text(provenance: &Provenance) -> String {
        let mut out = Vec::new();
        write_provenance(&mut out, provenance).expect("memory takes it");
        String::from_utf8(out).expect("text is UTF-8")
    }

    fn source(file: &str, taken_for: &'static str, rows: u64, lost: u64) -> Source {
        let place = Place { file: file.into(), position: Position::Whole };
        let modified = Some("2026-03-02T09:00:00Z".parse().unwrap());
        Source { place, taken_for, size: Some(1825), rows: Some(rows), lost: Some(lost), modified }
    }

    fn provenance() -> Provenance {
        let command = ["analyzer", "replay", "a case/\u{202e}"].map(str::to_owned).to_vec();
        Provenance {
            sources: vec![source("a/capture.pcap", "capture", 1, 0), source("a/\x1b[2J", "conntrack", 1000, 2)],
            passed_over: vec!["a/notes".to_owned(), "a/\x1b".to_owned()],
            run: Some(Run {
                version: "0.1.0",
                commit: "0dd3caf2c5a1",
                command,
                host: "worker-08".to_owned(),
                directory: Some("/tickets/7".to_owned()),
                at: "2026-03-03T09:00:00Z".parse().unwrap(),
            }),
        }
    }

    #[test]
    fn a_line_for_each_file() {
        let expected = r"
Sources
  capture    a/capture.pcap  1,825 bytes  of 2026-03-02T09:00:00Z    1 packet
  conntrack  a/\u{1b}[2J     1,825 bytes  of 2026-03-02T09:00:00Z  1,000 rows  2 lost
  Not read: a/notes, a/\u{1b}.
  Told by analyzer 0.1.0 (commit 0dd3caf2c5a1) on worker-08 at 2026-03-03T09:00:00Z in /tickets/7:
    analyzer replay 'a case/\u{202e}'
";
        assert_eq!(text(&provenance()), expected);
        let alike = text(&Provenance { run: None, ..provenance() });
        assert!(!alike.contains("2026-03-02") && !alike.contains("worker-08"), "{alike}");
        assert_eq!(text(&Provenance::default()), "");
    }

    #[test]
    fn many_are_folded() {
        let mut many = provenance();
        many.sources = vec![many.sources[0].clone(); 1023];
        many.passed_over = vec!["x".to_owned(); 2020];
        let text = text(&many).replace('\n', " ");
        assert!(text.contains("... and 1,003 more (--format json has them all)"), "{text}");
        assert!(
            text.split_whitespace().collect::<Vec<_>>().join(" ").contains("x, and 2,000 more (--format"),
            "{text}"
        );
    }
}
