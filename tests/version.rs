//! What `-V` and `--version` tell, and how a build finds its commit.

#[path = "../analyzer/build/commit.rs"]
mod commit;
#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::TempDir;

const NAME: &str = "0dd3caf2c5a1f0a5b1c2d3e4f5a6b7c8d9e0f1a2";
const OTHER: &str = "1111111111111111111111111111111111111111";

fn tells(argument: &str) -> String {
    common::run(Command::new(env!("CARGO_BIN_EXE_analyzer")).arg(argument))
}

/// The digest is that of the bytes that are compiled in.
#[test]
fn version_names_commit_target_and_kernel_program() {
    let short = tells("-V");
    assert!(short.starts_with(concat!("analyzer ", env!("CARGO_PKG_VERSION"), " (commit ")), "{short}");
    assert_eq!(short.lines().count(), 1, "{short}");
    let long = tells("--version");
    let lines: Vec<&str> = long.lines().collect();
    let [first, commit, target, object] = lines[..] else { panic!("{long}") };
    assert_eq!(first, concat!("analyzer ", env!("CARGO_PKG_VERSION")));
    let commit = commit.strip_prefix("commit: ").expect("a commit, or that it is not known");
    assert!(short.contains(&format!("(commit {commit})")), "{short}{long}");
    assert!(target.starts_with("target: ") && target.contains("linux"), "{long}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ebpf/analyzer.bpf.o");
    assert!(lines.iter().all(|line| line.len() <= 80), "{long}");
    let sum = common::run(Command::new("sha256sum").arg(path));
    let digest = sum.split(' ').next().expect("a digest");
    assert_eq!(object, format!("eBPF object: {digest}"));
}

/// Writes files below a folder.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }
}

/// What is found in a tree with these files; watched are names below it.
fn found(files: &[(&str, &str)], root: &str) -> (Option<String>, Vec<String>) {
    let folder = TempDir::new();
    write(folder.path(), files);
    let tree = folder.path().join(root);
    fs::create_dir_all(&tree).expect("the folder is ours");
    let found = commit::find(&tree);
    let name = |path: &Path| {
        let path = path.canonicalize().expect("what is watched is there: cargo builds each time where it is not");
        path.strip_prefix(folder.path().canonicalize().unwrap()).unwrap().display().to_string()
    };
    (found.commit, found.watched.iter().map(|path| name(path)).collect())
}

#[test]
fn a_tree_tells_its_commit() {
    let head = ("t/.git/HEAD", "ref: refs/heads/main\n");
    let line = format!("{NAME}\n");
    let packed =
        format!("# pack-refs with: peeled fully-peeled sorted\n{OTHER} refs/heads/mainly\n{NAME} refs/heads/main\n");
    let commit = Some(NAME.to_owned());
    let watched = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    // A branch, a branch whose name has been packed, no branch at all.
    assert_eq!(
        found(&[head, ("t/.git/refs/heads/main", &line)], "t"),
        (commit.clone(), watched(&["t/.git/HEAD", "t/.git/refs/heads/main"]))
    );
    assert_eq!(
        found(&[head, ("t/.git/packed-refs", &packed), ("t/.git/refs/heads/x", "")], "t"),
        (commit.clone(), watched(&["t/.git/HEAD", "t/.git/packed-refs", "t/.git/refs/heads"]))
    );
    assert_eq!(found(&[("t/.git/HEAD", &line)], "t"), (commit.clone(), watched(&["t/.git/HEAD"])));
    // A further working tree.
    let further = [
        ("w/.git", "gitdir: ../t/.git/worktrees/w\n"),
        ("t/.git/worktrees/w/HEAD", "ref: refs/heads/side\n"),
        ("t/.git/worktrees/w/commondir", "../..\n"),
        ("t/.git/refs/heads/side", &line),
        ("t/.git/refs/heads/main", OTHER),
        head,
    ];
    assert_eq!(found(&further, "w"), (commit, watched(&["t/.git/worktrees/w/HEAD", "t/.git/refs/heads/side"])));
}

#[test]
fn a_tarball_has_none() {
    assert_eq!(found(&[], "t"), (None, Vec::new()));
    // One that is unpacked in a tree of something else is not of that tree's commit.
    assert_eq!(found(&[(".git/HEAD", NAME)], "t"), (None, Vec::new()));
    // Nor is anything but a name of a commit one.
    assert_eq!(found(&[("t/.git/HEAD", "\u{1b}[2J")], "t").0, None);
    assert_eq!(found(&[("t/.git/HEAD", "ref: refs/heads/.invalid\n")], "t").0, None);
}
