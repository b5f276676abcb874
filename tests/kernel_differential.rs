//! The kernel of a simulated node against the real one: the same frames, the same sets, and both must have counted the
//! same.

#[path = "kernel_differential/frames.rs"]
mod frames;
#[path = "simulation/kernel/mod.rs"]
mod kernel;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/numbers.rs"]
mod numbers;
#[path = "kernel_differential/real.rs"]
mod real;
#[path = "kernel_differential/sets.rs"]
mod sets;

use std::fmt::Debug;
use std::hash::Hash;

use analyzer::bpf::counted::{Counted, Event, Key};
use analyzer::bpf::sizes::Sizes;
use analyzer::daemon::packets::Packets;
use analyzer::types::MacAddr;
use analyzer_ebpf::maps::{Counter, FlowCounts};
use hashbrown::HashMap;

use frames::{Dice, frame};
use kernel::{Kernel, Rates};
use real::{Hook, LOOPBACK, Real};
use sets::{Set, next_set};

const FRAMES: usize = 100_000;
const FRAMES_OF_A_SET: usize = 400;
/// Sets after which all is compared that is not taken away meanwhile, and so grows.
const SETS_OF_A_CHAPTER: usize = 25;
const NIC: u8 = 7;

/// Small where a full map is part of what is compared; large where the kernel forgets other keys than the least used.
const SIZES: Sizes = Sizes {
    hosts: 64,
    prefixes: 64,
    outcomes: 2048,
    nexthops: 16,
    suspects: 100,
    reserve: 600,
    samples: 131_072,
    requests: 131_072,
    heard: 4096,
    nics: 4,
    event_bytes: 4096,
};

/// The real kernel and the simulated one.
struct Both {
    real: Real,
    simulated: Kernel,
    now_ns: u64,
}

#[test]
fn both_kernels_count_the_same() {
    netns::run(|| {
        let dice = &mut Dice::new(1);
        let mut both = Both::new()?;
        let mut set = None;
        for number in 0..FRAMES / FRAMES_OF_A_SET {
            both.change_set(dice, &mut set);
            let sample_every = u32::from(dice.one_in(2));
            // Without limit, or nothing but it: what a limit lets through depends on the clock.
            let events_per_second = if dice.one_in(8) { 0 } else { 1_000_000_000 };
            both.set_rates(Rates { sample_every, events_per_second });
            for sent in 0..FRAMES_OF_A_SET {
                both.send(dice);
                if let Some(set) = &mut set
                    && sent % 100 == 99
                {
                    both.learn(dice, set);
                }
            }
            let context = format!("after set {number}");
            both.compare_counts(&context);
            both.compare_events(&context);
            if number % SETS_OF_A_CHAPTER == SETS_OF_A_CHAPTER - 1 {
                both.compare_grown(&context);
            }
            if dice.one_in(20) {
                both.remove_suspects(dice, &context);
            }
        }
        both.assert_all_was_met();
        Ok(())
    });
}

impl Both {
    fn new() -> Result<Self, netns::Missing> {
        let simulated = Kernel::new(&SIZES, Rates { sample_every: 0, events_per_second: 0 }, 1);
        simulated.set_nic(LOOPBACK, NIC);
        Ok(Self { real: Real::new(&SIZES, NIC)?, simulated, now_ns: 1_000_000_000 })
    }

    fn set_rates(&mut self, rates: Rates) {
        self.real.table.set_rates(rates.sample_every, rates.events_per_second).expect("the real one takes it");
        self.simulated.set_rates(rates);
    }

    /// Brings the next set into force, or none.
    fn change_set(&mut self, dice: &mut Dice, present: &mut Option<Set>) {
        if dice.one_in(20) {
            self.real.table.unload().expect("the real one takes it");
            self.simulated.unload().expect("the simulated one takes it");
            *present = None;
            return;
        }
        let next = next_set(dice);
        let real = self.real.table.install(&next.classes, next.outcomes.clone(), &next.legal_macs);
        let simulated = self.simulated.install(&next.classes, next.outcomes.clone(), &next.legal_macs);
        match (real, simulated) {
            (Ok(real), Ok(simulated)) => {
                assert_eq!(real, simulated, "generations");
                *present = Some(next);
            }
            (real, simulated) => {
                let (real, simulated) = (real.map_err(|error| error.to_string()), simulated.map_err(|error| error.0));
                assert_eq!(real, simulated);
            }
        }
        let in_use = |uses: Vec<analyzer::bpf::counted::MapUse>| -> Vec<_> {
            uses.into_iter().take(8).map(|map| (map.name, map.entries, map.max_entries)).collect()
        };
        assert_eq!(in_use(self.real.table.map_uses()), in_use(self.simulated.map_uses()));
    }

    /// Adds an outcome to the set in force.
    fn learn(&mut self, dice: &mut Dice, set: &mut Set) {
        let Some((combination, outcome)) = set.learn(dice) else { return };
        let generation = self.real.table.generation();
        let real = self.real.table.add_outcome(generation, &combination, outcome).map(drop);
        let simulated = self.simulated.add_outcome(&combination, outcome);
        assert_eq!(real.map_err(|error| error.to_string()), simulated.map_err(|error| error.0));
    }

