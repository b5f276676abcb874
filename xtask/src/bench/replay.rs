//! `cargo xtask bench replay`: how fast a capture is judged, in turns with other programs on the same file.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use super::measure::{self, Memory};
use super::scratch::Scratch;
use super::traffic::{self, Headers, Sizes, Traffic};
use crate::project;

/// Numbers of flows between which the time per packet must not grow much.
const SCALES: [u32; 3] = [1_000, 65_536, 1_000_000];

/// Arguments of `cargo xtask bench replay`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Frames of the capture.
    #[arg(long, default_value_t = 20_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Flows of the capture.
    #[arg(long, default_value_t = 65_536, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(traffic::MAX_FLOWS)))]
    flows: u32,
    /// Lengths of the frames.
    #[arg(long, value_enum, default_value_t = Sizes::Fixed)]
    sizes: Sizes,
    /// Turns; the medians are printed.
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leave out the runs with 1,000, 65,536 and 1,000,000 flows that show how the time per packet grows.
    #[arg(long)]
    no_scaling: bool,
    /// Where the captures are written. They are removed afterwards.
    #[arg(long, value_name = "DIR", default_value_os_t = env::temp_dir())]
    folder: PathBuf,
}

/// Generates, measures, prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let bench = Bench { analyzer: project::release_analyzer()?, rounds: args.rounds };
    let traffic = Traffic { frames: args.frames, flows: args.flows, sizes: args.sizes, headers: Headers::Ipv4 };
    // A tenth more than the capture: nfpcapd writes its flows beside it.
    let scratch = Scratch::new(&args.folder, traffic.bytes() + traffic.bytes() / 10)?;
    let input = Input::new(scratch.path(), traffic)?;
    bench.side_by_side(&input)?;
    if !args.no_scaling {
        drop(input);
        bench.scaling(scratch.path(), traffic)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A capture and its routes on disk, for as long as this lives.
struct Input {
    traffic: Traffic,
    capture: PathBuf,
    nexthops: PathBuf,
}

impl Input {
    /// Writes the files, and reads the capture once so that it is in the page cache.
    fn new(folder: &Path, traffic: Traffic) -> Result<Self> {
        eprintln!("generating {} frames of {} flows, {:?} sizes", traffic.frames, traffic.flows, traffic.sizes);
        let input = Self { traffic, capture: folder.join("capture.pcap"), nexthops: folder.join("nexthops.toml") };
        traffic.write_capture(&input.capture)?;
        fs::write(&input.nexthops, traffic::nexthops_toml(traffic.headers))
            .with_context(|| format!("cannot write {}", input.nexthops.display()))?;
        measure::wall(input.cat(), 0)?;
        Ok(input)
    }

    fn cat(&self) -> Command {
        let mut command = Command::new("cat");
        command.arg(&self.capture);
        command
    }

    fn tcpdump(&self) -> Command {
        let mut command = Command::new("tcpdump");
        command.arg("-r").arg(&self.capture).args(["-w", "/dev/null", "ether", "dst", traffic::DEAD]);
        command
    }

    fn nfpcapd(&self) -> Result<Command> {
        let flows = self.capture.with_file_name("nfpcapd");
        fs::create_dir_all(&flows).with_context(|| format!("cannot make {}", flows.display()))?;
        let mut command = Command::new("nfpcapd");
        command.arg("-r").arg(&self.capture).arg("-w").arg(flows);
        Ok(command)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // The scratch folder goes in any case; this makes room for the next capture.
        if let Err(error) = fs::remove_file(&self.capture) {
            eprintln!("warning: cannot remove {}: {error}", self.capture.display());
        }
    }
}

/// What is measured, and how often.
struct Bench {
    analyzer: PathBuf,
    rounds: u32,
}

/// Gives the command of one run.
type NewCommand<'a> = Box<dyn Fn() -> Result<Command> + 'a>;

/// A program that reads the capture, and the exit status that is no failure of it.
struct Contender<'a> {
    name: &'static str,
    command: NewCommand<'a>,
    status: i32,
    times: Vec<Duration>,
}

impl Bench {
    /// The analyzer's exit status is 1, because some flows are violating.
    const FOUND: i32 = 1;

    fn replay(&self, input: &Input, args: &[&str]) -> Command {
        let mut command = Command::new(&self.analyzer);
        command.args(["replay", "--format", "jsonl"]).args(args);
        command.arg("--nexthops").arg(&input.nexthops).arg(&input.capture);
        command
    }

