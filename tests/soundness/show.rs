//! A world in words, for people.

use std::fmt::{self, Display, Formatter};

use crate::check::{Checked, Difference};
use crate::world::{Kind, Life, What, World};

/// A world with what came of it.
pub(crate) struct Shown<'a>(pub(crate) &'a World, pub(crate) &'a Checked);

impl Display for Shown<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(world, checked) = *self;
        tables(world, out)?;
        for (index, (frame, truth)) in checked.played.frames.iter().zip(&checked.truth).enumerate() {
            let tuple = &frame.tuple;
            write!(out, "frame {index}: {:>3} s, flow {}, {} > {}", frame.at, frame.flow, tuple.src, tuple.dst)?;
            write!(out, ", {} > {}, {:?}: {truth:?}", frame.eth_src, frame.eth_dst, frame.why)?;
            let of_frame = |one: &&Difference| one.verdicts.is_some() && one.index == index;
            for one in checked.differences.iter().filter(of_frame) {
                let said = one.verdicts.map(|(_, said)| said);
                write!(out, "\n    {:?}, {:?}: the engine says {said:?}", one.fault, one.shown)?;
            }
            writeln!(out)?;
        }
        for (flow, entry) in checked.played.entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let label = entry.mac.map_or("no label".to_owned(), |mac| format!("label {mac}"));
            let opener = if entry.is_opened_by_client { "client" } else { "pod" };
            writeln!(out, "entry of flow {flow}: opened by the {opener}, {label}")?;
            for one in checked.differences.iter().filter(|one| one.verdicts.is_none() && one.index == flow) {
                writeln!(out, "    {:?}, {:?}: what the engine says of an entry of the flow", one.fault, one.shown)?;
            }
        }
        Ok(())
    }
}

fn tables(world: &World, out: &mut Formatter<'_>) -> fmt::Result {
    writeln!(out, "seed {}, {:?}", world.seed, world.version)?;
    writeln!(out, "history from {} s, direction told: {}", world.history_start, world.tells_direction)?;
    for (index, router) in world.routers.iter().enumerate() {
        let (name, mac, key, zone, table) = (router.name, router.mac, router.key, router.zone, router.table);
        write!(out, "router {index}: {name}, {mac}, {} in {}, ", router.address, router.network)?;
        writeln!(out, "port key {key}, zone {zone}, pods in table {table:?}")?;
    }
    for row in &world.routes {
        let kind = match row.kind {
            Kind::Source { is_symmetric: true } => "src-ip symmetric",
            Kind::Source { is_symmetric: false } => "src-ip",
            Kind::Destination { overrides_connected: true } => "dst-ip override-connected",
            Kind::Destination { .. } => "dst-ip",
            Kind::Learned => "dst-ip learned",
        };
        let (bfd, inner) = (if row.has_bfd { " bfd" } else { "" }, if row.is_inner { " inside" } else { "" });
        write!(out, "route of {}: {} via {} {kind}{bfd}{inner}", row.router, row.prefix, row.nexthop)?;
        writeln!(out, "{} {}", if row.table.is_empty() { "" } else { row.table }, life(row.life))?;
    }
    for row in &world.sessions {
        writeln!(out, "BFD of {}: {} {:?} {}", row.router, row.peer, row.status, life(row.life))?;
    }
    for row in &world.bindings {
        writeln!(out, "MAC_Binding of {}: {} {} {}", row.router, row.ip, row.mac, life(row.life))?;
    }
    for row in &world.statics {
        let overrides = if row.overrides { " override" } else { "" };
        writeln!(out, "Static_MAC_Binding of {}: {} {}{overrides}", row.router, row.ip, row.mac)?;
    }
    for heard in &world.heard {
        writeln!(out, "heard at {} s: {} is at {}", heard.at, heard.ip, heard.mac)?;
    }
    for (index, flow) in world.flows.iter().enumerate() {
        let host = if flow.is_of_host { ", the host's own" } else { "" };
        writeln!(out, "flow {index}: router {}, {}{host}", flow.router, flow.tuple)?;
    }
    for row in &world.decoys {
        writeln!(out, "entry of flow {} in zone {}: mark {:#x}, label {:#x}", row.flow, row.zone, row.mark, row.label)?;
    }
    for event in &world.events {
        let what = match event.what {
            What::Request(mac) => format!("a request from {mac}"),
            What::Reply => "the pod sends".to_owned(),
            What::Stray(mac) => format!("a packet astray to {mac}"),
            What::Foreign(mac) => format!("another box sends to {mac}"),
        };
        writeln!(out, "{:>3} s, flow {}: {what}", event.at, event.flow)?;
    }
    Ok(())
}

fn life(life: Life) -> String {
    match (life.from, life.until) {
        (0, None) => String::new(),
        (from, None) => format!("from {from} s"),
        (from, Some(until)) => format!("{from} to {until} s"),
    }
}