    fn send(&mut self, dice: &mut Dice) {
        let frame = frame(dice);
        let hook = [Hook::Egress, Hook::Egress, Hook::Mirror, Hook::Ingress][dice.below(4)];
        let len = frame.len() as u64;
        self.now_ns += 1000;
        self.simulated.set_clock(self.now_ns);
        match hook {
            Hook::Egress => self.simulated.egress(LOOPBACK, &frame, 1, len),
            Hook::Mirror => self.simulated.mirror(LOOPBACK, &frame, 1, len),
            Hook::Ingress => self.simulated.ingress(LOOPBACK, &frame, 1, len),
        }
        self.real.run(hook, &frame);
    }

    /// Counters, next hops and suspects.
    fn compare_counts(&self, context: &str) {
        let readings = &self.real.readings;
        let (real, simulated) = (readings.counters().unwrap(), self.simulated.counters().unwrap());
        let differing = (0..).zip(real.iter().zip(&simulated)).find(|(_, (real, simulated))| real != simulated);
        assert_eq!(differing, None::<(usize, _)>, "{context}: a counter");
        assert_eq!(readings.nexthops(99).unwrap(), self.simulated.nexthops(99).unwrap(), "{context}: next hops");
        let (real, simulated) = (readings.suspects().unwrap(), self.simulated.suspects().unwrap());
        assert_same(counts(&real), counts(&simulated), &format!("{context}: suspects"));
    }

    /// Events, in their order.
    fn compare_events(&mut self, context: &str) {
        let simulated = self.simulated.take_events(usize::MAX);
        let real = self.real.events(simulated.len());
        let told = |events: &[Event]| -> Vec<_> {
            let told = |event: &Event| match event {
                Event::Suspect { key, .. } => Ok(*key),
                Event::Heard(heard) => Err((heard.ip, heard.mac)),
            };
            events.iter().map(told).collect()
        };
        assert_eq!(told(&real), told(&simulated), "{context}: events");
    }

    /// Samples, what came in, and who was heard.
    fn compare_grown(&self, context: &str) {
        let readings = &self.real.readings;
        let (real, simulated) = (readings.samples().unwrap(), self.simulated.samples().unwrap());
        assert_same(counts(&real), counts(&simulated), &format!("{context}: samples"));
        let [real, simulated] = [readings.requests().unwrap(), self.simulated.requests().unwrap()].map(|requests| {
            let requests = requests.into_iter();
            requests.map(|request| ((request.tuple, request.eth_src), told(&request.counts))).collect()
        });
        assert_same(real, simulated, &format!("{context}: requests"));
        let [real, simulated] = [readings.heard().unwrap(), self.simulated.heard().unwrap()].map(|heard| {
            heard.into_iter().map(|heard| ((heard.ip, heard.mac), heard.first_ns == heard.last_ns)).collect()
        });
        assert_same(real, simulated, &format!("{context}: neighbours"));
    }

    /// Takes about half of the suspects away, and sets the reserve right.
    fn remove_suspects(&mut self, dice: &mut Dice, context: &str) {
        let real: HashMap<Key, Counted> =
            self.real.readings.suspects().unwrap().into_iter().map(|counted| (counted.key, counted)).collect();
        let mut suspects = self.simulated.suspects().unwrap();
        suspects.retain(|_| dice.one_in(2));
        let of_real: Vec<Counted> = suspects.iter().map(|counted| real[&counted.key]).collect();
        let (removed, result) = self.real.readings.remove(&of_real);
        result.unwrap();
        let (removed_too, result) = self.simulated.remove(&suspects);
        result.unwrap();
        assert_same(counts(&removed), counts(&removed_too), &format!("{context}: removed"));
        let mut held = HashMap::<MacAddr, u64>::new();
        for left in self.simulated.suspects().unwrap().iter().filter(|counted| counted.key.is_in_reserve()) {
            *held.entry(left.key.eth_dst()).or_default() += 1;
        }
        self.real.readings.clear_reserve(&held).unwrap();
        self.simulated.clear_reserve(&held).unwrap();
    }

    /// The frames and sets were such that all ways were gone.
    fn assert_all_was_met(&self) {
        // Those maps that forget are never full.
        const NEVER: [u32; 3] = [Counter::SamplesFull as u32, Counter::RequestsFull as u32, Counter::HeardFull as u32];
        let counters = self.simulated.counters().unwrap();
        println!("{:?}", counters.map(|count| count.packets));
        for (index, count) in (0..).zip(counters) {
            assert!(count.packets > 0 || NEVER.contains(&index), "the counter {index} counted nothing");
        }
        assert!(self.simulated.nexthops(16).unwrap().iter().all(|count| count.packets > 0));
    }
}

/// Packets and bytes, and whether there was one packet, by the times. Those are of different clocks.
type Told = (u64, u64, bool);

fn told(counts: &FlowCounts) -> Told {
    (counts.packets, counts.bytes, counts.first_ns == counts.last_ns)
}

fn counts(all: &[Counted]) -> HashMap<Key, Told> {
    all.iter().map(|Counted { key, counts }| (*key, told(counts))).collect()
}

/// Compares, and shows no more than what differs.
fn assert_same<K: Eq + Hash + Debug, V: PartialEq + Debug>(
    real: HashMap<K, V>,
    simulated: HashMap<K, V>,
    context: &str,
) {
    for (key, value) in &real {
        assert_eq!(Some(value), simulated.get(key), "{context}: {key:02x?}");
    }
    for (key, value) in &simulated {
        assert_eq!(real.get(key), Some(value), "{context}: {key:02x?}");
    }
}
