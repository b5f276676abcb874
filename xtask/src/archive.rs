//! Packages by apt: of the archives that this machine uses, or of another Debian release on the same mirrors. Nothing is
//! installed, and apt's own lists stay as they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project;

/// Whose signatures count. The package debian-archive-keyring has it on every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What apt is asked about.
pub(crate) struct Archive {
    /// Options for every call.
    options: Vec<String>,
}

impl Archive {
    /// What the machine's own sources name, as of the last `apt-get update`.
    pub(crate) fn of_this_machine() -> Self {
        // What is downloaded goes to a folder that apt's own user may not enter.
        Self { options: vec!["--option=APT::Sandbox::User=root".to_owned()] }
    }

    /// A release of Debian on the mirrors of this machine, with lists of our own.
    pub(crate) fn of_release(codename: &str) -> Result<Self> {
        let sources = sources_of(codename, &mirrors()?);
        if sources.is_empty() {
            bail!("apt knows no mirror of Debian on this machine, as far as its lists tell: try apt-get update");
        }
        Self::of_sources(&sources, &project::target().join("apt").join(codename))
            .with_context(|| format!("the mirrors of this machine do not give the lists of {codename}"))
    }

    /// What the lines of a sources.list(5) name, with lists in a folder, as if nothing were installed.
    fn of_sources(lines: &str, folder: &Path) -> Result<Self> {
        let lists = folder.join("state/lists/partial");
        fs::create_dir_all(&lists).with_context(|| format!("cannot make {}", lists.display()))?;
        let (sources, status) = (folder.join("sources.list"), folder.join("status"));
        for (file, content) in [(&sources, lines), (&status, "")] {
            fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mut archive = Self::of_this_machine();
        for (option, path) in [
            ("Dir::State", folder.join("state")),
            ("Dir::State::Status", status),
            ("Dir::Cache", folder.join("cache")),
            ("Dir::Etc::SourceList", sources),
            ("Dir::Etc::SourceParts", PathBuf::from("-")),
        ] {
            archive.options.push(format!("--option={option}={}", path.display()));
        }
        // Of a release that is no longer cared for, the lists are beyond their time.
        archive.options.push("--option=Acquire::Check-Valid-Until=false".to_owned());
        // apt would go on with old lists, or without, where it cannot get new ones.
        archive.options.push("--option=APT::Update::Error-Mode=any".to_owned());
        // Names, versions and digests are all that is asked for.
        archive.options.push("--option=Acquire::Languages=none".to_owned());
        archive.options.push("--option=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned());
        project::run(archive.apt("apt-get").arg("update"))?;
        Ok(archive)
    }

    /// Names of the packages that match a regular expression.
    pub(crate) fn packages(&self, pattern: &str) -> Result<Vec<String>> {
        let found = project::capture(self.apt("apt-cache").args(["search", "--names-only", pattern]))?;
        let found = String::from_utf8_lossy(&found);
        Ok(found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// The versions of a package, the newest first. None where the signed index does not name it.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let found = project::capture(self.apt("apt-cache").args(["madison", package]))?;
        let found = String::from_utf8_lossy(&found);
        Ok(found.lines().filter_map(|line| line.split('|').nth(1)).map(|version| version.trim().to_owned()).collect())
    }

    /// The packages, and all others that they need.
    pub(crate) fn needed(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut command = self.apt("apt-get");
        command.args(["install", "--simulate", "--no-install-recommends"]).args(packages);
        let said = project::capture(&mut command)?;
        let said = String::from_utf8_lossy(&said);
        let names = said.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Downloads packages and unpacks them into a folder. apt compares each with the digest in the signed index.
    pub(crate) fn unpack(&self, packages: &[String], folder: &Path) -> Result<()> {
        project::run(self.apt("apt-get").arg("download").args(packages).current_dir(folder))?;
        let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect();
        if files.len() != packages.len() {
            bail!("apt-get was to download {} packages into {}: {files:?}", packages.len(), folder.display());
        }
        for file in files {
            project::capture(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder))?;
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

/// Makes a folder of folders, and waits until no other run fills one of them, which none does before what is returned is
/// dropped.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
    file.with_context(|| format!("cannot lock {}", folder.display()))
}

/// Makes a folder that is there only once it is filled.
pub(crate) fn fill(folder: &Path, with: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    // A run that was interrupted may have left it.
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    with(&partial)?;
    fs::rename(&partial, folder).with_context(|| format!("cannot rename {}", partial.display()))
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
                // What is unstable is mended where it is.
                "Debian-Security" if codename != "sid" => format!("{codename}-security"),
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

    /// A folder with an archive of one package, that was changed after its index was written, as a mirror has it.
    fn forged() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-archive-{}", std::process::id()));
        let script = "set -e
            mkdir -p pool/x/DEBIAN dists/sid/main
            printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: b\\n' >pool/x/DEBIAN/control
            dpkg-deb --build pool/x pool/x.deb >/dev/null
            architecture=$(dpkg --print-architecture)
            mkdir -p dists/sid/main/binary-$architecture
            { cat pool/x/DEBIAN/control; echo Filename: pool/x.deb; echo Size: $(stat -c %s pool/x.deb)
              echo SHA256: $(printf other | sha256sum | cut -d' ' -f1); } >dists/sid/main/binary-$architecture/Packages
            cd dists/sid
            { printf 'Suite: sid\\nCodename: sid\\nComponents: main\\nArchitectures: %s\\nSHA256:\\n' $architecture
              for file in main/*/Packages; do
                  echo \" $(sha256sum $file | cut -d' ' -f1) $(stat -c %s $file) $file\"
              done; } >Release";
        fs::create_dir_all(&folder).unwrap();
        project::capture(Command::new("sh").current_dir(&folder).args(["-c", script])).unwrap();
        folder
    }

    #[test]
    fn neither_an_index_without_signature_nor_a_wrong_digest_is_taken() {
        if project::find_program("apt-get").is_none() {
            println!("SKIPPED: there is no apt-get here");
            return;
        }
        let folder = forged();
        let sources = |options: &str| format!("deb [{options}] file:{} sid main\n", folder.display());
        let unsigned = Archive::of_sources(&sources(&format!("signed-by={KEYRING}")), &folder.join("apt"));
        assert!(unsigned.is_err(), "nobody has signed it");
        // With this word apt asks for no signature. There is still the digest.
        let archive = Archive::of_sources(&sources("trusted=yes"), &folder.join("apt")).unwrap();
        assert_eq!(archive.versions("x").unwrap(), ["1"]);
        assert_eq!(archive.versions("y").unwrap(), [""; 0]);
        assert_eq!(archive.needed(&["x"]).unwrap(), ["x"]);
        let target = folder.join("target");
        let error = fill(&target, |partial| archive.unpack(&["x".to_owned()], partial)).unwrap_err();
        assert!(error.to_string().contains("apt-get"), "{error}");
        assert!(!target.exists());
        fs::remove_dir_all(folder).unwrap();
    }

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
        assert_eq!(
            sources_of("sid", mirrors),
            format!("deb [signed-by={KEYRING}] http://mirror.example/debian/ sid main\n")
        );
        assert_eq!(sources_of("bullseye", "Other http://other.example/\n"), "");
    }
}
