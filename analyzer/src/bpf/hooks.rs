//! Which programs are at the hooks of a NIC, ours and others'.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

use super::clsact::{self, Side};
use super::error::{BpfError, is_denied};
use super::rtnl::{self, u32_at};
use super::sys::{AttachType, tcx_programs};

/// `struct ifinfomsg`.
const IFINFOMSG_LEN: usize = 16;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;

/// Where a program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HookKind {
    /// XDP, run by the driver.
    XdpNative,
    /// XDP, run by the network stack.
    XdpGeneric,
    /// XDP, run by the NIC.
    XdpOffloaded,
    /// TCX on ingress.
    TcxIngress,
    /// Ingress side of clsact.
    ClsactIngress,
    /// TCX on egress.
    TcxEgress,
    /// Egress side of clsact.
    ClsactEgress,
}

/// When a program runs, seen from ours at the same hook.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Turn {
    /// It is ours.
    Ours,
    /// Before ours: what it drops or redirects we do not see.
    Before,
    /// After ours: it may still change what we saw.
    After,
    /// Ours is not at this hook.
    Alone,
}

/// A program at a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HookProgram {
    /// The hook.
    pub hook: HookKind,
    /// Id of the program; `None` for a filter that is no bpf program.
    pub id: Option<u32>,
    /// Its name; `None` where the kernel would not tell.
    pub name: Option<String>,
    /// Kind of filter, as tc(8) names it: `bpf`, `u32`.
    pub kind: String,
    /// Priority of a filter.
    pub priority: Option<u16>,
    /// When it runs, seen from ours.
    pub turn: Turn,
}

/// What is at the hooks of a NIC.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hooks {
    /// Programs, by hook in the order in which they run.
    pub programs: Vec<HookProgram>,
    /// What could not be found out, and why, in words for the user.
    pub unknown: Vec<String>,
}

/// Lists what is at the hooks of a NIC. `ours` tells ids of programs of this process; filters that bear our mark are
/// ours too. What this process may not know is said in [`Hooks::unknown`].
pub fn hooks(ifindex: u32, ours: impl Fn(u32) -> bool) -> Hooks {
    let mut hooks = Hooks::default();
    hooks.add_xdp(ifindex, &ours);
    for (tcx, at, clsact, side) in [
        (HookKind::TcxIngress, AttachType::TcxIngress, HookKind::ClsactIngress, Side::Ingress),
        (HookKind::TcxEgress, AttachType::TcxEgress, HookKind::ClsactEgress, Side::Egress),
    ] {
        hooks.add_tcx(ifindex, tcx, at, &ours);
        hooks.add_filters(ifindex, clsact, side, &ours);
    }
    hooks.add_names();
    hooks
}

impl Hooks {
    fn add_xdp(&mut self, ifindex: u32, ours: &impl Fn(u32) -> bool) {
        match xdp_programs(ifindex) {
            Ok(programs) => self.add(programs.into_iter().map(|(hook, id)| HookProgram {
                hook,
                id: Some(id),
                name: None,
                kind: "bpf".to_owned(),
                priority: None,
                turn: if ours(id) { Turn::Ours } else { Turn::Alone },
            })),
            Err(error) => self.unknown.push(format!("XDP programs: {error}")),
        }
    }

    fn add_tcx(&mut self, ifindex: u32, hook: HookKind, at: AttachType, ours: &impl Fn(u32) -> bool) {
        match tcx_programs(ifindex, at) {
            Ok(ids) => self.add(ids.into_iter().map(|id| HookProgram {
                hook,
                id: Some(id),
                name: None,
                kind: "bpf".to_owned(),
                priority: None,
                turn: if ours(id) { Turn::Ours } else { Turn::Alone },
            })),
            // No TCX in this kernel, so no program there.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) if is_denied(&error) => {
                self.unknown.push(format!("{hook:?}: listing programs needs CAP_NET_ADMIN: {error}"));
            }
            Err(error) => self.unknown.push(format!("{hook:?}: {error}")),
        }
    }

    fn add_filters(&mut self, ifindex: u32, hook: HookKind, side: Side, ours: &impl Fn(u32) -> bool) {
        match clsact::filters(ifindex, side) {
            Ok(filters) => self.add(filters.into_iter().map(|filter| HookProgram {
                hook,
                id: filter.program,
                turn: if filter.is_ours() || filter.program.is_some_and(ours) { Turn::Ours } else { Turn::Alone },
                name: filter.name,
                kind: filter.kind,
                priority: Some(filter.priority),
            })),
            Err(error) => self.unknown.push(format!("{hook:?}: {error}")),
        }
    }

    /// Adds the programs of one hook, in their order.
    fn add(&mut self, programs: impl Iterator<Item = HookProgram>) {
        let mut programs: Vec<HookProgram> = programs.collect();
        if let Some(ours) = programs.iter().position(|program| program.turn == Turn::Ours) {
            for (index, program) in programs.iter_mut().enumerate() {
                match program.turn {
                    Turn::Ours => {}
                    _ if index < ours => program.turn = Turn::Before,
                    _ => program.turn = Turn::After,
                }
            }
        }
        self.programs.append(&mut programs);
    }

    fn add_names(&mut self) {
        let nameless: Vec<u32> =
            self.programs.iter().filter(|program| program.name.is_none()).filter_map(|program| program.id).collect();
        if nameless.is_empty() {
            return;
        }
        match names(&nameless) {
            Ok(names) => {
                for program in self.programs.iter_mut().filter(|program| program.name.is_none()) {
                    let name = names.iter().find(|(id, _)| Some(*id) == program.id);
                    program.name = name.map(|(_, name)| name.clone());
                }
            }
            Err(reason) => self.unknown.push(reason),
        }
    }
}

