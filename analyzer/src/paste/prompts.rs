//! Shells' prompts and commands.

/// Programs whose output people paste, and those that they call to get it. A line that begins with one of these words is
/// the command, not what it printed: programs that complain put a colon behind their name.
const PROGRAMS: [&str; 50] = [
    "arp",
    "awk",
    "bash",
    "bridge",
    "cat",
    "cd",
    "conntrack",
    "crictl",
    "cut",
    "date",
    "docker",
    "dpctl",
    "echo",
    "egrep",
    "ethtool",
    "exit",
    "export",
    "fgrep",
    "for",
    "grep",
    "head",
    "hostname",
    "ip",
    "jq",
    "kubectl",
    "less",
    "ls",
    "microshift",
    "nsenter",
    "oc",
    "omc",
    "omg",
    "ovn-appctl",
    "ovn-nbctl",
    "ovn-sbctl",
    "ovn-trace",
    "ovs-appctl",
    "ovs-dpctl",
    "ovs-ofctl",
    "ovs-vsctl",
    "ovsdb-client",
    "ovsdb-tool",
    "ping",
    "podman",
    "sed",
    "ssh",
    "tail",
    "tcpdump",
    "tshark",
    "zgrep",
];

/// What follows the program ip, beside options.
const OF_IP: [&str; 10] = ["a", "addr", "address", "l", "link", "n", "neigh", "netns", "r", "route"];

/// Words that stand before a program.
const BEFORE: [&str; 6] = ["sudo", "time", "watch", "env", "exec", "nohup"];

/// Programs that no row names, so that a line with one of them anywhere is its command behind an unknown prompt.
const SURELY: [&str; 11] = [
    "ovn-nbctl ",
    "ovn-sbctl ",
    "ovn-appctl ",
    "ovs-appctl ",
    "ovs-dpctl ",
    "ovs-vsctl ",
    "ovs-ofctl ",
    "ovsdb-client ",
    "ovsdb-tool ",
    "lr-route-list ",
    "dump-conntrack",
];

/// What ends a prompt.
const ENDS: [char; 8] = ['$', '#', '%', '>', '\u{276f}', '\u{279c}', '\u{bb}', '\u{3bb}'];

/// Whether a line is a shell's prompt with or without a command, a command alone, or a comment.
pub(super) fn is_command(line: &str) -> bool {
    let line = line.trim();
    starts_with_prompt(line)
        || starts_with_program(line)
        || line.ends_with("lr-route-list")
        || !line.starts_with(['"', '{', '[', '}', ']', ',']) && SURELY.iter().any(|program| holds_word(line, program))
}

fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| at == 0 || line[..at].ends_with([' ', '/', '(', '`', '\'', ';', '|']))
}

fn starts_with_program(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().skip_while(|word| BEFORE.contains(word) || word.starts_with('-'));
    let Some(word) = words.next() else { return false };
    let name = word.rsplit('/').next().unwrap_or(word);
    // `ip` is a column too, and tcpdump has words for an echo.
    let may_be = |next: &str| match name {
        "ip" => next.starts_with('-') || OF_IP.contains(&next),
        "echo" => !matches!(next, "request," | "reply,"),
        _ => true,
    };
    PROGRAMS.contains(&name) && words.next().map_or(name != "ip", may_be)
}

/// Whether a line begins with `[root@w ~]#`, `sh-4.4#`, `root@w:~#`, `w>`, `$` or the like.
fn starts_with_prompt(line: &str) -> bool {
    // The name of a Python environment or a container.
    let line = match line.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
        Some((name, rest)) if !name.contains(' ') => rest,
        _ => line,
    };
    let end = line.char_indices().find(|&(at, found)| ends_prompt(line, at, found));
    end.is_some_and(|(end, found)| is_prompt(&line[..end], found))
}

fn ends_prompt(line: &str, at: usize, found: char) -> bool {
    let behind = &line[at + found.len_utf8()..];
    ENDS.contains(&found) && (behind.is_empty() || behind.starts_with(' ') || at == 0 && found == '#')
}

/// Whether text may be a prompt before its end. `>` alone is a mark of quotation, and between blanks an arrow.
fn is_prompt(text: &str, end: char) -> bool {
    if end == '>' && (text.is_empty() || text.ends_with(' ')) {
        return false;
    }
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@~/:\\+".contains(&byte))
    };
    let text = text.trim_end();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        // `[root@worker-08 ~]`
        Some(inner) => inner.split(' ').all(is_name) && inner.contains(['@', ' ', '~']),
        None if text.is_empty() => true,
        // A folder may hold blanks behind the host's name.
        None => {
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            let is_host = first.contains('@') || first == "PS" || first == "~" || first.starts_with('/');
            is_name(text) && !is_mac_or_time(text) || is_host && is_name(first) && !rest.contains(" > ")
        }
    }
}

/// Whether a word is the MAC or the time that a line of tcpdump begins with, or an address.
fn is_mac_or_time(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        for line in [
            "$ ovn-sbctl list MAC_Binding",
            "$",
            "# after the failover",
            "#ovn-nbctl list BFD",
            "[core@worker-08 ~]$ sudo ovn-sbctl --format=list list mac_binding",
            "sh-4.4# oc exec ovnkube-master-x -c nbdb -- ovn-nbctl find Logical_Router_Static_Route",
            "sh-4.4#",
            "[root@worker-08 ~]#",
            "[root@worker-08 ~]# ip route get 10.0.0.1 from 10.0.0.2",
            "[root@worker-08 ~]# ovs-appctl dpctl/flush-conntrack 'ct_nw_src=192.0.2.230'",
            "conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.",
            "root@worker-08:/var/lib# cat x",
            "(venv) [root@w ~]# ls",
            "worker-08> show",
            "~ $ ip -d link",
            "PS C:\\Users\\x y> type dump.txt",
            "\u{276f} oc get pods",
            "\u{279c}  ~ ovn-nbctl --policy=src-ip lr-route-add GR 10.0.0.5 198.51.100.15",
            "ovn-nbctl --policy=src-ip lr-route-add GR 10.0.0.5 198.51.100.15",
            "sudo -n ovs-appctl dpctl/dump-conntrack | grep labels=0x2",
            "tcpdump -e -n -i eth0 02:00:00:00:00:01 > x",
            "ip route add 10.0.0.5 via 198.51.100.15",
            "prompt \u{3c0} ovn-nbctl lr-route-list GR_w",
        ] {
            assert!(is_command(line), "{line}");
        }
        for line in [
            "ip                  : \"198.51.100.15\"",
            "[pod/x] 192.0.2.230 198.51.100.15 src-ip",
            "ovn-sbctl: no row \"x\" in table BFD",
            "tcpdump: listening on eth0, link-type EN10MB",
            "02:00:00:00:00:01 > 02:00:00:00:00:15, ethertype IPv4 (0x0800), length 94: 192.0.2.230.1 > 192.0.2.1.2: UDP",
            "22:48:28.1 02:00:00:00:00:01 > 02:00:00:00:00:15, ethertype IPv4",
            "192.0.2.230 198.51.100.15 src-ip",
            "IPv4 Routes",
            "Routes of the worker",
            "dir/lr-route-list.GR_worker-08.txt:   192.0.2.230 198.51.100.15 src-ip",
            "\"command\": \"ovn-nbctl list BFD\"",
            "[{\"ifindex\":1}]",
            "mac : x",
            "> 192.0.2.230 198.51.100.15 src-ip",
            ">",
            "a > b",
            "udp,orig=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2)",
            " echo request, id 70, seq 1, length 60",
        ] {
            assert!(!is_command(line), "{line}");
        }
    }
}
