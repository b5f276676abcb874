//! Where the project lies, and how its chores run other programs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the manifest of xtask lies in a folder of the workspace")
}

/// The cargo that runs us, in the project's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// Prints the command line, runs it, and takes any status but 0 for an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Prints the command line that is about to run.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", line(command));
}

/// Runs the command without a word and gives its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("`{}` failed: {}\n{}", line(command), output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(output.stdout)
}

/// The folder that cargo builds in.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the analyzer as users run it, and gives the path of the program.
pub(crate) fn release_analyzer() -> Result<PathBuf> {
    Ok(release_build(&[])?.join(format!("analyzer{}", env::consts::EXE_SUFFIX)))
}

/// Builds an example of the analyzer as users run the analyzer, and gives the path of the program.
pub(crate) fn release_example(name: &str) -> Result<PathBuf> {
    Ok(release_build(&["--example", name])?.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// Builds what the arguments name of the analyzer, all programs by default, and gives their folder.
fn release_build(args: &[&str]) -> Result<PathBuf> {
    let target = target();
    run(cargo().args(["build", "--release", "--package", "analyzer"]).args(args).arg("--target-dir").arg(&target))?;
    Ok(target.join("release"))
}

/// Finds a program as a shell of root would: in `PATH`, then in the folders of system programs.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Every file that git tracks or would add, relative to the root, sorted.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let listing = String::from_utf8(capture(&mut git)?).context("git lists a file whose name is not UTF-8")?;
    let mut files: Vec<PathBuf> = listing.split_terminator('\0').map(PathBuf::from).collect();
    // A file that is deleted but not yet staged is listed, and is none of our files any more.
    files.retain(|file| root().join(file).symlink_metadata().is_ok());
    files.sort();
    Ok(files)
}

/// The folders of the cases under pcaps/, sorted.
pub(crate) fn cases() -> Result<Vec<PathBuf>> {
    let pcaps = root().join("pcaps");
    let mut cases = Vec::new();
    for entry in pcaps.read_dir().with_context(|| format!("cannot list {}", pcaps.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            cases.push(entry.path());
        }
    }
    cases.sort();
    Ok(cases)
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = [program].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Writes files of cases, each given with its path under pcaps/.
///
/// # Errors
/// A folder or file cannot be written.
pub(crate) fn write_cases(files: Vec<(String, Vec<u8>)>) -> Result<()> {
    for (path, content) in files {
        let path = root().join("pcaps").join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
