//! Commands for the ticket of one flow: what heals it, and what shows the evidence to who does not believe us.
//!
//! Names from outside go into a command only where no shell reads anything else into them.

use std::net::IpAddr;

use super::remedy;
use crate::engine::finding::{ExpectedNexthop, NexthopState};
use crate::engine::view::Explanation;
use crate::types::{MacAddr, Tuple};

/// Commands of one purpose at most.
const MAX_EACH: usize = 16;

/// What a command is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// Heals the flow: shows first what it would do, unless told to apply it.
    Repair,
    /// Shows a conntrack entry of the flow.
    Entry,
    /// Shows the owners of conntrack zones.
    Zones,
    /// Shows the routes of the router.
    Routes,
    /// Shows the BFD sessions of next hops that are not up.
    Bfd,
    /// Shows who has an address or a MAC.
    Bindings,
}

impl Purpose {
    /// The purpose's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repair => "repair",
            Self::Entry => "entry",
            Self::Zones => "zones",
            Self::Routes => "routes",
            Self::Bfd => "bfd",
            Self::Bindings => "bindings",
        }
    }
}

/// A command for a shell on the node, or where the database that it asks can be reached.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Command {
    /// What it is for.
    pub purpose: Purpose,
    /// The command.
    pub command: String,
}

/// The commands, by purpose.
pub fn commands(explanation: &Explanation) -> Vec<Command> {
    let mut commands = Commands(Vec::new());
    if explanation.connections.iter().any(|view| view.standing.is_stale()) {
        commands.add(Purpose::Repair, format!("analyzer repair --flow '{}' --apply", explanation.tuple));
    }
    for view in &explanation.connections {
        commands.entry(view.connection.zone, &view.connection.orig, remedy::show(&view.connection));
    }
    for view in &explanation.unlabelled {
        commands.entry(view.zone, &view.orig, None);
    }
    if !explanation.connections.is_empty() || !explanation.unlabelled.is_empty() {
        commands.add(Purpose::Zones, "ovs-vsctl get Bridge br-int external_ids".to_owned());
    }
    let routes = explanation.sets.iter().flat_map(|set| &set.routes);
    for router in routes.filter_map(|route| route.router.as_deref()).filter(|router| is_plain(router)) {
        commands.add(Purpose::Routes, format!("ovn-nbctl lr-route-list {router}"));
    }
    let hops = || explanation.sets.iter().flat_map(|set| &set.expected);
    let is_not_up = |hop: &&ExpectedNexthop| matches!(hop.state, NexthopState::Down | NexthopState::Unknown);
    for hop in hops().filter(is_not_up) {
        commands.add(Purpose::Bfd, format!("ovn-nbctl find BFD 'dst_ip=\"{}\"'", hop.nexthop));
    }
    for mac in outside(explanation) {
        commands.add(Purpose::Bindings, format!("ovn-sbctl find MAC_Binding 'mac=\"{mac}\"'"));
    }
    let legal = explanation.connections.iter().filter_map(|view| view.last_legal.as_ref());
    let addresses: Vec<IpAddr> = hops().map(|hop| hop.nexthop).chain(legal.map(|last| last.nexthop)).collect();
    for address in addresses {
        commands.add(Purpose::Bindings, format!("ovn-sbctl find MAC_Binding 'ip=\"{address}\"'"));
    }
    commands.0.sort_by_key(|command| command.purpose);
    commands.0
}

/// MACs of the flow, in its packets and labels, that are no next hop's now.
fn outside(explanation: &Explanation) -> Vec<MacAddr> {
    let seen = explanation.seen.iter().filter_map(|finding| finding.eth_dst);
    let labelled = explanation.connections.iter().map(|view| view.connection.reply_eth);
    let is_outside = |mac: &MacAddr| explanation.new_flow.nexthops.iter().all(|hop| hop.lladdr != Some(*mac));
    seen.chain(labelled).filter(is_outside).collect()
}

