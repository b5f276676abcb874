//! What each command says behind its options. Lines of examples are cut by hand, as a shell takes them.

use super::epilogue::Epilogue;
use super::reading::ZONES;
use super::values::DURATIONS;

const NO_COLOR: (&str, &str) = ("NO_COLOR", "If it is set and not empty, text is not coloured unless --color says so.");
const OVS_RUNDIR: (&str, &str) = ("OVS_RUNDIR", "Folder of Open vSwitch's sockets, /run/openvswitch unless set.");
const OVN_RUNDIR: (&str, &str) = ("OVN_RUNDIR", "Folder of OVN's sockets; the usual places unless set.");
const TRUSTED: (&str, &str) =
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Certificates that servers are checked against, instead of this system's.");

const HISTORY: (&str, &str) =
    ("/var/lib/analyzer/history.jsonl", "History of the next hops over a restart of live (--history).");
const ALERTS: (&str, &str) = ("/var/lib/analyzer/alerts.json", "Open alerts over a restart of live (--alert-state).");
const JOURNAL: (&str, &str) =
    ("/var/lib/analyzer/repairs.jsonl", "What each entry was before it was changed, and what came of it.");
const SOCKETS: (&str, &str) =
    ("/run/openvswitch, /run/ovn, /run/ovn-ic", "Folders in which the sockets of the databases are looked for.");

const DUMP_NAMES: &str = "\
A CASE_DIR holds captures and dumps under well-known names: nexthops.toml, lr-route-list.txt, lr-route-list.ROUTER.txt, \
mac_binding.txt, static_mac_binding.txt, bfd.txt, static_routes.txt, port_binding*.txt, datapath_binding.txt, \
learned_route.txt, ecmp_nexthop.txt, ovnnb.db, ovnsb.db, conf.db, lflow-list.txt, conntrack.txt, ct-zones.txt, \
ct-zone-list.txt, mac-owners*.txt; each may end in .gz or .zst.";

const TICKET: &str = "\
A text that holds several of these outputs, such as a support ticket, a mail or Markdown, is read as it is: fences, prompts \
and what lines look like tell its texts apart, and the sources say which lines were taken for what. A folder that holds \
nothing else may hold it as ticket.md or ticket.txt.";

pub(super) const WHOLE: Epilogue = Epilogue {
    examples: &[
        ("analyzer replay pcaps/bz2095444", "The verdict on a capture and the dumps beside it, from one folder"),
        (
            "analyzer replay --nb-db ovnnb_db.db --sb-db ovnsb_db.db \\\n--conntrack ct.txt egress.pcap",
            "The same from files of your own; the databases tell next hops with their history",
        ),
        (
            "analyzer conntrack --stale pcaps/bz2095444",
            "Conntrack entries that would send packets to a MAC that is no next hop",
        ),
        (
            "analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' \\\npcaps/bz2095444",
            "Everything known of one flow",
        ),
        ("analyzer repair --all", "What would heal the stale entries of this node; --apply does it"),
        ("analyzer doctor", "What this machine lets the analyzer do live, what is missing, and what to do about it"),
        ("analyzer live -i auto", "The verdict on a running worker, continuously"),
    ],
    notes: &[],
    files: &[HISTORY, ALERTS, JOURNAL],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[
        (0, "no violation"),
        (1, "at least one violation"),
        (2, "could not run"),
        (3, "no violation, but something could not be judged or read"),
    ],
    see_also: &["conntrack(8)", "ovn-architecture(7)", "tcpdump(8)"],
};

pub(super) const REPLAY: Epilogue = Epilogue {
    examples: &[
        ("analyzer replay pcaps/bz2095444", ""),
        (
            "analyzer replay --lr-routes GR_worker-08=routes.txt --mac-bindings mb.txt \\\n--conntrack ct.txt \
             egress.pcap.gz",
            "",
        ),
        ("tcpdump -i ens1 -w - | analyzer replay --nexthops nexthops.toml -", ""),
        (
            "analyzer replay --date 2022-06-09 --timezone Europe/Berlin \\\n--nexthops nexthops.toml pasted-tcpdump.txt",
            "Text of tcpdump with local times",
        ),
        (
            "analyzer replay --date 2022-06-09 pcaps/ticket/ticket.md",
            "Several outputs in one text, with prose between them",
        ),
        ("analyzer replay --format jsonl must-gather/ | jq 'select(.type == \"finding\")'", ""),
        (
            "analyzer replay --syslog udp:192.0.2.1 --syslog tls:log.example:6514 \\\npcaps/bz2095444",
            "Sends what the daemon would have sent, with the captures' own times",
        ),
    ],
    notes: &[
        DUMP_NAMES,
        TICKET,
        "SIGINT and SIGTERM end the reading, and the verdict so far is printed; a pipe is read to its end first, for at \
         most 2 seconds. A second one ends the run at once, with 128 and its number as \
         exit status.",
        DURATIONS,
        ZONES,
    ],
    files: &[],
    environment: &[NO_COLOR, TRUSTED],
    exit_status: &[
        (0, "judged, no violation"),
        (1, "at least one violation"),
        (2, "could not run"),
        (
            3,
            "no violation, but something could not be judged or read, reading was interrupted, nothing was covered by a route, \
             no next hops were given, or all packets to wrong MACs left within the grace period",
        ),
    ],
    see_also: &["tcpdump(8)", "conntrack(8)", "ovn-nbctl(8)", "ovn-sbctl(8)"],
};

