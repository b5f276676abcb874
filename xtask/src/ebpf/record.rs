//! What stands beside the object: the toolchain that built it, and digests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::object::Object;
use super::toolchain::Toolchain;
use crate::project;

/// The fields of the record, by name.
pub(super) struct Record(BTreeMap<&'static str, String>);

/// Fields that name versions.
const VERSIONS: [&str; 4] = ["rustc", "rustc-llvm", "bpf-linker", "bpf-linker-llvm"];
/// Fields that are digests.
const DIGESTS: [&str; 2] = ["sources", "object"];

impl Record {
    pub(super) fn new(toolchain: &Toolchain, sources: &str, object: &[u8]) -> Self {
        let mut fields = versions(toolchain);
        fields.insert("sources", sources.to_owned());
        fields.insert("object", digest(object));
        Self(fields)
    }

    /// Reads a record that [`fmt::Display`] wrote.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut fields = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let field = line.split_once(" = ").and_then(|(name, value)| {
                let name = VERSIONS.into_iter().chain(DIGESTS).find(|known| *known == name)?;
                Some((name, value.strip_prefix('"')?.strip_suffix('"')?))
            });
            let Some((name, value)) = field else { bail!("{}: no field of a record: {line}", path.display()) };
            fields.insert(name, value.to_owned());
        }
        for name in VERSIONS.into_iter().chain(DIGESTS) {
            if !fields.contains_key(name) {
                bail!("{} lacks the field {name}; `cargo xtask ebpf` writes it", path.display());
            }
        }
        Ok(Self(fields))
    }

    /// The versions that differ from those of a toolchain, for people.
    pub(super) fn other_versions(&self, toolchain: &Toolchain) -> Vec<String> {
        let here = versions(toolchain);
        let others = VERSIONS.into_iter().filter(|name| self.0.get(name) != here.get(name));
        others.map(|name| format!("{name}: {}, here {}", self.0[name], here[name])).collect()
    }

    /// The digests that differ from those of what is here.
    pub(super) fn stale(&self, sources: &str, object: &[u8]) -> Vec<&'static str> {
        let here = [("sources", sources.to_owned()), ("object", digest(object))];
        here.into_iter().filter(|(name, digest)| self.0[name] != *digest).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What the object was built with, and of what. `cargo xtask ebpf` writes both files;")?;
        writeln!(f, "# `cargo xtask ebpf --check` builds the object again and compares the bytes.")?;
        for name in VERSIONS.into_iter().chain(DIGESTS) {
            writeln!(f, "{name} = \"{}\"", self.0[name])?;
        }
        Ok(())
    }
}

fn versions(toolchain: &Toolchain) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("rustc", toolchain.rustc_version.clone()),
        ("rustc-llvm", toolchain.rustc_llvm.clone()),
        ("bpf-linker", toolchain.linker_version.clone()),
        ("bpf-linker-llvm", toolchain.linker_llvm.clone()),
    ])
}

/// Digest of all that an object is made of in this project: each file's path, length and content.
pub(super) fn sources(object: &Object) -> Result<String> {
    let mut hash = Sha256::new();
    let files = project::files()?;
    for file in files.iter().filter(|file| object.is_made_of(file)) {
        let content =
            fs::read(project::root().join(file)).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(hex(&hash.finalize()))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_as_it_was_written() {
        let names = VERSIONS.into_iter().chain(DIGESTS);
        let record = Record(names.map(|name| (name, format!("value of {name}"))).collect());
        let folder = std::env::temp_dir().join(format!("xtask-record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("record.toml");
        fs::write(&path, record.to_string()).unwrap();
        assert_eq!(Record::read(&path).unwrap().0, record.0);
        fs::write(&path, "rustc = \"1\"\n").unwrap();
        assert!(Record::read(&path).is_err_and(|error| error.to_string().contains("lacks the field")));
        fs::write(&path, "rusty = \"1\"\n").unwrap();
        assert!(Record::read(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
