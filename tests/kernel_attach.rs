//! The kernel program at the hooks of real NICs: what is there stays, what is ours goes, and sets change without a
//! packet noticing.

#[path = "common/netns.rs"]
mod netns;
#[path = "common/patience.rs"]
mod patience;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, panic, thread};

use analyzer::bpf::attach::{AttachOptions, Attachment, Ingress, Mode, Nic, Position, TcForm, XdpMode};
use analyzer::bpf::counted::{Counted, Event, Key};
use analyzer::bpf::error::BpfError;
use analyzer::bpf::hooks::{HookKind, Turn, hooks};
use analyzer::bpf::programs::{Parts, load};
use analyzer::bpf::readings::Readings;
use analyzer::bpf::sizes::Sizes;
use analyzer::engine::classes::{Classes, Combination, SourceClass};
use analyzer::types::{IpPrefix, MacAddr};
use analyzer_ebpf::maps::{Counter, FlowCounts, Outcome, PacketCount};
use hashbrown::{HashMap, HashSet};
use netns::{Missing, Netns, require, run};
use patience::patience;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const GATEWAY: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x99]);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DESTINATION: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A namespace with two pairs of NICs, `a0`-`a1` and `b0`-`b1`, that send nothing by themselves.
struct Lab {
    netns: Netns,
}

impl Lab {
    fn new() -> Result<Self, Missing> {
        require("tc", "iproute2")?;
        let netns = Netns::new("attach")?;
        netns.sh(&format!(
            "set -e
            sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
            ip link add a0 type veth peer name a1
            ip link add b0 type veth peer name b1
            for nic in a0 a1 b0 b1; do ip link set $nic up; done
            ip addr add {SOURCE}/24 dev a0
            ip neigh add 192.0.2.254 lladdr {GATEWAY} dev a0 nud permanent
            ip route add default via 192.0.2.254"
        ));
        Ok(Self { netns })
    }

    /// Runs `test` with its thread in the namespace.
    fn within<T: Send>(&self, test: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.netns.name())).expect("the namespace has a file");
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("the namespace is ours");
            test()
        };
        let result = thread::scope(|scope| scope.spawn(inside).join());
        result.unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    fn nic(&self, name: &str) -> Nic {
        let ifindex = self.netns.sh(&format!("cat /sys/class/net/{name}/ifindex")).trim().parse().expect("a number");
        Nic { name: name.to_owned(), ifindex, index: 3 }
    }

    /// All qdiscs and filters, without what counts.
    fn qdiscs_and_filters(&self) -> String {
        self.netns.sh("tc qdisc show; for nic in a0 a1 b0 b1; do test -e /sys/class/net/$nic || continue
            for side in ingress egress; do echo $nic $side; tc filter show dev $nic $side 2>&1; done; done")
    }
}

/// Whether nothing is attached anywhere, beside what `before` has.
fn assert_as_before(lab: &Lab, before: &str) {
    assert_eq!(lab.qdiscs_and_filters(), before);
}

