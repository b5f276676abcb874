//! Routers that are made anew, and NICs that go down or are deleted.

use analyzer::netlink::link::{Link, LinkChange};

use super::Node;
use super::changes::Part;
use super::happening::{Happening, Neighbour};

impl Node {
    /// The router has new rows in all databases, and what it had learned is gone.
    pub(super) fn remake_router(&mut self) {
        let router = self.numbers.below(self.standing.routers.len() as u32) as usize;
        self.standing.routers[router].made += 1;
        let routes = std::mem::take(&mut self.standing.routes);
        for (serial, route) in routes {
            let serial = if route.router == router { self.next_serial() } else { serial };
            self.standing.routes.insert(serial, route);
        }
        self.standing.bindings.retain(|hop, _| hop.0 != router);
        self.publish();
        self.then((10, 500), Part::Zone(router));
        let hops: Vec<Neighbour> = self.gateways.keys().copied().filter(|hop| hop.0 == router).collect();
        hops.into_iter().for_each(|hop| self.then((100, 3_000), Part::Bind(hop)));
    }

    /// A zone that was in use before is emptied first.
    pub(super) fn choose_zone(&mut self, router: usize) {
        let zone = self.numbers.between(8, 40) as u16 + 50 * router as u16;
        let ids: Vec<_> = self.table.iter().filter(|entry| entry.zone == zone).filter_map(|entry| entry.id).collect();
        let events: Vec<_> = ids.into_iter().filter_map(|id| self.table.remove(id)).map(|(_, event)| event).collect();
        self.ready.extend(events.into_iter().map(Happening::Entry));
        self.standing.routers[router].zone = zone;
        self.publish();
    }

    pub(super) fn take_link_down(&mut self) {
        let nic = self.numbers.below(self.nics.len() as u32) as usize;
        let is_deleted = self.numbers.percent(40);
        let row = &mut self.nics[nic];
        if !row.can_carry() {
            return;
        }
        let change = match is_deleted {
            true => LinkChange::Gone { ifindex: row.ifindex },
            false => LinkChange::Present(Link { is_up: false, has_carrier: false, ..row.link() }),
        };
        (row.exists, row.is_up) = (!is_deleted, false);
        row.ifindex += if is_deleted { 10 } else { 0 };
        self.ready.push_back(Happening::Links(vec![change]));
        self.then((500, 5_000), Part::LinkUp(nic));
    }

    pub(super) fn bring_link_up(&mut self, nic: usize) {
        let row = &mut self.nics[nic];
        (row.exists, row.is_up) = (true, true);
        self.ready.push_back(Happening::Links(vec![LinkChange::Present(row.link())]));
    }
}
