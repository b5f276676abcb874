//! Versions of OVN, each with the Open vSwitch of its Debian release: unpacked under `target/ovn` and not installed, so that
//! all of them run side by side.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::archive::{self, Archive};
use crate::project;

/// Versions that the lab plays on, and the release of Debian that has them.
const RELEASES: [(&str, &str); 3] = [("23.03", "bookworm"), ("25.03", "trixie"), ("26.03", "sid")];

/// Packages that have the daemons and their tools.
const PACKAGES: [&str; 5] = ["ovn-central", "ovn-common", "ovn-host", "openvswitch-common", "openvswitch-switch"];

/// Tests read it: the version, as of [`versions`].
pub(crate) const VARIABLE: &str = "ANALYZER_LAB_OVN";

/// File of a tree with the digests of all others.
const SUMS: &str = "SHA256SUMS";

/// What there is of a version.
pub(crate) enum Found {
    /// It can play.
    Ready(Ovn),
    /// The release of Debian has another one now.
    Gone(String),
}

/// A version of OVN that can play.
pub(crate) struct Ovn {
    /// As it was asked for: `25.03`.
    pub(crate) version: &'static str,
    /// What the daemons say of themselves: `25.03.0`, and Open vSwitch's `3.5.0`.
    daemons: [String; 2],
    /// Whether it is this machine's own.
    pub(crate) is_installed: bool,
}

impl fmt::Display for Ovn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ovn, ovs] = &self.daemons;
        write!(f, "OVN {ovn} with Open vSwitch {ovs}{}", if self.is_installed { ", installed" } else { "" })
    }
}

/// The versions by the names that [`find`] and [`fetch`] take.
pub(crate) fn versions() -> [&'static str; RELEASES.len()] {
    RELEASES.map(|(version, _)| version)
}

/// What this machine has installed, if it has one.
fn installed() -> Option<String> {
    version_of(&project::find_program("ovn-northd")?).ok()
}

/// The version as it is installed, or unpacked here; `None` where it is neither.
///
/// # Errors
/// What is unpacked is not what was downloaded, or does not start.
pub(crate) fn find(version: &'static str) -> Result<Option<Ovn>> {
    if installed().is_some_and(|installed| is_of(&installed, version)) {
        let program = |name| project::find_program(name).with_context(|| format!("there is no {name}"));
        let daemons = [version_of(&program("ovn-northd")?)?, version_of(&program("ovs-vswitchd")?)?];
        return Ok(Some(Ovn { version, daemons, is_installed: true }));
    }
    let _lock = archive::lock(&folder())?;
    unpacked(version)
}

/// The same, and it is downloaded where it is neither.
///
/// # Errors
/// It cannot be downloaded, is not what the signed index says, or does not start.
pub(crate) fn fetch(version: &'static str) -> Result<Found> {
    if let Some(ovn) = find(version)? {
        return Ok(Found::Ready(ovn));
    }
    let _lock = archive::lock(&folder())?;
    let (_, codename) = RELEASES.iter().find(|(own, _)| *own == version).context("it is one of the versions")?;
    let archive = Archive::of_release(codename)?;
    let there = archive.versions(PACKAGES[0])?;
    if !there.iter().any(|there| is_of(there, version)) {
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        return Ok(Found::Gone(format!("OVN {version} is not played: Debian {codename} has {there} now")));
    }
    let tree = folder().join(version);
    archive::fill(&tree, |partial| {
        // Besides libraries, what the packages ask for is there for their scripts.
        let mut packages = archive.needed(&PACKAGES)?;
        packages.retain(|package| PACKAGES.contains(&package.as_str()) || is_library(package));
        archive.unpack(&packages, partial)?;
        wrap(partial)?;
        project::capture(
            Command::new("sh")
                .current_dir(partial)
                .args(["-c", &format!("find . -type f ! -name {SUMS} -print0 | xargs -0 sha256sum >{SUMS}")]),
        )?;
        Ok(())
    })?;
    unpacked(version)?.map(Found::Ready).with_context(|| format!("{} is gone", tree.display()))
}

/// What is unpacked of a version, as it was downloaded.
fn unpacked(version: &'static str) -> Result<Option<Ovn>> {
    let tree = folder().join(version);
    if !tree.exists() {
        return Ok(None);
    }
    project::capture(Command::new("sha256sum").current_dir(&tree).args(["--check", "--quiet", SUMS]))
        .with_context(|| format!("{} is not as it was unpacked; remove it", tree.display()))?;
    let daemons = [version_of(&tree.join("bin/ovn-northd"))?, version_of(&tree.join("bin/ovs-vswitchd"))?];
    Ok(Some(Ovn { version, daemons, is_installed: false }))
}

/// Whether a package has libraries that programs are linked with.
fn is_library(package: &str) -> bool {
    package.starts_with("lib") && !package.starts_with("libpython")
}

/// Makes a command in `bin` of each program in the tree, for it has to be started by the tree's own dynamic linker.
fn wrap(tree: &Path) -> Result<()> {
    let (linker, libraries) = (find_file(tree, "ld-linux*.so.*")?, find_file(tree, "libc.so.6")?);
    let libraries = libraries.rsplit_once('/').map_or("", |(folder, _)| folder);
    let bin = tree.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    let programs = project::capture(Command::new("find").current_dir(tree).args([
        "usr/bin",
        "usr/sbin",
        "usr/lib/openvswitch-switch",
        "-type",
        "f",
        "-name",
        "ov[ns]*",
        "-perm",
        "/111",
    ]))?;
    for program in String::from_utf8(programs).context("names of programs are text")?.lines() {
        if !fs::read(tree.join(program)).with_context(|| format!("cannot read {program}"))?.starts_with(b"\x7fELF") {
            continue;
        }
        let name = program.rsplit_once('/').map_or(program, |(_, name)| name);
        let own = "\"${0%/*}\"/..";
        let script = format!(
            "#!/bin/sh\nexec {own}/{linker} --argv0 {name} --library-path {own}/{libraries}:{own}/usr/{libraries} \
             {own}/{program} \"$@\"\n"
        );
        let path = bin.join(name);
        fs::write(&path, script)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The one file of this name in the tree, or the first.
fn find_file(tree: &Path, name: &str) -> Result<String> {
    let found = project::capture(Command::new("find").current_dir(tree).args(["-name", name, "-printf", "%P\\n"]))?;
    let found = String::from_utf8(found).context("names of files are text")?;
    found.lines().next().map(str::to_owned).with_context(|| format!("the packages have no {name}"))
}

/// The version that a daemon says it is: the last word of its first line.
fn version_of(program: &Path) -> Result<String> {
    let said = project::capture(Command::new(program).arg("--version"))?;
    let said = String::from_utf8(said).context("versions are text")?;
    match said.lines().next().and_then(|line| line.split_whitespace().last()) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("{} does not say its version", program.display()),
    }
}

/// Whether it is the version, or one of its releases: `25.03.0-1` is of `25.03`.
fn is_of(full: &str, version: &str) -> bool {
    full.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))
}

fn folder() -> PathBuf {
    project::target().join("ovn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_of("25.03.0-1", "25.03"));
        assert!(!is_of("25.031.0-1", "25.03") && !is_of("26.03.1-1", "25.03"));
    }

    #[test]
    fn libraries_are_told_from_scripts() {
        assert!(is_library("libc6") && is_library("libunbound8"));
        assert!(!is_library("python3") && !is_library("libpython3.13-minimal"));
    }
}
