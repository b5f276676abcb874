//! BFD sessions, and how ovn-controller confirms what it has learned.

use super::changes::Part;
use super::happening::Neighbour;
use super::standing::Status;
use super::wire::{self, Ends};
use super::{Node, Step};

impl Node {
    /// A session is taken down, by its configuration or because packets of it are lost, and comes back.
    pub(super) fn lower(&mut self) {
        let is_up = |node: &Self, hop: Neighbour| {
            node.standing.sessions.get(&hop).is_some_and(|session| session.status == Status::Up)
        };
        let Some(hop) = self.idle_hop(is_up) else { return };
        let status = if self.numbers.percent(70) { Status::Down } else { Status::AdminDown };
        self.set_busy(hop, true);
        self.write_status(hop, status);
        self.plan((2_000, 60_000), Step::Part(Part::Status(hop, Status::Init)));
    }

    /// A session comes up.
    pub(super) fn begin_session(&mut self, hop: Neighbour) {
        self.plan((500, 3_000), Step::Part(Part::Status(hop, Status::Init)));
    }

    /// A session changes its state, where its peer is such that it can.
    pub(super) fn set_status(&mut self, hop: Neighbour, status: Status) {
        let answers = self.answers(hop);
        let Some(session) = self.standing.sessions.get(&hop) else { return self.set_busy(hop, false) };
        match (status, session.status) {
            (Status::Init | Status::Up, Status::Up) => self.set_busy(hop, false),
            (Status::Init, _) if answers => {
                self.write_status(hop, Status::Init);
                self.plan((300, 2_000), Step::Part(Part::Status(hop, Status::Up)));
            }
            (Status::Up, _) if answers => {
                self.write_status(hop, Status::Up);
                self.set_busy(hop, false);
            }
            (Status::Down, Status::Up | Status::Init) if !answers => self.write_status(hop, Status::Down),
            _ => {}
        }
    }

    fn write_status(&mut self, hop: Neighbour, status: Status) {
        if let Some(session) = self.standing.sessions.get_mut(&hop) {
            session.status = status;
        }
        self.publish();
    }

    /// Whether OVN's packets reach the box that has the address.
    fn answers(&self, hop: Neighbour) -> bool {
        let mac = self.gateways.get(&hop).filter(|gateway| gateway.is_alive).map(|gateway| gateway.mac);
        mac.is_some() && mac == self.standing.resolved(hop)
    }

    /// Peers of sessions that are up send.
    pub(super) fn hear_bfd(&mut self) {
        self.plan((5_000, 15_000), Step::Bfd);
        let is_up = |hop: &Neighbour| self.standing.sessions[hop].status == Status::Up && self.answers(*hop);
        let peers: Vec<Neighbour> = self.standing.sessions.keys().copied().filter(is_up).collect();
        for hop in peers {
            let router = &self.standing.routers[hop.0];
            let ends = Ends { eth_src: self.gateways[&hop].mac, eth_dst: router.mac, vlan: self.vlan };
            let frame = wire::bfd(ends, hop.1, router.address);
            self.receive(hop.0, frame);
        }
    }

    /// Bindings of boxes that answer get new timestamps.
    pub(super) fn confirm(&mut self) {
        self.plan((60_000, 150_000), Step::Confirm);
        let hops: Vec<Neighbour> = self.standing.bindings.keys().copied().filter(|hop| self.answers(*hop)).collect();
        for hop in hops {
            if let Some(binding) = self.standing.bindings.get_mut(&hop) {
                binding.confirmed = self.now;
            }
        }
        self.publish();
    }
}
