//! Which commit a working tree stands at, read from git's files: a build must not need the program.

use std::fs;
use std::path::{Path, PathBuf};

/// A commit, and the files and folders that change when the working tree comes to stand at another.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The commit in hexadecimal; `None` in a tarball, and where git keeps its references in a way that is not read here.
    pub(crate) commit: Option<String>,
    /// What to look at before the answer is taken for good once more.
    pub(crate) watched: Vec<PathBuf>,
}

/// Reads `.git` of `root` alone: a tarball that lies within another project's tree is not at that one's commit.
pub(crate) fn find(root: &Path) -> Found {
    let Some(git) = git_folder(root) else { return Found::default() };
    let head = git.join("HEAD");
    let Some(text) = read(&head) else { return Found::default() };
    let Some(reference) = text.strip_prefix("ref: ") else {
        return Found { commit: hexadecimal(&text), watched: vec![head] };
    };
    // Working trees share references, but for those that git keeps for each.
    let shared = read(&git.join("commondir")).map_or_else(|| git.clone(), |common| git.join(common));
    for folder in [&git, &shared] {
        let file = folder.join(reference);
        if let Some(commit) = read(&file).as_deref().and_then(hexadecimal) {
            return Found { commit: Some(commit), watched: vec![head, file] };
        }
    }
    let packed = shared.join("packed-refs");
    let commit = read(&packed).and_then(|text| {
        let named = text.lines().find_map(|line| line.split_once(' ').filter(|(_, name)| *name == reference));
        named.and_then(|(commit, _)| hexadecimal(commit))
    });
    // The next commit makes a file of it.
    let folder = shared.join(reference).ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned);
    let watched = [Some(head), Some(packed).filter(|packed| packed.exists()), folder];
    Found { commit, watched: watched.into_iter().flatten().collect() }
}

/// `.git`, or what it names where it is the file of a further working tree.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    read(&git)?.strip_prefix("gitdir: ").map(|folder| root.join(folder))
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// A name of a commit: SHA-1 or SHA-256.
fn hexadecimal(text: &str) -> Option<String> {
    let is_name = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_name.then(|| text.to_owned())
}