fn parts() -> Parts {
    load(&Sizes::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Attaches. A program that was just detached may still be there: a child that another test starts has its link's descriptor
/// until it is the program that it is to be.
#[expect(clippy::disallowed_methods, reason = "waits for the kernel, which tells nobody")]
fn attach(parts: &mut Parts, nic: &Nic, options: AttachOptions) -> Attachment {
    for _ in 0..100 {
        match parts.programs.attach(nic, &options) {
            Ok(attachment) => return attachment,
            Err(error) if error.to_string().contains("File exists") => {
                thread::sleep(patience(Duration::from_millis(10)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("NIC {}: our program stays attached", nic.name)
}

fn clsact() -> AttachOptions {
    AttachOptions { tc: TcForm::Clsact, ..AttachOptions::default() }
}

fn has_tcx(lab: &Lab) -> bool {
    let nic = lab.nic("a0");
    lab.within(|| attach(&mut parts(), &nic, AttachOptions::default()).modes().all(|mode| mode == Mode::Tcx))
}

fn counter(parts: &Parts, counter: Counter) -> u64 {
    count_of(&parts.readings, counter)
}

fn count_of(readings: &Readings, counter: Counter) -> u64 {
    readings.counters().expect("counters can be read")[counter as usize].packets
}

/// The socket that all packets come from. One closed a moment ago may live on in a child that another test is about to
/// execute, so a port in use is tried again, for ten seconds at most.
fn source_socket() -> UdpSocket {
    for _ in 0..10_000 {
        match UdpSocket::bind((SOURCE, 4000)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => thread::park_timeout(Duration::from_millis(1)),
            bound => return bound.expect("the address is ours"),
        }
    }
    panic!("port 4000 stays in use");
}

/// Sends `count` packets with destinations from `DESTINATION` on, one port after the other.
fn send(count: usize) {
    let socket = source_socket();
    for index in 0..count {
        let port = 5000 + (index % 16) as u16;
        socket.send_to(b"x", (DESTINATION, port)).expect("the NIC takes packets");
    }
}

fn mac(lab: &Lab, nic: &str) -> MacAddr {
    lab.netns.sh(&format!("cat /sys/class/net/{nic}/address")).trim().parse().expect("a MAC")
}

fn host(addr: Ipv4Addr) -> IpPrefix {
    IpPrefix::host(IpAddr::V4(addr))
}

/// Classes with one host source, and a combination of its plain flows to the gateway.
fn set(lab: &Lab, source: u16) -> (Classes, Combination) {
    let mut classes = Classes::default();
    classes.sources.insert(host(SOURCE), SourceClass { id: source, is_final: true, is_routed: true });
    let combination = Combination { source, destination: 0, eth_src: mac(lab, "a0"), eth_dst: GATEWAY, is_ipv4: true };
    (classes, combination)
}

#[test]
fn attaching_and_detaching_leaves_everything_as_it_was() {
    run(|| {
        let lab = Lab::new()?;
        let (a0, b0) = (lab.nic("a0"), lab.nic("b0"));
        let before = lab.qdiscs_and_filters();
        lab.within(|| {
            for tc in [TcForm::Auto, TcForm::Clsact] {
                let mut parts = parts();
                let options = AttachOptions { tc, ..AttachOptions::default() };
                let on_a = attach(&mut parts, &a0, options);
                let on_b = attach(&mut parts, &b0, options);
                assert_eq!(on_a.modes().count(), 2);
                assert!(on_a.is_in_place().unwrap() && on_b.is_in_place().unwrap());
                send(10);
                assert_eq!(counter(&parts, Counter::Seen), 10, "{tc:?}");
                on_a.detach().unwrap();
                assert!(on_b.is_in_place().unwrap(), "the other NIC's stay");
                send(10);
                assert_eq!(counter(&parts, Counter::Seen), 10, "{tc:?}");
                drop(on_b);
                assert_as_before(&lab, &before);
                assert!(hooks(a0.ifindex, |_| false).programs.is_empty());
            }
        });
        Ok(())
    });
}

#[test]
fn filters_of_others_stay() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        let filters = "tc filter add dev a0 egress prio 1 protocol all u32 match u32 0 0 classid 1:1 &&
            tc filter add dev a0 egress prio 5 protocol all bpf bytecode '1,6 0 0 0' &&
            tc filter add dev a0 ingress prio 1 protocol all bpf bytecode '1,6 0 0 0'";
        // Theirs are there before ours.
        lab.netns.sh(&format!("tc qdisc add dev a0 clsact && {filters}"));
        let before = lab.qdiscs_and_filters();
        lab.within(|| {
            for position in [Position::First, Position::Last] {
                let mut parts = parts();
                let attachment = attach(&mut parts, &a0, AttachOptions { tcx_position: position, ..clsact() });
                let hooks = hooks(a0.ifindex, |_| false);
                let turns: Vec<Turn> = hooks
                    .programs
                    .iter()
                    .filter(|program| program.hook == HookKind::ClsactEgress)
                    .map(|program| program.turn)
                    .collect();
                // An u32 filter has priority 1 for itself, so ours cannot be before it.
                let expected = match position {
                    Position::First => [Turn::Before, Turn::Ours, Turn::After],
                    Position::Last => [Turn::Before, Turn::Before, Turn::Ours],
                };
                let is_table = |turns: &Vec<Turn>| turns.len() > 3;
                // The kernel lists a hash table of u32 as a filter of its own.
                let turns = if is_table(&turns) { turns[turns.len() - 3..].to_vec() } else { turns };
                assert_eq!(turns, expected, "{hooks:?}");
                attachment.detach().unwrap();
                assert_as_before(&lab, &before);
            }
        });
        // Theirs come while ours are there, into the qdisc that we added: it stays for them.
        lab.netns.sh("tc qdisc del dev a0 clsact");
        lab.within(|| {
            let mut parts = parts();
            let attachment = attach(&mut parts, &a0, clsact());
            lab.netns.sh(&filters.replace("prio 1", "prio 2"));
            attachment.detach().unwrap();
        });
        let after = lab.qdiscs_and_filters();
        assert!(after.contains("u32") && after.matches("bytecode").count() == 2, "{after}");
        assert!(!after.contains("analyzer"), "{after}");
        Ok(())
    });
}

#[test]
fn links_of_others_stay_and_ours_has_the_turn_asked_for() {
    run(|| {
        let lab = Lab::new()?;
        if !has_tcx(&lab) {
            return Err(Missing::new("this kernel has no TCX"));
        }
        let a0 = lab.nic("a0");
        lab.within(|| {
            let (mut early, mut ours, mut late) = (parts(), parts(), parts());
            let before = attach(&mut early, &a0, AttachOptions::default());
            for (position, expected) in [
                (Position::First, [Turn::Ours, Turn::After, Turn::After]),
                (Position::Last, [Turn::Before, Turn::Before, Turn::Ours]),
            ] {
                let options = AttachOptions { tcx_position: position, ..AttachOptions::default() };
                let theirs = AttachOptions { tcx_position: Position::Last, ..options };
                let (attachment, after) = match position {
                    Position::First => (attach(&mut ours, &a0, options), attach(&mut late, &a0, theirs)),
                    Position::Last => {
                        let after = attach(&mut late, &a0, theirs);
                        (attach(&mut ours, &a0, options), after)
                    }
                };
                let ids = ours.programs.ids();
                let hooks = hooks(a0.ifindex, |id| ids.contains(&id));
                for hook in [HookKind::TcxEgress, HookKind::TcxIngress] {
                    let there = hooks.programs.iter().filter(|program| program.hook == hook);
                    assert_eq!(there.map(|program| program.turn).collect::<Vec<_>>(), expected);
                }
                assert!(hooks.programs.iter().all(|program| program.name.is_some()), "{hooks:?}");
                attachment.detach().unwrap();
                assert!(before.is_in_place().unwrap() && after.is_in_place().unwrap());
                // All of them count the packets that leave, so none keeps them from the next.
                let seen = counter(&early, Counter::Seen);
                send(5);
                assert_eq!(counter(&early, Counter::Seen), seen + 5);
                after.detach().unwrap();
            }
        });
        Ok(())
    });
}

#[test]
fn nic_that_vanishes_is_no_error_at_detach() {
    run(|| {
        let lab = Lab::new()?;
        let b0 = lab.nic("b0");
        lab.within(|| {
            for tc in [TcForm::Auto, TcForm::Clsact] {
                let mut parts = parts();
                let nic = Nic { ifindex: lab.nic("b0").ifindex, ..b0.clone() };
                let attachment = attach(&mut parts, &nic, AttachOptions { tc, ..AttachOptions::default() });
                lab.netns.sh("ip link del b0");
                assert!(!attachment.is_in_place().unwrap(), "{tc:?}");
                attachment.detach().unwrap();
                lab.netns.sh("ip link add b0 type veth peer name b1");
            }
            let gone = Nic { ifindex: 0x7fff_0000, ..b0.clone() };
            let error = parts().programs.attach(&gone, &AttachOptions::default()).unwrap_err();
            assert!(error.to_string().contains("b0"), "{error}");
        });
        Ok(())
    });
}

#[test]
fn removal_by_others_is_noticed() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let attachment = attach(&mut parts(), &a0, clsact());
            lab.netns.sh("tc qdisc del dev a0 clsact");
            assert!(!attachment.is_in_place().unwrap());
            attachment.detach().unwrap();
        });
        Ok(())
    });
}

