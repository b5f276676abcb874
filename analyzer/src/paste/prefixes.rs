//! What mails, logs, `cat -n`, grep and tools for many hosts put in front of each line.

use std::collections::HashSet;

/// Most prefixes in front of one another.
const MAX_LAYERS: usize = 3;

/// Most places in a line at which the name of grep's file is looked for.
const MAX_ENDS: usize = 24;

/// A form of prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `> `, `>> `, `| `.
    Quote,
    /// `[pod/x/y] `, `[  123.456] `.
    Bracket,
    /// A time as containers' logs have it, with `stdout F ` or without.
    Container,
    /// syslog, in its forms of old and new, and of journalctl.
    Log,
    /// `cat -n`.
    Number,
    /// `grep -n`.
    Line,
    /// `grep -Hn`.
    FileLine,
    /// `NAME: `, `NAME | `.
    Name,
    /// `grep -H`.
    File,
}

const FORMS: [Form; 9] = [
    Form::Quote,
    Form::Bracket,
    Form::Container,
    Form::Log,
    Form::Number,
    Form::Line,
    Form::FileLine,
    Form::Name,
    Form::File,
];

/// A prefix that the lines of a text share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    form: Form,
    /// The files that grep names in front of rows, so that it is known where the name ends in front of other lines.
    files: HashSet<String>,
}

type Begins<'a> = &'a dyn Fn(&str) -> bool;

/// The prefixes of these lines, from the left. A prefix counts only where all lines that begin as rows do share its form.
pub(super) fn detect(lines: &[&str], begins: Begins<'_>) -> Vec<Prefix> {
    layers(lines, begins, MAX_LAYERS).unwrap_or_default()
}

fn layers(lines: &[&str], begins: Begins<'_>, depth: usize) -> Option<Vec<Prefix>> {
    let bare: Vec<bool> = lines.iter().map(|line| begins(line)).collect();
    let mut best: Option<((usize, usize), Prefix)> = None;
    for form in FORMS {
        let mut prefix = Prefix { form, files: HashSet::new() };
        let behind: Vec<bool> = lines.iter().map(|line| prefix.learn(line, begins)).collect();
        let is_shared = bare.iter().zip(&behind).all(|(bare, behind)| *behind || !bare);
        // Of forms that show the same rows, the one counts that other lines have too.
        let rows = behind.iter().filter(|begins| **begins).count();
        let count = (rows, lines.iter().filter(|line| prefix.end(line, begins).is_some()).count());
        let tells = behind.iter().zip(&bare).any(|(behind, bare)| *behind && !bare);
        if is_shared && tells && best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, prefix));
        }
    }
    if let Some((_, prefix)) = best {
        return Some(vec![prefix]);
    }
    if depth <= 1 || bare.contains(&true) {
        return None;
    }
    FORMS.into_iter().find_map(|form| {
        let prefix = Prefix { form, files: HashSet::new() };
        let inner: Vec<&str> = lines.iter().filter_map(|line| Some(&line[prefix.end(line, begins)?..])).collect();
        if inner.len() * 2 < lines.len() || inner.is_empty() {
            return None;
        }
        Some([vec![prefix], layers(&inner, begins, depth - 1)?].concat())
    })
}

impl Prefix {
    /// Whether what follows the prefix begins as a row does. Takes note of the file that it names.
    fn learn(&mut self, line: &str, begins: Begins<'_>) -> bool {
        let Some(end) = self.end(line, begins) else { return false };
        let is_row = begins(&line[end..]);
        if is_row && let Some(file) = self.file(line, end) {
            self.files.insert(file.to_owned());
        }
        is_row
    }

