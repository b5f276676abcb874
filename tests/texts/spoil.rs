//! What pasting does to a text, and what a reader can see of it.

use crate::numbers::Numbers;
use crate::table::{self, Format, Table};
use crate::trace::{is_like_a_line, is_other_name};

/// A kind of text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Routes,
    MacBindings,
    StaticMacBindings,
    Bfd,
    PortBindings,
    Datapaths,
    Connections,
    Zones,
    Capture,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Routes,
        Self::MacBindings,
        Self::StaticMacBindings,
        Self::Bfd,
        Self::PortBindings,
        Self::Datapaths,
        Self::Connections,
        Self::Zones,
        Self::Capture,
    ];
}

/// How a text is damaged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Way {
    /// A row ends too early.
    CutRow,
    /// All rows end at the width of a terminal.
    CutRows,
    /// Characters of a row are others.
    Garbled,
    /// A row is broken in two, wherever.
    Broken,
    /// Rows are broken where a terminal ends, and some are joined again.
    Wrapped,
    /// A column is not printed.
    WithoutColumn,
    /// A line is missing.
    WithoutLine,
    /// Lines stand behind one another that did not.
    Joined,
}

impl Way {
    pub(crate) const ALL: [Self; 8] = [
        Self::CutRow,
        Self::CutRows,
        Self::Garbled,
        Self::Broken,
        Self::Wrapped,
        Self::WithoutColumn,
        Self::WithoutLine,
        Self::Joined,
    ];
}

/// Characters that garble: masks, what a terminal or a converter puts for what it does not know.
const STRANGE: [char; 5] = ['x', '*', '?', '#', '\u{fffd}'];

/// A text, and whether anything in it shows that it is damaged.
pub(crate) struct Spoilt {
    pub(crate) text: String,
    pub(crate) shows: bool,
}

/// A text of a kind that is damaged so. `table` and its format are those that it was printed from.
pub(crate) fn spoilt(
    kind: Kind,
    text: &str,
    table: Option<(&Table, Format)>,
    way: Way,
    numbers: &mut Numbers,
) -> Spoilt {
    let damaged = damaged(text, table, way, numbers);
    let heading = text.lines().next().unwrap_or_default();
    let mut changed = text.lines().zip(damaged.lines()).filter(|(line, damaged)| line != damaged);
    let format = table.map(|(_, format)| format);
    let shows = match way {
        // One line that is like another packet's suffices.
        Way::CutRow | Way::CutRows if kind == Kind::Capture => {
            changed.all(|(_, cut)| !is_like_a_line(kind, format, heading, cut))
        }
        Way::CutRow | Way::CutRows => changed.any(|(_, cut)| !is_like_a_line(kind, format, heading, cut)),
        Way::Garbled => changed.any(|(line, garbled)| {
            let differs = |(of_line, of_garbled): &(char, char)| of_line != of_garbled;
            let first = line.chars().zip(garbled.chars()).position(|pair| differs(&pair)).unwrap_or(0);
            let letters = line.chars().zip(garbled.chars()).skip(first).filter(differs).count();
            let is_comment = garbled.trim_start().starts_with('#');
            !is_comment && (!garbled[first..].starts_with('x') || !is_other_name(line, first, letters))
        }),
        Way::Broken | Way::Wrapped | Way::Joined => true,
        Way::WithoutColumn | Way::WithoutLine => false,
    };
    Spoilt { text: damaged, shows }
}

fn damaged(text: &str, table: Option<(&Table, Format)>, way: Way, numbers: &mut Numbers) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return text.to_owned();
    }
    let row = numbers.below(lines.len() as u32) as usize;
    match way {
        // Where blanks alone are left, nothing shows that something is missing.
        Way::CutRow => with(&lines, row, |line| {
            let blanks = line.len() - line.trim_start().len();
            let left = numbers.below((line.len() - blanks).max(2) as u32 - 1) as usize + 1;
            cut(line, blanks + left).to_owned()
        }),
        Way::CutRows => {
            let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0) as u32;
            let width = numbers.between((longest / 3).max(1), longest.max(2) - 1) as usize;
            lines.iter().map(|line| format!("{}\n", cut(line, width))).collect()
        }
        Way::Garbled => with(&lines, row, |line| garbled(line, numbers)),
        Way::Broken => with(&lines, row, |line| {
            let (before, behind) = line.split_at(cut(line, numbers.below(line.len().max(1) as u32) as usize).len());
            format!("{before}\n{}{behind}", if numbers.percent(30) { "  " } else { "" })
        }),
        Way::Wrapped => {
            let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0) as u32;
            let width = numbers.between((longest / 3).max(8), longest.max(9)) as usize;
            lines.iter().map(|line| wrapped(line, width, numbers)).collect()
        }
        Way::WithoutColumn => match table {
            Some((table, format)) => {
                let (columns, rows) = table.without_column(numbers);
                table::print(&columns, &rows, format)
            }
            // Of a text without columns, a word of each row.
            None => {
                let word = numbers.between(1, 5) as usize;
                lines.iter().map(|line| format!("{}\n", without_word(line, word))).collect()
            }
        },
        Way::WithoutLine => {
            let others = lines.iter().enumerate().filter(|&(index, _)| index != row);
            others.map(|(_, line)| format!("{line}\n")).collect()
        }
        Way::Joined => with(&lines, row, str::to_owned).replacen(&format!("{}\n", lines[row]), lines[row], 1),
    }
}

/// The lines with one of them changed.
fn with(lines: &[&str], changed: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut text: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    text[changed] = change(lines[changed]);
    text.join("\n") + "\n"
}

/// The first so many bytes. The texts are ASCII.
fn cut(line: &str, width: usize) -> &str {
    line.get(..width).unwrap_or(line)
}

fn garbled(line: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let first = numbers.below(characters.len() as u32) as usize;
    let strange = numbers.one(&STRANGE);
    let count = numbers.between(1, 5) as usize;
    characters.iter_mut().skip(first).take(count).for_each(|character| *character = strange);
    characters.into_iter().collect()
}

/// A line as a terminal of that width has it; some of the breaks are gone again.
fn wrapped(line: &str, width: usize, numbers: &mut Numbers) -> String {
    let mut text = String::new();
    let (mut rest, joins) = (line, numbers.percent(20));
    while rest.len() > width {
        let (before, behind) = rest.split_at(width);
        text.push_str(before);
        text.push_str(if joins { " " } else { "\n" });
        rest = behind;
    }
    text + rest + "\n"
}

fn without_word(line: &str, word: usize) -> String {
    let separator = if line.contains(",orig=") { "," } else { " " };
    let words = line.split(separator).enumerate();
    let is_word = |text: &str| !text.is_empty();
    let mut seen = 0;
    let kept = words.filter(|(_, text)| {
        seen += usize::from(is_word(text));
        !(is_word(text) && seen == word)
    });
    kept.map(|(_, text)| text).collect::<Vec<_>>().join(separator)
}