    fn side_by_side(&self, input: &Input) -> Result<()> {
        let mut contenders = self.contenders(input);
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            for contender in &mut contenders {
                let time = measure::wall((contender.command)()?, contender.status).context(contender.name)?;
                contender.times.push(time);
            }
        }
        let bytes = fs::metadata(&input.capture)?.len();
        println!(
            "\n{} frames, {} flows, {} bytes, page-cached; medians of {}\n",
            input.traffic.frames, input.traffic.flows, bytes, self.rounds
        );
        println!(
            "{:<28} {:>9} {:>9} {:>9} {:>8} {:>10}",
            "program", "median s", "min s", "max s", "x cat", "Mframes/s"
        );
        let Some(cat) = contenders.first().map(|cat| measure::median(&cat.times)) else { bail!("there is no cat") };
        for contender in &contenders {
            let median = measure::median(&contender.times);
            let min = contender.times.iter().min().copied().unwrap_or_default();
            let max = contender.times.iter().max().copied().unwrap_or_default();
            println!(
                "{:<28} {:>9.3} {:>9.3} {:>9.3} {:>8.2} {:>10.2}",
                contender.name,
                median.as_secs_f64(),
                min.as_secs_f64(),
                max.as_secs_f64(),
                median.as_secs_f64() / cat.as_secs_f64(),
                input.traffic.frames as f64 / median.as_secs_f64() / 1e6
            );
        }
        println!("\n{:<28} {:>14} {:>14}", "memory", "anonymous MiB", "resident MiB");
        for (name, args) in [("analyzer replay", &[][..]), ("analyzer replay --threads 1", &["--threads", "1"])] {
            let Memory { resident, anonymous } = measure::memory(self.replay(input, args))?;
            println!("{name:<28} {:>14.1} {:>14.1}", mib(anonymous), mib(resident));
        }
        Ok(())
    }

    /// `cat` first: the others are told as its multiples.
    fn contenders<'a>(&'a self, input: &'a Input) -> Vec<Contender<'a>> {
        let contender = |name, status, command| Contender { name, command, status, times: Vec::new() };
        let mut contenders = vec![
            contender("cat", 0, Box::new(|| Ok(input.cat()))),
            contender("analyzer replay", Self::FOUND, Box::new(|| Ok(self.replay(input, &[])))),
            contender(
                "analyzer replay --threads 1",
                Self::FOUND,
                Box::new(|| Ok(self.replay(input, &["--threads", "1"]))),
            ),
        ];
        let others: [(_, NewCommand<'_>); 2] =
            [("tcpdump", Box::new(|| Ok(input.tcpdump()))), ("nfpcapd", Box::new(|| input.nfpcapd()))];
        for (name, command) in others {
            if project::find_program(name).is_some() {
                contenders.push(contender(name, 0, command));
            } else {
                eprintln!("{name} is not installed and is left out");
            }
        }
        contenders
    }

    fn scaling(&self, folder: &Path, traffic: Traffic) -> Result<()> {
        let mut rows = Vec::new();
        for flows in SCALES {
            let input = Input::new(folder, Traffic { flows, ..traffic })?;
            let times = (0..self.rounds).map(|_| measure::wall(self.replay(&input, &[]), Self::FOUND));
            let median = measure::median(&times.collect::<Result<Vec<_>>>()?);
            rows.push((flows, median, measure::memory(self.replay(&input, &[]))?));
        }
        println!("\n{:<28} {:>9} {:>12} {:>14}", "analyzer replay, flows", "median s", "ns/packet", "anonymous MiB");
        for (flows, median, memory) in &rows {
            let nanos = median.as_secs_f64() * 1e9 / traffic.frames as f64;
            let seconds = median.as_secs_f64();
            println!("{flows:<28} {seconds:>9.3} {nanos:>12.1} {:>14.1}", mib(memory.anonymous));
        }
        if let [few, some, many] = rows.as_slice() {
            let times = |more: Duration, fewer: Duration| more.as_secs_f64() / fewer.as_secs_f64();
            println!("{:<28} {:>9.2} x", "65,536 to 1 M flows", times(many.1, some.1));
            println!("{:<28} {:>9.2} x", "1,000 to 1 M flows", times(many.1, few.1));
        }
        Ok(())
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
