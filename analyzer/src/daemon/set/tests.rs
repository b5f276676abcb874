//! A generation's packets, judged live and in replay.

use std::time::Duration;

use analyzer_ebpf::abi::{Direction, LinkTags};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::engine::settings::Settings;
use crate::engine::verdict::{Info, Violating};
use crate::ovn::nexthops_toml;

/// Milliseconds.
const WINDOW: u64 = 10_000;

const POD: &str = "udp 10.244.0.5:4000 -> 198.51.100.7:53";
/// Gateway router, and a live router that is no next hop.
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x0a]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 1, 3]);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + millis)
}

/// Packets of the flow to the router, or its requests from there, at these times.
fn seen(direction: Direction, times: &[u64]) -> Option<Observation> {
    let tuple = POD.parse::<crate::types::Tuple>().unwrap();
    let (tuple, eth_src, eth_dst) = match direction {
        Direction::Inbound => (tuple.reversed(), OTHER, ROUTER),
        _ => (tuple, ROUTER, OTHER),
    };
    let (&first, &last) = (times.first()?, times.last()?);
    let tags = LinkTags::NONE.with_direction(direction);
    let packets = times.len() as u64;
    let bytes = packets * 60;
    Some(Observation { nic: 0, tags, eth_src, eth_dst, tuple, packets, bytes, first: at(first), last: at(last) })
}

/// The pod's route, and others' that come at these moments.
fn engine(changes: &[u64]) -> Engine {
    let mut engine = Engine::new(Settings { heard_window: Duration::from_millis(WINDOW), ..Settings::default() });
    let route = |pod: &str| {
        let text = format!(
            "[[route]]\npolicy = \"src-ip\"\nprefix = \"{pod}/32\"\n[[route.nexthop]]\nip = \"172.18.0.101\"\nlladdr = \
             \"02:00:00:00:01:01\"\n"
        );
        nexthops_toml::parse(&text, &"nexthops.toml".into()).unwrap().facts
    };
    engine.set_blind(Timestamp::default());
    route("10.244.0.5").into_iter().for_each(|fact| engine.begin(fact, None));
    engine.set_sighted(at(0));
    for (number, &change) in changes.iter().enumerate() {
        let pod = format!("10.244.{}.9", number + 1);
        route(&pod).into_iter().for_each(|fact| engine.begin(fact, at(change)));
    }
    engine
}

/// A run: what passes when, and switches.
#[derive(Clone, Debug)]
struct Run {
    packets: Vec<u64>,
    requests: Vec<u64>,
    /// As of when the engine was asked for a generation, and when the kernel went over to it.
    switches: Vec<(u64, u64)>,
}

impl Run {
    /// The packets of each generation, with the time that it was in force.
    fn generations(&self) -> impl Iterator<Item = (Vec<u64>, Span)> {
        let start = |number: usize| match number {
            0 => Some((0, 0)),
            _ => self.switches.get(number - 1).copied(),
        };
        (0..=self.switches.len()).map(move |number| {
            let (from, begins) = start(number).unwrap();
            let (until, ends) = start(number + 1).unwrap_or((u64::MAX, u64::MAX));
            let own = self.packets.iter().copied().filter(|&time| begins <= time && time < ends);
            let until = if until == u64::MAX { Timestamp::MAX } else { at(until) };
            (own.collect(), Span { from: at(from), until })
        })
    }

    /// What is said of each generation's packets once requests up to `judged` are counted, and when the last one left.
    fn live(&self, judged: impl Fn(u64) -> u64) -> Vec<(u64, Verdict)> {
        let mut engine = self.engine();
        let mut verdicts = Vec::new();
        for (packets, span) in self.generations() {
            let Some(counted) = seen(Direction::Outbound, &packets) else { continue };
            let last = packets[packets.len() - 1];
            let known: Vec<u64> = self.requests.iter().copied().filter(|&time| time <= judged(last)).collect();
            let requests: Vec<Observation> = seen(Direction::Inbound, &known).into_iter().collect();
            verdicts.push((last, engine.assess(&span.place(counted), &requests).verdict));
        }
        verdicts
    }

