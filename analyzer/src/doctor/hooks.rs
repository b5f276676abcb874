//! Programs on a NIC's hooks.

use rustix::net::netdevice::name_to_index;

use crate::bpf::hooks::{HookKind, HookProgram, hooks};

/// Names of the programs at the hooks of a NIC, in the order in which they run. `None` where that cannot be told: there is
/// no such NIC, or ids of programs of others may not be opened.
pub(super) fn on(nic: &str) -> Option<Vec<String>> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
    let found = hooks(name_to_index(socket, nic).ok()?, |_| false);
    match found.programs.is_empty() && !found.unknown.is_empty() {
        true => None,
        false => Some(found.programs.iter().map(describe).collect()),
    }
}

fn describe(program: &HookProgram) -> String {
    let name = program.name.as_deref().unwrap_or(&program.kind);
    let hook = match program.hook {
        HookKind::XdpNative | HookKind::XdpGeneric | HookKind::XdpOffloaded => "by XDP",
        HookKind::TcxIngress => "on ingress",
        HookKind::ClsactIngress => "on ingress, by a filter",
        HookKind::TcxEgress => "on egress",
        HookKind::ClsactEgress => "on egress, by a filter",
    };
    format!("{name} {hook}")
}