/// Names of programs by id. The kernel tells them only with CAP_SYS_ADMIN.
fn names(ids: &[u32]) -> Result<Vec<(u32, String)>, String> {
    let mut names = Vec::new();
    for program in aya::programs::loaded_programs() {
        match program {
            Ok(program) if ids.contains(&program.id()) => {
                names.push((program.id(), program.name_as_str().unwrap_or_default().to_owned()));
            }
            Ok(_) => {}
            // A program may be unloaded between two steps of the listing.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(format!("names of programs: the kernel tells them with CAP_SYS_ADMIN: {error}")),
        }
    }
    Ok(names)
}

fn is_gone(error: &aya::programs::ProgramError) -> bool {
    match error {
        aya::programs::ProgramError::SyscallError(error) => error.io_error.raw_os_error() == Some(libc::ENOENT),
        _ => false,
    }
}

/// How users are told of a program: by its id, and its name where the kernel tells it.
pub(super) fn describe(id: u32) -> String {
    match names(&[id]) {
        Ok(names) => match names.into_iter().next() {
            Some((_, name)) if !name.is_empty() => format!("the program {name:?} (id {id})"),
            _ => format!("the program with id {id}"),
        },
        Err(_) => format!("the program with id {id} (its name is told with CAP_SYS_ADMIN)"),
    }
}

/// The programs in the XDP slots of a NIC.
pub(super) fn xdp_programs(ifindex: u32) -> io::Result<Vec<(HookKind, u32)>> {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    let answers = rtnl::request(RouteNetlinkMessage::GetLink(message), 0)?;
    let mut programs = Vec::new();
    let mut only = (None, None);
    for (_, xdp) in answers.iter().flat_map(|link| link.attributes(IFINFOMSG_LEN)).filter(|(kind, _)| *kind == IFLA_XDP)
    {
        for (kind, value) in rtnl::attributes(xdp) {
            match kind {
                IFLA_XDP_DRV_PROG_ID => programs.extend(u32_at(value, 0).map(|id| (HookKind::XdpNative, id))),
                IFLA_XDP_SKB_PROG_ID => programs.extend(u32_at(value, 0).map(|id| (HookKind::XdpGeneric, id))),
                IFLA_XDP_HW_PROG_ID => programs.extend(u32_at(value, 0).map(|id| (HookKind::XdpOffloaded, id))),
                IFLA_XDP_ATTACHED => only.0 = value.first().copied(),
                IFLA_XDP_PROG_ID => only.1 = u32_at(value, 0),
                _ => {}
            }
        }
    }
    // Kernels before 4.18 tell one program only.
    if let (true, (Some(mode), Some(id))) = (programs.is_empty(), only) {
        let hook = match mode {
            XDP_ATTACHED_DRV => HookKind::XdpNative,
            XDP_ATTACHED_SKB => HookKind::XdpGeneric,
            _ => HookKind::XdpOffloaded,
        };
        programs.push((hook, id));
    }
    Ok(programs)
}

/// The program that holds the XDP slot, for an error.
pub(super) fn xdp_holder(nic: &str, ifindex: u32) -> BpfError {
    let ids = xdp_programs(ifindex).unwrap_or_default();
    let holder = ids.first().map_or_else(|| "another program".to_owned(), |&(_, id)| describe(id));
    BpfError::XdpOccupied { nic: nic.to_owned(), holder }
}