#[test]
fn ingress_qdisc_is_not_mistaken_for_clsact() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.netns.sh("tc qdisc add dev a0 ingress");
        let before = lab.qdiscs_and_filters();
        lab.within(|| {
            let error = parts().programs.attach(&a0, &clsact()).unwrap_err();
            assert!(matches!(&error, BpfError::QdiscInTheWay { kind, .. } if kind == "ingress"), "{error}");
        });
        assert_as_before(&lab, &before);
        Ok(())
    });
}

#[test]
fn xdp_on_ingress_takes_no_slot_that_is_held() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let modes = [(XdpMode::Generic, Mode::XdpGeneric), (XdpMode::Native, Mode::XdpNative)];
            // The filters of who holds the slot are those that a later process may take for left behind.
            for ((mode, expected), tc) in modes.into_iter().zip([TcForm::Auto, TcForm::Clsact]) {
                let options = AttachOptions { ingress: Ingress::Xdp(mode), tc, ..AttachOptions::default() };
                let (mut first, mut second) = (parts(), parts());
                let held = attach(&mut first, &a0, options);
                assert_eq!(held.modes().last(), Some(expected));
                let error = second.programs.attach(&a0, &options).unwrap_err();
                assert!(matches!(error, BpfError::XdpOccupied { .. }), "{error}");
                assert!(error.to_string().contains("ingress_xdp"), "{error}");
                assert!(held.is_in_place().unwrap());
                let hooks = hooks(a0.ifindex, |_| false);
                let is_egress = |hook| matches!(hook, HookKind::TcxEgress | HookKind::ClsactEgress);
                let egress = hooks.programs.iter().filter(|program| is_egress(program.hook)).count();
                assert!(egress <= 1, "the second attached nothing: {hooks:?}");
                held.detach().unwrap();
                attach(&mut second, &a0, options).detach().unwrap();
            }
        });
        Ok(())
    });
}

