//! Help texts and manual pages, as people read them.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{TempDir, require};

/// Columns of a terminal that nobody made wider.
const WIDTH: usize = 80;

const COMMANDS: [&str; 9] =
    ["replay", "live", "conntrack", "nexthops", "explain", "repair", "doctor", "completions", "man"];

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    // A wide terminal must not hide a line that is too long for others.
    let command = command.args(args).env("COLUMNS", "200").stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("the analyzer starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn fits(what: &str, text: &str) {
    for line in text.lines() {
        let width = line.chars().count();
        assert!(width <= WIDTH, "{what}: {width} columns\n{line}");
    }
}

#[test]
fn help_fits_80_columns() {
    let asked = |args: &[&str]| {
        let (status, help, stderr) = run(args);
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(help.contains("Usage: analyzer"), "{help}");
        fits(&args.join(" "), &help);
    };
    asked(&["-h"]);
    asked(&["--help"]);
    for command in COMMANDS {
        asked(&[command, "-h"]);
        asked(&[command, "--help"]);
        asked(&["help", command]);
    }
}

/// The usage that goes with an error.
#[test]
fn usage_fits_80_columns() {
    for command in COMMANDS {
        let (status, _, stderr) = run(&[command, "--no-such-option"]);
        assert_eq!(status, Some(2), "{command}");
        let usage = stderr.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_else(|| panic!("{stderr}"));
        fits(command, usage);
    }
    let (_, _, stderr) = run(&["repair"]);
    fits("repair", stderr.lines().find(|line| line.starts_with("Usage: ")).expect("a usage"));
}

/// What can be pasted is not cut by the wrapping of lines, only by hand, and a shell joins it again.
#[test]
fn examples_stay_in_one_piece() {
    for command in COMMANDS {
        let (_, help, _) = run(&[command, "--help"]);
        let Some((_, behind)) = help.split_once("\nExamples:\n") else { continue };
        let examples = behind.split("\n\n").next().unwrap_or_default();
        let mut goes_on = false;
        for line in examples.lines() {
            let begins = line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
            if std::mem::replace(&mut goes_on, line.ends_with('\\')) || begins {
                assert_eq!(line.matches('\'').count() % 2, 0, "{command}: a quote is cut\n{line}");
            }
        }
        assert!(!goes_on, "{command}: the last example goes on\n{examples}");
    }
}

/// Options that take a duration say so, and the help says what that is.
#[test]
fn help_tells_the_forms_of_durations() {
    for command in ["replay", "live", "explain", "repair"] {
        let (_, help, _) = run(&[command, "--help"]);
        assert!(help.contains("<DURATION>") && !help.contains("SECONDS"), "{help}");
        assert!(help.contains("A DURATION is 250ms, 30s, 5m, 1h or 7d; a number alone is seconds."), "{help}");
    }
}

#[test]
fn manual_pages_have_the_usual_sections() {
    for (command, sections) in [
        ("replay", &["EXIT STATUS", "ENVIRONMENT", "EXAMPLES"][..]),
        ("live", &["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]),
        ("repair", &["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]),
        ("man", &["EXIT STATUS", "EXAMPLES"]),
    ] {
        let (_, page, _) = run(&["man", command]);
        let sections = ["NAME", "SYNOPSIS", "DESCRIPTION"].iter().chain(sections).chain(&["SEE ALSO"]);
        let places: Vec<_> = sections.map(|section| (section, heading(&page, section))).collect();
        assert!(places.iter().all(|(_, at)| at.is_some()) && places.is_sorted_by_key(|(_, at)| *at), "{places:?}");
        assert!(heading(&page, "EXTRA").is_none(), "{page}");
        let source = concat!(" 1 \"\" \"analyzer ", env!("CARGO_PKG_VERSION"), "\" analyzer\n");
        assert!(page.starts_with(&format!(".TH analyzer-{command}{source}")), "{page}");
    }
}

/// Where a section begins.
fn heading(page: &str, section: &str) -> Option<usize> {
    page.find(&format!("\n.SH {section}\n")).or_else(|| page.find(&format!("\n.SH \"{section}\"\n")))
}

/// A page for the whole and one for each command, that everybody can read, whatever the umask; each is a page that groff
/// has nothing to say against.
#[test]
fn all_pages_at_once() {
    let folder = TempDir::new();
    let path = folder.path().to_str().expect("the path is UTF-8");
    let analyzer = env!("CARGO_BIN_EXE_analyzer");
    let output = Command::new("sh").args(["-c", &format!("umask 077; {analyzer} man --all {path}")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    let names = ["analyzer".to_owned()].into_iter().chain(COMMANDS.map(|command| format!("analyzer-{command}")));
    let files: Vec<String> = names.map(|name| format!("{path}/{name}.1")).collect();
    let mut lines: Vec<String> = files.iter().map(|file| format!("wrote {file}")).collect();
    lines.sort();
    let mut told: Vec<&str> = told.lines().collect();
    told.sort();
    assert_eq!(told, lines);
    for (file, command) in files.iter().zip([""].into_iter().chain(COMMANDS)) {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o644, "{file}");
        let args: Vec<&str> = ["man", command].into_iter().filter(|word| !word.is_empty()).collect();
        assert_eq!(fs::read_to_string(file).unwrap(), run(&args).1);
        // Each page that it refers to is there.
        for word in fs::read_to_string(file).unwrap().replace('\\', "").split([' ', ',', '\n']) {
            if let Some(page) = word.strip_suffix("(1)").filter(|page| page.starts_with("analyzer")) {
                assert!(Path::new(&format!("{path}/{page}.1")).exists(), "{file} refers to {page}");
            }
        }
    }
    if require(&["groff"]) {
        for file in &files {
            let args = ["-man", "-Tutf8", "-ww", "-rCHECKSTYLE=3", "-z", file];
            let output = common::command("groff").args(args).output().expect("groff starts");
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaints.is_empty(), "{file}: {complaints}");
        }
    }
}

/// Nothing is replaced, and nothing is written through a link.
#[test]
fn pages_that_are_there_stay() {
    let folder = TempDir::new();
    let path = folder.path();
    fs::write(path.join("kept"), "mine").unwrap();
    symlink(path.join("kept"), path.join("analyzer-repair.1")).unwrap();
    let refused = |expected: &str| {
        let (status, stdout, stderr) = run(&["man", "--all", path.to_str().unwrap()]);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    refused("analyzer-repair.1 is there already: nothing was written");
    assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "mine");
    fs::remove_file(path.join("analyzer-repair.1")).unwrap();
    // A link whose end is not there is a link all the same.
    symlink(path.join("missing"), path.join("analyzer.1")).unwrap();
    refused("analyzer.1 is there already: nothing was written");
    assert!(!path.join("missing").exists() && !path.join("analyzer-live.1").exists());
    let (status, _, stderr) = run(&["man", "--all", path.join("kept").to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("Not a directory"), "{stderr}");
}
