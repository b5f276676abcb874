use super::*;
use proptest::prelude::*;

/// MAC, owner and addresses.
type Told = (String, String, Vec<IpAddr>);

fn owners(text: &str) -> (Vec<Told>, Vec<String>) {
    let facts = parse(text.as_bytes(), &"mac-owners.txt".into()).unwrap();
    let owners = facts.facts.into_iter().map(|fact| match fact {
        Fact::MacOwner(MacOwner { mac, origin, owner, ips }) => {
            assert_eq!(&*origin, "mac-owners.txt");
            (mac.to_string(), owner.to_string(), ips)
        }
        other => panic!("{other:?}"),
    });
    (owners.collect(), facts.warnings.iter().map(ToString::to_string).collect())
}

fn told(owners: &[(&str, &str)]) -> Vec<Told> {
    owners.iter().map(|&(mac, owner)| (mac.to_owned(), owner.to_owned(), vec![])).collect()
}

#[test]
fn the_incident_excerpt() {
    let text = "\
vf 48     link/ether ce:73:29:66:39:a4 brd ff:ff:ff:ff:ff:ff, spoof checking on, link-state auto, trust off
    RX: bytes  packets  mcast   bcast   dropped 
    333081     2306     0       878     0        
    TX: bytes  packets   dropped 
    0          0        0        
";
    assert_eq!(owners(text), (told(&[("ce:73:29:66:39:a4", "VF 48")]), vec![]));
}

/// `ip -d link` of iproute2 6.1; the VF lines of an i40e.
#[test]
fn text_of_links() {
    let text = "\
[core@worker-19 ~]$ ip -d link
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 addrgenmode eui64
2: ens5f1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq master bond0 state UP mode DEFAULT group default qlen 1000
    link/ether 94:42:c9:c3:f7:92 brd ff:ff:ff:ff:ff:ff permaddr 94:42:c9:c3:f7:93 promiscuity 0
    vf 0     link/ether 00:00:00:00:00:00 brd ff:ff:ff:ff:ff:ff, spoof checking on, link-state auto, trust off
    vf 48     link/ether ce:73:29:66:39:a4 brd ff:ff:ff:ff:ff:ff, spoof checking on, link-state auto, trust off
    vf 49 MAC 76:9c:19:34:50:26, vlan 100, spoof checking on, link-state auto
    altname enp216s0f1
7: ens5f1.100@ens5f1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default
    link/ether 94:42:c9:c3:f7:92 brd ff:ff:ff:ff:ff:ff
8: veth1@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 9e:9e link-netnsid 0
";
    let expected = told(&[
        ("94:42:c9:c3:f7:92", "interface ens5f1"),
        ("94:42:c9:c3:f7:93", "interface ens5f1 (permanent address)"),
        ("ce:73:29:66:39:a4", "VF 48 of ens5f1"),
        ("76:9c:19:34:50:26", "VF 49 of ens5f1"),
        ("94:42:c9:c3:f7:92", "interface ens5f1.100"),
    ]);
    let (owners, warnings) = owners(text);
    assert_eq!(owners, expected);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("mac-owners.txt:13: interface veth1: \"9e:9e\" is no MAC address"), "{warnings:?}");
}

#[test]
fn json_below_a_prompt() {
    let json = r#"[{"ifname":"ens5f1","link_type":"ether","address":"94:42:c9:c3:f7:92"}]"#;
    let expected = told(&[("94:42:c9:c3:f7:92", "interface ens5f1")]);
    for text in [
        format!("[core@worker-19 ~]$ ip -j -d link\n{json}\n[core@worker-19 ~]$ \n"),
        format!("```json\n{json}\n```\n"),
        format!("> {json}\n"),
    ] {
        assert_eq!(owners(&text), (expected.clone(), vec![]), "{text}");
    }
    let error = parse(b"$ ip -j link\n\n[{\"ifname\":}]\n", &"f".into()).unwrap_err().to_string();
    assert!(error.starts_with("f:3:12: "), "{error}");
}

/// What begins as JSON does below other lines, and is none, is looked at once.
#[test]
fn brackets_that_are_no_json() {
    for text in ["[\n[\n", "x\n[\n[\n", "\u{a0}{\"", "\u{b}[{", "{\n{", "[ [{"] {
        let _ = parse(text.as_bytes(), &"a.txt".into());
    }
}

