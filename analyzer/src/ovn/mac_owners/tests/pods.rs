//! Pods in YAML, as described, and as JSON among other text.

use super::*;

/// `oc get pods -n spk -o yaml`, shortened: values in blocks and in quotes that go on in the next line.
const LIST: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      k8s.ovn.org/pod-networks: '{"default":{"ip_addresses":["10.128.2.24/23"],"mac_address":"0a:58:0a:80:02:18","gateway_ips":["10.128.2.1"],
        "ip_address":"10.128.2.24/23","gateway_ip":"10.128.2.1"},"spk/ovn":{"ip_addresses":["fd00::7/64"],"mac_address":"0a:58:0a:80:02:77"}}'
      k8s.v1.cni.cncf.io/network-status: |-
        [{
            "name": "ovn-kubernetes",
            "interface": "eth0",
            "ips": [
                "10.128.2.24"
            ],
            "mac": "0a:58:0a:80:02:18",
            "default": true,
            "dns": {}
        },{
            "name": "spk/net1",
            "interface": "net1",
            "ips": ["198.19.3.15"],
            "mac": "ee:8d:82:db:f9:c4",
            "dns": {}
        }]
      openshift.io/scc: "restricted # not a comment"
    labels:
      name: other
    managedFields:
    - apiVersion: v1
      name: managed
    name: f5-SPK2
    namespace: spk
    ownerReferences:
    - kind: ReplicaSet
      name: owner
  spec:
    containers:
    - name: app
      args: ["--x", "[{"]
      command:
      - bash
      - -c
      - |
        # start
        exec app
    nodeName: worker-19
  status: {}
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      k8s.v1.cni.cncf.io/networks-status: "[{\n \"name\": \"n\",\n \"mac\": \"76:9c:19:34:50:26\"\n}]"
    name: f5-SPK1
    namespace: spk
kind: List
metadata:
  resourceVersion: ""
"#;

fn with_ips(mac: &str, owner: &str, ips: &[&str]) -> Told {
    (mac.to_owned(), owner.to_owned(), ips.iter().map(|ip| ip.parse().unwrap()).collect())
}

fn of_list() -> Vec<Told> {
    vec![
        with_ips("0a:58:0a:80:02:18", "pod spk/f5-SPK2 interface eth0 on worker-19", &["10.128.2.24"]),
        with_ips("ee:8d:82:db:f9:c4", "pod spk/f5-SPK2 interface net1 on worker-19", &["198.19.3.15"]),
        with_ips("0a:58:0a:80:02:77", "pod spk/f5-SPK2 network spk/ovn on worker-19", &["fd00::7"]),
        with_ips("76:9c:19:34:50:26", "pod spk/f5-SPK1 interface n", &[]),
    ]
}

/// The pods of [`LIST`] as documents of their own.
fn documents() -> String {
    let start = LIST.find("- apiVersion").unwrap();
    let end = LIST.find("kind: List").unwrap();
    LIST[start..end].lines().fold(String::new(), |text, line| match line.strip_prefix("- ") {
        Some(rest) => format!("{text}---\n{rest}\n"),
        None => format!("{text}{}\n", &line[2..]),
    })
}

#[test]
fn yaml_of_pods() {
    assert_eq!(owners(LIST), (of_list(), vec![]));
    assert_eq!(owners(&documents()), (of_list(), vec![]));
    // yq and others indent the elements.
    let indented: String = LIST
        .lines()
        .map(|line| if line.starts_with([' ', '-']) { format!("  {line}\n") } else { format!("{line}\n") })
        .collect();
    assert_eq!(owners(&indented), (of_list(), vec![]));
}

#[test]
fn yaml_as_it_is_pasted() {
    for text in [
        format!("[core@bastion ~]$ oc get pods -n spk -o yaml\n{LIST}[core@bastion ~]$ \n"),
        format!("The pods:\n\n```yaml\n{LIST}```\n"),
        LIST.lines().map(|line| format!("> {line}\n")).collect(),
        LIST.lines().map(|line| format!("    {line}\n")).collect(),
        LIST.replace('\n', "\r\n"),
        LIST.replace('\n', "\n\n"),
    ] {
        assert_eq!(owners(&text), (of_list(), vec![]), "{text}");
    }
}

/// What is damaged loses its own pod, and its line is named.
#[test]
fn damage_in_yaml() {
    let line = |part: &str| LIST.lines().position(|line| line.contains(part)).unwrap() + 1;
    let damaged = LIST.replace("      openshift.io/scc: \"", "      openshift.io/scc: \"x\" \"");
    let (found, warnings) = owners(&damaged);
    assert_eq!(found.last(), of_list().last());
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.starts_with(&format!("mac-owners.txt:{}: this is no YAML", line("openshift.io/scc"))), "{warning}");

    let cut = &LIST[..LIST.find("            \"mac\": \"ee:").unwrap()];
    let (found, warnings) = owners(cut);
    assert_eq!(
        found,
        [
            with_ips("0a:58:0a:80:02:18", "a pod network default", &["10.128.2.24"]),
            with_ips("0a:58:0a:80:02:77", "a pod network spk/ovn", &["fd00::7"])
        ]
    );
    let start = format!("mac-owners.txt:{}: a pod: annotation network-status: ", line("network-status") + 1);
    assert!(warnings.len() == 1 && warnings[0].starts_with(&start), "{warnings:?}");

    let deep = format!("metadata:\n  x: {}", "[".repeat(10_000));
    assert_eq!(owners(&deep).1.len(), 1);
}

