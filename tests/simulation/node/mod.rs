//! A simulated worker: what really happens on it, made from a seed, on a clock of its own.
//!
//! Gateways live and die, rows of three databases follow them, OVN labels conntrack entries by the rules of its release and
//! sends packets where label, route and binding lead. Who watches gets what the real node gives: frames, transactions,
//! events. Beside each packet that leaves stands the truth, which is told from what the node itself knows and never from
//! what the analyzer makes of it.
//!
//! What uses what: `happening`, `parts`, `addresses` <- `standing` (the databases as plain structs) <- `rows` (as rows),
//! `truth`; `parts` <- `conntrack`; `wire` (bytes); all of these <- `traffic` (flows), `asides` (what no pod sends), `changes`,
//! `remakes` and `sessions` (everything else), `make` (the start).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use analyzer::engine::fact::Connection;
use analyzer::engine::label;
use analyzer::netlink::link::{Link, LinkChange};
use analyzer::ovsdb::row::Change;
use analyzer::types::{MacAddr, Timestamp, Tuple};

use self::changes::Part;
use self::happening::Neighbour;
pub(crate) use self::happening::{Happening, Ns, Out, Truth, Which};
pub(crate) use self::parts::Era;
use self::parts::{Flow, Gateway, MILLISECOND, Nic, Pod, Version};
use self::rows::{Rows, Setting};
use self::standing::Standing;
use self::truth::Observer;
use crate::numbers::Numbers;

mod addresses;
mod asides;
mod changes;
mod conntrack;
mod happening;
mod make;
mod parts;
mod remakes;
mod rows;
mod sessions;
mod standing;
mod tests;
mod traffic;
mod truth;
mod wire;

/// What a node has in store for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The next change of gateways, routes, pods or NICs.
    Change,
    /// What such a change leads to.
    Part(Part),
    /// ovn-controller confirms what it has learned.
    Confirm,
    /// Peers of BFD sessions send.
    Bfd,
    /// Somebody opens a flow.
    Open,
    /// The host sends.
    Host,
    /// Packets of a flow.
    Run(u32),
    /// An entry of conntrack may be over.
    Expire(u32),
}

/// A worker.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    setting: Setting,
    /// VLAN of all frames of the NICs.
    vlan: Option<u16>,
    numbers: Numbers,
    now: Ns,
    /// What stands in the databases, and what of it ovn-controller has taken over so far.
    standing: Standing,
    seen: Standing,
    /// What it will take over, and when.
    late: VecDeque<(Ns, Standing)>,
    told: BTreeMap<Which, Rows>,
    observer: Observer,
    gateways: BTreeMap<Neighbour, Gateway>,
    /// Boxes that are no next hops and send all the same.
    strangers: BTreeSet<MacAddr>,
    /// MACs whose boxes are gone.
    gone: Vec<MacAddr>,
    pods: Vec<Pod>,
    nics: Vec<Nic>,
    flows: BTreeMap<u32, Flow>,
    /// Flows that ended last, which may be opened again.
    ended: VecDeque<(usize, Tuple)>,
    table: conntrack::Table,
    /// By time, and in the order in which they were planned.
    queue: BTreeMap<(Ns, u32), Step>,
    ready: VecDeque<Happening>,
    serial: u32,
}

impl Node {
    /// The next thing that happens, and when; time goes on to it. Never ends.
    pub(crate) fn next(&mut self) -> (Ns, Happening) {
        loop {
            if let Some(happening) = self.ready.pop_front() {
                return (self.now, happening);
            }
            let ((at, _), step) = self.queue.pop_first().expect("something is always in store");
            self.now = at;
            self.take_over();
            match step {
                Step::Change => self.change(),
                Step::Part(part) => self.go_on(part),
                Step::Confirm => self.confirm(),
                Step::Bfd => self.hear_bfd(),
                Step::Open => self.open(),
                Step::Host => self.send_as_host(),
                Step::Run(flow) => self.run(flow),
                Step::Expire(id) => self.expire(id),
            }
        }
    }

    /// The wall clock's time at a moment: that of `MAC_Binding.timestamp`.
    pub(crate) fn wall(&self, at: Ns) -> Timestamp {
        Timestamp::from_nanos(self.setting.boot + at)
    }

