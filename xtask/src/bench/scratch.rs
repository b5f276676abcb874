//! A folder for files of gigabytes, which must not stay behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail};

use crate::project;

/// Start of the folders' names; the process id follows.
const PREFIX: &str = "analyzer-bench-";

/// A folder that goes with this value.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder in `parent`, where at least `bytes` must be free. Folders of runs that were killed are removed
    /// first.
    pub(super) fn new(parent: &Path, bytes: u64) -> Result<Self> {
        remove_abandoned(parent)?;
        let free = free_bytes(parent)?;
        if free < bytes {
            bail!(
                "{} has {} MB free, the benchmark needs {} MB: choose another folder with --folder, or fewer --frames",
                parent.display(),
                free / 1_000_000,
                bytes / 1_000_000
            );
        }
        let path = parent.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where the folder is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("warning: cannot remove {}: {error}", self.path.display());
        }
    }
}

fn remove_abandoned(parent: &Path) -> Result<()> {
    for entry in parent.read_dir().with_context(|| format!("cannot list {}", parent.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(PREFIX).and_then(|id| id.parse::<u32>().ok());
        if owner.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let output = String::from_utf8(project::capture(Command::new("df").arg("-Pk").arg(folder))?)?;
    parse_df(&output).with_context(|| format!("cannot read what df says of {}:\n{output}", folder.display()))
}

/// Reads the free bytes from the table of `df -Pk`, which POSIX defines.
fn parse_df(output: &str) -> Option<u64> {
    let kib: u64 = output.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_goes_also_on_failure() {
        let scratch = Scratch::new(&std::env::temp_dir(), 0).unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn folder_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays() {
        let parent = std::env::temp_dir().join(format!("xtask-scratch-{}", process::id()));
        let mut killed = Command::new("true").spawn().unwrap();
        killed.wait().unwrap();
        let [dead, alive, foreign] =
            [format!("{PREFIX}{}", killed.id()), format!("{PREFIX}1"), format!("{PREFIX}notes")]
                .map(|it| parent.join(it));
        for folder in [&dead, &alive, &foreign] {
            fs::create_dir_all(folder).unwrap();
        }
        remove_abandoned(&parent).unwrap();
        assert_eq!([dead.exists(), alive.exists(), foreign.exists()], [false, true, true]);
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn full_disk_is_told_before_anything_is_written() {
        let error = Scratch::new(&std::env::temp_dir(), u64::MAX).err().unwrap().to_string();
        assert!(error.contains("--folder"), "{error}");
    }

    #[test]
    fn df_table() {
        let output = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                      /dev/vda         263174212 12345678 239999999       5% /\n";
        assert_eq!(parse_df(output), Some(239_999_999 * 1024));
        assert_eq!(parse_df("df: nothing\n"), None);
    }
}
