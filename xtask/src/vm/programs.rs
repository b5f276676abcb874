//! The test programs that need a kernel: built here, run in the guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::initramfs::quoted;
use crate::project;

/// Their names, and what each gets into its environment. The modules of the kernel are all there, so that the lab runs
/// on the datapath of the kernel. One scenario at a time: what OVN forgets after 30 s is not to wait for another.
const PROGRAMS: [(&str, &str); 10] = [
    ("kernel_parser", ""),
    ("kernel_attach", ""),
    ("rtnetlink_kernel", ""),
    ("conntrack_kernel", ""),
    ("conntrack_differential", ""),
    ("remedy_kernel", ""),
    ("repair_kernel", ""),
    ("doctor", ""),
    ("live_kernel", ""),
    ("lab", "ANALYZER_LAB_DATAPATH=system RUST_TEST_THREADS=1"),
];

/// A test that is left out.
struct LeftOut {
    /// `program::module::name`.
    test: &'static str,
    /// On kernels before this one; on all where there is none.
    before: Option<Version>,
    reason: &'static str,
}

/// Major and minor number of a kernel.
type Version = (u32, u32);

/// Tests that are left out, and why.
const LEFT_OUT: [LeftOut; 6] = [
    LeftOut { test: "live_kernel::alerts::fifty_thousand_flows_are_few_messages", before: None, reason: STORM },
    LeftOut { test: "live_kernel::capacity::sixty_five_thousand_flows", before: None, reason: STORM },
    LeftOut { test: "conntrack_differential::userspace::every_entry_of_every_zone", before: None, reason: EXPIRED },
    LeftOut { test: "remedy_kernel::userspace", before: None, reason: EXPIRED },
    LeftOut { test: "repair_kernel::userspace::one_of_several_entries_goes", before: None, reason: EXPIRED },
    LeftOut {
        test: "kernel_attach::links_of_others_stay_and_ours_has_the_turn_asked_for",
        before: Some((6, 6)),
        reason: "the kernel has no TCX",
    },
];

/// Why tests of tens of thousands of findings are left out.
const STORM: &str = "too slow under emulation: so many findings take longer than a test waits";

/// Why tests of the userspace datapath, which have nothing to ask of the kernel, are left out.
const EXPIRED: &str =
    "too slow under emulation: half-open connections of ovs-vswitchd end after 30 s, before their turn comes";

/// How much longer tests wait for something than on a machine of their own.
const PATIENCE: u32 = 5;
/// Seconds that a program may take.
const PROGRAM_SECONDS: u32 = 3600;

/// A test program and those of its tests that are to run.
pub(super) struct Program {
    name: &'static str,
    variables: &'static str,
    path: PathBuf,
    tests: Vec<String>,
}

/// Builds the programs, and chooses the tests whose `program::module::name` contains one of the filters.
///
/// # Errors
/// They cannot be built, or no test is chosen.
pub(super) fn build(filters: &[String]) -> Result<Vec<Program>> {
    let mut command = project::cargo();
    command.args(["test", "--package", "analyzer", "--no-run", "--message-format", "json-render-diagnostics"]);
    // They are built once, and run long where all is emulated.
    command.args(["--config", "profile.dev.package.analyzer.opt-level=1"]);
    for (name, _) in PROGRAMS {
        command.args(["--test", name]);
    }
    project::announce(&command);
    let messages = String::from_utf8(project::capture(command.stderr(std::process::Stdio::inherit()))?)
        .context("cargo prints JSON")?;
    let mut programs = Vec::new();
    for (name, variables) in PROGRAMS {
        let path = executable(&messages, name).with_context(|| format!("cargo built no test program {name}"))?;
        let mut program = Program { name, variables, path, tests: Vec::new() };
        program.choose(filters)?;
        if !program.tests.is_empty() {
            programs.push(program);
        }
    }
    if programs.is_empty() {
        bail!("no test that needs a kernel has a name with {}", filters.join(" or "));
    }
    Ok(programs)
}

/// The tests that are not run on the kernel though they were asked for, and why.
pub(super) fn left_out(programs: &[Program], kernel: Version) -> Vec<(String, &'static str)> {
    let tests = programs.iter().flat_map(|program| program.tests.iter().map(|test| program.named(test)));
    tests.filter_map(|test| reason(&test, kernel).map(|reason| (test, reason))).collect()
}

/// Why the test, `program::module::name`, is left out on the kernel, if it is.
fn reason(test: &str, kernel: Version) -> Option<&'static str> {
    let is_meant = |out: &&LeftOut| out.test == test && out.before.is_none_or(|before| kernel < before);
    LEFT_OUT.iter().find(is_meant).map(|out| out.reason)
}

