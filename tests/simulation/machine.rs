//! What the daemon asks of the simulated node at once: its conntrack table, and its NICs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use analyzer::daemon::connections::Way;
use analyzer::daemon::entries::{Entries, Zones};
use analyzer::daemon::hooks::{Attached, Hooks, Nic};
use analyzer::engine::fact::Connection;
use analyzer::netlink::link::LinkChange;
use analyzer::types::Tuple;

use crate::kernel::Kernel;
use crate::node::Node;

/// The conntrack table.
pub(crate) struct Table {
    pub(crate) node: Rc<RefCell<Node>>,
    pub(crate) asked: Rc<Asked>,
}

/// What the daemon has asked of it.
#[derive(Default)]
pub(crate) struct Asked {
    /// Whether a reading is to begin.
    pub(crate) is_to_be_read: Cell<bool>,
    /// Whether the kernel answers none of its requests.
    pub(crate) is_refused: Cell<bool>,
}

impl Entries for Table {
    fn open(&mut self, way: Way) -> Result<(), String> {
        match way {
            Way::Kernel | Way::Open | Way::None => Ok(()),
            Way::Userspace => Err("the simulated node has its entries in the kernel".to_owned()),
        }
    }

    fn get(&self, tuple: Tuple, zone: u16) -> Result<Option<Connection>, String> {
        match self.asked.is_refused.get() {
            true => Err("no buffer space available".to_owned()),
            false => Ok(self.node.borrow().entry(tuple, zone)),
        }
    }

    fn read(&mut self, _: Zones) {
        self.asked.is_to_be_read.set(true);
    }
}

/// The NICs that programs are attached to.
#[derive(Clone)]
pub(crate) struct Nics {
    pub(crate) node: Rc<RefCell<Node>>,
    pub(crate) kernel: Kernel,
    /// By their index, each with whether its program is still where it was attached.
    pub(crate) attached: Rc<RefCell<BTreeMap<u32, bool>>>,
}

impl Nics {
    fn exists(&self, ifindex: u32) -> bool {
        let is_it = |change: &LinkChange| matches!(change, LinkChange::Present(link) if link.ifindex == ifindex);
        self.node.borrow().links().iter().any(is_it)
    }

    /// Whether packets at a NIC are seen.
    pub(crate) fn is_watched(&self, ifindex: u32) -> bool {
        self.attached.borrow().get(&ifindex) == Some(&true)
    }

    /// Somebody removes our programs from all NICs.
    pub(crate) fn tear_off(&self) {
        self.attached.borrow_mut().values_mut().for_each(|is_in_place| *is_in_place = false);
    }

    /// A device goes, and what was attached to it.
    pub(crate) fn gone(&self, ifindex: u32) {
        if let Some(is_in_place) = self.attached.borrow_mut().get_mut(&ifindex) {
            *is_in_place = false;
        }
    }
}

impl Hooks for Nics {
    fn attach(&mut self, nic: &Nic) -> anyhow::Result<Attached> {
        anyhow::ensure!(self.exists(nic.ifindex), "cannot attach to {}: no such device", nic.name);
        self.kernel.set_nic(nic.ifindex, nic.index);
        self.attached.borrow_mut().insert(nic.ifindex, true);
        Ok(Attached { modes: vec!["tcx", "tcx"], remarks: Vec::new() })
    }

    fn is_in_place(&self, ifindex: u32) -> anyhow::Result<bool> {
        Ok(self.is_watched(ifindex))
    }

    fn detach(&mut self, ifindex: u32) {
        self.attached.borrow_mut().remove(&ifindex);
        self.kernel.forget_nic(ifindex);
    }

    fn is_closing(&mut self, _: u32) -> bool {
        false
    }

    fn passed_by(&self) -> (u64, u64) {
        (0, 0)
    }

    fn lower(&self, _: &str) -> Vec<Arc<str>> {
        Vec::new()
    }
}
