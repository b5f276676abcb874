use std::path::Path;

use super::*;
use crate::engine::fact::{Fact, Gap, Scope};
use crate::inputs::load::load;
use crate::inputs::paths::Paths;

const CAPTURE: &str = "\
22:48:28.272309 94:42:c9:c3:f7:92 > 76:9c:19:34:50:26, ethertype IPv4 (0x0800), length 94: 192.0.2.230.42397 > 198.51.100.1.5005: UDP, length 52
22:48:28.272315 94:42:c9:c3:f7:92 > ce:73:29:66:39:a4, ethertype IPv4 (0x0800), length 94: 192.0.2.230.59943 > 198.51.100.1.5005: UDP, length 52
";

const ROUTES: &str = "\
IPv4 Routes
Route Table <main>:
              192.0.2.230             203.0.113.15 src-ip rtoe-GR_w ecmp ecmp-symmetric-reply
              192.0.2.230             203.0.113.16 src-ip rtoe-GR_w ecmp ecmp-symmetric-reply
";

const BINDINGS: &str = "\
_uuid               : 397895cc-03b0-4dc0-8746-e9459fe83e2d
ip                  : \"203.0.113.15\"
logical_port        : rtoe-GR_w
mac                 : \"ee:8d:82:db:f9:c4\"

_uuid               : b80d352c-023b-4ad7-8e23-4fee8591f928
ip                  : \"203.0.113.16\"
logical_port        : rtoe-GR_w
mac                 : \"76:9c:19:34:50:26\"
";

const ENTRIES: &str = "\
udp,orig=(src=198.51.100.1,dst=192.0.2.230,sport=5005,dport=59943),reply=(src=192.0.2.230,dst=198.51.100.1,sport=59943,dport=5005),zone=35,labels=0x2ce73296639a400000000
";

fn apart(text: &str) -> Result<Option<Ticket>, TicketError> {
    take_apart(Path::new("ticket.md"), &"ticket.md".into(), text.as_bytes())
}

/// First and last line of each block, and its kind.
fn blocks(text: &str) -> Vec<(usize, usize, Kind)> {
    let ticket = apart(text).expect("it is small enough").expect("it is a ticket");
    ticket.blocks.iter().map(|block| (block.lines.start + 1, block.lines.end, block.kind.clone())).collect()
}

fn routes(router: Option<&str>) -> Kind {
    Kind::Routes { router: router.map(str::to_owned) }
}

#[test]
fn fences_captions_and_prose() {
    let text = format!(
        "Hello,\n\nreplies from 192.0.2.230 to 198.51.100.1 get lost.\n\n# What left\n```\n{CAPTURE}```\n\nThe routes:\n\n{ROUTES}\nand \
         the bindings\n\n{BINDINGS}\nThank you\n"
    );
    assert_eq!(blocks(&text), [(7, 8, Kind::Capture), (13, 16, routes(None)), (20, 28, Kind::Rows("MAC_Binding"))]);
    assert_eq!(apart(&text).unwrap().unwrap().prose, 5);
}

#[test]
fn sessions_of_a_shell() {
    let text = format!(
        "{{noformat}}\n[root@w ~]# ovn-nbctl lr-route-list GR_a\n{ROUTES}[root@w ~]# ovn-nbctl lr-route-list GR_b\n{ROUTES}\
         [root@w ~]# ovs-appctl dpctl/dump-conntrack\n{ENTRIES}[root@w ~]# ip neigh\n203.0.113.15 dev x lladdr \
         ee:8d:82:db:f9:c4 STALE\n[root@w ~]# \n{{noformat}}\n"
    );
    assert_eq!(
        blocks(&text),
        [
            (3, 6, routes(Some("GR_a"))),
            (8, 11, routes(Some("GR_b"))),
            (13, 13, Kind::Connections),
            (15, 15, Kind::Owners)
        ]
    );
}

/// What a command prints ends where prose begins.
#[test]
fn a_command_tells_of_its_own_output() {
    let text = format!(
        "$ ovn-sbctl list Advertised_Route\n_uuid : x\nip_prefix : \"10.0.0.0/8\"\nlogical_port : \"y\"\n\nand the \
         bindings:\n\n{BINDINGS}"
    );
    assert_eq!(blocks(&text), [(8, 16, Kind::Rows("MAC_Binding"))]);
}

/// Nothing but the rows themselves tells where one text ends.
#[test]
fn texts_without_anything_between_them() {
    let text = format!("{CAPTURE}{ROUTES}{BINDINGS}{ENTRIES}");
    assert_eq!(
        blocks(&text),
        [(1, 2, Kind::Capture), (3, 6, routes(None)), (7, 15, Kind::Rows("MAC_Binding")), (16, 16, Kind::Connections)]
    );
}

