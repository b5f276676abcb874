//! What clients, pods and others send.

use analyzer_engine::types::{MacAddr, Tuple, tuple::proto};

use super::network::{Network, Pod};
use crate::addresses;
use crate::numbers::Numbers;
use crate::world::{Decoy, Event, Flow, Secs, What, World};

/// Most frames of a world: each has a bit of a number of bytes.
pub(crate) const MOST_FRAMES: usize = 60;

/// Adds flows with what happens in them.
pub(super) fn add(world: &mut World, numbers: &mut Numbers, network: &Network) {
    for number in 0..numbers.between(2, 4) {
        let pod = &network.pods[numbers.below(network.pods.len() as u32) as usize];
        let flow = flow(world, numbers, pod, number as u16);
        let router = flow.router;
        world.flows.push(flow);
        let index = world.flows.len() - 1;
        decoys(world, numbers, index);
        speak(world, numbers, network, index, &network.macs[router]);
    }
    world.events.sort_by_key(|event| event.at);
    world.events.truncate(MOST_FRAMES);
}

fn flow(world: &World, numbers: &mut Numbers, pod: &Pod, number: u16) -> Flow {
    let is_v6 = world.is_v6;
    let router = &world.routers[pod.router];
    let is_of_host = numbers.percent(4);
    let far = [addresses::client(is_v6, 13), addresses::client(is_v6, 13), addresses::client(is_v6, 14)];
    let dst = if numbers.percent(8) { addresses::outside(is_v6, router.mac.0[4], 77) } else { numbers.one(&far) };
    let src = if is_of_host { router.address } else { pod.ip };
    let nw_proto = numbers.one(&[proto::UDP, proto::UDP, proto::TCP, proto::SCTP, proto::ICMP]);
    let tuple = match nw_proto {
        proto::ICMP if is_v6 => Tuple { src, dst, nw_proto: proto::ICMPV6, tp_src: 70 + number, tp_dst: 129 << 8 },
        proto::ICMP => Tuple { src, dst, nw_proto, tp_src: 70 + number, tp_dst: 0 },
        _ => Tuple { src, dst, nw_proto, tp_src: 8000 + number, tp_dst: 40_000 + number },
    };
    Flow { router: pod.router, tuple, is_of_host }
}

/// Entries of the flow in zones whose labels mean something else.
fn decoys(world: &mut World, numbers: &mut Numbers, flow: usize) {
    let mac = u128::from(addresses::mac(3, numbers.between(11, 16) as u8).to_bits());
    if world.flows[flow].is_of_host {
        world.decoys.push(Decoy { flow, zone: 64000, mark: 2, label: 0 });
        return;
    }
    if numbers.percent(20) {
        world.decoys.push(Decoy { flow, zone: 64000, mark: 1, label: 0 });
    }
    if numbers.percent(15) {
        // The zone of the pod's port: what an ACL writes there looks like a MAC and a port.
        world.decoys.push(Decoy { flow, zone: 50, mark: 0, label: mac << 32 | 2 << 80 });
    }
    if numbers.percent(10) {
        world.decoys.push(Decoy { flow, zone: 0, mark: 2 << 16, label: mac << 32 });
    }
}

/// Requests and replies of one flow: how long the client is heard, and by whom.
fn speak(world: &mut World, numbers: &mut Numbers, network: &Network, flow: usize, macs: &[MacAddr]) {
    let change = network.change;
    let start = numbers.between(1, change + 20);
    let end = change + numbers.between(20, 90);
    let live_router = addresses::mac(3, 0x30);
    let mut gateway = if numbers.percent(20) { live_router } else { numbers.one(macs) };
    let opens = numbers.percent(80);
    let speaks_until = if numbers.percent(50) { end } else { numbers.between(start, end) };
    let moves = numbers.percent(25);
    let mut push = |at: Secs, what| world.events.push(Event { at, flow, what });
    if opens {
        push(start, What::Request(gateway));
    }
    let mut at = start;
    for _ in 0..numbers.between(4, 12) {
        at += numbers.one(&[1, 2, 4, 9, 15, 25]);
        if at > end {
            break;
        }
        if moves && at > change {
            gateway = numbers.one(macs);
        }
        match numbers.below(20) {
            0..=6 if at <= speaks_until => push(at, What::Request(gateway)),
            18 => push(at, What::Stray(numbers.one(macs))),
            19 if numbers.percent(30) => push(at, What::Foreign(numbers.one(macs))),
            19 => push(at, What::Stray(addresses::mac(9, 9))),
            _ => push(at, What::Reply),
        }
    }
}