    /// The file that grep named in front of a row.
    fn file<'l>(&self, line: &'l str, end: usize) -> Option<&'l str> {
        let name = line[..end].trim_start_matches(' ').strip_suffix([':', '-'])?;
        match self.form {
            Form::File => Some(name),
            Form::FileLine => name.trim_end_matches(|digit: char| digit.is_ascii_digit()).strip_suffix([':', '-']),
            _ => None,
        }
    }

    /// Where the prefix of a line ends; `None` where it has none of this form.
    pub(super) fn end(&self, line: &str, begins: Begins<'_>) -> Option<usize> {
        // Code is indented in mails and Markdown.
        let blanks = line.len() - line.trim_start_matches(' ').len();
        let line = &line[blanks..];
        let length = match self.form {
            Form::Quote => quote(line),
            Form::Bracket => bracket(line),
            Form::Container => container(line),
            Form::Log => log(line),
            Form::Number => number(line),
            Form::Line => digits(line).filter(|&end| line[end..].starts_with([':', '-'])).map(|end| end + 1),
            Form::Name => name(line),
            Form::FileLine | Form::File => self.behind_file(line, begins),
        }?;
        (length > 0 && line.is_char_boundary(length)).then_some(blanks + length)
    }

    /// Where the row begins behind the name of a file, or behind the name and the number of a line.
    fn behind_file(&self, line: &str, begins: Begins<'_>) -> Option<usize> {
        let ends = || {
            let word = line.split(' ').next().unwrap_or_default();
            let separators = word.match_indices([':', '-']).filter(|&(at, _)| at > 0).map(|(at, _)| at);
            separators.take(MAX_ENDS).filter_map(|at| match self.form {
                Form::File => Some((at, at + 1)),
                _ => {
                    let behind = &line[at + 1..];
                    let end = digits(behind).filter(|&end| behind[end..].starts_with(&line[at..=at]))?;
                    Some((at, at + 1 + end + 1))
                }
            })
        };
        let of_row = ends().find(|&(_, end)| begins(&line[end..]));
        let known = || ends().find(|&(at, _)| self.files.contains(&line[..at]));
        of_row.or_else(known).map(|(_, end)| end)
    }
}

/// The length of the digits that text begins with.
fn digits(text: &str) -> Option<usize> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then_some(length)
}

fn quote(line: &str) -> Option<usize> {
    let mut end = 0;
    loop {
        let rest = &line[end..];
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        // More than one blank in front belongs to the row.
        if !rest[blanks..].starts_with(['>', '|']) || end > 0 && blanks > 0 {
            return (end > 0).then_some(end);
        }
        end += blanks + 1;
        end += usize::from(line[end..].starts_with(' '));
    }
}

fn bracket(line: &str) -> Option<usize> {
    let end = line.strip_prefix('[')?.find(']')? + 2;
    line[end..].starts_with(' ').then_some(end + 1).or_else(|| (end == line.len()).then_some(end))
}

/// A date and a time with `T` between them, up to the blank behind.
fn timestamp(line: &str) -> Option<usize> {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let is_dated = line.len() > 16 && line.bytes().take(14).map(shape).eq("0000-00-00T00:".bytes());
    let end = line.find(' ').unwrap_or(line.len());
    is_dated.then_some((end + 1).min(line.len()))
}

