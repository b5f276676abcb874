//! The decision table: a situation a row, and the verdict on each of its packets.

mod bfd;
mod directions;
mod entries;
mod incident;
mod neighbours;
mod protocols;
mod routers;
mod routes;

use analyzer_ebpf::abi::{Direction, LinkTags};

use super::world::*;
use crate::fact::{Bfd, BfdRef, BfdStatus, Binding, BindingKind, Fact, Route, RouteOrigin, RouterPort};
use crate::types::{Tuple, Validity, tuple::proto};

/// Name, situation, verdicts.
pub(super) type Row = (&'static str, fn() -> World, &'static [&'static str]);

const STALE: &str = "violating stale-conntrack";
const FORMER: &str = "violating former-nexthop";
const UNKNOWN: &str = "violating unknown-mac";
const NO_DATA: &str = "undetermined no-nexthop-data";
const UNRESOLVED: &str = "undetermined nexthop-unresolved";
const TRANSLATED: &str = "undetermined translated-source";

pub(super) fn check(rows: &[Row]) {
    for (name, world, expected) in rows {
        assert_eq!(world().verdicts(), *expected, "{name}");
        assert_eq!(world().live_verdicts(), *expected, "{name}, told live");
        assert_eq!(world().explained_otherwise(), [], "{name}, explained");
    }
}

pub(super) fn changed(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

fn incident(change: impl FnOnce(&mut World)) -> World {
    changed(World::incident(), change)
}

fn to(mac: &str) -> impl Fn(&mut World) + '_ {
    move |world| world.seen[0].eth_dst = self::mac(mac)
}

/// The same with flows of SCTP, as the userspace datapath tracks them.
fn without_ports(world: World) -> World {
    changed(world, |w| {
        w.seen[0].tuple.nw_proto = proto::SCTP;
        w.each_connection(|c| {
            for tuple in [&mut c.orig, &mut c.reply] {
                *tuple = Tuple { nw_proto: proto::SCTP, tp_src: 0, tp_dst: 0, ..*tuple };
            }
        });
    })
}
