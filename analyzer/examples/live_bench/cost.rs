//! ns a packet, as the kernel counts them (`BPF_ENABLE_STATS`), of an empty program at the egress of `e0` and of ours at
//! that of `s0`. Both are sent the same packets in turns.

use std::collections::BTreeSet;
use std::io::Write;

use analyzer::bpf::attach::{AttachOptions, Ingress};
use analyzer::bpf::programs::Parts;
use analyzer_ebpf::maps::{Counter, program};
use anyhow::{Context, Result, bail, ensure};
use aya::programs::links::LinkOrder;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};
use aya::sys::{Stats, enable_stats};
use aya::{Ebpf, EbpfLoader};

use crate::object;
use crate::sender::{NON_LINEAR, Sender};
use crate::set::{self, Set};
use crate::traffic::{Addresses, Random, Traffic, Violating};

/// Packets to one program before the other has its turn.
const TURN: usize = 16_384;

/// What is measured.
struct Case {
    name: &'static str,
    traffic: Traffic,
    sample_every: u32,
    /// Whether each packet is the first of its flow.
    is_first: bool,
}

fn cases() -> Vec<Case> {
    let some = Traffic::new(65_536);
    let violating = |violating| Traffic { violating, ..some };
    let case = |name, traffic| Case { name, traffic, sample_every: 64, is_first: false };
    vec![
        case("all legal, 1,000 flows", Traffic::new(1000)),
        case("all legal, 65,536 flows", some),
        case("all legal, 1,000,000 flows", Traffic::new(1_000_000)),
        Case { sample_every: 0, ..case("all legal, 65,536 flows, no samples", some) },
        case("all legal, 20,000 host routes", Traffic { pods: 20_000, ..some }),
        case("all legal, 64 routes by prefix", Traffic { addresses: Addresses::Prefixes, ..some }),
        case("all legal, linear part of 14 bytes", Traffic { frame_len: NON_LINEAR, ..some }),
        case("all legal, IPv6", Traffic { addresses: Addresses::Hosts6, frame_len: 114, ..some }),
        case("1 % violating, 65,536 flows", violating(Violating::OneInHundred)),
        case("all violating, 1,000 flows", Traffic { flows: 1000, ..violating(Violating::All) }),
        case("all violating, 65,536 flows", violating(Violating::All)),
        Case { is_first: true, ..case("all violating, each the first of its flow", violating(Violating::All)) },
        case("all violating, 1,000,000 flows, map full", Traffic { flows: 1_000_000, ..violating(Violating::All) }),
        case("all violating, linear part of 14 bytes", Traffic { frame_len: NON_LINEAR, ..violating(Violating::All) }),
        case(
            "all violating, IPv6",
            Traffic { addresses: Addresses::Hosts6, frame_len: 114, ..violating(Violating::All) },
        ),
    ]
}

