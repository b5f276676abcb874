//! Flows with the same verdict, reason and MAC, told together: what they share once, then each flow, then the commands.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;

use super::assumed;
use super::case::{Case, Item, Kind, write_known_as, write_left_out};
use super::layout::Page;
use super::words::{OLDER_PACKETS, count, grouped};
use crate::engine::finding::Assumes;
use crate::output::escape::escaped;
use crate::output::remedy::{Datapath, NoRemedy, remedies_in};
use crate::output::report::{Report, may_be_older};
use crate::types::MacAddr;

/// Flows with the same verdict, reason and MAC. Never empty.
pub(super) struct Group<'a> {
    kind: Kind,
    eth_dst: Option<MacAddr>,
    packets: u64,
    bytes: u64,
    items: Vec<Item<'a>>,
}

/// Groups with the worst first, then those with the most packets. In each, the flows with the most packets come first.
pub(super) fn groups<'a>(items: impl Iterator<Item = Item<'a>>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut index = HashMap::new();
    for item in items {
        let (kind, eth_dst) = (item.kind(), item.eth_dst());
        let at = *index.entry((kind, eth_dst)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { kind, eth_dst, packets: 0, bytes: 0, items: Vec::new() });
        }
        let (packets, bytes) = item.counts();
        groups[at].packets = groups[at].packets.saturating_add(packets);
        groups[at].bytes = groups[at].bytes.saturating_add(bytes);
        groups[at].items.push(item);
    }
    for group in &mut groups {
        group.items.sort_by_key(|item| Reverse(item.counts()));
    }
    groups.sort_by_key(|group| (group.kind.rank(), Reverse(group.packets)));
    groups
}

impl<'a> Group<'a> {
    /// Writes the group. `common` is what the whole run takes for granted.
    pub(super) fn write(&self, page: &mut Page<'_>, report: &'a Report, common: &Assumes) -> io::Result<()> {
        page.blank()?;
        page.head(&self.heading(), self.kind.is_wrong())?;
        page.prose(2, self.kind.meaning())?;
        if self.may_be_older() {
            page.prose(2, OLDER_PACKETS)?;
        }
        let mut cases = self.items.iter().map(|&item| Case::new(report, item, common));
        let Some(first) = cases.next() else { return Ok(()) };
        let shared = Shared::of(&first, cases);
        shared.write(page, report, 2, &first, true)?;
        for &item in self.shown(page) {
            let case = Case::new(report, item, common);
            page.blank()?;
            case.write(page, report)?;
            shared.write(page, report, 4, &case, false)?;
        }
        let more = self.items.len().saturating_sub(page.limit());
        if more > 0 {
            page.blank()?;
            page.line(2, &format!("... and {} more (--limit)", grouped(more as u64)))?;
        }
        self.commands(page, report)
    }

