//! Commands that delete exactly one conntrack entry.
//!
//! Each names the full original tuple and the zone, zone 0 too: without the zone conntrack(8) deletes the tuple in every
//! zone, and ovs-appctl in zone 0 or in all, depending on the rest. What a tool cannot express exactly gets no command
//! but a reason. The commands hold numbers and addresses only, so no shell reads anything else into them.

use std::fmt::Write as _;

use crate::conntrack::flush::Flush;
use crate::engine::finding::CitedConnection;
use crate::types::Tuple;
use crate::types::tuple::{proto, proto_name};

/// Where an entry lives. A dump does not tell; the user knows, and the running system does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Datapath {
    /// The kernel's nf_conntrack.
    Kernel,
    /// The tracker inside ovs-vswitchd (datapath type netdev).
    Userspace,
}

impl Datapath {
    /// The datapath's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
        }
    }
}

/// A command that deletes one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    /// The datapath that the command works on.
    pub datapath: Datapath,
    /// The command, for a shell. The kernel's needs the network namespace of the node, both need its privileges.
    pub command: String,
}

/// Why no command deletes exactly this entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {reason}", datapath.name())]
pub struct NoRemedy {
    /// The datapath that no command is known for.
    pub datapath: Datapath,
    /// Why. No full stop at the end.
    pub reason: &'static str,
}

/// The command for each datapath, the kernel's first.
pub fn remedies(entry: &CitedConnection) -> [Result<Remedy, NoRemedy>; 2] {
    let kernel = kernel(entry)
        .map(|command| Remedy { datapath: Datapath::Kernel, command })
        .map_err(|reason| NoRemedy { datapath: Datapath::Kernel, reason });
    let userspace = userspace(entry)
        .map(|command| Remedy { datapath: Datapath::Userspace, command })
        .map_err(|reason| NoRemedy { datapath: Datapath::Userspace, reason });
    [kernel, userspace]
}

/// As [`remedies`], for the datapath that the entry is in; for both where nothing tells which that is, as in a dump.
pub fn remedies_in(
    entry: &CitedConnection,
    own: Option<Datapath>,
) -> impl Iterator<Item = Result<Remedy, NoRemedy>> + use<> {
    let datapath = |remedy: &Result<Remedy, NoRemedy>| match remedy {
        Ok(remedy) => remedy.datapath,
        Err(none) => none.datapath,
    };
    remedies(entry).into_iter().filter(move |remedy| own.is_none_or(|own| own == datapath(remedy)))
}

/// The command of conntrack(8) that shows the entry; `None` where it cannot tell it from others.
pub(super) fn show(entry: &CitedConnection) -> Option<String> {
    kernel(entry).ok().map(|command| command.replacen("conntrack -D", "conntrack -L", 1))
}

/// The command of conntrack(8), as of 1.4.7.
///
/// It reads options from left to right and needs the addresses before an ICMP type, to know what the answer's type is.
fn kernel(entry: &CitedConnection) -> Result<String, &'static str> {
    let CitedConnection { orig, reply, zone, .. } = entry;
    let ports = match orig.nw_proto {
        proto::TCP | proto::UDP | proto::SCTP | proto::UDPLITE => true,
        proto::GRE => return Err("conntrack(8) does not compare GRE keys and would delete every tunnel of this pair"),
        proto::DCCP => return Err("conntrack(8) is not known to tell DCCP connections of this pair apart"),
        _ => false,
    };
    let name = match orig.nw_proto {
        known @ (proto::TCP | proto::UDP | proto::SCTP | proto::UDPLITE | proto::ICMP | proto::ICMPV6) => {
            proto_name(known)
        }
        other => other.to_string(),
    };
    let family = if orig.src.is_ipv6() { " -f ipv6" } else { "" };
    let mut command = format!("conntrack -D -w {zone}{family} -p {name} -s {} -d {}", orig.src, orig.dst);
    if ports {
        // SCTP and UDP-Lite have no short forms.
        let (sport, dport) = match orig.nw_proto {
            proto::TCP | proto::UDP => ("--sport", "--dport"),
            _ => ("--orig-port-src", "--orig-port-dst"),
        };
        append(&mut command, format_args!(" {sport} {} {dport} {}", orig.tp_src, orig.tp_dst));
    } else if let Some((icmp_type, code)) = orig.icmp_type_code() {
        let id = orig.tp_src;
        append(&mut command, format_args!(" --{name}-type {icmp_type} --{name}-code {code} --{name}-id {id}"));
    }
    append(&mut command, format_args!(" -r {} -q {}", reply.src, reply.dst));
    if ports {
        let Tuple { tp_src, tp_dst, .. } = reply;
        append(&mut command, format_args!(" --reply-port-src {tp_src} --reply-port-dst {tp_dst}"));
    }
    Ok(command)
}

/// The command of ovs-appctl(8), as of OVS 2.9.
fn userspace(entry: &CitedConnection) -> Result<String, &'static str> {
    let flush = Flush::new(entry.orig, entry.zone, None)?;
    Ok(format!("ovs-appctl dpctl/flush-conntrack {} '{}'", flush.zone(), flush.tuple()))
}

fn append(command: &mut String, arguments: std::fmt::Arguments<'_>) {
    command.write_fmt(arguments).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests;