#[test]
fn mirror_port_judges_what_it_receives() {
    run(|| {
        let lab = Lab::new()?;
        let a1 = lab.nic("a1");
        lab.within(|| {
            for ingress in [Ingress::Tc, Ingress::Xdp(XdpMode::Generic), Ingress::Xdp(XdpMode::Native)] {
                let mut parts = parts();
                let options = AttachOptions { mirror: true, ingress, ..AttachOptions::default() };
                let attachment = attach(&mut parts, &a1, options);
                assert_eq!(attachment.modes().count(), 1);
                send(20);
                assert_eq!(counter(&parts, Counter::Seen), 20, "{ingress:?}");
            }
        });
        Ok(())
    });
}

/// Not a test by itself: attaches by clsact to the NIC that the environment names, says so, and waits to be killed.
#[test]
fn child_that_is_killed() {
    let Ok(ifindex) = env::var("ANALYZER_TEST_IFINDEX") else { return };
    let nic = Nic { name: "a0".to_owned(), ifindex: ifindex.parse().expect("a number"), index: 0 };
    let tc = if env::var("ANALYZER_TEST_CLSACT").is_ok() { TcForm::Clsact } else { TcForm::Auto };
    let _attachment = attach(&mut parts(), &nic, AttachOptions { tc, ..AttachOptions::default() });
    println!("\nATTACHED");
    let _ = std::io::stdin().read_line(&mut String::new());
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the child, waits until it is attached, and kills it.
fn attach_and_die(lab: &Lab, tc: TcForm) {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", lab.netns.name()]);
    command.arg(env::current_exe().expect("we run")).args(["--exact", "child_that_is_killed", "--nocapture"]);
    command.env("ANALYZER_TEST_IFINDEX", lab.nic("a0").ifindex.to_string());
    if tc == TcForm::Clsact {
        command.env("ANALYZER_TEST_CLSACT", "1");
    }
    let mut child = Killed(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ip can be run"));
    let output = BufReader::new(child.0.stdout.take().expect("it is piped"));
    let attached = output.lines().any(|line| line.is_ok_and(|line| line.contains("ATTACHED")));
    assert!(attached, "the child did not attach");
    drop(child);
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next() {
    run(|| {
        let lab = Lab::new()?;
        let before = lab.qdiscs_and_filters();
        let a0 = lab.nic("a0");
        if has_tcx(&lab) {
            attach_and_die(&lab, TcForm::Auto);
            lab.within(|| wait_until(|| hooks(a0.ifindex, |_| false).programs.is_empty()));
        }

        attach_and_die(&lab, TcForm::Clsact);
        let left = lab.qdiscs_and_filters();
        assert!(left.contains("analyzer/egress+clsact"), "{left}");
        // The next one removes it, whichever form it takes itself.
        for tc in [TcForm::Clsact, TcForm::Auto] {
            lab.within(|| {
                let mut parts = parts();
                let attachment = attach(&mut parts, &a0, AttachOptions { tc, ..AttachOptions::default() });
                send(7);
                assert_eq!(counter(&parts, Counter::Seen), 7);
                let filters = lab.qdiscs_and_filters().matches("analyzer/").count();
                assert_eq!(filters, if attachment.modes().any(|mode| mode == Mode::Clsact) { 2 } else { 0 });
            });
            assert_as_before(&lab, &before);
            attach_and_die(&lab, TcForm::Clsact);
        }

        // Beside filters of others, only ours are removed.
        lab.netns.sh("tc filter add dev a0 ingress prio 9 protocol all bpf bytecode '1,6 0 0 0'");
        lab.within(|| attach(&mut parts(), &a0, clsact()).detach().unwrap());
        let after = lab.qdiscs_and_filters();
        assert!(after.contains("bytecode") && !after.contains("analyzer"), "{after}");
        Ok(())
    });
}

/// The later goes behind the earlier; each takes its own away, and the last one the qdisc.
#[test]
fn filters_of_a_process_that_lives_stay() {
    run(|| {
        let lab = Lab::new()?;
        let before = lab.qdiscs_and_filters();
        let a0 = lab.nic("a0");
        for position in [Position::First, Position::Last] {
            lab.within(|| {
                let options = AttachOptions { tcx_position: position, ..clsact() };
                let (mut first, mut second) = (parts(), parts());
                let early = attach(&mut first, &a0, options);
                send(3);
                let late = attach(&mut second, &a0, options);
                assert!(early.is_in_place().unwrap() && late.is_in_place().unwrap());
                assert_eq!((early.remarks(), late.remarks()), (&[][..], &[][..]));
                send(4);
                assert_eq!((counter(&first, Counter::Seen), counter(&second, Counter::Seen)), (7, 4));
                early.detach().unwrap();
                assert!(late.is_in_place().unwrap());
                send(5);
                assert_eq!((counter(&first, Counter::Seen), counter(&second, Counter::Seen)), (7, 9));
                late.detach().unwrap();
            });
            assert_as_before(&lab, &before);
        }
        // Beside what a killed one left.
        lab.within(|| {
            let mut first = parts();
            let early = attach(&mut first, &a0, clsact());
            attach_and_die(&lab, TcForm::Clsact);
            assert_eq!(lab.qdiscs_and_filters().matches("analyzer/").count(), 4);
            let late = attach(&mut parts(), &a0, clsact());
            assert_eq!(lab.qdiscs_and_filters().matches("analyzer/").count(), 4);
            assert!(early.is_in_place().unwrap());
            drop((early, late));
        });
        assert_as_before(&lab, &before);
        Ok(())
    });
}

#[expect(clippy::disallowed_methods, reason = "waits for the kernel, which tells nobody")]
fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        thread::sleep(patience(Duration::from_millis(10)));
    }
    panic!("it did not come to pass in a thousand looks");
}

#[test]
fn suspects_events_and_outcomes() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let mut parts = parts();
            parts.table.set_rates(0, 1000).unwrap();
            let _attachment = attach(&mut parts, &a0, AttachOptions::default());
            send(3);
            assert_eq!(counter(&parts, Counter::Unloaded), 3);
            let (classes, combination) = set(&lab, 1);
            let generation = parts.table.install(&classes, [], &HashSet::from([GATEWAY])).unwrap();
            send(32);
            let suspects = parts.readings.suspects().unwrap();
            assert_eq!(suspects.len(), 16);
            assert_eq!(suspects.iter().map(|flow| flow.counts.packets).sum::<u64>(), 32);
            assert!(suspects.iter().all(|flow| parts.table.generation_of(flow.key.epoch()) == Some(generation)));
            assert_eq!(parts.readings.suspect(&suspects[0].key).unwrap(), Some(suspects[0].counts));

            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told: BTreeSet<u16> = runtime.block_on(async {
                let mut events = parts.events.listen().unwrap();
                let mut told = BTreeSet::new();
                while told.len() < 16 {
                    let event = tokio::time::timeout(patience(Duration::from_secs(10)), events.next()).await;
                    match event.expect("an event is told").unwrap() {
                        Event::Suspect { key: Key::V4(key), .. } => told.insert(key.tp_dst),
                        other => panic!("{other:?}"),
                    };
                }
                assert_eq!(events.unknown(), 0);
                told
            });
            assert_eq!(told, (5000..5016).collect());

            assert!(!parts.table.add_outcome(generation + 1, &combination, Outcome::NO_ROUTE).unwrap());
            assert!(parts.table.add_outcome(generation, &combination, Outcome::conforming(5)).unwrap());
            send(48);
            let nexthops = parts.readings.nexthops(6).unwrap();
            assert_eq!(nexthops[5].packets, 48);
            assert_eq!(parts.readings.nexthops(5).unwrap(), [PacketCount::default(); 5]);

            let before = |flow: &Counted| FlowCounts { last_ns: flow.counts.last_ns - 1, ..flow.counts };
            let older: Vec<Counted> = suspects.iter().map(|flow| Counted { counts: before(flow), ..*flow }).collect();
            let (removed, done) = parts.readings.remove(&older);
            assert!(done.is_ok() && removed.is_empty(), "{removed:?}");
            let (removed, done) = parts.readings.remove(&suspects);
            assert!(done.is_ok() && removed.len() == 16, "{removed:?}");
            assert_eq!(parts.readings.suspects().unwrap(), []);

            parts.table.unload().unwrap();
            send(4);
            assert_eq!(count_of(&parts.readings, Counter::Unloaded), 7);
            let uses = parts.table.map_uses();
            assert!(uses.iter().all(|map| map.memory_bytes.is_some()), "{uses:?}");
        });
        Ok(())
    });
}