pub(crate) fn run(rounds: u32, packets: u32) -> Result<()> {
    let _stats = enable_stats(Stats::RunTime).context("run times of programs take CAP_SYS_ADMIN")?;
    let mut bench = Bench { empty: Empty::attach()?, to_empty: Sender::new("e0")?, to_ours: Sender::new("s0")? };
    for case in cases() {
        bench.case(&case, rounds, packets).context(case.name)?;
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// The empty program, attached as long as this lives.
struct Empty {
    _object: Ebpf,
    id: u32,
}

impl Empty {
    fn attach() -> Result<Self> {
        let mut object = EbpfLoader::new().btf(None).load(&object::new(object::Program::Classifier))?;
        let program: &mut SchedClassifier =
            object.program_mut(object::NAME).context("the program is not in its object")?.try_into()?;
        program.load()?;
        let id = program.info()?.id();
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        program.attach_with_options("e0", TcAttachType::Egress, options).context("TCX takes Linux 6.6")?;
        Ok(Self { _object: object, id })
    }
}

struct Bench {
    empty: Empty,
    to_empty: Sender,
    to_ours: Sender,
}

impl Bench {
    fn case(&mut self, case: &Case, rounds: u32, packets: u32) -> Result<()> {
        let traffic = &case.traffic;
        let set = Set::new(traffic);
        let mut parts = set::loaded(case.sample_every)?;
        set.install(&mut parts)?;
        let options = AttachOptions { ingress: Ingress::Nowhere, ..AttachOptions::default() };
        let _attachment = parts.programs.attach(&set::nic("s0")?, &options)?;
        let ids = Ids { empty: self.empty.id, ours: egress(&parts)? };
        let all: Vec<u32> = (0..traffic.flows).collect();
        if !case.is_first {
            // So that the maps are full and the caches warm.
            self.send(traffic, &all)?;
        }
        let mut random = Random::new();
        for _ in 0..rounds {
            let flows: Vec<u32> = match case.is_first {
                true => {
                    // Another generation, other keys.
                    set.install(&mut parts)?;
                    remove_suspects(&parts)?;
                    shuffled(all.clone(), &mut random)
                }
                false => (0..packets).map(|_| random.below(traffic.flows)).collect(),
            };
            let before = ids.run_times()?;
            self.send(traffic, &flows)?;
            let after = ids.run_times()?;
            let per_packet = |before: RunTime, after: RunTime| -> Result<f64> {
                let runs = after.runs - before.runs;
                ensure!(runs == flows.len() as u64, "{runs} runs of a program for {} packets", flows.len());
                Ok((after.ns - before.ns) as f64 / runs as f64)
            };
            let [empty, ours] = [per_packet(before[0], after[0])?, per_packet(before[1], after[1])?];
            println!("cost\t{}\t{empty:.2}\t{ours:.2}", case.name);
        }
        check(&parts, traffic)
    }

    fn send(&mut self, traffic: &Traffic, flows: &[u32]) -> Result<()> {
        for flows in flows.chunks(TURN) {
            self.to_empty.send(traffic, flows)?;
            self.to_ours.send(traffic, flows)?;
        }
        Ok(())
    }
}

struct Ids {
    empty: u32,
    ours: u32,
}

#[derive(Clone, Copy, Default)]
struct RunTime {
    ns: u64,
    runs: u64,
}

impl Ids {
    fn run_times(&self) -> Result<[RunTime; 2]> {
        let mut times = [None; 2];
        for program in loaded_programs() {
            // Others may be unloaded while we look.
            let Ok(program) = program else { continue };
            let time = RunTime { ns: program.run_time().as_nanos() as u64, runs: program.run_count() };
            for (id, place) in [self.empty, self.ours].into_iter().zip(&mut times) {
                if program.id() == id {
                    *place = Some(time);
                }
            }
        }
        match times {
            [Some(empty), Some(ours)] => Ok([empty, ours]),
            _ => bail!("the programs are not loaded any more"),
        }
    }
}

/// Id of our program for the egress hook.
fn egress(parts: &Parts) -> Result<u32> {
    let ids: BTreeSet<u32> = parts.programs.ids().into_iter().collect();
    let mut ours = loaded_programs().flatten().filter(|program| ids.contains(&program.id()));
    let egress = ours.find(|program| program.name_as_str() == Some(program::EGRESS));
    Ok(egress.context("the egress program is not loaded")?.id())
}

/// Whether our program took the packets for what they are.
fn check(parts: &Parts, traffic: &Traffic) -> Result<()> {
    let counters = parts.readings.counters()?;
    let of = |counter: Counter| counters[counter as usize].packets;
    let suspect = of(Counter::Suspect) + of(Counter::SuspectsFull);
    let (seen, conforming) = (of(Counter::Seen), of(Counter::Conforming));
    let is_right = seen == conforming + suspect
        && match traffic.violating {
            Violating::None => suspect == 0,
            Violating::OneInHundred => (seen / 110..seen / 90).contains(&suspect),
            Violating::All | Violating::Apart => conforming == 0,
        };
    ensure!(is_right, "of {seen} packets {conforming} were taken for conforming and {suspect} for suspect");
    Ok(())
}

fn remove_suspects(parts: &Parts) -> Result<()> {
    Ok(parts.readings.remove(&parts.readings.suspects()?).1?)
}

/// Durstenfeld's shuffle.
fn shuffled(mut flows: Vec<u32>, random: &mut Random) -> Vec<u32> {
    for last in (1..flows.len()).rev() {
        flows.swap(last, random.below(last as u32 + 1) as usize);
    }
    flows
}