pub(super) const LIVE: Epilogue = Epilogue {
    examples: &[
        (
            "analyzer live -i auto",
            "On an OVN-Kubernetes worker: finds the NIC, the databases and the conntrack table by itself",
        ),
        (
            "analyzer live -i ens1 -i ens2 --sample 0 --format jsonl \\\n| jq 'select(.type == \"finding\")'",
            "Two members of a bond; conforming packets are counted, their flows are not",
        ),
        (
            "analyzer live -i ens1 --nb ssl:192.0.2.1:6641,ssl:192.0.2.2:6641 \\\n--sb \
             ssl:192.0.2.1:6642,ssl:192.0.2.2:6642 \\\n--private-key key.pem --certificate cert.pem --ca-cert ca.pem",
            "A central control plane",
        ),
        (
            "analyzer live -i ens1 --nb none --sb none --nexthops nexthops.toml \\\n--duration 1m",
            "Without OVN, for a minute",
        ),
        (
            "analyzer live --config /etc/analyzer/live.toml",
            "All options from a file, by their long names: interface = [\"ens1\", \"ens2\"]",
        ),
        (
            "analyzer live -i auto --repair unpin --repair-rate 5",
            "Heals stale entries, five a minute at most (docs/repair.md)",
        ),
        (
            "analyzer live -i auto --trace 'host=10.244.0.5 port=53 proto=udp'",
            "What the kernel program makes of each such packet and why, with the verdict: it does not see my flow",
        ),
        (
            "analyzer live -i mirror0 --mirror --ingress afxdp \\\n--write violating.pcapng.zst --write-bytes 100M",
            "A mirror port; the first frames of violating flows are kept, with a comment on each",
        ),
    ],
    notes: &[
        "It runs until SIGINT or SIGTERM and then prints the verdict as replay does. SIGHUP reads FILE.toml again. It \
         never changes or drops a packet, and leaves nothing behind on the NIC. docs/live.md tells more; `analyzer \
         doctor` tells what this machine lets it do.",
        DURATIONS,
    ],
    files: &[
        HISTORY,
        ALERTS,
        JOURNAL,
        SOCKETS,
        ("/dev/log, /run/systemd/journal/socket", "Where alerts go by default."),
    ],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR, TRUSTED],
    exit_status: &[
        (0, "judged, no violation"),
        (1, "at least one violation"),
        (2, "could not run"),
        (
            3,
            "no violation, but something could not be judged or read, nothing was covered by a route, nothing told next hops, \
             or all packets to wrong MACs left within the grace period",
        ),
    ],
    see_also: &["tc(8)", "ovs-vswitchd(8)", "ovsdb(7)", "journalctl(1)"],
};

pub(super) const CONNTRACK: Epilogue = Epilogue {
    examples: &[
        ("analyzer conntrack --stale", "Of the running system"),
        ("analyzer conntrack pcaps/bz2095444", "Of dumps in a folder"),
        ("analyzer conntrack --stale --conntrack ct.txt \\\n--nb-db ovnnb_db.db --sb-db ovnsb_db.db", ""),
    ],
    notes: &[],
    files: &[SOCKETS],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[
        (0, "no stale entry"),
        (1, "at least one"),
        (2, "could not run"),
        (3, "none, but the next hops are not fully known, or something could not be read"),
    ],
    see_also: &["conntrack(8)", "ovs-appctl(8)"],
};

pub(super) const NEXTHOPS: Epilogue = Epilogue {
    examples: &[
        ("analyzer nexthops", "Of the running system"),
        ("analyzer nexthops pcaps/bz2095444", "Of dumps in a folder"),
        ("analyzer nexthops --nb-db ovnnb_db.db --sb-db ovnsb_db.db \\\n--at 2022-06-07T20:13:00Z", ""),
    ],
    notes: &[],
    files: &[SOCKETS],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[
        (0, "at least one next hop is known"),
        (2, "could not run"),
        (3, "none is known, or what may tell of one could not be read"),
    ],
    see_also: &["ovn-nbctl(8)", "ovn-sbctl(8)"],
};

