//! How long a new set takes to come into force, and what the maps take.

use std::time::Duration;

use analyzer::bpf::programs::Parts;
use anyhow::Result;

use crate::clock::{now, pause};
use crate::set::{self, Set};
use crate::traffic::{NEXTHOPS, Traffic};

/// Sets seldom follow each other faster.
const BETWEEN: Duration = Duration::from_millis(200);

pub(crate) fn run(rounds: u32) -> Result<()> {
    for routes in [64, 20_000] {
        let traffic = Traffic { pods: routes, ..Traffic::new(1) };
        for _ in 0..rounds {
            let mut parts = set::loaded(64)?;
            let mut set = Set::new(&traffic);
            install("first", routes, &set, &mut parts)?;
            pause(BETWEEN);
            install("the same again", routes, &set, &mut parts)?;
            pause(BETWEEN);
            for class in set.classes.sources.values_mut().take(1) {
                class.id = class.id % NEXTHOPS as u16 + 1;
            }
            install("one route changed", routes, &set, &mut parts)?;
            install("the same, at once behind another", routes, &set, &mut parts)?;
            pause(BETWEEN);
            for class in set.classes.sources.values_mut() {
                class.id = class.id % NEXTHOPS as u16 + 1;
            }
            install("all routes changed", routes, &set, &mut parts)?;
        }
    }
    let parts = set::loaded(64)?;
    for map in parts.table.map_uses().into_iter().chain(parts.readings.map_uses()) {
        println!("memory\t{}\t{}\t{}", map.name, map.max_entries, map.memory_bytes.unwrap_or(0));
    }
    Ok(())
}

fn install(what: &str, routes: u32, set: &Set, parts: &mut Parts) -> Result<()> {
    let start = now();
    set.install(parts)?;
    println!("install\t{what}\t{routes}\t{}", (now() - start).as_nanos());
    Ok(())
}