#[test]
fn sets_change_under_traffic_without_a_packet_noticing() {
    const PACKETS: usize = 300_000;
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let mut parts = parts();
            let attachment = attach(&mut parts, &a0, AttachOptions::default());
            let mut macs = HashSet::from([GATEWAY]);
            // Sets in which the same flow conforms by other classes, other prefixes, and another next hop.
            let mut sets: Vec<(Classes, Vec<(Combination, Outcome)>)> = Vec::new();
            for (index, source) in [(0u32, 1u16), (1, 2), (2, 1), (3, 7)] {
                let (mut classes, mut combination) = set(&lab, source);
                if index >= 2 {
                    // By a prefix, and by destination; the host's entry is gone.
                    classes.sources = HashMap::from([(
                        IpPrefix::new(IpAddr::V4(SOURCE), 20 + index as u8).unwrap(),
                        SourceClass { id: source, is_final: false, is_routed: true },
                    )]);
                    let network = IpPrefix::new(IpAddr::V4(DESTINATION), 8 * (index as u8 - 1)).unwrap();
                    classes.destinations.insert(network, 3 + index as u16);
                    combination.destination = 3 + index as u16;
                }
                sets.push((classes, vec![(combination, Outcome::conforming(index))]));
            }
            let mut install = |number: usize| {
                let (classes, outcomes) = &sets[number % sets.len()];
                macs.insert(MacAddr([2, 0, 0, 0, 1, number as u8]));
                parts.table.install(classes, outcomes.iter().copied(), &macs).unwrap()
            };
            install(0);
            let ended = AtomicBool::new(false);
            let netns = File::open(format!("/run/netns/{}", lab.netns.name())).unwrap();
            let installations = thread::scope(|scope| {
                scope.spawn(|| {
                    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                    send(PACKETS);
                    ended.store(true, Ordering::Release);
                });
                let mut number = 1;
                while !ended.load(Ordering::Acquire) && number < 100_000 {
                    install(number);
                    number += 1;
                }
                number
            });
            println!("{installations} sets came into force");
            assert!(installations > 10, "{installations}");
            attachment.detach().unwrap();

            assert_eq!(counter(&parts, Counter::Seen), PACKETS as u64);
            assert_eq!(counter(&parts, Counter::Suspect), 0);
            assert_eq!(counter(&parts, Counter::Conforming), PACKETS as u64);
            let nexthops = parts.readings.nexthops(4).unwrap();
            assert!(nexthops.iter().filter(|count| count.packets > 0).count() > 1, "{nexthops:?}");
            assert_eq!(nexthops.iter().map(|count| count.packets).sum::<u64>(), PACKETS as u64);
            assert_eq!(parts.readings.suspects().unwrap(), []);
        });
        Ok(())
    });
}

