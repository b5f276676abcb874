//! What tells which OVN it is: its logical flows, or what its chassis can do and northd's release, or the release alone. It
//! depends on the world which of these there is.

use std::net::IpAddr;

use analyzer_engine::fact::{OvnSays, Policy, PortForm, PortRead, ReplyFlow};
use analyzer_engine::types::{IpPrefix, Release};

use crate::model::has_reply_flows;
use crate::world::{Era, Kind, Life, Secs, World};

/// What is told, and when it holds.
pub(crate) type Told = (OvnSays, Life);

/// The kind of evidence that a world has.
pub(crate) fn told(world: &World) -> Vec<Told> {
    match world.seed % 3 {
        0 => (0..world.routers.len()).flat_map(|router| flows(world, router)).collect(),
        1 => chassis(world).into_iter().chain([release(world)]).collect(),
        _ => vec![release(world)],
    }
}

/// A release that does what the world's OVN does (ovn-facts 1.4).
fn release(world: &World) -> Told {
    let version = world.version;
    let release = match (version.era, version.pins_single_route) {
        (Era::A, _) if version.is_mark_form => Release::new(22, 3, 1),
        (Era::A, _) => Release::new(20, 12, 0),
        (Era::B, _) => Release::new(23, 3, 1),
        (Era::C, _) => Release::new(23, 6, 2),
        (Era::D, false) => Release::new(24, 3, 0),
        (Era::D, true) => Release::new(24, 3, 4),
        (Era::E, false) => Release::new(24, 9, 0),
        (Era::E, true) => Release::new(24, 9, 1),
        (Era::F, _) => Release::new(26, 3, 1),
    };
    (OvnSays::Northd(release), Life::ALL)
}

/// Chassis that all do without masked labels, unless ports stand in the label. Since 24.09 none says so.
fn chassis(world: &World) -> [Told; 2] {
    let can = world.version.is_mark_form && world.version.era < Era::E;
    let chassis = |name: &str| (OvnSays::Chassis { name: name.into(), no_masked_label: can }, Life::ALL);
    [chassis("a"), chassis("b")]
}

/// The logical flows of a router over time.
fn flows(world: &World, router: usize) -> Vec<Told> {
    let row = &world.routers[router];
    let says = |flow| OvnSays::Flow { router: Some(row.name.into()), flow };
    let (era, is_mark_form) = (world.version.era, world.version.is_mark_form);
    let read = PortRead {
        form: if is_mark_form { PortForm::Mark } else { PortForm::Label },
        port: row.key,
        of_replies: era < Era::E,
        while_learned: era == Era::B,
    };
    let pods = pods(world, router);
    let mut facts = vec![(says(ReplyFlow::Default), Life::ALL)];
    for &pod in &pods {
        let routes = ReplyFlow::Routes { read, policy: Policy::SrcIp, prefix: IpPrefix::host(pod) };
        let lives = lives(world, |t| has_reply_flows(world, router, pod, t));
        facts.extend(lives.map(|life| (says(routes.clone()), life)));
    }
    let lives = lives(world, |t| pods.iter().any(|&pod| has_reply_flows(world, router, pod, t)));
    facts.extend(lives.map(|life| (says(ReplyFlow::Resolves(read)), life)));
    facts
}

/// Pods of a router that have a symmetric route.
fn pods(world: &World, router: usize) -> Vec<IpAddr> {
    let is_symmetric = |kind| kind == Kind::Source { is_symmetric: true };
    let rows = world.routes.iter().filter(|row| row.router == router && is_symmetric(row.kind));
    let mut pods: Vec<IpAddr> = rows.map(|row| row.prefix.addr()).collect();
    pods.sort_unstable();
    pods.dedup();
    pods
}

/// From when to when something is so. Nothing changes after the last event.
fn lives(world: &World, is_so: impl Fn(Secs) -> bool) -> impl Iterator<Item = Life> {
    let end = world.events.last().map_or(0, |event| event.at);
    let mut lives: Vec<Life> = Vec::new();
    let mut was_so = false;
    for t in 0..=end {
        let so = is_so(t);
        match lives.last_mut() {
            _ if so && !was_so => lives.push(Life { from: t, until: None }),
            Some(last) if was_so && !so => last.until = Some(t),
            _ => {}
        }
        was_so = so;
    }
    lives.into_iter()
}
