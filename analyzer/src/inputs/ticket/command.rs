//! What a command in a ticket says of the text below it.

use super::tables;

/// What a command prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// Rows of a table that is read.
    Table(&'static str),
    /// Rows of another table.
    OtherTable,
    /// Something that no reader takes, though its lines may look like damaged rows: addresses and MACs.
    Foreign,
    /// Nothing of what it prints.
    Unknown,
}

/// Programs that print addresses and MACs, none of them in rows that are read.
const FOREIGN: [&str; 12] = [
    "arp",
    "bridge",
    "date",
    "ethtool",
    "hostname",
    "ip",
    "ls",
    "ovn-trace",
    "ovs-ofctl",
    "ping",
    "traceroute",
    "journalctl",
];

/// Subcommands of the clients of databases that print rows.
const LISTS: [&str; 2] = ["list", "find"];

/// What the command in a line, with or without a prompt before it, prints.
pub(super) fn said(line: &str) -> Said {
    let words: Vec<&str> = line
        .split(|found: char| found.is_whitespace() || "`'\"|;()".contains(found))
        .filter(|word| !word.is_empty())
        .collect();
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_client = |word: &&&str| matches!(&*name(word), "ovn-nbctl" | "ovn-sbctl" | "ovs-vsctl");
    if words.iter().any(|word| is_client(&word)) {
        let of_list = words.iter().position(|word| LISTS.contains(word));
        let table = of_list.and_then(|list| words[list + 1..].iter().find(|word| !word.starts_with('-')));
        return match table {
            Some(table) => tables::named(table.trim_end_matches([':', ',', '.'])).map_or(Said::OtherTable, Said::Table),
            None => Said::Unknown,
        };
    }
    let is_foreign = |word: &&str| FOREIGN.contains(&&*name(word));
    // Where it is known what follows, only the program itself counts, not its arguments.
    match words.iter().find(|word| is_foreign(word) || is_program(word)) {
        Some(word) if is_foreign(word) && !words.iter().any(|word| "link".starts_with(word) && word.len() < 5) => {
            Said::Foreign
        }
        _ => Said::Unknown,
    }
}

/// Whether a comment names no program: a heading of Markdown, or a remark.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#') && said(line) == Said::Unknown && !line.split_whitespace().any(is_program)
}

/// Programs of which the readers take the output.
fn is_program(word: &str) -> bool {
    const PROGRAMS: [&str; 14] = [
        "cat",
        "conntrack",
        "grep",
        "kubectl",
        "oc",
        "ovn-appctl",
        "ovn-nbctl",
        "ovn-sbctl",
        "ovs-appctl",
        "ovs-dpctl",
        "ovs-vsctl",
        "ovsdb-client",
        "sudo",
        "tcpdump",
    ];
    PROGRAMS.contains(&word.rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_say() {
        for (line, expected) in [
            ("$ ovn-sbctl --format=list list mac_binding", Said::Table("MAC_Binding")),
            (
                "[root@w ~]# oc exec x -- ovn-nbctl find Static_MAC_Binding ip=1.1.1.1",
                Said::Table("Static_MAC_Binding"),
            ),
            ("Output of `ovn-sbctl list MAC_Binding`:", Said::Table("MAC_Binding")),
            ("ovn-sbctl list Chassis", Said::OtherTable),
            ("ovn-nbctl lr-route-list GR_w", Said::Unknown),
            ("sh-4.4# ip neigh", Said::Foreign),
            ("$ ip -d link show ens1", Said::Unknown),
            ("# ip route | grep 10.0.0.5", Said::Foreign),
            ("$ ./dump --all", Said::Unknown),
            ("$ conntrack -L | grep ping", Said::Unknown),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
        for line in ["# after the failover", "## Routes", "#"] {
            assert!(is_comment(line), "{line}");
        }
        for line in ["# ovn-nbctl list BFD", "# ip route", "$ ls"] {
            assert!(!is_comment(line), "{line}");
        }
    }
}
