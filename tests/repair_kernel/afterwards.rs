//! `repair --apply --watch`: which way a flow goes after it was healed, by the packets that the kernel sends for it.

use std::net::UdpSocket;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use analyzer::types::MacAddr;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::netns::{Missing, run};
use crate::world::{DEAD, Form, GW1, ROUTER_ZONE, World, labelled, tuple};

/// The flow, of which the pod is the sender.
const FLOW: &str = "udp 10.244.0.5:4000 -> 198.51.100.7:53";
const POD: &str = "10.244.0.5:4000";
const CLIENT: &str = "198.51.100.7:53";

/// A router that is no next hop.
const STRANGER: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);

/// A node by whose NIC the pod's packets leave to a gateway, and its stale entry.
fn node(purpose: &str, (gateway, mac): (&str, MacAddr)) -> Result<World, Missing> {
    let world = World::new(purpose)?;
    world.netns.sh(&format!(
        "ip link add out type veth peer name far && ip link set out up && ip link set far up && \
         ip address add 10.244.0.5/32 dev out && ip route add {gateway} dev out && \
         ip neighbour add {gateway} lladdr {mac} dev out && ip route add 198.51.100.7 via {gateway} dev out"
    ));
    world.create(&[labelled(tuple(FLOW), ROUTER_ZONE, DEAD, Form::Mark)]);
    Ok(world)
}

const WATCH: [&str; 7] = ["--all", "--apply", "--settle", "0", "--watch", "2s", "-i"];

#[expect(clippy::disallowed_methods, reason = "a pod sends at a pace")]
fn pause() {
    thread::sleep(Duration::from_millis(20));
}

/// Has the flow healed and watched, while the pod goes on sending or is silent.
fn watched(world: &World, is_sending: bool) -> (Option<i32>, Value) {
    let socket = world.netns.inside(|| UdpSocket::bind(POD).expect("the address is there"));
    let is_over = AtomicBool::new(false);
    let output: Output = thread::scope(|scope| {
        scope.spawn(|| {
            while is_sending && !is_over.load(Ordering::Relaxed) {
                socket.send_to(b"answer", CLIENT).expect("there is a route");
                pause();
            }
        });
        let output = world.run(&[&WATCH[..], &["out"]].concat());
        is_over.store(true, Ordering::Relaxed);
        output
    });
    let stdout = String::from_utf8_lossy(&output.stdout);
    let first = stdout.lines().next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let repair: Value = serde_json::from_str(first).expect("JSON");
    assert_eq!((&repair["type"], &repair["outcome"]), (&"repair".into(), &"done".into()), "{repair:#}");
    (output.status.code(), repair["afterwards"].clone())
}

#[test]
fn the_next_packet_is_judged() {
    run(|| {
        let (code, told) = watched(&node("after-healed", ("172.18.0.101", GW1))?, true);
        assert_eq!(
            (code, &told["answer"], &told["verdict"]),
            (Some(0), &"conforms".into(), &"conforming".into()),
            "{told}"
        );
        assert_eq!(told["eth_dst"], GW1.to_string());

        // The entry is gone, but the packets go to a wrong MAC: something else sends them there.
        let (code, told) = watched(&node("after-stale", ("172.18.0.99", STRANGER))?, true);
        assert_eq!((code, &told["answer"]), (Some(1), &"violating".into()), "{told}");
        assert_eq!(told["eth_dst"], STRANGER.to_string());
        Ok(())
    });
}

/// Silence is no conformity.
#[test]
fn no_packet_says_nothing() {
    run(|| {
        let (code, told) = watched(&node("after-silent", ("172.18.0.101", GW1))?, false);
        assert_eq!((code, &told["answer"], &told["eth_dst"]), (Some(3), &"no-packet".into(), &Value::Null), "{told}");
        Ok(())
    });
}

/// Who waits no longer is told what is known by then, and nothing is left at the NIC.
#[test]
fn a_signal_ends_the_watch() {
    run(|| {
        let world = node("after-signal", ("172.18.0.101", GW1))?;
        let args = ["--all", "--apply", "--settle", "0", "--watch", "1h", "-i", "out"];
        let repair = world.start(&args);
        let is_done = || world.journal().iter().any(|line| line["outcome"] == "done");
        assert!(
            (0..1_500).any(|_| is_done() || {
                pause();
                false
            }),
            "it heals"
        );
        let pid = Pid::from_raw(i32::try_from(repair.id()).expect("a process id")).expect("it is not 0");
        kill_process(pid, Signal::INT).expect("it is there");
        let output = repair.wait_with_output().expect("it ends");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let told: Value = serde_json::from_str(stdout.lines().next().expect("an answer")).expect("JSON");
        assert_eq!((output.status.code(), &told["outcome"]), (Some(3), &"done".into()), "{told:#}");
        assert_eq!(told["afterwards"]["answer"], "no-packet", "{told:#}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("SIGINT: what is begun is finished"), "{stderr}");
        let left = world.netns.sh("tc qdisc show dev out; tc filter show dev out egress");
        assert!(!left.contains("clsact") && !left.contains("bpf"), "{left}");
        Ok(())
    });
}

/// Nothing is left at the NIC, and what cannot be watched is not changed.
#[test]
fn nothing_is_changed_where_nothing_can_be_watched() {
    run(|| {
        let world = node("after-missing", ("172.18.0.101", GW1))?;
        let before = world.table();
        let output = world.run(&[&WATCH[..], &["absent"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains("absent"), "{stderr}");
        assert_eq!(world.table(), before);
        assert_eq!(world.run(&WATCH[..6]).status.code(), Some(2), "--watch takes a NIC");

        watched(&world, true);
        let left = world.netns.sh("tc qdisc show dev out; tc filter show dev out egress");
        assert!(!left.contains("clsact") && !left.contains("bpf"), "{left}");
        Ok(())
    });
}