    /// The release of OVN.
    pub(crate) fn version(&self) -> Version {
        self.setting.version
    }

    /// All rows of a database as they are, as changes from nothing: what a connection begins with.
    pub(crate) fn rows(&self, which: Which) -> Vec<Change> {
        rows::difference(&Rows::new(), &self.told[&which])
    }

    /// All links, as a dump tells them.
    pub(crate) fn links(&self) -> Vec<LinkChange> {
        let others = [(1, "lo"), (2, "ovs-system"), (3, "br-int"), (4, "br-ex")].map(|(ifindex, name)| {
            let link = Nic { name: "", ifindex, mac: MacAddr([0; 6]), exists: true, is_up: true }.link();
            let kind = (ifindex > 1).then(|| "openvswitch".into());
            LinkChange::Present(Link { name: name.into(), kind, master: None, is_loopback: ifindex == 1, ..link })
        });
        let nics = self.nics.iter().filter(|nic| nic.exists).map(|nic| LinkChange::Present(nic.link()));
        others.into_iter().chain(nics).collect()
    }

    /// The conntrack entry of a zone one of whose tuples is this, as the kernel answers.
    pub(crate) fn entry(&self, tuple: Tuple, zone: u16) -> Option<Connection> {
        self.table.get(tuple, zone).cloned()
    }

    /// Entries with a MAC in their label, in all zones, as a dump tells them.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = &Connection> {
        self.table.iter().filter(|entry| label::decode(entry.label, entry.mark).is_some())
    }

    /// Somebody deletes an entry. Listeners are told next.
    pub(crate) fn delete(&mut self, tuple: Tuple, zone: u16) -> Option<Connection> {
        let id = self.table.get(tuple, zone)?.id?;
        let (removed, event) = self.table.remove(id)?;
        self.ready.push_back(Happening::Entry(event));
        Some(removed)
    }

    /// The truth about a MAC for packets of a pod's address, as things stand now.
    pub(crate) fn truth(&self, router: usize, source: IpAddr, mac: MacAddr) -> Truth {
        let lives = |gateway: &Gateway| gateway.mac == mac && gateway.is_alive;
        let is_alive = self.strangers.contains(&mac) || self.gateways.values().any(lives);
        self.observer.truth(router, source, mac, is_alive)
    }

    /// Writes into the databases what stands now. ovn-controller takes it over a little later.
    fn publish(&mut self) {
        for which in Which::ALL {
            let rows = rows::rows(which, self.setting, &self.standing, &self.nics);
            let changes = rows::difference(&self.told[&which], &rows);
            if !changes.is_empty() {
                self.told.insert(which, rows);
                self.ready.push_back(Happening::Rows { which, changes });
            }
        }
        let sources = self.pods.iter().map(|pod| (pod.router, pod.address));
        self.observer.note(&self.standing, sources, self.now);
        let due = self.now + self.after(0, 500);
        let last = self.late.back().map_or(0, |(at, _)| *at);
        self.late.push_back((due.max(last), self.standing.clone()));
    }

    /// What ovn-controller has taken over by now.
    fn take_over(&mut self) {
        while let Some((_, standing)) = self.late.pop_front_if(|(at, _)| *at <= self.now) {
            self.seen = standing;
        }
    }

    /// A time between so many milliseconds and so many.
    fn after(&mut self, first: u32, last: u32) -> Ns {
        Ns::from(self.numbers.between(first, last)) * MILLISECOND + Ns::from(self.numbers.below(1_000_000))
    }

    /// Puts something in store, so many milliseconds from now.
    fn plan(&mut self, (first, last): (u32, u32), step: Step) {
        let at = self.now + self.after(first, last);
        self.plan_at(at, step);
    }

    fn plan_at(&mut self, at: Ns, step: Step) {
        let serial = self.next_serial();
        self.queue.insert((at, serial), step);
    }

    fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// The NIC that a router's frames pass, if any pass it.
    fn nic_of(&self, router: usize) -> Option<u32> {
        let nic = &self.nics[router % self.nics.len()];
        nic.can_carry().then_some(nic.ifindex)
    }

    /// A frame comes in by a router's NIC.
    fn receive(&mut self, router: usize, frame: Vec<u8>) {
        let received = self.nic_of(router).map(|ifindex| Happening::In { ifindex, frame });
        self.ready.extend(received);
    }
}