    /// The verdicts on a capture of the same.
    fn replay(&self) -> Vec<Verdict> {
        let mut engine = self.engine();
        let epochs = engine.epochs().clone();
        let mut observations = Vec::new();
        for (direction, times) in [(Direction::Outbound, &self.packets), (Direction::Inbound, &self.requests)] {
            let by_epoch = times.chunk_by(|&a, &b| epochs.at(at(a)).id == epochs.at(at(b)).id);
            observations.extend(by_epoch.filter_map(|times| seen(direction, times)));
        }
        engine.conclude(observations.as_slice()).findings.iter().map(|finding| finding.verdict).collect()
    }

    fn engine(&self) -> Engine {
        engine(&self.switches.iter().map(|&(at, _)| at).collect::<Vec<_>>())
    }
}

/// Times up to a minute, in order.
fn times(most: usize) -> impl Strategy<Value = Vec<u64>> {
    vec(1..60_000_u64, 0..most).prop_map(|mut times| {
        times.sort_unstable();
        times
    })
}

/// Some moments in order, two for each switch.
fn switches() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec(1..60_000_u64, 0..24).prop_map(|mut times| {
        times.sort_unstable();
        times.dedup();
        times.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    })
}

#[test]
fn what_no_route_decides_is_counted_by_its_reason() {
    for verdict in Verdict::ALL {
        let Verdict::NotCovered(reason) = verdict else { continue };
        if let Some(outcome) = uncovered(reason) {
            assert_eq!(outcome.nexthop(), None, "{reason:?}");
            assert_eq!(counters_of(reason)[0], outcome.uncovered(), "{reason:?}");
        }
        let others = Verdict::ALL.into_iter().filter(|&other| other != verdict);
        for other in others.filter_map(|other| if let Verdict::NotCovered(other) = other { Some(other) } else { None })
        {
            assert!(counters_of(other).iter().all(|counter| !counters_of(reason).contains(counter)), "{other:?}");
        }
    }
    assert_eq!(Outcome::conforming(MAX_NEXTHOPS as u32 - 1).nexthop(), Some(MAX_NEXTHOPS as u32 - 1));
}

proptest! {
    /// However switches lie, and whether the judgement comes at once or late, a request that came within the window
    /// before the last packet counts, and one that came behind it does not.
    #[test]
    fn who_was_heard_does_not_hang_on_switches(
        packets in times(12), requests in times(12), switches in switches(), delay in 0..60_000_u64,
    ) {
        let run = Run { packets, requests, switches };
        for (last, verdict) in run.live(|last| last + delay) {
            let earlier = run.requests.iter().filter(|&&time| time <= last).max();
            match earlier {
                Some(&time) if time + WINDOW >= last => prop_assert_eq!(verdict, Verdict::Info(Info::AsymmetricGateway)),
                None => prop_assert_eq!(verdict, Verdict::Violating(Violating::UnknownMac)),
                // Of requests the first and the last are known, and these are on both sides of the window.
                Some(_) if run.requests.iter().any(|&time| time > last && time <= last + delay) => {}
                Some(_) => prop_assert_eq!(verdict, Verdict::Violating(Violating::UnknownMac)),
            }
        }
    }

    /// A flow each of whose packets answers a request: live says of it what replay says.
    #[test]
    fn live_agrees_with_replay_on_a_live_router(
        requests in times(12), answered in vec(0..WINDOW, 12), switches in switches(), delay in 0..60_000_u64,
    ) {
        let mut packets: Vec<u64> = requests.iter().zip(answered).map(|(&time, behind)| time + behind).collect();
        packets.sort_unstable();
        let run = Run { packets, requests, switches };
        let excused = Verdict::Info(Info::AsymmetricGateway);
        prop_assert!(run.replay().iter().all(|&verdict| verdict == excused));
        prop_assert!(run.live(|last| last + delay).iter().all(|&(_, verdict)| verdict == excused));
    }
}
