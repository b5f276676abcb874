//! What the lines of a file must not hold, and how many they may be.

use std::path::Path;

use super::paths::{CodePath, Role};
use super::{Complaint, Severity};

/// Lines of a source, its tests not counted, above which it should be split.
const LINES_TO_WARN: usize = 500;
/// Lines of a source, its tests not counted, above which it must be split.
const LINES_AT_MOST: usize = 700;

/// Words that mark unfinished work. Written in two halves, or this file would complain of itself.
const MARKS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
/// Folders of the machine that somebody works on.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks the text of one file.
pub(super) fn check(path: &Path, content: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // What a program printed stays as it was printed.
    let is_ours = !is_data(path);
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    for (number, line) in (1..).zip(content.split_terminator('\n')) {
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| has_path_under(line, folder)) {
            complaints.push(Complaint::error(path, number, format!("names a path of one machine, {folder}")));
        }
        // rustfmt sees to the code, and what stands in literals may be meant so.
        if is_ours && !is_rust && line.ends_with([' ', '\t', '\r']) {
            complaints.push(Complaint::error(path, number, "ends with white space"));
        }
        if is_ours && let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark)) {
            complaints.push(Complaint::error(path, number, format!("is unfinished: {mark}")));
        }
    }
    if is_ours && !content.is_empty() && !content.ends_with('\n') {
        complaints.push(Complaint::error(path, content.lines().count(), "the last line has no end"));
    }
    if path == Path::new("CHANGELOG.md") && !content.lines().any(|line| line.starts_with("## [Unreleased]")) {
        complaints.push(Complaint::error(path, 0, "has no section `## [Unreleased]`"));
    }
    if is_rust {
        complaints.extend(too_long(path, content));
    }
    complaints
}

/// Checks the names in one source.
pub(super) fn check_source(file: &Path, paths: &[CodePath]) -> Vec<Complaint> {
    let unfinished = |path: &CodePath| match (path.role, path.names.last().map(String::as_str)) {
        (Role::Macro, Some("todo" | "unimplemented")) => Some("is unfinished"),
        (Role::Attribute, Some("ignore")) => Some("a test that never runs tests nothing: mend it or delete it"),
        _ => None,
    };
    paths.iter().filter_map(|path| Some(Complaint::error(file, path.line, unfinished(path)?))).collect()
}

/// Files that hold what programs wrote, not what we did.
fn is_data(path: &Path) -> bool {
    let is_note = path.extension().is_some_and(|extension| extension == "md");
    let is_fixture = path.components().any(|part| part.as_os_str() == "fixtures");
    (path.starts_with("pcaps") && !is_note) || path.starts_with("fuzz/seeds") || is_fixture
}

fn too_long(path: &Path, content: &str) -> Option<Complaint> {
    if path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
    {
        return None;
    }
    let lines = lines_without_tests(content);
    let message = format!("has {lines} lines beside its tests; at most {LINES_AT_MOST}, better under {LINES_TO_WARN}");
    let severity = match lines {
        _ if lines > LINES_AT_MOST => Severity::Error,
        _ if lines > LINES_TO_WARN => Severity::Warning,
        _ => return None,
    };
    Some(Complaint { path: path.to_owned(), line: 0, severity, message })
}

/// Lines before the module of tests, which is the last item of a file.
fn lines_without_tests(content: &str) -> usize {
    let mut lines = content.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.starts_with("mod ")) {
            break;
        }
        count += 1;
    }
    count
}

/// Whether the word stands in the line, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|found| found == word)
}

/// Whether a path in the line starts with the folder.
fn has_path_under(line: &str, folder: &str) -> bool {
    let continues_a_path = |letter: char| letter.is_ascii_alphanumeric() || "._-~/}*".contains(letter);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(continues_a_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, content: &str) -> Vec<(usize, Severity, String)> {
        let complaints = check(Path::new(path), content);
        complaints.into_iter().map(|complaint| (complaint.line, complaint.severity, complaint.message)).collect()
    }

    #[test]
    fn lines_that_nobody_wants() {
        let mark = concat!("// FIX", "ME: later\n");
        let folder = concat!("see `/wo", "rk/notes`\n");
        for line in ["let a = 1; \n", "tab\t\n", "dos\r\n", "no end", mark, folder] {
            let found = messages("docs/a.md", &format!("fine\n{line}"));
            assert_eq!(found.len(), 1, "{line:?}: {found:?}");
            assert_eq!(found[0].0, 2);
        }
    }

    #[test]
    fn lines_that_only_look_so() {
        for line in [
            concat!("mktemp -d name.XX", "XXXX\n"),
            concat!("https://example.com/wo", "rk/a\n"),
            concat!("/home/a/wo", "rk/b\n"),
        ] {
            assert_eq!(messages("src/a.rs", line), [], "{line:?}");
        }
    }

    #[test]
    fn what_programs_printed_may_end_with_blanks_but_not_name_this_machine() {
        for file in ["pcaps/case/mac_binding.txt", "analyzer/src/ovsdb/fixtures/list.txt", "src/literal.rs"] {
            assert_eq!(messages(file, "ip : \"198.19.3.15\"   \n"), [], "{file}");
        }
        assert_eq!(messages("pcaps/case/README.md", "text \n").len(), 1);
        assert_eq!(messages("pcaps/case/log.txt", concat!("/ro", "ot/x\n")).len(), 1);
    }

    #[test]
    fn long_sources() {
        let source = |lines: usize| {
            format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(lines), "b();\n".repeat(900))
        };
        assert_eq!(messages("src/a.rs", &source(500)), []);
        assert_eq!(messages("src/a.rs", &source(501))[0].1, Severity::Warning);
        assert_eq!(messages("src/a.rs", &source(700))[0].1, Severity::Warning);
        assert_eq!(messages("src/a.rs", &source(701))[0].1, Severity::Error);
        assert_eq!(messages("src/a/tests.rs", &source(701)), []);
        assert_eq!(messages("tests/golden.rs", &source(701)), []);
    }

    #[test]
    fn changelog_must_have_a_place_for_what_comes() {
        assert_eq!(messages("CHANGELOG.md", "# Changes\n\n## [0.1.0]\n").len(), 1);
        assert_eq!(messages("CHANGELOG.md", "# Changes\n\n## [Unreleased]\n"), []);
    }

    #[test]
    fn unfinished_code() {
        let found = |source: &str| {
            let file = Path::new("src/a.rs");
            check_source(file, &CodePath::all_in(file, source).unwrap()).len()
        };
        assert_eq!(found("fn f() { todo!() }"), 1);
        assert_eq!(found("fn f() { unimplemented!(\"x\") }"), 1);
        assert_eq!(found("#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(found("#[cfg_attr(x, ignore = \"slow\")]\nfn f() {}"), 1);
        assert_eq!(found("fn f() { let todo = ignore(\"todo!()\"); }"), 0);
    }
}
