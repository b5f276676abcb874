//! Every case under pcaps/ says where it comes from and what is expected of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Complaint;

/// Checks the folders of cases that these files make up.
pub(super) fn check(files: &[PathBuf]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let cases: BTreeSet<&Path> = files.iter().filter_map(|file| case_of(file)).collect();
    for case in cases {
        let names: Vec<_> = files.iter().filter_map(|file| file.strip_prefix(case).ok()?.to_str()).collect();
        if !names.contains(&"README.md") {
            complaints.push(Complaint::error(case, 0, "has no README.md that says where the case comes from"));
        }
        if !names.iter().any(|name| name.starts_with("expected.")) {
            complaints.push(Complaint::error(case, 0, "has no expected.* file: run `cargo xtask bless`, and read it"));
        }
    }
    if !files.iter().any(|file| file == Path::new("CHANGELOG.md")) {
        complaints.push(Complaint::error(Path::new("CHANGELOG.md"), 0, "is missing"));
    }
    complaints
}

/// The folder of the case that a file belongs to: `pcaps/NAME`.
fn case_of(file: &Path) -> Option<&Path> {
    let parent = file.ancestors().find(|folder| folder.parent() == Some(Path::new("pcaps")))?;
    (parent != file).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(files: &[&str]) -> Vec<String> {
        let files: Vec<PathBuf> = files.iter().chain(&["CHANGELOG.md"]).map(PathBuf::from).collect();
        check(&files)
            .into_iter()
            .map(|complaint| format!("{}: {}", complaint.path.display(), complaint.message))
            .collect()
    }

    #[test]
    fn case_needs_its_story_and_its_expectation() {
        assert_eq!(complaints(&["pcaps/a/README.md", "pcaps/a/expected.status", "pcaps/README.md"]), [""; 0]);
        assert_eq!(complaints(&["pcaps/a/README.md", "pcaps/a/capture.pcap"]).len(), 1);
        assert_eq!(complaints(&["pcaps/a/expected.txt", "pcaps/b/sub/README.md"]).len(), 3);
    }

    #[test]
    fn changelog_must_be_there() {
        assert_eq!(check(&[PathBuf::from("README.md")]).len(), 1);
    }
}
