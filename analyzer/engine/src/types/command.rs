//! Lines of pasted texts that are commands, whatever else they hold.

/// Programs whose names begin such lines.
const PROGRAMS: [&str; 24] = [
    "cat",
    "conntrack",
    "crictl",
    "docker",
    "grep",
    "ip",
    "kubectl",
    "nsenter",
    "oc",
    "ovn-appctl",
    "ovn-nbctl",
    "ovn-sbctl",
    "ovn-trace",
    "ovs-appctl",
    "ovs-dpctl",
    "ovs-ofctl",
    "ovs-vsctl",
    "ovsdb-client",
    "ping",
    "podman",
    "ssh",
    "sudo",
    "tcpdump",
    "watch",
];

/// Whether the line has a shell's prompt, or begins with the name of a program.
pub fn is_command(line: &str) -> bool {
    let line = line.trim_ascii();
    let mut words = line.split_ascii_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    // `root@worker-08:~#`, `sh-4.4#`.
    let is_prompt = |word: &str| word.ends_with(['#', '$']);
    // `[root@worker-08 ~]# date`
    let has_bracket = line.starts_with('[')
        && ["]# ", "]$ "].iter().any(|end| line.contains(end) || line.ends_with(end.trim_ascii()));
    // `ip : 10.0.0.1` is a column.
    is_prompt(first) || has_bracket || PROGRAMS.contains(&first) && second != Some(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        for line in [
            "$ ovn-nbctl lr-route-list GR_w",
            "[root@worker-08 ~]# ip route get 10.0.0.1 from 10.0.0.2",
            "[root@worker-08 ~]#",
            "root@worker-08:~# date",
            "sh-4.4# conntrack -L",
            "  ovs-appctl dpctl/flush-conntrack zone=3 'ct_nw_src=10.0.0.1'",
            "conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.",
        ] {
            assert!(is_command(line), "{line}");
        }
        for line in
            ["", "ip : 10.0.0.1", "[pod/x] 192.0.2.230 198.51.100.15 src-ip", "udp,orig=(src=10.0.0.1)", "10.0.0.1"]
        {
            assert!(!is_command(line), "{line}");
        }
    }
}