/// The script that runs the programs on the kernel, and fails if one does. `None` where all their tests are left out.
pub(super) fn script(programs: &[Program], kernel: Version) -> Option<String> {
    let mut script = format!(
        "cd {}\nexport ANALYZER_TEST_PATIENCE={PATIENCE}\nstatus=0\n",
        // Where cargo runs tests.
        quoted(&project::root().join("analyzer").to_string_lossy())
    );
    let mut is_empty = true;
    for program in programs {
        let Program { name, variables, path, tests } = program;
        let tests = tests.iter().filter(|test| reason(&program.named(test), kernel).is_none());
        let tests: Vec<String> = tests.map(|test| quoted(test)).collect();
        if tests.is_empty() {
            continue;
        }
        is_empty = false;
        script.push_str(&format!(
            "echo; echo {name}\nenv {variables} timeout --kill-after=10 {PROGRAM_SECONDS} {} --show-output --exact {}\n",
            quoted(&path.to_string_lossy()),
            tests.join(" ")
        ));
        // A program that was killed has printed no result.
        script.push_str(&format!(
            "ended=$?\ncase $ended in\n0) ;;\n101) status=1 ;;\n*) status=1; echo \"{name} ended with status $ended\"\n\
             echo 'test result: FAILED. 0 passed; 1 failed' ;;\nesac\n"
        ));
    }
    script.push_str("exit $status\n");
    (!is_empty).then_some(script)
}

impl Program {
    /// `program::module::name`.
    fn named(&self, test: &str) -> String {
        format!("{}::{test}", self.name)
    }

    fn choose(&mut self, filters: &[String]) -> Result<()> {
        let listing = project::capture(Command::new(&self.path).arg("--list"))?;
        let listing = String::from_utf8(listing).context("names of tests are text")?;
        let own: Vec<String> =
            listing.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
        let prefix = format!("{}::", self.name);
        let mut left_out = LEFT_OUT.iter().filter_map(|out| out.test.strip_prefix(&prefix));
        if let Some(gone) = left_out.find(|name| own.iter().all(|test| test != name)) {
            bail!("{prefix}{gone} is to be left out, and there is no such test");
        }
        let is_asked_for = |test: &String| {
            filters.is_empty() || filters.iter().any(|filter| format!("{prefix}{test}").contains(filter.as_str()))
        };
        self.tests = own.into_iter().filter(is_asked_for).collect();
        Ok(())
    }
}

/// The path of a test program, from what cargo tells of all that it built.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut artifacts = messages.filter(|message| {
        message["target"]["name"] == name && message["target"]["kind"][0] == "test" && message["executable"].is_string()
    });
    artifacts.next().and_then(|artifact| artifact["executable"].as_str().map(|path| Path::new(path).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_is_that_of_the_test() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"doctor"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"doctor"},"executable":"/t/doctor"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"doctor"},"executable":"/t/doctor-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "doctor"), Some(PathBuf::from("/t/doctor-1")));
        assert_eq!(executable(messages, "lab"), None);
    }

    #[test]
    fn tests_of_newer_kernels_are_left_out_on_older_ones() {
        let test = "kernel_attach::links_of_others_stay_and_ours_has_the_turn_asked_for";
        assert!(reason(test, (5, 10)).is_some() && reason(test, (6, 1)).is_some());
        assert_eq!(reason(test, (6, 12)), None);
    }

    #[test]
    fn script_runs_the_tests_and_tells_of_killed_programs() {
        let program = |path: &str| Program {
            name: "remedy_kernel",
            variables: "COLOUR=red",
            path: PathBuf::from(path),
            tests: vec!["a::b".to_owned(), "userspace".to_owned()],
        };
        assert_eq!(left_out(&[program("")], (6, 12)).len(), 1);
        let none = Program { tests: vec!["userspace".to_owned()], ..program("") };
        assert_eq!(script(&[none], (6, 12)), None);
        let run = |path: &str| {
            let output = Command::new("sh").arg("-c").arg(script(&[program(path)], (6, 12)).unwrap()).output().unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
        };
        let (status, said) = run("/bin/echo");
        assert_eq!((status, said.as_str()), (0, "\nremedy_kernel\n--show-output --exact a::b\n"));
        let (status, said) = run("/no/such/program");
        assert_eq!(status, 1);
        assert!(said.contains("remedy_kernel ended with status 127") && said.contains("1 failed"), "{said}");
    }
}
