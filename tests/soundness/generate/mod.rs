//! Worlds from seeds: `network` sets up routers, routes and next hops and changes them, `traffic` lets clients and pods speak.

mod network;
mod traffic;

use crate::numbers::{Numbers, mix};
use crate::world::{Era, Version, World};

/// The world of a seed.
pub(crate) fn world(seed: u64) -> World {
    let mut numbers = Numbers::new(mix(seed));
    let mut world = World {
        seed,
        is_v6: numbers.percent(15),
        version: version(&mut numbers),
        history_start: numbers.one(&[0, 0, 0, 0, 0, 20]),
        tells_direction: numbers.percent(20),
        routers: Vec::new(),
        routes: Vec::new(),
        sessions: Vec::new(),
        bindings: Vec::new(),
        statics: Vec::new(),
        heard: Vec::new(),
        flows: Vec::new(),
        decoys: Vec::new(),
        events: Vec::new(),
    };
    let network = network::add(&mut world, &mut numbers);
    traffic::add(&mut world, &mut numbers, &network);
    world
}

/// A version of ovn-facts 1.1 and 1.4.
fn version(numbers: &mut Numbers) -> Version {
    let era = numbers.one(&[Era::A, Era::A, Era::B, Era::C, Era::D, Era::E, Era::F]);
    Version {
        era,
        is_mark_form: match era {
            Era::A => numbers.percent(50),
            Era::B | Era::C | Era::D => numbers.percent(80),
            Era::E | Era::F => true,
        },
        pins_single_route: match era {
            Era::A | Era::B | Era::C => false,
            Era::D | Era::E => numbers.percent(60),
            Era::F => true,
        },
        names_zones_by_uuid: match era {
            Era::A | Era::B => true,
            Era::C | Era::D => numbers.percent(30),
            Era::E | Era::F => false,
        },
    }
}
