//! Coverage-guided fuzzing of every parser that reads foreign bytes.
//!
//! The targets are libFuzzer programs under fuzz/, laid out as `cargo fuzz` expects them. They are built here without
//! it, because what it adds by default, the address sanitizer, asks for a nightly compiler; the coverage that libFuzzer
//! steers by does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::project;

/// What `cargo fuzz` gives to LLVM, the sanitizer left out.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// A fuzz target, and what it starts from beside its own seeds: every file of the project with one of these in its path.
struct Target {
    name: &'static str,
    samples: &'static [&'static str],
}

/// Every target, by the name of its file in fuzz/fuzz_targets. Seeds of its own lie in fuzz/seeds/NAME.
const TARGETS: &[Target] = &[
    Target { name: "conntrack_text", samples: &["/conntrack.txt", "/conntrack-m.txt"] },
    Target { name: "ctnetlink", samples: &[] },
    Target { name: "header", samples: &[] },
    Target { name: "lr_route_list", samples: &["/lr-route-list.txt"] },
    Target { name: "mac_owners", samples: &[] },
    Target { name: "nexthops_toml", samples: &[] },
    Target { name: "ovsdb_file", samples: &[".db"] },
    Target { name: "ovsdb_records", samples: &[] },
    Target { name: "ovsdb_session", samples: &[] },
    Target {
        name: "ovsdb_text",
        samples: &["/mac_binding.txt", "/static_routes.txt", "/datapath_binding.txt", "/port_binding"],
    },
    Target { name: "packed", samples: &[] },
    Target { name: "pcap", samples: &[".pcap"] },
    Target { name: "pcapng", samples: &[] },
    Target { name: "rtnetlink", samples: &[] },
    Target { name: "tcpdump_text", samples: &["/capture.txt"] },
    Target { name: "ticket", samples: &["/ticket.md"] },
    Target { name: "zones", samples: &["/ct-zones.txt", "/ct-zone-list.txt"] },
];

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to feed each target.
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// Targets; all by default.
    targets: Vec<String>,
}

/// Feeds the targets one after the other, and keeps in fuzz/corpus what reached new code.
///
/// # Errors
/// A target is unknown, does not build, or fails on an input, which is then kept in fuzz/artifacts.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    for name in &args.targets {
        if !TARGETS.iter().any(|target| target.name == name) {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            bail!("there is no fuzz target {name}; there are {}", names.join(", "));
        }
    }
    let programs = build("release")?;
    for target in
        TARGETS.iter().filter(|target| args.targets.is_empty() || args.targets.iter().any(|it| it == target.name))
    {
        let corpus = folder("corpus", target)?;
        feed(&programs, target, &corpus, &[format!("-max_total_time={}", args.seconds)])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that the targets are formatted as the rest is.
pub(crate) fn check_format() -> Result<()> {
    let manifest = home().join("Cargo.toml");
    project::run(project::cargo().args(["fmt", "--check", "--manifest-path"]).arg(manifest))
}

/// Builds every target and feeds it its seeds and a few thousand mutations of them, the same ones in every run.
pub(crate) fn smoke() -> Result<()> {
    let programs = build("smoke")?;
    for target in TARGETS {
        let corpus = folder("target/smoke", target)?;
        // An upper bound in time too: a slow machine does fewer.
        feed(&programs, target, &corpus, &["-seed=1", "-runs=20000", "-max_total_time=4"].map(String::from))?;
        fs::remove_dir_all(&corpus).with_context(|| format!("cannot remove {}", corpus.display()))?;
    }
    Ok(())
}

/// Builds all targets by a profile, and gives the folder of the programs.
fn build(profile: &str) -> Result<PathBuf> {
    // With a target given, build scripts and macros, which run on the host, are not instrumented.
    let host = host()?;
    let target_dir = home().join("target");
    let mut command = project::cargo();
    command.args(["build", "--profile", profile, "--manifest-path"]).arg(home().join("Cargo.toml"));
    command.args(["--target", &host, "--target-dir"]).arg(&target_dir);
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", COVERAGE.join(" "));
    project::run(&mut command).context("libFuzzer is C++ and needs g++: apt-get install g++")?;
    Ok(target_dir.join(host).join(profile))
}

/// Runs one target. libFuzzer adds what it finds to `corpus`, and only reads the seeds.
fn feed(programs: &Path, target: &Target, corpus: &Path, limits: &[String]) -> Result<()> {
    let artifacts = folder("artifacts", target)?;
    copy_samples(target, corpus)?;
    let mut command = Command::new(programs.join(target.name));
    command.current_dir(project::root()).arg(corpus);
    let seeds = home().join("seeds").join(target.name);
    if seeds.exists() {
        command.arg(seeds);
    }
    command.args(limits).args([
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-verbosity=0",
        "-print_funcs=0",
        "-print_final_stats=1",
    ]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    project::run(&mut command).with_context(|| {
        format!(
            "target {}: the input that fails is in {}; mend it and add it to fuzz/seeds",
            target.name,
            artifacts.display()
        )
    })
}

/// Brings the project's files that suit a target into its corpus.
fn copy_samples(target: &Target, corpus: &Path) -> Result<()> {
    for file in project::files()? {
        let path = file.to_string_lossy();
        if target.samples.iter().any(|part| path.contains(part)) {
            let copy = corpus.join(path.replace('/', "-"));
            fs::copy(project::root().join(&file), &copy)
                .with_context(|| format!("cannot copy {path} to {}", copy.display()))?;
        }
    }
    Ok(())
}

/// Makes and gives a folder of a target's own.
fn folder(purpose: &str, target: &Target) -> Result<PathBuf> {
    let folder = home().join(purpose).join(target.name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn home() -> PathBuf {
    project::root().join("fuzz")
}

/// The host's target triple, as rustc names it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = String::from_utf8(project::capture(Command::new(rustc).arg("-vV"))?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).with_context(|| format!("`rustc -vV` names no host:\n{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_run() {
        let mut files: Vec<_> = home()
            .join("fuzz_targets")
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
        let manifest = fs::read_to_string(home().join("Cargo.toml")).unwrap();
        let built: Vec<_> = manifest.lines().filter(|line| line.starts_with("path = \"fuzz_targets/")).collect();
        assert_eq!(built.len(), names.len());
        for name in names {
            assert!(built.contains(&format!("path = \"fuzz_targets/{name}.rs\"").as_str()), "{name}");
        }
    }

    #[test]
    fn every_target_has_something_to_start_from() {
        let files = project::files().unwrap();
        for target in TARGETS {
            let seeds = Path::new("fuzz/seeds").join(target.name);
            let has_seeds = files.iter().any(|file| file.starts_with(&seeds));
            let has = |part: &str| files.iter().any(|file| file.to_string_lossy().contains(part));
            assert!(has_seeds || !target.samples.is_empty(), "{}", target.name);
            assert!(target.samples.iter().all(|part| has(part)), "{}: {:?}", target.name, target.samples);
        }
    }
}