#[test]
fn only_the_annotations_in_yaml() {
    let text = "\
    annotations:
      k8s.v1.cni.cncf.io/network-status: |-
        [{\"name\": \"n\", \"interface\": \"net1\", \"mac\": \"ee:8d:82:db:f9:c4\"}]
";
    assert_eq!(owners(text), (told(&[("ee:8d:82:db:f9:c4", "a pod interface net1")]), vec![]));
}

/// `oc describe pods -n spk`, shortened. Lines longer than 138 bytes are cut.
const DESCRIBED: &str = r#"Name:             f5-SPK2
Namespace:        spk
Priority:         0
Node:             worker-19/10.1.2.3
Labels:           app=f5
                  name=x
Annotations:      k8s.ovn.org/pod-networks:
                    {"default":{"ip_addresses":["10.128.2.24/23"],"mac_address":"0a:58:0a:80:02:18","gateway_ips":["10.128.2.1"],"routes":[{"dest":"10.128....
                  k8s.v1.cni.cncf.io/network-status:
                    [{
                        "name": "ovn-kubernetes",
                        "interface": "eth0",
                        "ips": [
                            "10.128.2.24"
                        ],
                        "mac": "0a:58:0a:80:02:18",
                        "default": true,
                        "dns": {}
                    },{
                        "name": "spk/net1",
                        "interface": "net1",
                        "mac": "ee:8d:82:db:f9:c4",
                        "dns": {}
                    }]
                  openshift.io/scc: restricted-v2
Status:           Running
IP:               10.128.2.24
Volumes:
  kube-api-access:
    Name:         no-pod


Name:             f5-SPK1
Namespace:        spk
Node:             <none>
Annotations:      k8s.v1.cni.cncf.io/networks-status: [{"name":"n","mac":"76:9c:19:34:50:26"}]
Status:           Pending
"#;

#[test]
fn described_pods() {
    let expected = vec![
        with_ips("0a:58:0a:80:02:18", "pod spk/f5-SPK2 interface eth0 on worker-19", &["10.128.2.24"]),
        with_ips("ee:8d:82:db:f9:c4", "pod spk/f5-SPK2 interface net1 on worker-19", &[]),
        with_ips("76:9c:19:34:50:26", "pod spk/f5-SPK1 interface n", &[]),
    ];
    for text in [
        DESCRIBED.to_owned(),
        format!("[core@bastion ~]$ oc describe pods -n spk\n{DESCRIBED}"),
        format!("```\n{DESCRIBED}```\n"),
        DESCRIBED.lines().map(|line| format!("> {line}\n")).collect(),
        DESCRIBED.lines().map(|line| format!("  {line}\n")).collect(),
    ] {
        assert_eq!(owners(&text), (expected.clone(), vec![]), "{text}");
    }
}

#[test]
fn described_networks_that_were_cut() {
    let start = DESCRIBED.find("                  k8s.v1").unwrap();
    let (found, warnings) = owners(&DESCRIBED[..start]);
    assert_eq!(
        found,
        [with_ips("0a:58:0a:80:02:18", "pod spk/f5-SPK2 network default on worker-19", &["10.128.2.24"])]
    );
    assert_eq!(
        warnings,
        [
            "mac-owners.txt:7: pod spk/f5-SPK2: annotation pod-networks is cut by `oc describe`; `oc get pod -o yaml` prints it whole"
        ]
    );
}

#[test]
fn json_of_pods_among_other_text() {
    let pod = |name: &str, mac: &str| {
        format!(
            "{{\n  \"kind\": \"Pod\",\n  \"metadata\": {{\n    \"name\": \"{name}\",\n    \"annotations\": {{\n      \
             \"k8s.v1.cni.cncf.io/network-status\": \"[{{\\\"name\\\": \\\"a # b\\\", \\\"mac\\\": \\\"{mac}\\\"}}]\"\n    }}\n  }}\n}}\n"
        )
    };
    let (one, two) = (pod("p", "ee:8d:82:db:f9:c4"), pod("q", "76:9c:19:34:50:26"));
    let expected =
        told(&[("ee:8d:82:db:f9:c4", "pod p interface a # b"), ("76:9c:19:34:50:26", "pod q interface a # b")]);
    for text in [
        format!("{one}{two}"),
        format!("$ oc get pod p -o json\n{one}\n$ oc get pod q -o json\n{two}$\n"),
        format!("The pods are\n```json\n{one}{two}```\n"),
        format!("{one}{two}").lines().map(|line| format!("> {line}\n")).collect(),
    ] {
        assert_eq!(owners(&text), (expected.clone(), vec![]), "{text}");
    }
    let (found, warnings) = owners(&format!("{one}And so on.\n"));
    assert_eq!((found.len(), warnings.len()), (1, 1));
    assert!(warnings[0].starts_with("mac-owners.txt:10: this is no JSON"), "{warnings:?}");
}

proptest! {
    /// Any part of a listing reads without panic, and names no owner that the whole does not.
    #[test]
    fn parts_of_listings(from in 0..LIST.len(), length in 0..LIST.len(), described: bool) {
        let text = if described { DESCRIBED } else { LIST };
        let part: String = text.bytes().skip(from).take(length).map(char::from).collect();
        let whole: Vec<String> = owners(text).0.into_iter().map(|(mac, ..)| mac).collect();
        if let Ok(facts) = parse(part.as_bytes(), &"mac-owners.txt".into()) {
            for fact in facts.facts {
                let Fact::MacOwner(MacOwner { mac, .. }) = fact else { panic!("{fact:?}") };
                prop_assert!(whole.contains(&mac.to_string()));
            }
        }
    }
}