/// `ip -j -d link`, shortened.
#[test]
fn json_of_links() {
    let text = r#"[
{"ifindex":1,"ifname":"lo","flags":["LOOPBACK"],"link_type":"loopback","address":"00:00:00:00:00:00"},
{"ifindex":2,"ifname":"ens5f1","mtu":1500,"link_type":"ether","address":"94:42:c9:c3:f7:92","broadcast":"ff:ff:ff:ff:ff:ff",
 "permaddr":"94:42:c9:c3:f7:93","num_tx_queues":72,"vfinfo_list":[
 {"vf":48,"link_type":"ether","address":"ce:73:29:66:39:a4","broadcast":"ff:ff:ff:ff:ff:ff","vlan_list":[{}],"spoofchk":true},
 {"vf":49,"mac":"76:9c:19:34:50:26","rate":{"max_tx":0}}]},
{}]"#;
    let expected = told(&[
        ("94:42:c9:c3:f7:92", "interface ens5f1"),
        ("94:42:c9:c3:f7:93", "interface ens5f1 (permanent address)"),
        ("ce:73:29:66:39:a4", "VF 48 of ens5f1"),
        ("76:9c:19:34:50:26", "VF 49 of ens5f1"),
    ]);
    assert_eq!(owners(text), (expected, vec![]));
}