#[test]
fn set_that_does_not_fit_leaves_the_present_one_in_force() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let sizes = Sizes { hosts: 4, prefixes: 2, outcomes: 2, nexthops: 8, ..Sizes::default() };
            let mut parts = load(&sizes).unwrap_or_else(|error| panic!("{error}"));
            let _attachment = attach(&mut parts, &a0, AttachOptions::default());
            let (classes, combination) = set(&lab, 1);
            let outcomes = [(combination, Outcome::conforming(0))];
            let generation = parts.table.install(&classes, outcomes, &HashSet::new()).unwrap();

            let mut many_hosts = classes.clone();
            let mut many_prefixes = classes.clone();
            for index in 1..10 {
                let class = SourceClass { id: 9, is_final: false, is_routed: false };
                many_hosts.sources.insert(host(Ipv4Addr::new(203, 0, 113, index)), class);
                let prefix = IpPrefix::new(IpAddr::V4(Ipv4Addr::new(203, 0, index, 0)), 24).unwrap();
                many_prefixes.destinations.insert(prefix, 9);
            }
            let other = |index: u16| Combination { source: 1 + index, ..combination };
            let many_outcomes = (0..9).map(|index| (other(index), Outcome::NO_ROUTE)).collect();
            let macs = (0..99).map(|index| MacAddr([2, 0, 0, 0, 0, index])).collect();
            for (classes, outcomes, macs, option) in [
                (&many_hosts, outcomes.to_vec(), HashSet::new(), "--max-routes"),
                (&many_prefixes, outcomes.to_vec(), HashSet::new(), "--max-routes"),
                (&classes, many_outcomes, HashSet::new(), "judged one by one"),
                (&classes, outcomes.to_vec(), macs, "judged one by one"),
                (&classes, vec![(combination, Outcome::conforming(8))], HashSet::new(), "judged one by one"),
            ] {
                let error = parts.table.install(classes, outcomes, &macs).unwrap_err();
                assert!(error.to_string().contains(option), "{error}");
                assert_eq!(parts.table.generation(), generation);
                let conforming = counter(&parts, Counter::Conforming);
                send(3);
                assert_eq!(counter(&parts, Counter::Conforming), conforming + 3);
            }
            for index in 0..3 {
                parts.table.add_outcome(generation, &other(index), Outcome::NO_ROUTE).unwrap();
            }
            let error =
                (3..9).find_map(|index| parts.table.add_outcome(generation, &other(index), Outcome::NO_ROUTE).err());
            assert!(matches!(error, Some(BpfError::Full { .. })), "{error:?}");
            // The next set has room again.
            let next = parts.table.install(&set(&lab, 2).0, [], &HashSet::new());
            assert!(next.is_ok_and(|next| next > generation));
        });
        Ok(())
    });
}

