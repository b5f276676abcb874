//! What a command in a ticket says of the text below it.

use super::tables;

/// What a command prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// Rows of a table that is read.
    Table(&'static str),
    /// Rows of another table.
    OtherTable,
    /// Who owns MACs.
    Owners,
    /// Something that no reader takes, though its lines may look like damaged rows: addresses and MACs.
    Foreign,
    /// Nothing of what it prints.
    Unknown,
}

/// Programs that print addresses and MACs, none of them in rows that are read.
const FOREIGN: [&str; 11] =
    ["bridge", "date", "ethtool", "hostname", "ip", "ls", "ovn-trace", "ovs-ofctl", "ping", "traceroute", "journalctl"];

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
    // Where it is known what follows, only the program itself counts, not its arguments.
    let is_known = |word: &&str| FOREIGN.contains(&&*name(word)) || *name(word) == *"arp" || is_program(word);
    let Some(at) = words.iter().position(|word| is_known(word) && name(word) != "sudo") else { return Said::Unknown };
    let (program, arguments) = (name(words[at]), &words[at + 1..]);
    match &*program {
        "arp" => Said::Owners,
        "ip" if arguments.iter().any(|word| OBJECTS.iter().any(|object| object.starts_with(word))) => Said::Owners,
        "oc" | "kubectl" if prints_whole_objects(arguments) => Said::Owners,
        program if FOREIGN.contains(&program) => Said::Foreign,
        _ => Said::Unknown,
    }
}

/// What `ip` lists MACs of, which it takes abbreviated.
const OBJECTS: [&str; 3] = ["link", "neighbor", "neighbour"];

/// Whether `oc` prints all that is known of pods, annotations included.
fn prints_whole_objects(arguments: &[&str]) -> bool {
    let is_format = |word: &&str| {
        let format = word.trim_start_matches("--output").trim_start_matches("-o").trim_start_matches('=');
        matches!(format, "yaml" | "json")
    };
    arguments.first() == Some(&"describe") || arguments.first() == Some(&"get") && arguments.iter().any(is_format)
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
            ("sh-4.4# ip neigh", Said::Owners),
            ("$ sudo ip -d l show ens1", Said::Owners),
            ("$ arp -an", Said::Owners),
            ("$ oc describe pods -n app", Said::Owners),
            ("$ kubectl get pods -A -o yaml", Said::Owners),
            ("$ oc get pod x -ojson", Said::Owners),
            ("$ oc get pods -A -o wide", Said::Unknown),
            ("$ ip addr", Said::Foreign),
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
