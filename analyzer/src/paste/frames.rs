//! Lines that stand around the rows: fences, rules, what tools say of themselves, shells' prompts.

use super::mapped::Mapped;
use super::prompts;

/// What a line is for its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// A row, a heading, or something foreign.
    Data,
    /// A shell's prompt with a command, a command alone, or a line of comment. It is no row, whatever it holds.
    Command,
    #[default]
    /// Nothing: blank, a fence, a rule, or what a tool said of itself.
    Silent,
}

/// Marks of trackers and HTML that stand around a block, up to what ends each.
const MARKS: [(&str, &str); 10] = [
    ("{noformat", "}"),
    ("{code", "}"),
    ("{quote", "}"),
    ("[code", "]"),
    ("[/code", "]"),
    ("<pre", ">"),
    ("</pre", ">"),
    ("<code", ">"),
    ("</code", ">"),
    ("<br", ">"),
];

/// What tools say of themselves, by its start.
const NOISE: [&str; 13] = [
    "Defaulted container ",
    "Defaulting container ",
    "Unable to use a TTY",
    "If you don't see a command prompt",
    "Script started",
    "Script done",
    "Starting pod/",
    "To use host binaries, run",
    "Removing debug pod",
    "Warning: Permanently added",
    "Last login:",
    "[sudo] password for",
    "Pseudo-terminal will not be allocated",
];

/// Characters that rules are drawn of.
const RULES: &str = "-=*_~+#.\u{2500}\u{2501}\u{2550}";

/// What a line is that does not begin as a row does.
pub fn kind(line: &str) -> Kind {
    let line = line.trim();
    if line.is_empty() || is_fence(line) || is_rule(line) || line.starts_with("//") || is_noise(line) {
        Kind::Silent
    } else if prompts::is_command(line) {
        Kind::Command
    } else {
        Kind::Data
    }
}

/// A line around a block of text that was printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fence {
    /// It opens a block, and closes one that was opened in the same way: the mark that does it.
    Either(&'static str),
    /// It opens a block, whatever is open.
    Opens,
    /// It closes a block.
    Closes,
}

/// The fence that a line is, or that it begins with.
pub fn fence(line: &str) -> Option<Fence> {
    const FENCES: [(&str, Fence); 6] = [
        ("{noformat", Fence::Either("{noformat")),
        ("{code", Fence::Either("{code")),
        ("[code", Fence::Opens),
        ("<pre", Fence::Opens),
        ("[/code", Fence::Closes),
        ("</pre", Fence::Closes),
    ];
    let line = line.trim();
    if is_fence(line) {
        return Some(Fence::Either(if line.starts_with('`') { "`" } else { "~" }));
    }
    let begins = |mark: &str| line.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    FENCES.into_iter().find(|(mark, _)| begins(mark) && leading_mark(line).is_some()).map(|(_, fence)| fence)
}

/// Whether a line opens or closes a block of Markdown, with the name of a language at most.
fn is_fence(line: &str) -> bool {
    let language = line.strip_prefix("```").or_else(|| line.strip_prefix("~~~"));
    language.is_some_and(|language| {
        let language = language.trim_matches(['`', '~', ' ']);
        language.len() < 20 && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+{}.=".contains(&byte))
    })
}

/// Whether a line is drawn by hand or by grep, as `=====` and `--`.
fn is_rule(line: &str) -> bool {
    let mut chars = line.chars();
    let first = chars.next();
    line.len() >= 2 && first.is_some_and(|first| RULES.contains(first) && chars.all(|next| next == first))
}

fn is_noise(line: &str) -> bool {
    NOISE.iter().any(|noise| line.starts_with(noise))
}

/// Takes marks off the front of a line, and those of its end.
pub(super) fn unframe(mapped: &mut Mapped) {
    while let Some(end) = leading_mark(&mapped.text) {
        mapped.cut_front(end);
    }
    unframe_end(mapped);
}

/// Takes marks off the end of a line.
pub(super) fn unframe_end(mapped: &mut Mapped) {
    while let Some(start) = trailing_mark(&mapped.text) {
        mapped.text.truncate(start);
    }
}

/// Where the mark ends that a line begins with.
fn leading_mark(line: &str) -> Option<usize> {
    let blanks = line.len() - line.trim_start().len();
    let rest = &line[blanks..];
    MARKS.iter().find_map(|(mark, end)| {
        let same = rest.get(..mark.len())?.eq_ignore_ascii_case(mark);
        let behind = rest.get(mark.len()..).filter(|_| same)?;
        let length = behind.find(end)?;
        is_of_mark(&behind[..length]).then_some(blanks + mark.len() + length + end.len())
    })
}

/// Where the mark starts that a line ends with.
fn trailing_mark(line: &str) -> Option<usize> {
    let kept = line.trim_end();
    let open = match kept.bytes().last()? {
        b'}' => '{',
        b']' => '[',
        b'>' => '<',
        _ => return None,
    };
    let start = kept.rfind(open)?;
    (leading_mark(&kept[start..]) == Some(kept.len() - start)).then_some(start)
}

/// Whether text may stand in a mark behind its name: nothing, or arguments as in `{code:title=x|theme=y}`.
fn is_of_mark(text: &str) -> bool {
    text.is_empty() || text.starts_with([':', '=', ' ', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for line in [
            "",
            "  ",
            "```",
            "```text",
            "~~~ console",
            "--",
            "=====",
            "-----",
            "// note",
            "Defaulted container \"nbdb\" out of: nbdb, sbdb",
            "Script started on 2022-06-09 22:48:28+00:00",
        ] {
            assert_eq!(kind(line), Kind::Silent, "{line}");
        }
        for line in ["$ cat x", "[root@worker-08 ~]# ovn-nbctl list BFD", "# after the failover"] {
            assert_eq!(kind(line), Kind::Command, "{line}");
        }
        for line in ["Routes of the worker", "``` what is this about then", "-=-", "x", "MAC_Binding table"] {
            assert_eq!(kind(line), Kind::Data, "{line}");
        }
    }

    #[test]
    fn fences() {
        for (line, expected) in [
            ("```", Some(Fence::Either("`"))),
            ("  ~~~ console", Some(Fence::Either("~"))),
            ("{noformat}", Some(Fence::Either("{noformat"))),
            ("{CODE:title=x}", Some(Fence::Either("{code"))),
            ("[code]", Some(Fence::Opens)),
            ("[/code] as said", Some(Fence::Closes)),
            ("<pre class=\"x\">", Some(Fence::Opens)),
            ("</pre>", Some(Fence::Closes)),
            ("{codec=1}", None),
            ("{quote}", None),
            ("``` what is this about then", None),
            ("", None),
        ] {
            assert_eq!(fence(line), expected, "{line}");
        }
    }

    #[test]
    fn marks() {
        for (line, expected) in [
            ("{noformat}", ""),
            ("{code:none}", ""),
            ("{code:title=routes|theme=x}a row{code}", "a row"),
            ("[CODE] row[/CODE]", " row"),
            ("<pre class=\"x\"><code>row</code></pre>", "row"),
            ("{codec=1}", "{codec=1}"),
            ("{a=b} [c]", "{a=b} [c]"),
        ] {
            let mut mapped = Mapped::plain(line.to_owned(), 1);
            unframe(&mut mapped);
            assert_eq!(mapped.text, expected, "{line}");
        }
    }
}