#[test]
fn a_block_may_be_quoted() {
    let quoted: String = ROUTES.lines().map(|line| format!("> {line}\n")).collect();
    assert_eq!(
        blocks(&format!("{ENTRIES}\nyou wrote\n{quoted}\nno\n")),
        [(1, 1, Kind::Connections), (4, 7, routes(None))]
    );
}

/// Every text that is read, one below the other in fences without a word of what they are.
#[test]
fn every_kind() {
    let texts = [
        (include_str!("../../ovsdb/text/fixtures/table.txt"), Kind::Rows("Port_Binding")),
        (include_str!("../../ovsdb/text/fixtures/csv.txt"), Kind::Rows("Port_Binding")),
        (include_str!("../../ovsdb/text/fixtures/json.txt"), Kind::Rows("Port_Binding")),
        (include_str!("../../ovsdb/text/fixtures/pretty.txt"), Kind::Rows("Port_Binding")),
        ("_uuid : x\ndst_ip : \"203.0.113.15\"\nstatus : up\n", Kind::Rows("BFD")),
        ("external_ids : {ct-zone-GR_w_dnat=\"8\", ct-zone-GR_w_snat=\"9\"}\n", Kind::Zones),
        ("rtoj-GR_w 3\nGR_w_dnat 8\n", Kind::Zones),
        ("2: ens1: <UP> mtu 1500\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n", Kind::Owners),
        ("{\n  \"items\": [],\n  \"kind\": \"List\"\n}\n", Kind::Owners),
        (
            "Datapath: \"GR_w\" (x)  Pipeline: ingress\n  table=20(lr_in_arp_resolve), priority=0, match=(1), action=(next;)\n",
            Kind::LogicalFlows,
        ),
        ("# by hand\n[[route]]\npolicy = \"src-ip\"\n\n[[route.nexthop]]\nip = \"203.0.113.15\"\n", Kind::Nexthops),
        (
            "udp      17 29 src=10.0.0.5 dst=10.0.0.6 sport=1 dport=2 src=10.0.0.6 dst=10.0.0.5 sport=2 dport=1\n",
            Kind::Connections,
        ),
    ];
    let text: String = texts.iter().map(|(text, _)| format!("and\n\n```\n{}\n```\n", text.trim_end())).collect();
    let kinds: Vec<Kind> = blocks(&text).into_iter().map(|(.., kind)| kind).collect();
    assert_eq!(kinds, texts.map(|(_, kind)| kind));
}

/// What a ticket tells, owners and gaps.
fn told(text: &str) -> (Vec<String>, Vec<Gap>) {
    let tickets = vec![apart(text).expect("it is small enough").expect("it is a ticket")];
    let (mut owners, mut gaps) = (Vec::new(), Vec::new());
    let tell = &mut |fact| match fact {
        Fact::MacOwner(owner) => owners.push(format!("{} {}", owner.mac, owner.owner)),
        Fact::Gap(gap) => gaps.push(gap),
        _ => {}
    };
    load(&Paths { tickets, ..Paths::default() }, tell).expect("it can be read");
    (owners, gaps)
}

const YAML: &str = "\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      k8s.v1.cni.cncf.io/network-status: |-
        [{
            \"name\": \"ovn-kubernetes\",
            \"interface\": \"eth0\",
            \"ips\": [
                \"192.0.2.230\"
            ],
            \"mac\": \"0a:58:0a:80:02:0f\",
            \"dns\": {}
        }]
    name: web-0
    namespace: app
  spec:
    terminationGracePeriodSeconds: 30
    nodeName: worker-08
  status:
    podIP: 192.0.2.230
kind: List
";

const DESCRIBED: &str = "\
Name:             web-0
Namespace:        app
Node:             worker-08/198.51.100.8
Annotations:      k8s.ovn.org/primary: x
                  k8s.v1.cni.cncf.io/network-status:
                    [{
                        \"interface\": \"eth0\",
                        \"ips\": [
                            \"192.0.2.230\"
                        ],
                        \"mac\": \"0a:58:0a:80:02:0f\"
                    }]
Status:           Running
IP:               192.0.2.230
";

