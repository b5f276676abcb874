//! Packages by apt: of the archives that this machine uses, or of another Debian release on the same mirrors. Nothing is
//! installed, and apt's own lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project;

/// Whose signatures count. The package debian-archive-keyring has it on every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What apt is asked about.
pub(super) struct Archive {
    /// Options for every call.
    options: Vec<String>,
}

impl Archive {
    /// What the machine's own sources name, as of the last `apt-get update`.
    pub(super) fn of_this_machine() -> Self {
        // What is downloaded goes to a folder that apt's own user may not enter.
        Self { options: vec!["--option=APT::Sandbox::User=root".to_owned()] }
    }

    /// A release of Debian on the mirrors of this machine, with lists of our own.
    pub(super) fn of_release(codename: &str) -> Result<Self> {
        let folder = super::folder().join("apt").join(codename);
        let lists = folder.join("state/lists/partial");
        fs::create_dir_all(&lists).with_context(|| format!("cannot make {}", lists.display()))?;
        let sources = folder.join("sources.list");
        let lines = sources_of(codename, &mirrors()?);
        if lines.is_empty() {
            bail!("apt knows no mirror of Debian on this machine, as far as its lists tell: try apt-get update");
        }
        fs::write(&sources, lines).with_context(|| format!("cannot write {}", sources.display()))?;
        let mut archive = Self::of_this_machine();
        for (option, path) in [
            ("Dir::State", folder.join("state")),
            ("Dir::Cache", folder.join("cache")),
            ("Dir::Etc::SourceList", sources),
            ("Dir::Etc::SourceParts", PathBuf::from("-")),
        ] {
            archive.options.push(format!("--option={option}={}", path.display()));
        }
        // Of a release that is no longer cared for, the lists are beyond their time.
        archive.options.push("--option=Acquire::Check-Valid-Until=false".to_owned());
        project::run(archive.apt("apt-get").arg("update"))
            .with_context(|| format!("the mirrors of this machine do not give the lists of {codename}"))?;
        Ok(archive)
    }

    /// Names of the packages that match a regular expression.
    pub(super) fn packages(&self, pattern: &str) -> Result<Vec<String>> {
        let found = project::capture(self.apt("apt-cache").args(["search", "--names-only", pattern]))?;
        let found = String::from_utf8_lossy(&found);
        Ok(found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Downloads a package into a folder that holds no other.
    pub(super) fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        project::run(self.apt("apt-get").args(["download", package]).current_dir(folder))?;
        let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get downloaded no package into {}", folder.display()))
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

/// What this machine's sources are labelled, `Debian` or `Debian-Security`, and where they are.
fn mirrors() -> Result<String> {
    let printed = project::capture(Command::new("apt-get").args(["indextargets", "--format", "$(LABEL) $(REPO_URI)"]))?;
    String::from_utf8(printed).context("addresses are text")
}

/// The lines of a sources.list(5) for a release, from lines of a label and an address.
fn sources_of(codename: &str, mirrors: &str) -> String {
    let mut lines: Vec<String> = mirrors
        .lines()
        .filter_map(|line| {
            let (label, address) = line.split_once(' ')?;
            let suite = match label {
                "Debian" => codename.to_owned(),
                "Debian-Security" => format!("{codename}-security"),
                _ => return None,
            };
            Some(format!("deb [signed-by={KEYRING}] {address} {suite} main\n"))
        })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_keep_the_mirrors() {
        let mirrors = "Debian-Security http://mirror.example/security/\nDebian http://mirror.example/debian/
Debian http://mirror.example/debian/\nOther http://other.example/\n http://unlisted.example/\n";
        assert_eq!(
            sources_of("bullseye", mirrors),
            format!(
                "deb [signed-by={KEYRING}] http://mirror.example/debian/ bullseye main\n\
                 deb [signed-by={KEYRING}] http://mirror.example/security/ bullseye-security main\n"
            )
        );
        assert_eq!(sources_of("bullseye", "Other http://other.example/\n"), "");
    }
}