pub(super) const EXPLAIN: Epilogue = Epilogue {
    examples: &[
        ("analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005'", "What the running system knows of it"),
        (
            "analyzer explain 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' \\\npcaps/bz2095444",
            "What a capture and the dumps beside it know of it",
        ),
        ("analyzer explain 'icmp 10.244.0.5 -> 8.8.8.8 type 0 code 0 id 77' case/", ""),
    ],
    notes: &[DURATIONS, ZONES],
    files: &[HISTORY, SOCKETS],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[
        (0, "seen, and nothing is wrong"),
        (1, "a packet violates, or an entry of the flow is stale"),
        (2, "could not run"),
        (3, "the flow was not seen, could not be judged, or reading was interrupted"),
    ],
    see_also: &["conntrack(8)", "ovn-trace(8)"],
};

pub(super) const REPAIR: Epilogue = Epilogue {
    examples: &[
        (
            "analyzer repair --all",
            "What would be done about every stale entry of this node, and about which nothing would be, and why",
        ),
        (
            "analyzer repair --flow 'udp 192.168.16.230:59943 -> 172.27.0.13:5005' \\\n--apply",
            "Deletes the entry that keeps this flow at a dead gateway",
        ),
        (
            "analyzer repair --all --apply --watch 10s -i ens5f1",
            "Deletes all of them, and tells of each flow whether its next packet goes right",
        ),
        (
            "analyzer repair --mac ce:73:29:66:39:a4 --method unpin --apply",
            "Frees all flows from this gateway; NAT and TCP state stay",
        ),
        (
            "analyzer repair --all --conntrack ct.txt --ct-zones zones.txt \\\n--nb-db ovnnb_db.db --sb-db ovnsb_db.db",
            "What would be done, by dumps: nothing can be changed there",
        ),
    ],
    notes: &[
        "Nothing is changed without --apply. Each entry is looked at once more just before it is changed, and read back \
         after; what it was is written into the journal first. docs/repair.md tells the rules, and how an entry is made \
         again. It takes CAP_NET_ADMIN in the network namespace of the node, or a right to the control socket of \
         ovs-vswitchd.",
        DURATIONS,
    ],
    files: &[JOURNAL, SOCKETS],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[
        (0, "all was done, or would be, or there is nothing to do"),
        (1, "something was refused or failed, or with --watch a healed flow still violates"),
        (2, "could not run"),
        (3, "as 0, but something could not be read; with --watch a healed flow was not seen, or could not be judged"),
    ],
    see_also: &["conntrack(8)", "ovs-appctl(8)"],
};

pub(super) const DOCTOR: Epilogue = Epilogue {
    examples: &[
        ("analyzer doctor", ""),
        ("analyzer doctor --format json | jq '.checks[] | select(.state != \"ok\")'", ""),
    ],
    notes: &[
        "It tries what live will need: it loads programs that do nothing, attaches them in a network namespace of its \
         own, and asks databases and the conntrack table. Nothing on the machine's own interfaces is changed.",
    ],
    files: &[HISTORY, ALERTS, JOURNAL, SOCKETS],
    environment: &[NO_COLOR, OVS_RUNDIR, OVN_RUNDIR],
    exit_status: &[(0, "all that live needs is there"), (2, "live cannot run"), (3, "it runs with limits")],
    see_also: &["capabilities(7)", "tc(8)"],
};

pub(super) const COMPLETIONS: Epilogue = Epilogue {
    examples: &[("source <(analyzer completions bash)", "")],
    notes: &[],
    files: &[],
    environment: &[],
    exit_status: PRINTED,
    see_also: &["bash(1)", "zsh(1)"],
};

pub(super) const MAN: Epilogue = Epilogue {
    examples: &[
        ("analyzer man replay | man -l -", ""),
        ("analyzer man --all /usr/local/share/man/man1", "A page for each command, and one of the whole"),
    ],
    notes: &["Files that --all writes must not be there yet, and are readable for all."],
    files: &[],
    environment: &[],
    exit_status: PRINTED,
    see_also: &["man(1)"],
};

const PRINTED: &[(u8, &str)] = &[(0, "it was written"), (2, "it could not be")];

/// That of a command by its name; that of the whole for any other word.
pub fn epilogue(command: &str) -> &'static Epilogue {
    match command {
        "replay" => &REPLAY,
        "live" => &LIVE,
        "conntrack" => &CONNTRACK,
        "nexthops" => &NEXTHOPS,
        "explain" => &EXPLAIN,
        "repair" => &REPAIR,
        "doctor" => &DOCTOR,
        "completions" => &COMPLETIONS,
        "man" => &MAN,
        _ => &WHOLE,
    }
}
