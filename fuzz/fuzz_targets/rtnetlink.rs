//! Messages of rtnetlink: one datagram after the other, each with an octet ahead that says where it comes from.

#![no_main]

use std::collections::HashSet;

use analyzer::engine::fact::Fact;
use analyzer::netlink::route::state::{Origin, Settings, State};
use analyzer::netlink::rtnetlink::{Dump, messages};
use analyzer::types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, datagram)) = data.split_first() else { return };
    let devices = (choice & 1 != 0).then(|| HashSet::from(["eth0".into()]));
    let settings = Settings { routes: choice & 2 == 0, neighbours: true, tables: Vec::new(), devices };
    let mut state = State::new(settings);
    let mut standing: HashSet<Fact> = HashSet::new();
    let dump = Dump::ALL[usize::from(choice >> 2) % Dump::ALL.len()];
    for (number, message) in messages(datagram).enumerate() {
        let Ok(message) = message else { break };
        if number == 4 {
            state.dump_begins(dump);
        }
        let origin = if number % 2 == 0 { Origin::Notification } else { Origin::Dump };
        state.apply(&message, origin, Timestamp::from_millis(1));
        if choice & 128 != 0 {
            settle(&mut state, &mut standing);
        }
    }
    state.dump_ends(dump, choice & 64 != 0);
    settle(&mut state, &mut standing);
    for dump in Dump::ALL {
        state.dump_begins(dump);
        state.dump_ends(dump, true);
    }
    settle(&mut state, &mut standing);
    assert!(standing.is_empty(), "what no dump lists is gone");
});

/// A delta ends what stands, and begins what does not.
fn settle(state: &mut State, standing: &mut HashSet<Fact>) {
    let delta = state.delta();
    for fact in &delta.ended {
        assert!(standing.remove(fact), "{fact:?} ended without having begun");
    }
    for fact in delta.begun {
        assert!(standing.insert(fact), "a fact began twice");
    }
    state.take_link_changes();
    state.take_warnings();
    assert_eq!(state.pending(), 0, "all was taken");
}