/// `oc get pods -A -o json`, shortened.
#[test]
fn pods() {
    let status = r#"[{\n \"name\": \"ovn-kubernetes\",\n \"interface\": \"eth0\",\n \"ips\": [\n \"192.168.10.43\"\n ],\n \"mac\": \"0a:58:c0:a8:0a:2b\",\n \"default\": true,\n \"dns\": {}\n},{\n \"name\": \"spk/net1\",\n \"interface\": \"net1\",\n \"ips\": [\"198.19.3.15\", \"fd00::15\"],\n \"mac\": \"ee:8d:82:db:f9:c4\",\n \"dns\": {},\n \"device-info\": {\"type\": \"pci\", \"version\": \"1.1.0\"}\n}]"#;
    let pod = |name: &str, annotations: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "namespace": "spk",
            "annotations": {annotations}, "labels": {{"a": "b"}}}}, "spec": {{"nodeName": "worker-19", "containers": [{{}}]}}}}"#
        )
    };
    let new = pod("f5-SPK2", &format!(r#"{{"k8s.v1.cni.cncf.io/network-status": "{status}", "other": "x"}}"#));
    let both = pod(
        "f5-SPK1",
        r#"{"k8s.v1.cni.cncf.io/network-status": "[{\"name\":\"n\",\"mac\":\"76:9c:19:34:50:26\"}]",
            "k8s.v1.cni.cncf.io/networks-status": "[{\"name\":\"n\",\"mac\":\"76:9c:19:34:50:26\"}]"}"#,
    );
    let broken =
        pod("broken", r#"{"k8s.v1.cni.cncf.io/network-status": "[{", "k8s.v1.cni.cncf.io/networks-status": ""}"#);
    let host = pod("host", "null");
    let bare = r#"{"metadata": {}}"#;
    let list = format!(r#"{{"apiVersion": "v1", "items": [{new}, {both}, {broken}, {host}, {bare}], "kind": "List"}}"#);

    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let spk2 = [
        (
            "0a:58:c0:a8:0a:2b".to_owned(),
            "pod spk/f5-SPK2 interface eth0 on worker-19".to_owned(),
            vec![ip("192.168.10.43")],
        ),
        (
            "ee:8d:82:db:f9:c4".to_owned(),
            "pod spk/f5-SPK2 interface net1 on worker-19".to_owned(),
            vec![ip("198.19.3.15"), ip("fd00::15")],
        ),
    ];
    let mut expected = spk2.to_vec();
    expected.extend(told(&[("76:9c:19:34:50:26", "pod spk/f5-SPK1 interface n on worker-19")]));
    let (found, warnings) = owners(&list);
    assert_eq!(found, expected);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("mac-owners.txt: pod spk/broken: annotation network-status: "), "{warnings:?}");
    // oc get pod f5-SPK2 -o json
    assert_eq!(owners(&new).0, spk2);
}

#[test]
fn unreadable_json_names_its_place() {
    let cases = [
        ("{\"items\": [\n{\"metadata\": {", "f:2:14: EOF while parsing an object"),
        ("[{\"vfinfo_list\": 1}]", "f:1:18: invalid type: integer `1`, expected a sequence"),
        ("{\"kind\": \"Node\"}", "f: this JSON holds no pods"),
    ];
    for (text, expected) in cases {
        let error = parse(text.as_bytes(), &"f".into()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let deep = format!("[{{\"address\": {}", "[".repeat(200_000));
    assert!(parse(deep.as_bytes(), &"f".into()).is_err());
    let ignored = format!("{{\"x\": {}", "[".repeat(200_000));
    assert!(parse(ignored.as_bytes(), &"f".into()).is_err());
}

/// `ip neigh`, `ip -6 neigh`, `arp -n`, `arp -an`. What has no MAC is no loss.
#[test]
fn neighbours() {
    let text = "\
[core@worker-19 ~]$ ip neigh
198.19.3.15 dev ens5f1 lladdr ee:8d:82:db:f9:c4 REACHABLE
198.19.3.16 dev ens5f1 FAILED
198.19.3.17 dev ens5f1  INCOMPLETE
192.0.2.1 dev gre1 lladdr 192.0.2.9 NOARP
[core@worker-19 ~]$ ip -6 neigh
fe80::1 dev br-ex lladdr 76:9c:19:34:50:26 router STALE
ff02::1 dev br-ex lladdr 33:33:00:00:00:01 NOARP
[core@worker-19 ~]$ arp -n
Address                  HWtype  HWaddress           Flags Mask            Iface
198.19.3.18              ether   ce:73:29:66:39:a4   C                     ens5f1
198.19.3.19                      (incomplete)                              ens5f1
[core@worker-19 ~]$ arp -an
? (198.19.3.18) at ce:73:29:66:39:a4 [ether] on ens5f1
? (198.19.3.20) at <incomplete> on ens5f1
[core@worker-19 ~]$ ip -d link
2: ens5f1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500
    link/ether 94:42:c9:c3:f7:92 brd ff:ff:ff:ff:ff:ff
198.19.3.21 dev ens5f1 lladdr ee:8d:82 STALE
";
    let expected = told(&[
        ("ee:8d:82:db:f9:c4", "neighbour 198.19.3.15 on ens5f1"),
        ("76:9c:19:34:50:26", "neighbour fe80::1 on br-ex"),
        ("ce:73:29:66:39:a4", "neighbour 198.19.3.18 on ens5f1"),
        ("94:42:c9:c3:f7:92", "interface ens5f1"),
    ]);
    let (found, warnings) = owners(text);
    assert_eq!(found, expected);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("mac-owners.txt:19: neighbour 198.19.3.21 on ens5f1: \"ee:8d:82\" is no MAC"));
    let json = r#"[{"dst":"198.19.3.15","dev":"ens5f1","lladdr":"ee:8d:82:db:f9:c4","state":["STALE"]},{"dst":"198.19.3.16","dev":"ens5f1","state":["FAILED"]}]"#;
    assert_eq!(owners(json), (expected[..1].to_vec(), vec![]));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        _ = parse(&text, &"f".into());
    }

    #[test]
    fn shuffled_words_do_not_panic(picks in prop::collection::vec(0..28usize, 0..60)) {
        let words = [
            "vf", "48", "link/ether", "MAC", "ce:73:29:66:39:a4", "permaddr", "2: ", "a@b: <", "\n", ",", "\u{e9}: <",
            "lladdr", "198.19.3.15", "STALE", "ether", "(198.19.3.15) at", "Name:  x", "Annotations: ", "\n- apiVersion:",
            "\nmetadata:", "\n  annotations:", "k8s.ovn.org/pod-networks:", "\n    ", "'", "|", "[{", "\n---\n", "...", "\"",
        ];
        let text: Vec<_> = picks.iter().map(|&pick| words[pick]).collect();
        _ = parse(text.join(" ").as_bytes(), &"f".into());
    }
}

mod pods;
