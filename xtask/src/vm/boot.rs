//! A guest: qemu with a kernel, this machine's root, and a command.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::initramfs;
use super::kernel::Kernel;

/// Lines of the kernel's own words that are shown where a guest ends too early.
const LAST_WORDS: usize = 20;

/// How a guest is made.
pub(super) struct Machine {
    /// MiB of memory. What tests write is in there too.
    pub(super) memory: u32,
    /// Whether the host's processor runs it. Otherwise it is emulated.
    pub(super) kvm: bool,
    /// How long nothing may be said before the guest is taken for dead.
    pub(super) silence: Duration,
}

impl Machine {
    /// Runs the shell script `command` as root on the kernel, passes on each line that it prints, and gives its status.
    ///
    /// The guest sees this machine's root, writes to its own memory, and has no network. It ends with this process,
    /// however that ends: a Ctrl-C goes to both, and otherwise the kernel of the host kills it. Its files have no names.
    ///
    /// # Errors
    /// The guest ended without a status, or said nothing for too long.
    pub(super) fn run(&self, kernel: &Kernel, command: &str, line: impl FnMut(&str)) -> Result<u8> {
        let initramfs = Nameless::new(&initramfs::pack(kernel, command)?)?;
        let mut status = Nameless::new(&[])?;
        let console = super::folder().join(format!("console-{}-{}.log", kernel.release, process::id()));
        let mut guest = Guest(self.qemu(kernel, &initramfs, &console, &status).spawn().context("cannot start qemu")?);
        let output = guest.0.stdout.take().expect("it is piped");
        pass_on(&lines_of(output), self.silence, line)
            .with_context(|| format!("what the kernel said is in {}", console.display()))?;
        let ended = guest.0.wait().context("cannot wait for qemu")?;
        match status.read()?.trim().parse() {
            Ok(status) => {
                if status == 0 {
                    // Nobody needs it any more, and a log too many is no failure.
                    let _ = fs::remove_file(&console);
                }
                Ok(status)
            }
            Err(_) => {
                bail!(
                    "the guest ended without a status, qemu with {ended}; the kernel said last, all of it in {}:\n{}",
                    console.display(),
                    tail(&console)
                )
            }
        }
    }

    fn qemu(&self, kernel: &Kernel, initramfs: &Nameless, console: &Path, status: &Nameless) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-accel", if self.kvm { "kvm" } else { "tcg,thread=multi" }, "-cpu", "max", "-smp", "2"]);
        command.arg("-m").arg(self.memory.to_string());
        command.args(["-display", "none", "-vga", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]);
        // The kernel's words, the command's, and its status.
        command.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
        command.arg("-serial").arg(format!("file:{}", status.path().display()));
        command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(initramfs.path());
        // An emulated processor is not trusted with the time, and to ask the emulated hpet for each packet takes long. On a busy
        // machine the emulated timer comes too late for the kernel's test of it.
        command.args([
            "-append",
            "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable clocksource=tsc no_timer_check",
        ]);
        command.args(["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"]);
        command.args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=root"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// A qemu that ends with this value.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            // Nobody listens any more where this fails.
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

fn pass_on(lines: &Receiver<String>, silence: Duration, mut line: impl FnMut(&str)) -> Result<()> {
    loop {
        match lines.recv_timeout(silence) {
            Ok(text) => line(text.trim_end_matches('\r')),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => bail!("the guest said nothing for {} s", silence.as_secs()),
        }
    }
}

fn tail(file: &Path) -> String {
    let content = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}

/// A file that nobody can leave behind: it has no name but that of our open descriptor.
struct Nameless(File);

impl Nameless {
    fn new(content: &[u8]) -> Result<Self> {
        let path = env::temp_dir().join(format!("analyzer-vm-{}", process::id()));
        let opened = File::options().read(true).write(true).create_new(true).open(&path);
        let mut file = opened.with_context(|| format!("cannot make {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        file.write_all(content).with_context(|| format!("cannot write to {}", env::temp_dir().display()))?;
        Ok(Self(file))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd()))
    }

    fn read(&mut self) -> Result<String> {
        let mut text = String::new();
        self.0.rewind()?;
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameless_file_is_read_and_written_by_others() {
        let mut file = Nameless::new(b"given").unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"given");
        fs::write(file.path(), "taken").unwrap();
        assert_eq!(file.read().unwrap(), "taken");
    }

    #[test]
    fn silent_guest_is_given_up() {
        let (sender, lines) = channel();
        sender.send("word\r".to_owned()).unwrap();
        let mut heard = Vec::new();
        let error = pass_on(&lines, Duration::from_millis(1), |line| heard.push(line.to_owned())).unwrap_err();
        assert!(error.to_string().contains("said nothing"), "{error}");
        drop(sender);
        pass_on(&lines, Duration::from_secs(60), |line| heard.push(line.to_owned())).unwrap();
        assert_eq!(heard, ["word"]);
    }
}