#[test]
fn missing_rights_are_named() {
    run(|| {
        let lab = Lab::new()?;
        lab.within(|| {
            caps::clear(None, caps::CapSet::Effective).expect("rights can be given up");
            let error = load(&Sizes::default()).unwrap_err();
            assert!(matches!(error, BpfError::NoRights { .. }), "{error}");
            for capability in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] {
                assert!(error.to_string().contains(capability), "{error}");
            }
        });
        Ok(())
    });
}

#[test]
fn hooks_are_listed_without_names_where_rights_are_few() {
    run(|| {
        let lab = Lab::new()?;
        let a0 = lab.nic("a0");
        lab.within(|| {
            let mut parts = parts();
            let attachment = attach(&mut parts, &a0, AttachOptions::default());
            if !attachment.modes().all(|mode| mode == Mode::Tcx) {
                return;
            }
            let few = [caps::Capability::CAP_NET_ADMIN].into_iter().collect();
            caps::set(None, caps::CapSet::Effective, &few).expect("rights can be given up");
            let hooks = hooks(a0.ifindex, |_| false);
            assert_eq!(hooks.programs.len(), 2);
            assert!(hooks.programs.iter().all(|program| program.id.is_some() && program.name.is_none()), "{hooks:?}");
            assert!(hooks.unknown.iter().any(|reason| reason.contains("CAP_SYS_ADMIN")), "{hooks:?}");
        });
        Ok(())
    });
}