/// Owners in every listing, in a fence with its command, in one without, below a caption, and quoted.
#[test]
fn owners_of_macs() {
    let neighbour = "ee:8d:82:db:f9:c4 neighbour 203.0.113.15 on ens1";
    let pod = "0a:58:0a:80:02:0f pod app/web-0 interface eth0 on worker-08";
    let gone = "203.0.113.16 dev ens1 FAILED\n";
    for (command, listing, owner) in [
        ("ip neigh", format!("203.0.113.15 dev ens1 lladdr ee:8d:82:db:f9:c4 STALE\n{gone}"), neighbour),
        ("ip neigh", format!("{gone}203.0.113.15 dev ens1 lladdr ee:8d:82:db:f9:c4 STALE\n"), neighbour),
        (
            "ip -j neigh",
            "[{\"dst\":\"203.0.113.15\",\"dev\":\"ens1\",\"lladdr\":\"ee:8d:82:db:f9:c4\",\"state\":[\"STALE\"]}]\n".to_owned(),
            neighbour,
        ),
        (
            "arp -n",
            "Address          HWtype  HWaddress           Flags Mask  Iface\n203.0.113.15     ether   ee:8d:82:db:f9:c4   C           ens1\n".to_owned(),
            neighbour,
        ),
        ("arp -an", "? (203.0.113.15) at ee:8d:82:db:f9:c4 [ether] on ens1\n".to_owned(), neighbour),
        ("oc get pods -A -o yaml", YAML.to_owned(), pod),
        ("oc describe pods -n app", DESCRIBED.to_owned(), pod),
        ("kubectl describe pods", format!("{DESCRIBED}\n\n{}", DESCRIBED.replace("web-0", "web-1")), pod),
    ] {
        let quoted: String = listing.lines().map(|line| format!("> {line}\n")).collect();
        for text in [
            format!("```\n{ENTRIES}```\n\n```\n$ {command}\n{listing}```\n"),
            format!("{ENTRIES}\nand then\n\n```\n{listing}```\n{BINDINGS}"),
            format!("$ ovs-appctl dpctl/dump-conntrack\n{ENTRIES}$ sudo {command}\n{listing}$ ovn-sbctl list MAC_Binding\n{BINDINGS}"),
            format!("{ENTRIES}\nThe neighbours:\n\n{listing}\nThank you\n"),
            format!("{ENTRIES}\nyou wrote\n\n{quoted}\nThank you\n"),
        ] {
            let (owners, gaps) = told(&text);
            assert!(owners.contains(&owner.to_owned()), "{owners:?}: {text}");
            assert_eq!(gaps, [], "{text}");
        }
    }
}

/// Learned routes are joined with what they refer to elsewhere in the ticket; a table without rows is told by its command.
#[test]
fn tables_of_later_releases() {
    const DATAPATH: &str = "_uuid : 483669d5-4952-4330-bd3f-f3933341b68f\nexternal_ids : {logical-router=\"5f1ee2a8-0a7e-4c4c-9a2c-7a3d4b0f1a11\", name=GR_w}\n";
    const LEARNED: &str = "_uuid : a97895cc-03b0-4dc0-8746-e9459fe83e2d\ndatapath : 483669d5-4952-4330-bd3f-f3933341b68f\nexternal_ids : {}\nip_prefix : \"172.27.0.0/24\"\nlogical_port : 397895cc-03b0-4dc0-8746-e9459fe83e2d\nnexthop : \"198.51.100.1\"\n";
    let text = format!(
        "```\n$ ovn-sbctl list Datapath_Binding\n{DATAPATH}```\nand\n```\n{LEARNED}```\n```\n$ ovn-sbctl list ECMP_Nexthop\n```\n"
    );
    let tickets = vec![apart(&text).unwrap().unwrap()];
    let paths = Paths { tickets, ..Paths::default() };
    assert!(paths.tells_nexthops());
    let mut routes = Vec::new();
    let tell = &mut |fact| match fact {
        Fact::Route(route) => routes.push((route.router.clone(), route.prefix.to_string())),
        Fact::Gap(gap) => panic!("{gap:?}"),
        _ => {}
    };
    let loaded = load(&paths, tell).expect("it can be read");
    assert_eq!(routes, [(Some("GR_w".into()), "172.27.0.0/24".to_owned())]);
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.message.contains("it has no rows"), "{warning}");
    let (_, gaps) = told(&text.replace("\"172.27.0.0/24\"", "\"172.27.x.0/24\""));
    assert!(gaps.iter().any(|gap| matches!(gap.scope, Scope::Routes { .. })), "{gaps:?}");
}

/// Lines that stand above pods stand above much else; rows below them are rows.
#[test]
fn settings_are_no_pods() {
    let text = format!("{ENTRIES}\n```\nmetadata:\n  name: x\n192.0.2.230 203.0.113.15\n```\n");
    assert_eq!(blocks(&text), [(1, 1, Kind::Connections), (4, 6, routes(None))]);
    let text = format!("{ENTRIES}\n```\napiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n{ROUTES}```\n");
    assert_eq!(blocks(&text), [(1, 1, Kind::Connections), (4, 11, routes(None))]);
}