    /// Whether packets of the time before a change may be among those counted.
    fn may_be_older(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Finding(finding) if may_be_older(finding)))
    }

    fn shown(&self, page: &Page<'_>) -> &[Item<'a>] {
        &self.items[..self.items.len().min(page.limit())]
    }

    fn heading(&self) -> String {
        let to = match self.eth_dst {
            Some(mac) => format!("to {mac}"),
            None => "to a MAC that is not seen".to_owned(),
        };
        let name = self.kind.name();
        let flows = count(self.items.len() as u64, "flow");
        match self.kind {
            Kind::Finding(_) => {
                format!("{name}: {flows}, {}, {} {to}", count(self.packets, "packet"), count(self.bytes, "byte"))
            }
            Kind::Latent(_) => format!("{name}: {flows} {to}"),
        }
    }

    /// What stands above the commands.
    fn how_to_heal(&self, page: &Page<'_>, report: &Report) -> String {
        let mut text = "To heal, delete the conntrack entries; each command deletes exactly one.".to_owned();
        if self.items.len() > page.limit() {
            text += " These are the entries of the flows shown; --limit 0 shows all.";
        }
        let left_out: u64 = self.shown(page).iter().map(|item| item.entries_left_out()).sum();
        if left_out > 0 {
            let entries = if left_out == 1 { "entry of these flows is" } else { "entries of these flows are" };
            text += &format!(" {} more {entries} left out here.", grouped(left_out));
        }
        if report.summary.omitted_findings > 0 {
            text += " Entries of findings that were not kept (--max-findings) are not among them.";
        }
        if let Some(mac) = self.eth_dst {
            text += &format!(" On the node, `analyzer repair --mac {mac}` looks at each again first; --apply does it.");
        }
        text
    }

    /// The commands for the flows that are shown, one datapath after the other, so that each block can be copied.
    fn commands(&self, page: &mut Page<'_>, report: &Report) -> io::Result<()> {
        let entries: Vec<_> = self.shown(page).iter().flat_map(|item| item.heal()).collect();
        if entries.is_empty() {
            return match self.kind.advice() {
                Some(advice) => {
                    page.blank()?;
                    page.prose(2, advice)
                }
                None => Ok(()),
            };
        }
        let (mut kernel, mut userspace, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        // Flows that differ in NIC or VLAN alone share their entry, and a second deletion of it would fail.
        let mut known = HashSet::new();
        for remedy in entries.into_iter().flat_map(|entry| remedies_in(entry, report.datapath)) {
            match remedy {
                Ok(remedy) if !known.insert(remedy.command.clone()) => {}
                Ok(remedy) if remedy.datapath == Datapath::Kernel => kernel.push(remedy.command),
                Ok(remedy) => userspace.push(remedy.command),
                Err(reason) if missing.contains(&reason) => {}
                Err(reason) => missing.push(reason),
            }
        }
        page.blank()?;
        page.prose(2, &self.how_to_heal(page, report))?;
        for (datapath, commands) in [(Datapath::Kernel, kernel), (Datapath::Userspace, userspace)] {
            if !commands.is_empty() {
                page.line(2, &format!("In the {} datapath:", datapath.name()))?;
                commands.iter().try_for_each(|command| page.line(4, command))?;
            }
        }
        missing.iter().try_for_each(|NoRemedy { datapath, reason }| {
            page.prose(2, &format!("No command for some in the {} datapath: {reason}.", datapath.name()))
        })
    }
}

/// Which parts all flows of a group agree in.
struct Shared {
    sender: bool,
    way: bool,
    known_as: bool,
    assumes: bool,
    evidence: bool,
}

impl Shared {
    fn of<'a>(first: &Case<'a>, others: impl Iterator<Item = Case<'a>>) -> Self {
        let mut shared = Self { sender: true, way: true, known_as: true, assumes: true, evidence: true };
        for other in others {
            shared.sender &= first.sender == other.sender;
            shared.way &= first.way == other.way;
            shared.known_as &= first.known_as == other.known_as;
            shared.assumes &= first.assumes == other.assumes;
            shared.evidence &= first.evidence == other.evidence;
        }
        shared
    }

    /// Writes the parts of a flow that are shared, or those that are not.
    fn write(
        &self,
        page: &mut Page<'_>,
        report: &Report,
        indent: usize,
        case: &Case<'_>,
        shared: bool,
    ) -> io::Result<()> {
        if self.way == shared {
            case.way.write(page, report, indent, case.kind())?;
        }
        if self.known_as == shared {
            write_known_as(page, report, indent, case.known_as)?;
        }
        if self.sender == shared
            && let Some(sender) = &case.sender
        {
            sender.write(page, indent)?;
        }
        if self.assumes == shared {
            assumed::write(page, indent, &case.assumes)?;
        }
        if self.evidence == shared {
            for (index, sentence) in case.evidence.iter().enumerate() {
                let label = if index == 0 { "evidence" } else { "" };
                page.labelled(indent, label, &escaped(sentence))?;
            }
            write_left_out(page, indent, case.evidence.left_out())?;
        }
        Ok(())
    }
}