fn container(line: &str) -> Option<usize> {
    let end = timestamp(line)?;
    let rest = &line[end..];
    let stream = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr "));
    let tag = stream.and_then(|rest| rest.strip_prefix(['F', 'P']));
    Some(match tag {
        Some(rest) => line.len() - rest.strip_prefix(' ').unwrap_or(rest).len(),
        None => end,
    })
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn log(line: &str) -> Option<usize> {
    let priority = line.strip_prefix('<').and_then(|rest| Some(digits(rest)? + 2)).unwrap_or(0);
    let rest = line.get(priority..)?;
    if let Some(rest) = rest.strip_prefix("1 ") {
        // RFC 5424: time, host, program, process, message, data.
        let time = timestamp(rest)?;
        let header: usize = rest[time..].split_inclusive(' ').take(4).map(str::len).sum();
        let data = rest.get(time + header..)?;
        let length = if data.starts_with('[') { data.find("] ").map(|end| end + 2)? } else { data.find(' ')? + 1 };
        return Some(line.len() - data.len() + length);
    }
    let time = timestamp(rest).or_else(|| {
        let rest_of_month = MONTHS.iter().find_map(|month| rest.strip_prefix(month))?.trim_start();
        let behind_day = rest_of_month.get(digits(rest_of_month)?..)?.strip_prefix(' ')?;
        let length = behind_day.find(' ')?;
        let is_time = behind_day[..length].bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
        (is_time && behind_day[..length].contains(':')).then_some(rest.len() - behind_day.len() + length + 1)
    })?;
    let behind = rest.get(time..)?;
    let (_host, tagged) = behind.split_once(' ')?;
    let tag = tagged.split(' ').next().filter(|tag| tag.ends_with(':'))?;
    let message = &tagged[tag.len()..];
    Some(line.len() - message.strip_prefix(' ').unwrap_or(message).len())
}

fn number(line: &str) -> Option<usize> {
    let end = digits(line)?;
    let rest = &line[end..];
    rest.starts_with(['\t', ' ']).then_some(end + 1).or_else(|| rest.is_empty().then_some(end))
}

fn name(line: &str) -> Option<usize> {
    let word = line.split(' ').next().unwrap_or_default();
    let rest = &line[word.len()..];
    let is_name = |name: &str| !name.is_empty() && !name.contains(['"', '=', ',', '(']);
    if let Some(name) = word.strip_suffix(':') {
        return is_name(name).then_some(word.len() + usize::from(!rest.is_empty()));
    }
    let behind = rest.trim_start_matches(' ').strip_prefix('|').filter(|_| is_name(word))?;
    Some(line.len() - behind.strip_prefix(' ').unwrap_or(behind).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(line: &str) -> bool {
        line.trim_start().starts_with("10.0.0.5 ")
    }

    fn behind(lines: &[&str]) -> Vec<String> {
        let prefixes = detect(lines, &begins);
        let strip = |line: &&str| {
            prefixes
                .iter()
                .fold(*line, |line, prefix| prefix.end(line, &begins).map_or(line, |end| &line[end..]))
                .to_owned()
        };
        lines.iter().map(strip).collect()
    }

    #[test]
    fn forms() {
        for lines in [
            &["> Head", ">", ">   10.0.0.5 x"][..],
            &[">> Head", ">> ", ">>   10.0.0.5 x"],
            &["> > Head", "> >", "> >   10.0.0.5 x"],
            &["| Head", "|", "|   10.0.0.5 x"],
            &["worker-08: Head", "worker-08:", "worker-08:   10.0.0.5 x"],
            &["worker-08  | Head", "worker-08  |", "worker-08  |   10.0.0.5 x"],
            &["[pod/ovnkube-node-x/nbdb] Head", "[pod/ovnkube-node-x/nbdb]", "[pod/ovnkube-node-x/nbdb]   10.0.0.5 x"],
            &[
                "2022-06-09T22:48:28.27Z stdout F Head",
                "2022-06-09T22:48:28.272Z stdout F ",
                "2022-06-09T22:48:28.272315Z stdout F   10.0.0.5 x",
            ],
            &["2022-06-09T22:48:28.27Z Head", "2022-06-09T22:48:28.272Z ", "2022-06-09T22:48:28.272315Z   10.0.0.5 x"],
            &[
                "Jun  9 22:48:28 worker-08 nbctl[12]: Head",
                "Jun  9 22:48:28 worker-08 nbctl[12]:",
                "Jun 19 22:48:28.5 worker-08 nbctl:   10.0.0.5 x",
            ],
            &[
                "<30>1 2022-06-09T22:48:28Z worker-08 nbctl 12 - - Head",
                "<30>1 2022-06-09T22:48:28Z worker-08 nbctl 12 - - ",
                "<30>1 2022-06-09T22:48:28Z worker-08 nbctl 12 - [a b=\"c\"]   10.0.0.5 x",
            ],
            &[
                "2022-06-09T22:48:28+0000 worker-08 nbctl[12]: Head",
                "2022-06-09T22:48:28+0000 worker-08 nbctl[12]:",
                "2022-06-09T22:48:28+0000 worker-08 nbctl[12]:   10.0.0.5 x",
            ],
            &["     1\tHead", "     2\t", "    13\t  10.0.0.5 x"],
            &["1:Head", "2:", "13:  10.0.0.5 x"],
            &["a-b.txt:1:Head", "a-b.txt:2:", "a-b.txt:13:  10.0.0.5 x"],
            &["a-b.txt-1-Head", "a-b.txt-2-", "a-b.txt:13:  10.0.0.5 x"],
            &["dir/a-b.txt:Head", "dir/a-b.txt:", "dir/a-b.txt:  10.0.0.5 x"],
            &["> 1:Head", "> 2:", "> 13:  10.0.0.5 x"],
            &["    w: Head", "    w:", "    w:   10.0.0.5 x"],
            &["    a.txt:1:Head", "    a.txt:2:", "    a.txt:3:  10.0.0.5 x"],
        ] {
            let expected = ["Head", "", "  10.0.0.5 x"];
            assert_eq!(behind(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_prefix_is_one_where_all_rows_share_it() {
        for lines in [
            &["> 10.0.0.5 x", "10.0.0.5 y"][..],
            &["10.0.0.5 x", "10.0.0.5 y"],
            &["> 10.0.0.6 x", "> nothing"],
            &["1: 10.0.0.5 x", "> 10.0.0.5 x", "10.0.0.5 x"],
        ] {
            assert_eq!(behind(lines), lines, "{lines:?}");
        }
    }
}
