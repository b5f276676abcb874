use proptest::prelude::*;

use super::*;
use crate::fact::{Policy, Source};
use crate::types::Timestamp;

fn route() -> impl Strategy<Value = Route> {
    let name = || prop::option::of(prop_oneof!["a", "b", "c"].prop_map(|name: String| Arc::from(name)));
    (name(), name(), 0..2u8, 0..2u64, any::<bool>()).prop_map(
        |(router, output_port, nexthop, from, symmetric_reply)| Route {
            router,
            route_table: "".into(),
            policy: Policy::SrcIp,
            prefix: "10.0.0.0/8".parse().unwrap(),
            nexthop: Some(core::net::Ipv4Addr::new(192, 0, 2, nexthop).into()),
            output_port,
            symmetric_reply,
            override_connected: false,
            origin: RouteOrigin::Static,
            bfd: BfdRef::None,
            port_key: None,
            source: Source::Ovn,
            validity: Validity { from: Some(Timestamp::from_nanos(from)), until: None },
        },
    )
}

proptest! {
    /// However many routes there are, a dump's route is put together with the first that is the same.
    #[test]
    fn routes_of_dumps_are_put_together_with_the_first_that_agrees(
        routes in prop::collection::vec(route(), 0..60),
        live in prop::collection::vec(route(), 0..20),
    ) {
        let mut of_prefix = OfPrefix::default();
        let mut model: Vec<Told> = Vec::new();
        for route in live {
            of_prefix.for_change().push(Told { route: route.clone(), is_live: true });
            model.push(Told { route, is_live: true });
        }
        for route in routes {
            let is_new = of_prefix.add(route.clone());
            match model.iter_mut().find(|told| is_same(told, &route)) {
                Some(told) => {
                    prop_assert!(!is_new);
                    put_together(&mut told.route, route);
                }
                None => {
                    prop_assert!(is_new);
                    model.push(Told { route, is_live: false });
                }
            }
        }
        let told: Vec<&Route> = of_prefix.told.iter().map(|told| &told.route).collect();
        prop_assert_eq!(told, model.iter().map(|told| &told.route).collect::<Vec<_>>());
    }
}
