//! What a router's logical flows say of an entry: the strongest evidence.

use alloc::vec::Vec;

use super::told::RouterFlows;
use super::{Applies, Asked, releases};
use crate::fact::{PortRead, ReplyFlow};
use crate::types::Timestamp;

/// What the flows of a router do with an entry; `None` where they do not tell.
///
/// `lr_in_arp_resolve` writes the MAC, whatever packet has the port; `lr_in_ip_routing` is what sends a packet out of that
/// port, and is for the flows of one route.
pub(super) fn applies(flows: &RouterFlows, asked: &Asked<'_>, at: Timestamp) -> Option<Applies> {
    let others: Vec<&ReplyFlow> = current(flows, at)?;
    let resolving = others.iter().filter_map(|flow| match flow {
        ReplyFlow::Resolves(read) => Some(read),
        _ => None,
    });
    let reading: Vec<&PortRead> = resolving.clone().filter(|read| asked.has_port(read)).collect();
    if !reading.is_empty() {
        let routing = flows.routing(asked.leaving, at).filter(|read| asked.has_port(read)).collect();
        return Some(read(asked, reading, routing));
    }
    if !others.iter().any(|flow| matches!(flow, ReplyFlow::Default)) {
        return None;
    }
    let is_in_other_form = resolving.clone().any(|read| read.port == asked.entry.reply.port);
    Some(if others.iter().any(|flow| matches!(flow, ReplyFlow::Unclear)) {
        Applies::May("the router has logical flows that read a port in words that are not known")
    } else if is_in_other_form {
        Applies::No(releases::unread(asked.entry.reply.form))
    } else if asked.is_alone {
        Applies::No("one route with symmetric reply is left, and this OVN applies labels only where there are several")
    } else {
        Applies::No("no logical flow of the router reads the port of the entry")
    })
}

/// Whether the router may have flows that hold only while another was learned; `None` where its flows are not told.
pub(super) fn may_learn(flows: &RouterFlows, at: Timestamp) -> Option<bool> {
    Some(current(flows, at)?.into_iter().any(|flow| match flow {
        ReplyFlow::Resolves(read) => read.while_learned,
        ReplyFlow::Unclear => true,
        ReplyFlow::Routes { .. } | ReplyFlow::Default | ReplyFlow::Outdated => false,
    }))
}

/// The router's flows that are for no prefix; `None` where none is told, or what was told is over.
fn current(flows: &RouterFlows, at: Timestamp) -> Option<Vec<&ReplyFlow>> {
    let others: Vec<&ReplyFlow> = flows.others(at).collect();
    let is_told = !others.is_empty() && !others.iter().any(|flow| matches!(flow, ReplyFlow::Outdated));
    is_told.then_some(others)
}

/// The same where flows read the port.
fn read(asked: &Asked<'_>, mut reading: Vec<&PortRead>, mut routing: Vec<&PortRead>) -> Applies {
    let is_left_out = |read: &&PortRead| read.of_replies && asked.leaves_as_opener();
    reading.retain(|read| !is_left_out(read));
    routing.retain(|read| !is_left_out(read));
    if reading.is_empty() {
        return Applies::No("the pod opened the flow, and this OVN applies labels to answers alone");
    }
    if reading.iter().all(|read| read.while_learned) {
        return match asked.is_learned() {
            true => Applies::May(releases::FORGETS),
            false => Applies::No("this OVN applies labels to TCP, UDP and SCTP alone"),
        };
    }
    match routing.iter().any(|read| !read.while_learned) {
        true => Applies::Yes,
        false => Applies::May(
            "the router's logical flows read the port for other flows, and have none that sends this one by it",
        ),
    }
}