/// What is left of a row is lost; a sentence is not.
#[test]
fn prose_below_zones() {
    let zones = "GR_w_dnat 8\nGR_w_snat 9\n";
    for prose in ["seen on worker-08 today", "see BZ 2095444", "The kernel is 5.14.", "Thanks, Mr. 5_5"] {
        let text = format!("{ENTRIES}\nThe zones:\n\n{zones}{prose}\n");
        let (_, gaps) = told(&text);
        assert_eq!(gaps, [], "{prose}");
        assert_eq!(apart(&text).unwrap().unwrap().prose, 2, "{prose}");
    }
    for lost in ["GR_x_dn at 12", "GR_x_dnat", "rtoj-GR x y 5", "seen on worker-08\nGR_x_dn at 12"] {
        let (_, gaps) = told(&format!("{ENTRIES}\nThe zones:\n\n{zones}{lost}\n"));
        assert!(!gaps.is_empty(), "{lost}");
    }
    let (_, gaps) = told(&format!("{ENTRIES}\n```\n{zones}seen on GR_x today\n```\n"));
    assert_eq!(gaps.len(), 1, "what stands in a fence was printed");
}

#[test]
fn packets_and_prose_are_no_ticket() {
    for text in
        [CAPTURE.to_owned(), format!("Hello\n\n```\n{CAPTURE}```\n192.0.2.230\n"), "Hello\n".to_owned(), String::new()]
    {
        assert_eq!(apart(&text).unwrap(), None, "{text}");
    }
}

#[test]
fn what_stands_there_twice_is_read_once() {
    let text = format!("```\n{ENTRIES}```\n> {ENTRIES}\n```\n{CAPTURE}```\nagain\n```\n{CAPTURE}{CAPTURE}```\n");
    let ticket = apart(&text).unwrap().unwrap();
    assert_eq!(ticket.repeated.len(), 2, "{:?}", ticket.repeated);
    let of_repeated = ticket.captures().nth(1).unwrap().excerpt.unwrap();
    assert!(of_repeated.bytes.iter().all(|byte| *byte == b'\n'));
}

#[test]
fn packets_without_macs_are_told() {
    let without = "22:48:28.272309 IP 192.0.2.230.42397 > 198.51.100.1.5005: UDP, length 52\n";
    let ticket = apart(&format!("{ENTRIES}\n```\n{without}```\n")).unwrap().unwrap();
    assert_eq!(ticket.blocks.len(), 1);
    let [unread] = ticket.unread.as_slice() else { panic!("{ticket:?}") };
    assert!(unread.to_string().starts_with("ticket.md:4: no packet of this text could be read"), "{unread}");
}

#[test]
fn bounds() {
    let rows = "```\n".to_owned() + ENTRIES + "```\n";
    let fences = format!("{rows}{}", "```\nx\n```\n".repeat(MAX_PARTS));
    assert!(matches!(apart(&fences), Err(TicketError::TooManyParts { .. })));
    let many: String = (0..=MAX_BLOCKS).map(|number| rows.replace("zone=35", &format!("zone={number}"))).collect();
    assert!(matches!(apart(&many), Err(TicketError::TooManyBlocks { .. })));
    let long = format!("{rows}{}", "x\n".repeat(MAX_BYTES / 2));
    assert!(matches!(apart(&long), Err(TicketError::TooLong { .. })));
    for text in [fences, many, long] {
        let error = apart(&text).expect_err("it is too large").to_string();
        assert!(error.contains("put them into a folder under well-known names"), "{error}");
    }
}

/// Whatever a text is made of, it is told what it is: what its lines share is looked for once in a part, and in few lines.
#[test]
fn hostile_texts() {
    for line in HOSTILE {
        // A quarter of what a ticket may have: the bound of lines is reached by those that are short.
        let text = line.repeat((MAX_BYTES / 4 - ENTRIES.len()) / line.len());
        let is_ticket = matches!(apart(&format!("{ENTRIES}{text}")), Ok(Some(_)) | Err(_));
        assert!(is_ticket, "{line:?}");
    }
}

const HOSTILE: [&str; 34] = [
    "metadata:\n",
    "Name:   x\n  [{\n",
    "1.1.1.1 dev a FAILED\n",
    "```\n",
    "{noformat}\n",
    "```\nx\n```\n",
    "$ ovn-nbctl list BFD\n",
    "# \n",
    "> > > \n",
    "1: 2: 3: x\n",
    "a.txt:1:b.txt:2:c\n",
    "[a] [b] [c]\n",
    "a 5\n",
    "{}\n",
    "[{},\n",
    "{\"a\":[\n",
    "{\"data\":[[\n",
    "a : b\n\n",
    "a,b\n",
    "10.0.0.5\n",
    "10.0.0.5 10.0.0.6 src-ip\n",
    "src=\n",
    "[[route]]\n",
    "2022-06-09T22:48:28.1Z stdout F x\n",
    "\0\0\0\n",
    "\0",
    "\n",
    "[",
    "> ",
    "x",
    "a:1:",
    "-----\n",
    "a b\n- -\n",
    "Jun  9 22:48:28 w x: y\n",
];
