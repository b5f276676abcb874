//! Kernels of Debian, unpacked and not installed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::archive::{self, Archive};
use crate::project;

/// Versions that Debian's stable releases have had, the newest that it has at all, and the release that has them.
const RELEASES: [(&str, &str); 4] = [("5.10", "bullseye"), ("6.1", "bookworm"), ("6.12", "trixie"), ("7.2", "sid")];

/// Start of the names of the packages. The rest is what `uname -r` says.
const PACKAGE: &str = "linux-image-";

/// A kernel that can be booted.
pub(super) struct Kernel {
    /// As it was asked for: `6.1`.
    pub(super) version: String,
    /// As it calls itself: `6.1.0-51-amd64`.
    pub(super) release: String,
    folder: PathBuf,
}

impl Kernel {
    /// The newest of the version in the archives of this machine, else in those of the Debian release that brought it.
    ///
    /// # Errors
    /// There is none, or it cannot be fetched.
    pub(super) fn fetch(version: &str) -> Result<Self> {
        let kernels = super::folder().join("kernels");
        let _lock = archive::lock(&kernels)?;
        let mut archive = Archive::of_this_machine();
        let mut newest = newest(&archive, version)?;
        if newest.is_none() {
            // Looked for but once: the release that brought it is old, and gets a new kernel seldom.
            if let Some(release) = unpacked(&kernels, version) {
                return Ok(Self::new(version, &release, &kernels));
            }
            if let Some((_, codename)) = RELEASES.iter().find(|(own, _)| *own == version) {
                archive = Archive::of_release(codename)?;
                newest = self::newest(&archive, version)?;
            }
        }
        let Some(release) = newest else {
            bail!("no kernel {version} is to be had here: no package {PACKAGE}{version}.* in the archives of apt");
        };
        let kernel = Self::new(version, &release, &kernels);
        if !kernel.folder.exists() {
            kernel.unpack(&archive)?;
        }
        Ok(kernel)
    }

    fn new(version: &str, release: &str, kernels: &Path) -> Self {
        Self { version: version.to_owned(), release: release.to_owned(), folder: kernels.join(release) }
    }

    /// Its version: `(6, 1)`.
    pub(super) fn numbers(&self) -> (u32, u32) {
        let numbers =
            self.version.split_once('.').and_then(|(major, minor)| major.parse().ok().zip(minor.parse().ok()));
        numbers.expect("versions are two numbers")
    }

    /// Where it is unpacked, as modprobe wants to know.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The image that boots. Debian's kernels from 7 on have it beside their modules.
    pub(super) fn image(&self) -> PathBuf {
        let image = self.modules().join("vmlinuz");
        if image.exists() { image } else { self.folder.join("boot").join(format!("vmlinuz-{}", self.release)) }
    }

    /// The folder of its modules.
    pub(super) fn modules(&self) -> PathBuf {
        self.folder.join("lib/modules").join(&self.release)
    }

    fn unpack(&self, archive: &Archive) -> Result<()> {
        archive::fill(&self.folder, |partial| {
            // Newer ones come in several packages.
            let release = self.release.replace('.', "\\.").replace('+', "\\+");
            archive.unpack(&archive.packages(&format!("^linux-(image|binary|modules|base)-{release}$"))?, partial)?;
            if !partial.join("lib").exists() {
                // modprobe looks here.
                symlink("usr/lib", partial.join("lib"))
                    .with_context(|| format!("cannot make a link in {}", partial.display()))?;
            }
            // What the package's own script does when it is installed.
            let depmod = project::find_program("depmod").context("there is no depmod")?;
            project::run(Command::new(depmod).arg("--basedir").arg(partial).arg(&self.release))
        })
    }
}

/// Whether it is a version as `--kernel` takes it: `6.1`.
pub(super) fn parse_version(text: &str) -> Result<String, String> {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u32>().is_ok();
    let is_version = text.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    is_version.then(|| text.to_owned()).ok_or_else(|| "a version is two numbers, as in 6.1".to_owned())
}

/// The newest kernel of the version in an archive.
fn newest(archive: &Archive, version: &str) -> Result<Option<String>> {
    let packages = archive.packages(&format!("^{PACKAGE}{}\\..*-amd64$", version.replace('.', "\\.")))?;
    Ok(newest_of(packages.iter().filter_map(|package| package.strip_prefix(PACKAGE))))
}

/// The newest kernel of the version that is unpacked here already.
fn unpacked(kernels: &Path, version: &str) -> Option<String> {
    let names = kernels.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: Vec<_> =
        names.filter(|name| name.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))).collect();
    newest_of(names.iter().map(String::as_str))
}

/// The newest of the releases that are plain kernels.
fn newest_of<'a>(releases: impl Iterator<Item = &'a str>) -> Option<String> {
    let is_plain =
        |release: &&str| release.ends_with("-amd64") && !release.contains("-cloud-") && !release.contains("-rt-");
    releases.filter(is_plain).max_by_key(|release| numbers(release)).map(str::to_owned)
}

/// The numbers in a release in their order, to compare by.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_is_by_number_and_plain() {
        let releases =
            ["6.1.0-9-amd64", "6.1.0-51-amd64", "6.1.0-52-rt-amd64", "6.1.0-53-cloud-amd64", "6.1.0-50-amd64"];
        assert_eq!(newest_of(releases.into_iter()).as_deref(), Some("6.1.0-51-amd64"));
        let releases = ["6.12.101+deb12-amd64", "6.12.99+deb12-amd64", "6.12.101+deb12-amd64.partial"];
        assert_eq!(newest_of(releases.into_iter()).as_deref(), Some("6.12.101+deb12-amd64"));
        assert_eq!(newest_of(["6.12.1-cloud-amd64"].into_iter()), None);
    }

    #[test]
    fn versions() {
        for good in ["6.1", "5.10"] {
            assert_eq!(parse_version(good).as_deref(), Ok(good));
        }
        for bad in ["6", "6.1.0-51-amd64", "6.", ".1", "six.one", "", "6.99999999999"] {
            assert!(parse_version(bad).is_err(), "{bad}");
        }
    }
}
