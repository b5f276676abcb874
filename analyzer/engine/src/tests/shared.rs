//! What flows share: decisions and lists.

use proptest::prelude::*;

use super::random::{packets, world};
use super::world::*;
use crate::{evidence, table};

proptest! {
    /// A flow that is judged with others is judged as by itself.
    #[test]
    fn what_is_decided_for_one_flow_is_right_for_the_others(world in world(), packets in packets()) {
        let mut engine = world.engine();
        let epochs = engine.epochs().clone();
        let knowledge = &engine.knowledge;
        let mut together = engine.context(&epochs, packets.as_slice());
        together.in_full = true;
        for seen in &packets {
            let judgement = table::judge(knowledge, &mut together, seen);
            let shared = evidence::finding(knowledge, &mut together.remembered, seen, judgement);
            let mut alone = engine.context(&epochs, packets.as_slice());
            alone.in_full = true;
            let judgement = table::judge(knowledge, &mut alone, seen);
            let own = evidence::finding(knowledge, &mut alone.remembered, seen, judgement);
            prop_assert_eq!(shared, own);
        }
    }
}

/// A finding shows so many next hops and says how many there are besides; those with its MAC are among them.
#[test]
fn lists_are_cut_and_say_so() {
    let mut world = World::empty();
    for number in 0..300_u16 {
        let nexthop = format!("198.19.{}.{}", number / 200, 1 + number % 200);
        let down = number == 299;
        world.facts.push(crate::fact::Fact::Route(crate::fact::Route {
            router: Some(format!("GR_{number}").into()),
            bfd: crate::fact::BfdRef::Status(if down {
                crate::fact::BfdStatus::Down
            } else {
                crate::fact::BfdStatus::Up
            }),
            output_port: None,
            ..route("10.0.0.0/8", &nexthop)
        }));
        let lladdr =
            if down { DEAD.to_owned() } else { format!("02:00:00:00:{:02x}:{:02x}", number / 256, number % 256) };
        world.facts.push(crate::fact::Fact::Binding(crate::fact::Binding {
            logical_port: None,
            ..binding(&nexthop, &lladdr)
        }));
    }
    let seen = packet(60, crate::types::Tuple { src: ip("10.0.0.1"), ..flow(1) }, NODE, DEAD);
    let conclusion = world.engine().conclude([seen].as_slice());
    let finding = &conclusion.findings[0];
    assert_eq!((finding.expected.len(), finding.expected.left_out()), (64, 236));
    assert_eq!((finding.routes.len(), finding.routes.left_out()), (64, 236));
    assert!(finding.expected.iter().any(|hop| hop.lladdr == Some(mac(DEAD))), "{:?}", finding.expected);
    assert!(finding.expected.is_sorted());
}
