//! Scenarios on real OVN, one at a time. They are the tests of `tests/lab.rs`; here they tell what happens.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::ovn::{self, Found};
use crate::{needs, project};

/// Tests read it: labs are left up.
const KEEP: &str = "ANALYZER_LAB_KEEP";
/// Tests read it: the folder that the case of a scenario goes to.
const CASE: &str = "ANALYZER_LAB_CASE";
/// They read it, too: the type of the bridges.
const DATAPATH: &str = "ANALYZER_LAB_DATAPATH";
/// For `--ovn`: one after the other. For the scenario: each.
const ALL: &str = "all";
/// Where the scenarios stand in the test program.
const MODULE: &str = "scenarios::";

/// Arguments of `cargo xtask lab`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The scenario; `list` lists them, `all` plays them all.
    #[arg(default_value = "incident")]
    scenario: String,
    /// Install missing programs with apt-get (Debian).
    #[arg(long)]
    install: bool,
    /// What switches the packets.
    #[arg(long, value_enum, default_value = "userspace")]
    datapath: Datapath,
    /// The OVN that plays, each with the Open vSwitch of its Debian release: downloaded by apt into target/ovn where this
    /// machine has not installed it. [default: what is installed]
    #[arg(long, value_name = "VERSION", value_parser = ["23.03", "25.03", "26.03", ALL])]
    ovn: Option<String>,
    /// Leave everything up when the scenario is over, and say how to look around.
    #[arg(long)]
    keep: bool,
    /// Write what was seen as a case that `analyzer replay` reads: the capture, dumps, the databases.
    #[arg(long, value_name = "FOLDER")]
    case: Option<PathBuf>,
}

/// The datapath of the node.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Datapath {
    /// ovs-vswitchd itself.
    Userspace,
    /// The module openvswitch of the kernel, which not every kernel has; `cargo xtask vm` has it.
    Kernel,
}

impl Datapath {
    /// The type of its bridges.
    fn bridge_type(self) -> &'static str {
        match self {
            Self::Userspace => "netdev",
            Self::Kernel => "system",
        }
    }
}

/// Plays the scenario. Root is needed, and what [`needs::LAB`] names.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let scenarios = scenarios()?;
    if args.scenario == "list" {
        scenarios.keys().for_each(|scenario| println!("{scenario}"));
        return Ok(ExitCode::SUCCESS);
    }
    let tests: Vec<&str> = match scenarios.get(&args.scenario) {
        Some(test) => vec!["--exact", test],
        None if args.scenario == ALL => vec![MODULE],
        None => {
            let names: Vec<_> = scenarios.keys().map(String::as_str).collect();
            bail!("there is no scenario {}; there are {}", args.scenario, names.join(", "));
        }
    };
    if let Some(folder) = args.case.as_ref().filter(|folder| folder.exists()) {
        bail!("{} is there already; name a folder that is to be made", folder.display());
    }
    provide(args)?;
    let Some(ovn) = &args.ovn else {
        return Ok(if play(args, &tests, None)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    let (mut sums, mut passed_all, mut played) = (Vec::new(), true, false);
    let versions = ovn::versions().into_iter().filter(|version| ovn == version || ovn == ALL);
    // First all of them: an upgrade needs two.
    for found in versions.map(ovn::fetch).collect::<Result<Vec<_>>>()? {
        match found {
            Found::Ready(ovn) => {
                let passed = play(args, &tests, Some(ovn.version))?;
                sums.push(format!("{} on {ovn}: {}", args.scenario, if passed { "passed" } else { "FAILED" }));
                passed_all &= passed;
                played = true;
            }
            Found::Gone(why) => sums.push(why),
        }
    }
    println!("{}", sums.join("\n"));
    Ok(if passed_all && played { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sees to what a lab needs.
fn provide(args: &Args) -> Result<()> {
    let missing = match args.ovn {
        Some(_) => needs::missing(&[needs::LAB, needs::ARCHIVE]),
        None => needs::missing(&[needs::LAB]),
    };
    if missing.is_empty() {
        return Ok(());
    }
    if !args.install {
        needs::report(&missing);
        bail!("a lab cannot be made without");
    }
    needs::install(&missing)
}

/// Plays tests on a version of OVN, or on what is installed. Returns whether they passed.
fn play(args: &Args, tests: &[&str], version: Option<&str>) -> Result<bool> {
    let mut command = test_program();
    command.args(tests).arg("--nocapture").env(DATAPATH, args.datapath.bridge_type());
    if let Some(version) = version {
        command.env(ovn::VARIABLE, version);
    }
    if args.keep {
        command.env(KEEP, "1");
    }
    if let Some(folder) = &args.case {
        command.env(CASE, std::path::absolute(folder)?);
    }
    // What it lacks is an error: nobody asked for anything else.
    command.env_remove("ANALYZER_TEST_MISSING");
    project::announce(&command);
    Ok(command.status().context("cannot start cargo")?.success())
}

/// `cargo test` on the scenarios.
pub(crate) fn test_program() -> Command {
    let mut command = project::cargo();
    command.args(["test", "--package", "analyzer", "--test", "lab", "--"]);
    command
}

/// The scenarios by name, and their tests, from the test program itself.
pub(crate) fn scenarios() -> Result<BTreeMap<String, String>> {
    let listing = project::capture(test_program().arg("--list"))?;
    let listing = String::from_utf8(listing).context("names of tests are text")?;
    let tests = listing.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests = tests.filter(|test| test.starts_with(MODULE));
    Ok(tests.map(|test| (test.rsplit("::").next().unwrap_or(test).to_owned(), test.to_owned())).collect())
}