struct Commands(Vec<Command>);

impl Commands {
    fn add(&mut self, purpose: Purpose, command: String) {
        let command = Command { purpose, command };
        let own = self.0.iter().filter(|known| known.purpose == purpose).count();
        if own < MAX_EACH && !self.0.contains(&command) {
            self.0.push(command);
        }
    }

    /// An entry is shown by the tool that knows both datapaths, and by that of the kernel where it can tell the entry.
    fn entry(&mut self, zone: u16, orig: &Tuple, kernel: Option<String>) {
        let Tuple { src, dst, .. } = orig;
        let pattern = format!("orig=(src={src},dst={dst},");
        self.add(Purpose::Entry, format!("ovs-appctl dpctl/dump-conntrack zone={zone} | grep -F '{pattern}'"));
        if let Some(command) = kernel {
            self.add(Purpose::Entry, command);
        }
    }
}

/// Whether a shell takes the name for nothing but a word.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::view::Standing;
    use crate::output::fixtures;

    fn of(explanation: &Explanation) -> Vec<(&'static str, String)> {
        commands(explanation).into_iter().map(|command| (command.purpose.name(), command.command)).collect()
    }

    #[test]
    fn all_that_a_ticket_needs() {
        let mut explanation = fixtures::explanation();
        let router = |name: &str| Some(name.into());
        explanation.sets.iter_mut().flat_map(|set| &mut set.routes).for_each(|route| route.router = router("GR_w-8"));
        let commands = of(&explanation);
        let entry = "ovs-appctl dpctl/dump-conntrack zone=35 | grep -F 'orig=(src=172.27.0.13,dst=192.168.16.230,'";
        let kernel = "conntrack -L -w 35 -p udp -s 172.27.0.13 -d 192.168.16.230 --sport 5005 --dport 59943 \
                      -r 192.168.16.230 -q 172.27.0.13 --reply-port-src 59943 --reply-port-dst 5005";
        for expected in [
            ("repair", "analyzer repair --flow 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' --apply"),
            ("entry", entry),
            ("entry", kernel),
            ("zones", "ovs-vsctl get Bridge br-int external_ids"),
            ("routes", "ovn-nbctl lr-route-list GR_w-8"),
            ("bindings", "ovn-sbctl find MAC_Binding 'ip=\"198.19.3.15\"'"),
            ("bindings", "ovn-sbctl find MAC_Binding 'mac=\"ce:73:29:66:39:a4\"'"),
        ] {
            assert!(commands.contains(&(expected.0, expected.1.to_owned())), "{expected:?}\n{commands:#?}");
        }
        let mut distinct = commands.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), commands.len());
    }

    #[test]
    fn without_a_stale_entry_nothing_is_to_be_repaired() {
        let mut explanation = fixtures::explanation();
        explanation.connections.iter_mut().for_each(|view| view.standing = Standing::Nexthop(Vec::new()));
        assert!(of(&explanation).iter().all(|(purpose, _)| *purpose != "repair"));
        explanation.connections.clear();
        explanation.unlabelled.clear();
        assert!(of(&explanation).iter().all(|(purpose, _)| !["entry", "zones"].contains(purpose)));
    }

    #[test]
    fn no_foreign_name_reaches_a_shell() {
        for name in ["GR_worker-08", "lr0", "GR_net1_ovn-worker.example"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "-w", "a b", "a;b", "$(a)", "a'b", "a\nb", "ä", "GR_\u{202e}x"] {
            assert!(!is_plain(name), "{name:?}");
        }
        let mut explanation = fixtures::explanation();
        let routes = explanation.sets.iter_mut().flat_map(|set| &mut set.routes);
        routes.for_each(|route| route.router = Some("x; rm -rf /".into()));
        assert!(of(&explanation).iter().all(|(_, command)| !command.contains("rm -rf")));
    }
}
