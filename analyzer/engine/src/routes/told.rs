//! The routes of one prefix.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::hash::Hasher;
use core::net::IpAddr;

use hashbrown::HashMap;

use crate::fact::{BfdRef, Route, RouteOrigin};
use crate::types::Validity;
use crate::versions::{Dated, FEW, Versions};

/// A route that was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) route: Route,
    /// Whether a live source told it, so that it is not put together with what others say.
    pub(super) is_live: bool,
}

impl Dated for Told {
    fn validity(&self) -> Validity {
        self.route.validity
    }

    fn validity_mut(&mut self) -> &mut Validity {
        &mut self.route.validity
    }

    fn says_same(&self, other: &Self) -> bool {
        self.route.says_same(&other.route)
    }

    fn hash_words(&self, state: &mut impl Hasher) {
        self.route.hash_words(state);
    }
}

/// All routes of one prefix and policy that were told, past ones included.
#[derive(Debug, Default)]
pub(super) struct OfPrefix {
    pub(super) told: Versions<Told>,
    /// Routes that dumps told, by what two dumps of one router agree in. Made where it is first needed.
    dumped: Option<Box<Dumped>>,
}

impl OfPrefix {
    /// Adds a route that a dump tells, or adds what it tells to the same route. Returns whether it is another one.
    pub(super) fn add(&mut self, route: Route) -> bool {
        let Some(number) = self.same(&route) else {
            let (key, place) = (Key::new(&route), Place::new(&route));
            let number = self.told.push(Told { route, is_live: false });
            if let Some(dumped) = &mut self.dumped {
                dumped.entry(key).or_default().insert(place, number);
            }
            return true;
        };
        let Some(kept) = self.told.get(number).map(|told| &told.route) else { return false };
        let (key, before) = (Key::new(kept), Place::new(kept));
        self.told.update(number, |told| put_together(&mut told.route, route));
        if let Some(dumped) = &mut self.dumped
            && let Some(kept) = self.told.get(number)
        {
            let same = dumped.entry(key).or_default();
            same.remove(&before, number);
            same.insert(Place::new(&kept.route), number);
        }
        false
    }

    /// The first route that is the same as `route`, as far as both tell.
    fn same(&mut self, route: &Route) -> Option<u32> {
        if self.told.len() <= FEW {
            return self.told.numbered().find(|(_, told)| is_same(told, route)).map(|(number, _)| number);
        }
        let told = &self.told;
        let dumped = self.dumped.get_or_insert_with(|| {
            let mut dumped = Box::<Dumped>::default();
            for (number, told) in told.numbered().filter(|(_, told)| !told.is_live) {
                dumped.entry(Key::new(&told.route)).or_default().insert(Place::new(&told.route), number);
            }
            dumped
        });
        dumped.get(&Key::new(route))?.first(&Place::new(route))
    }

    /// The versions, for a change by a live source.
    pub(super) fn for_change(&mut self) -> &mut Versions<Told> {
        self.dumped = None;
        &mut self.told
    }
}

fn is_same(told: &Told, route: &Route) -> bool {
    #[cfg(test)]
    crate::types::work::step();
    !told.is_live && Key::new(&told.route) == Key::new(route) && Place::new(&told.route).agrees(&Place::new(route))
}

/// The route that names router and port is kept.
fn put_together(kept: &mut Route, route: Route) {
    let tells_state = |route: &Route| matches!(route.bfd, BfdRef::Session { .. } | BfdRef::Status(_));
    let is_unread = |route: &Route| route.bfd == BfdRef::Unread;
    if is_unread(kept) && !is_unread(&route) {
        kept.bfd = route.bfd;
        kept.symmetric_reply = route.symmetric_reply;
    } else if !is_unread(&route) {
        kept.symmetric_reply |= route.symmetric_reply;
        if !tells_state(kept) && tells_state(&route) {
            kept.bfd = route.bfd;
        }
    }
    kept.router = kept.router.take().or(route.router);
    kept.output_port = kept.output_port.take().or(route.output_port);
}

/// Routes by what one route has in common with itself in whatever dump.
type Dumped = HashMap<Key, Places>;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    validity: Validity,
    nexthop: Option<IpAddr>,
    route_table: Arc<str>,
    origin: RouteOrigin,
}

impl Key {
    fn new(route: &Route) -> Self {
        let Route { validity, nexthop, route_table, origin, .. } = route;
        Self { validity: *validity, nexthop: *nexthop, route_table: route_table.clone(), origin: *origin }
    }
}

/// What one dump names and another may not: router and port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Place {
    router: Option<Arc<str>>,
    port: Option<Arc<str>>,
}

impl Place {
    fn new(route: &Route) -> Self {
        Self { router: route.router.clone(), port: route.output_port.clone() }
    }

    /// Whether both may be the same place.
    fn agrees(&self, other: &Self) -> bool {
        let agree = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.is_none() || b.is_none() || a == b;
        agree(&self.router, &other.router) && agree(&self.port, &other.port)
    }
}

/// Routes with the same key, by place. No two agree: they would have been put together.
#[derive(Debug, Default)]
struct Places {
    by_place: HashMap<Place, u32>,
    by_router: HashMap<Option<Arc<str>>, BTreeSet<u32>>,
    by_port: HashMap<Option<Arc<str>>, BTreeSet<u32>>,
    all: BTreeSet<u32>,
}

impl Places {
    fn insert(&mut self, place: Place, number: u32) {
        self.by_router.entry(place.router.clone()).or_default().insert(number);
        self.by_port.entry(place.port.clone()).or_default().insert(number);
        self.by_place.insert(place, number);
        self.all.insert(number);
    }

    fn remove(&mut self, place: &Place, number: u32) {
        self.by_place.remove(place);
        self.all.remove(&number);
        for numbers in [self.by_router.get_mut(&place.router), self.by_port.get_mut(&place.port)] {
            numbers.into_iter().for_each(|numbers| {
                numbers.remove(&number);
            });
        }
    }

    /// The first route whose place agrees with `place`.
    fn first(&self, place: &Place) -> Option<u32> {
        let first = |numbers: Option<&BTreeSet<u32>>| numbers.and_then(|numbers| numbers.first().copied());
        let either = |by: &HashMap<Option<Arc<str>>, BTreeSet<u32>>, named: &Option<Arc<str>>| {
            [named, &None].into_iter().filter_map(|name| first(by.get(name))).min()
        };
        match (&place.router, &place.port) {
            (None, None) => first(Some(&self.all)),
            (Some(_), None) => either(&self.by_router, &place.router),
            (None, Some(_)) => either(&self.by_port, &place.port),
            (Some(_), Some(_)) => {
                let unnamed = |name: &Option<Arc<str>>| [name.clone(), None];
                let routers = unnamed(&place.router).into_iter();
                let places =
                    routers.flat_map(|router| unnamed(&place.port).map(|port| Place { router: router.clone(), port }));
                places.filter_map(|place| self.by_place.get(&place).copied()).min()
            }
        }
    }
}

#[cfg(test)]
mod tests;
