//! Flows with the same verdict, reason and MAC, told together: what they share once, then each flow, then the commands.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;

use super::case::{Case, Kind, write_known_as};
use super::layout::Page;
use super::words::{count, grouped};
use crate::output::remedy::{Datapath, NoRemedy, remedies};
use crate::output::report::Report;
use crate::types::MacAddr;

/// Flows with the same verdict, reason and MAC. Never empty.
pub(super) struct Group<'a> {
    kind: Kind,
    eth_dst: Option<MacAddr>,
    cases: Vec<Case<'a>>,
}

/// Groups with the worst first, then those with the most packets. In each, the flows with the most packets come first.
pub(super) fn groups<'a>(cases: impl Iterator<Item = Case<'a>>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut index = HashMap::new();
    for case in cases {
        let at = *index.entry((case.kind, case.eth_dst)).or_insert_with(|| {
            groups.push(Group { kind: case.kind, eth_dst: case.eth_dst, cases: Vec::new() });
            groups.len() - 1
        });
        groups[at].cases.push(case);
    }
    for group in &mut groups {
        group.cases.sort_by_key(|case| Reverse(case.traffic.map(|traffic| traffic.packets)));
    }
    groups.sort_by_key(|group| (group.kind.rank(), Reverse(group.packets())));
    groups
}

/// Whether all cases agree in a part.
fn agree<'a, 'c: 'a, T: PartialEq>(cases: &'a [Case<'c>], part: impl Fn(&'a Case<'c>) -> T) -> bool {
    cases.windows(2).all(|pair| part(&pair[0]) == part(&pair[1]))
}

impl Group<'_> {
    fn packets(&self) -> u64 {
        self.cases.iter().filter_map(|case| case.traffic).map(|traffic| traffic.packets).sum()
    }

    pub(super) fn write(&self, page: &mut Page<'_>, report: &Report) -> io::Result<()> {
        page.blank()?;
        page.head(&self.heading(), self.kind.is_wrong())?;
        page.prose(2, self.kind.meaning())?;
        let shared = Shared::of(&self.cases);
        shared.write(page, report, 2, &self.cases[0], true)?;
        for case in self.cases.iter().take(page.limit()) {
            page.blank()?;
            case.write(page, report)?;
            shared.write(page, report, 4, case, false)?;
        }
        let more = self.cases.len().saturating_sub(page.limit());
        if more > 0 {
            page.blank()?;
            page.line(2, &format!("... and {} more (--limit)", grouped(more as u64)))?;
        }
        self.commands(page)
    }

    fn heading(&self) -> String {
        let to = match self.eth_dst {
            Some(mac) => format!("to {mac}"),
            None => "to a MAC that is not seen".to_owned(),
        };
        let flows = count(self.cases.len() as u64, "flow");
        let bytes: u64 = self.cases.iter().filter_map(|case| case.traffic).map(|traffic| traffic.bytes).sum();
        match self.kind {
            Kind::Finding(_) => {
                let (packets, bytes) = (count(self.packets(), "packet"), count(bytes, "byte"));
                format!("{}: {flows}, {packets}, {bytes} {to}", self.kind.name())
            }
            Kind::Latent(_) => format!("{}: {flows} {to}", self.kind.name()),
        }
    }

    /// The commands for the flows that are shown, one datapath after the other, so that each block can be copied.
    fn commands(&self, page: &mut Page<'_>) -> io::Result<()> {
        let entries: Vec<_> = self.cases.iter().take(page.limit()).flat_map(|case| case.heal.iter()).collect();
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
        for remedy in entries.into_iter().flat_map(|entry| remedies(entry)) {
            match remedy {
                Ok(remedy) if remedy.datapath == Datapath::Kernel => kernel.push(remedy.command),
                Ok(remedy) => userspace.push(remedy.command),
                Err(reason) if missing.contains(&reason) => {}
                Err(reason) => missing.push(reason),
            }
        }
        let title = "To heal, delete the conntrack entries; each command deletes exactly one.";
        page.blank()?;
        page.prose(2, title)?;
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
    evidence: bool,
}

impl Shared {
    fn of(cases: &[Case<'_>]) -> Self {
        Self {
            sender: agree(cases, |case| case.sender),
            way: agree(cases, |case| case.way),
            known_as: agree(cases, |case| case.known_as),
            evidence: agree(cases, |case| case.evidence),
        }
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
            case.way.write(page, report, indent, case.kind)?;
        }
        if self.known_as == shared {
            write_known_as(page, report, indent, case.known_as)?;
        }
        if self.sender == shared
            && let Some(sender) = &case.sender
        {
            sender.write(page, indent)?;
        }
        if self.evidence == shared {
            for (index, sentence) in case.evidence.iter().enumerate() {
                let label = if index == 0 { "evidence" } else { "" };
                page.labelled(indent, label, &crate::output::escape::escaped(sentence))?;
            }
        }
        Ok(())
    }
}
