//! What a guest boots from: busybox, the modules that its root needs, and its scripts, as one archive in memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::kernel::Kernel;
use crate::project;

/// The first process.
const INIT: &str = include_str!("guest/init.sh");
/// What it becomes.
const SYSTEM: &str = include_str!("guest/system.sh");

/// Modules for a root by 9p over virtio, below an overlay.
const ROOT_MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// Packs an initramfs whose guest runs the shell script `command`.
pub(super) fn pack(kernel: &Kernel, command: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "modules", "guest", "proc", "sys", "dev", "lower", "written", "new"] {
        archive.folder(folder);
    }
    let busybox = project::find_program("busybox").context("there is no busybox")?;
    archive.file("bin/busybox", 0o755, &fs::read(&busybox)?);
    for (number, module) in modules(kernel)?.iter().enumerate() {
        let name = Path::new(module).file_stem().unwrap_or_default().to_string_lossy();
        // Numbered, as they have to be loaded in this order.
        let name = format!("modules/{number:02}_{}.ko", name.trim_end_matches(".ko"));
        archive.file(&name, 0o644, &unpacked(module)?);
    }
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("guest/system.sh", 0o644, SYSTEM.as_bytes());
    let modules = kernel.modules();
    let variables = format!("RELEASE={}\nMODULES={}\n", quoted(&kernel.release), quoted(&modules.to_string_lossy()));
    archive.file("guest/variables.sh", 0o644, variables.as_bytes());
    archive.file("guest/command.sh", 0o644, command.as_bytes());
    Ok(archive.end())
}

/// A word as a shell takes it, whatever it holds.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Files of the modules and of those that they need, in the order of loading.
fn modules(kernel: &Kernel) -> Result<Vec<String>> {
    let mut modprobe = Command::new(project::find_program("modprobe").context("there is no modprobe")?);
    modprobe.arg("--dirname").arg(kernel.folder()).args(["--set-version", &kernel.release, "--all", "--show-depends"]);
    let printed = String::from_utf8(project::capture(modprobe.args(ROOT_MODULES))?).context("paths are text")?;
    // What is built in is told too, as `builtin virtio`.
    let mut modules: Vec<String> = Vec::new();
    for file in printed.lines().filter_map(|line| line.strip_prefix("insmod ")).map(str::trim) {
        if !modules.iter().any(|module| module == file) {
            modules.push(file.to_owned());
        }
    }
    Ok(modules)
}

/// A module's content: busybox loads none that is packed.
fn unpacked(file: &str) -> Result<Vec<u8>> {
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("ko") => fs::read(file).with_context(|| format!("cannot read {file}")),
        Some("xz") => project::capture(Command::new("xz").args(["--decompress", "--stdout", file])),
        _ => bail!("{file} is packed in a way that is not known"),
    }
}

/// An archive in the form `newc` of cpio(5), which the kernel unpacks.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn folder(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[]);
    }

    fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.entry(path, 0o100_000 | permissions, content);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let len = u32::try_from(content.len()).expect("nothing here has 4 GiB");
        let name_len = u32::try_from(path.len() + 1).expect("paths are short");
        // Inode, mode, owner, group, links, time, size, device and special device in two parts each, name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, name_len, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            write!(self.bytes, "{field:08x}").expect("memory takes it");
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn shell_gets_the_word_back() {
        for word in ["plain", "two words", "it's", "$(false) `x` \\ \"", ""] {
            let script = format!("printf %s {}", quoted(word));
            let printed = project::capture(Command::new("sh").args(["-c", &script])).unwrap();
            assert_eq!(String::from_utf8(printed).unwrap(), word);
        }
    }

    /// Without cpio, which few machines have, the entries are read by hand as cpio(5) tells.
    #[test]
    fn archive_holds_what_was_put_in() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/odd", 0o755, b"12345");
        let bytes = archive.end();
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let field = |number: usize| {
                let text = std::str::from_utf8(&rest[6 + 8 * number..14 + 8 * number]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            assert_eq!(&rest[..6], b"070701");
            let (mode, len, name_len) = (field(1), field(6), field(11));
            let content = (110 + name_len).next_multiple_of(4);
            let name = String::from_utf8(rest[110..110 + name_len - 1].to_vec()).unwrap();
            entries.push((name, mode, rest[content..content + len].to_vec()));
            rest = &rest[(content + len).next_multiple_of(4)..];
        }
        let expected = [("bin", 0o040_755, &b""[..]), ("bin/odd", 0o100_755, b"12345"), ("TRAILER!!!", 0, b"")];
        assert_eq!(entries, expected.map(|(name, mode, content)| (name.to_owned(), mode, content.to_vec())));
    }

    #[test]
    fn scripts_are_shell() {
        for script in [INIT, SYSTEM] {
            let mut shell = Command::new("sh").args(["-n", "-s"]).stdin(Stdio::piped()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success());
        }
    }
}
