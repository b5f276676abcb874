//! The NICs of this machine, watched by programs or by AF_XDP sockets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use super::config::Config;
use crate::bpf::attach::{self, AttachOptions, Attachment, Mode, Position, TcForm, XdpMode};
use crate::bpf::programs::Programs;
use crate::cli::{Ingress, TcHook, TcxPosition};
use crate::daemon::hooks::{Attached, Hooks, Nic};
use crate::doctor::ethtool::{self, feature};
use crate::mirror::{self, Closing, MirrorError, Port};

/// What is attached to NICs.
#[derive(Clone)]
pub(super) struct Attachments(Rc<RefCell<Held>>);

struct Held {
    programs: Programs,
    options: AttachOptions,
    /// How sockets are made, where they take the place of programs; `None` once they are closed.
    sockets: Option<mirror::Settings>,
    at: BTreeMap<u32, Holding>,
    /// Sockets of ports that were let go, which are closed once their frames are counted.
    closing: BTreeMap<u32, Closing>,
    /// What passed by sockets of ports that went: on to the stack, and missed by the NIC.
    passed_by: (u64, u64),
}

/// What holds a NIC.
enum Holding {
    Programs(Attachment),
    Port(Box<Port>),
}

impl Holding {
    fn attachment(&self) -> &Attachment {
        match self {
            Self::Programs(attachment) => attachment,
            Self::Port(port) => port.attachment(),
        }
    }

    /// Frames that passed sockets by: those of queues without one, and those that the NIC had no room for.
    fn passed_by(&self) -> (u64, u64) {
        match self {
            Self::Programs(_) => (0, 0),
            Self::Port(port) => (port.passed(), port.missed()),
        }
    }
}

impl Attachments {
    /// Nothing is attached. Sockets take the place of programs where they are given.
    pub(super) fn new(programs: Programs, config: &Config, sockets: Option<mirror::Settings>) -> Self {
        let (options, at, closing) = (options(config), BTreeMap::new(), BTreeMap::new());
        Self(Rc::new(RefCell::new(Held { programs, options, sockets, at, closing, passed_by: (0, 0) })))
    }

    /// Sockets count in this generation of the set from here on; 0 where none is loaded.
    pub(super) fn enter(&self, generation: u16) {
        if let Some(settings) = &self.0.borrow().sockets {
            settings.enter(generation);
        }
    }

    /// No NIC is watched by sockets from here on.
    pub(super) fn close_sockets(&self) {
        self.0.borrow_mut().sockets = None;
    }

    /// The devices that something is attached to.
    pub(super) fn nics(&self) -> Vec<attach::Nic> {
        self.0.borrow().at.values().map(|holding| holding.attachment().nic().clone()).collect()
    }

    /// How programs are attached.
    pub(super) fn options(&self) -> AttachOptions {
        self.0.borrow().options
    }
}

impl Hooks for Attachments {
    fn attach(&mut self, nic: &Nic) -> anyhow::Result<Attached> {
        let held = &mut *self.0.borrow_mut();
        let Nic { name, ifindex, index } = nic;
        let nic = attach::Nic { name: name.clone(), ifindex: *ifindex, index: *index };
        let holding = match &held.sockets {
            Some(settings) => Holding::Port(Box::new(Port::open(&nic, &held.programs, settings)?)),
            None => Holding::Programs(held.programs.attach(&nic, &held.options).map_err(MirrorError::from)?),
        };
        let mut remarks = Vec::new();
        if matches!(holding, Holding::Port(_)) && ethtool::is_on(name, feature::TAKES_TAGS_OFF).unwrap_or(false) {
            remarks.push(format!(
                "{name}: rx-vlan-offload takes VLAN tags off its frames before they are seen; `ethtool -K {name} \
                 rx-vlan-offload off` keeps them"
            ));
        }
        let attachment = holding.attachment();
        remarks.extend(attachment.remarks().iter().map(|remark| format!("{name}: {remark}")));
        let modes = attachment.modes().map(Mode::name).collect();
        held.at.insert(*ifindex, holding);
        Ok(Attached { modes, remarks })
    }

    fn is_in_place(&self, ifindex: u32) -> anyhow::Result<bool> {
        match self.0.borrow().at.get(&ifindex) {
            Some(holding) => holding.attachment().is_in_place().map_err(|error| MirrorError::from(error).into()),
            None => Ok(false),
        }
    }

    fn detach(&mut self, ifindex: u32) {
        let held = &mut *self.0.borrow_mut();
        let Some(holding) = held.at.remove(&ifindex) else { return };
        held.passed_by = sum(held.passed_by, holding.passed_by());
        if let Holding::Port(port) = &holding {
            held.closing.insert(ifindex, port.closing());
        }
    }

    fn is_closing(&mut self, ifindex: u32) -> bool {
        let held = &mut *self.0.borrow_mut();
        held.closing.retain(|_, closing| !closing.is_over());
        held.closing.contains_key(&ifindex)
    }

    fn passed_by(&self) -> (u64, u64) {
        let held = self.0.borrow();
        held.at.values().map(Holding::passed_by).fold(held.passed_by, sum)
    }

    fn lower(&self, name: &str) -> Vec<Arc<str>> {
        lower_devices(name)
    }
}

/// Names of the devices that a device stands on, as sysfs tells them.
pub(crate) fn lower_devices(name: &str) -> Vec<Arc<str>> {
    let Ok(entries) = fs::read_dir(format!("/sys/class/net/{name}")) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("lower_").map(Arc::from)).collect()
}

fn sum(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0 + other.0, one.1 + other.1)
}

fn options(config: &Config) -> AttachOptions {
    AttachOptions {
        ingress: match config.ingress {
            Ingress::Tc => attach::Ingress::Tc,
            Ingress::Xdp => attach::Ingress::Xdp(XdpMode::Native),
            Ingress::XdpGeneric => attach::Ingress::Xdp(XdpMode::Generic),
            // Sockets have a program of their own.
            Ingress::Afxdp | Ingress::AfxdpGeneric => attach::Ingress::Nowhere,
            Ingress::None => attach::Ingress::Nowhere,
        },
        mirror: config.mirror,
        consumes: config.consumes,
        tcx_position: match config.tcx_position {
            TcxPosition::First => Position::First,
            TcxPosition::Last => Position::Last,
        },
        tc: match config.tc {
            TcHook::Auto => TcForm::Auto,
            TcHook::Clsact => TcForm::Clsact,
        },
    }
}
