//! Whether a damaged line shows that it is damaged, or is one that the program might have printed of other facts.

use crate::spoil::Kind;
use crate::table::Format;

/// Words of ECMP and BFD behind a route.
const FLAGS: [&str; 3] = ["ecmp", "ecmp-symmetric-reply", "bfd"];
/// Columns whose values have neither quotes nor a length, nor are one of a few words.
const OPEN: [&str; 3] = ["logical_port", "tunnel_key", "type"];

/// Whether the beginning of a line is such a line itself. `heading` is the first line of its text.
pub(crate) fn is_like_a_line(kind: Kind, format: Option<Format>, heading: &str, cut: &str) -> bool {
    match kind {
        Kind::Routes => is_route(cut),
        Kind::Zones => cut.split_once(' ').is_some_and(|(_, zone)| !zone.is_empty()),
        Kind::Connections => is_connection(cut),
        // A fragment behind the first is printed so.
        Kind::Capture => cut.ends_with(": ICMP"),
        _ => format.is_some_and(|format| is_row(format, heading, cut)),
    }
}

fn is_route(cut: &str) -> bool {
    let words: Vec<&str> = cut.split_whitespace().collect();
    let has_policy = words.get(2).is_some_and(|word| matches!(*word, "src-ip" | "dst-ip"));
    has_policy && !cut.ends_with(' ') && words.iter().skip(4).all(|word| FLAGS.contains(word))
}

fn is_connection(cut: &str) -> bool {
    let Some((_, fields)) = cut.split_once("),reply=(").and_then(|(_, rest)| rest.split_once(')')) else {
        return false;
    };
    let is_field = |field: &str| match field.split_once('=') {
        Some(("labels", value)) => value.len() > "0x".len(),
        Some(("zone" | "mark", value)) => !value.is_empty(),
        _ => false,
    };
    fields.is_empty() || fields.strip_prefix(',').is_some_and(|fields| fields.split(',').all(is_field))
}

fn is_row(format: Format, heading: &str, cut: &str) -> bool {
    let last_of = |separator| heading.rsplit(separator).next().is_some_and(|column| OPEN.contains(&column));
    match format {
        Format::List => {
            cut.split_once(": ").is_some_and(|(column, value)| OPEN.contains(&column.trim_end()) && !value.is_empty())
        }
        Format::Table => last_of(' ') && cut.len() > heading.trim_end().rfind(' ').map_or(0, |blank| blank + 1),
        Format::Csv => {
            let cells = |line: &str| line.split('"').step_by(2).map(|bare| bare.matches(',').count()).sum::<usize>();
            last_of(',') && cells(cut) == cells(heading) && !cut.ends_with(',')
        }
        Format::Json => false,
    }
}

/// Whether letters that are put in the place of others, from `first` on, only make another name of a name.
pub(crate) fn is_other_name(line: &str, first: usize, letters: usize) -> bool {
    let is_end = |character: char| character.is_whitespace() || ",=\"{}[]".contains(character);
    let start = line[..first].rfind(is_end).map_or(0, |end| end + 1);
    let end = line[first..].find(is_end).map_or(line.len(), |end| first + end);
    let word = &line[start..end];
    first + letters <= end && (word.contains("GR_") || word.contains("_pod") || word.contains("nat"))
}
