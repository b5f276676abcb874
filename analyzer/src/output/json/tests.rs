use serde_json::Value;

use super::*;
use crate::engine::finding::Listed;
use crate::output::fixtures::{
    connections, explanation, hostile, incident, nexthops, nothing_found, repairs, undetermined,
};
use crate::output::total::NodeAnswer;

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes it");
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn jsonl(report: &Report) -> Vec<String> {
    written(|out| write_jsonl(out, report)).lines().map(str::to_owned).collect()
}

/// Joins the lines of a literal that is broken for reading.
fn joined(text: &str) -> String {
    text.lines().map(str::trim_start).collect()
}

/// The example of the design, key by key. What stands there is here in the same order; `routes`, `orig`, `reply`,
/// `owner`, `from`, `until`, `later_fragments` and `evidence` are added, and the commands are written out.
#[test]
fn the_incident_finding() {
    let expected = joined(
        r#"{"schema":1,"type":"finding","node":null,"nic":null,"verdict":"violating","reason":"stale-conntrack",
        "flow":{"proto":"udp","src":"192.168.16.230","sport":59943,"dst":"172.27.0.13","dport":5005,"icmp":null},
        "vlan":[],"eth_src":"94:42:c9:c3:f7:92","eth_dst":"ce:73:29:66:39:a4",
        "packets":3,"bytes":321,"first_seen":"2022-06-09T22:48:28.272315Z","last_seen":"2022-06-09T22:48:30.028992Z","estimated":false,
        "route":{"router":null,"route_table":"","policy":"src-ip","prefix":"192.168.16.230/32"},
        "routes":[{"router":null,"route_table":"","policy":"src-ip","prefix":"192.168.16.230/32"}],
        "expected":[{"nexthop":"198.19.3.15","lladdr":"ee:8d:82:db:f9:c4","state":"active"},{"nexthop":"198.19.3.16","lladdr":"76:9c:19:34:50:26","state":"active"}],
        "conntrack":[{"zone":35,"zone_name":null,"direction":"reply","label":"0x2ce73296639a400000000","mark":0,"reply_eth":"ce:73:29:66:39:a4","reply_port":2,
        "orig":{"proto":"udp","src":"172.27.0.13","sport":5005,"dst":"192.168.16.230","dport":59943,"icmp":null},
        "reply":{"proto":"udp","src":"192.168.16.230","sport":59943,"dst":"172.27.0.13","dport":5005,"icmp":null}}],
        "last_legal":null,"heard":null,"assumes":["no-history","no-policies","no-static-bindings","no-zone-owners","one-direction"],
        "known_as":[{"source":"MAC_Binding","ip":"fe80::cc73:29ff:fe6b:39a4","logical_port":"rtoe-GR_worker-08","owner":null,"from":null,"until":null}],
        "later_fragments":false,"evidence":["No dump names the owner of zone 35."],
        "remedy":[{"datapath":"kernel","command":"conntrack -D -w 35 -p udp -s 172.27.0.13 -d 192.168.16.230 --sport 5005 --dport 59943 -r 192.168.16.230 -q 172.27.0.13 --reply-port-src 59943 --reply-port-dst 5005"},
        {"datapath":"userspace","command":"ovs-appctl dpctl/flush-conntrack zone=35 'ct_nw_src=172.27.0.13,ct_nw_dst=192.168.16.230,ct_nw_proto=17,ct_tp_src=5005,ct_tp_dst=59943'"}]}"#,
    );
    assert_eq!(jsonl(&incident())[0], expected);
}

#[test]
fn the_incident_summary() {
    let expected = joined(
        r#"{"schema":1,"type":"summary","packets":19,"bytes":1825,"flows":10,"covered_flows":10,"conforming_flows":8,"violating_flows":2,"violating_packets":5,"grace_packets":0,"undetermined_flows":0,
        "info_flows":0,"uncovered_packets":0,"latent":{"armed":0,"unused":0},
        "nexthops":[{"lladdr":"ee:8d:82:db:f9:c4","nexthops":["198.19.3.15"],"packets":4,"bytes":376},
        {"lladdr":"76:9c:19:34:50:26","nexthops":["198.19.3.16"],"packets":10,"bytes":940}],
        "skipped":{"truncated":0,"not_ip":0,"unparsed":0,"lines":0,"ends":0},"interrupted":false,"history":"none","estimated":false,
        "first_seen":"2022-06-09T22:48:28.272309Z","last_seen":"2022-06-09T22:48:30.074033Z",
        "evicted_flows":0,"untracked_packets":0,"omitted_findings":0,"unattributed_fragments":0,"ignored_neighbours":0,"unsplit_epochs":0,"gaps":[],"conforming_in_gaps":0,"node":null,"files":["pcaps/bz2095444/capture.pcap"],"warnings":[],"provenance":{"sources":[],"passed_over":[],"run":null}}"#,
    );
    assert_eq!(jsonl(&incident()).last(), Some(&expected));
}

#[test]
fn nothing_is_left_out_where_nothing_is_found() {
    let document: Value = serde_json::from_str(&written(|out| write_json(out, &nothing_found()))).unwrap();
    assert_eq!(document["type"], "report");
    assert_eq!(document["findings"], Value::Array(vec![]));
    assert_eq!(document["latent"], Value::Array(vec![]));
    assert_eq!(document["summary"]["history"], "2022-06-01T00:00:00.000000Z");
    let empty: Value = serde_json::from_str(&jsonl(&Report::default())[0]).unwrap();
    assert!(empty["first_seen"].is_null() && empty["last_seen"].is_null());
}

#[test]
fn icmp_fragments_and_nanoseconds() {
    let lines = jsonl(&undetermined());
    assert!(
        lines[0].contains(r#""flow":{"proto":"icmpv6","src":"fd00::230","sport":null,"dst":"fd00::13","dport":null,"icmp":{"type":128,"code":0,"id":77}}"#),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains(r#""first_seen":"2022-06-09T22:48:28.272315001Z""#));
    assert!(lines[0].contains(r#""node":"worker-08","nic":"ens5f1""#) && lines[0].contains(r#""vlan":[100,7]"#));
    assert!(lines[0].contains(r#""remedy":[]"#));
    assert!(lines[1].contains(r#""sport":null,"dst":"fd00::13","dport":null,"icmp":null"#), "{}", lines[1]);
    assert!(lines[1].contains(r#""later_fragments":true"#));
    assert!(lines[2].contains(
        r#""warnings":[{"file":"conntrack.txt","line":7,"column":14,"offset":null,"message":"\"172.27.xxx.13\" is no IP address"}]"#
    ));
}

/// Only what is wrong gets a command, and only for the entry that holds the MAC.
#[test]
fn remedies_heal_what_is_wrong() {
    let mut report = hostile();
    let mut other = report.findings[0].conntrack[0].clone();
    other.reply_eth.0[5] ^= 1;
    let entries = vec![report.findings[0].conntrack[0].clone(), other];
    report.findings[0].conntrack = entries.into();
    let lines: Vec<Value> = jsonl(&report).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let commands: Vec<_> = lines.iter().filter_map(|line| line["remedy"].as_array()).map(Vec::len).collect();
    assert_eq!(commands, [2, 0, 2, 0], "violating, info, armed, unused");
}

#[test]
fn hostile_strings_are_escaped_and_survive() {
    let text = written(|out| write_json(out, &hostile()));
    assert!(!text.trim_end().contains(is_unprintable), "{text:?}");
    assert!(text.contains("\\u001b[2J\\u202eevil\\u009b1m\\n\\\""), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["findings"][0]["nic"], "\x1b[2J\u{202e}evil\u{9b}1m\n\"");
    let tag = written(|out| write_line(out, &"a\u{e0041}"));
    assert_eq!(serde_json::from_str::<String>(&tag).unwrap(), "a\u{e0041}");
}

/// A report whose lists are too long.
fn cut() -> Report {
    let mut report = hostile();
    for finding in &mut report.findings {
        finding.known_as = Listed::of(finding.known_as.to_vec(), 968);
        finding.expected = Listed::of(finding.expected.to_vec(), 2);
    }
    report.latent[0].routes = Listed::of(report.latent[0].routes.to_vec(), 7);
    report
}

/// What is not shown is counted, and the key is absent where all is shown.
#[test]
fn lists_that_are_cut_say_so() {
    let lines: Vec<Value> = jsonl(&cut()).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0]["left_out"],
        serde_json::json!({"routes": 0, "expected": 2, "conntrack": 0, "known_as": 968, "evidence": 0})
    );
    assert_eq!((&lines[2]["left_out"]["routes"], lines[3].get("left_out")), (&7.into(), None));
    let text = written(|out| crate::output::write_text(out, &cut(), &crate::output::text::Style::default()));
    for words in ["and 2 more", "and 968 more", "and 7 more"] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

/// Every object holds against the published schema, and the schema takes nothing else.
#[test]
fn the_schema() {
    let validator = validator();
    for report in [incident(), nothing_found(), undetermined(), hostile(), cut(), Report::default()] {
        let mut objects = jsonl(&report);
        objects.push(written(|out| write_json(out, &report)));
        objects.iter().for_each(|object| holds(&validator, object));
    }
    listings().iter().chain(&repair_objects()).for_each(|object| holds(&validator, object));
}

/// What `repair` writes, as one document and object by object.
fn repair_objects() -> Vec<String> {
    let written = |lines| written(|out| write_repairs(out, &hostile(), &repairs(), lines));
    [false, true].map(written).iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A command is shown where the entry is still to be deleted, and only for the datapath that it is in.
#[test]
fn repairs_and_their_commands() {
    let objects: Vec<Value> = repair_objects().iter().map(|object| serde_json::from_str(object).unwrap()).collect();
    let types: Vec<&str> = objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["repairs", "repair", "repair", "repair", "repair", "provenance"]);
    assert_eq!(objects[0]["entries"].as_array().unwrap(), &objects[1..5]);
    assert_eq!(objects[0]["provenance"].as_array().unwrap(), &objects[5..]);
    let remedies: Vec<usize> = objects[1..5].iter().map(|object| object["remedy"].as_array().unwrap().len()).collect();
    assert_eq!(remedies, [1, 2, 0, 0]);
    assert_eq!(objects[1]["remedy"][0]["datapath"], "kernel");
    assert!(repair_objects().iter().all(|object| !object.trim_end().contains(is_unprintable)));
}

#[test]
fn several_nodes_follow_the_schema() {
    let reports = [incident(), hostile()];
    let mut ends: Vec<NodeEnd> = ["a", "b\u{1b}"]
        .iter()
        .zip(&reports)
        .map(|(node, report)| NodeEnd { node: (*node).to_owned(), result: Ok(NodeAnswer::of(report)) })
        .collect();
    ends.push(NodeEnd { node: "c".to_owned(), result: Err("cannot\u{202e} open".to_owned()) });
    let validator = validator();
    for object in [written(|out| write_reports(out, &reports, &ends)), written(|out| write_total(out, &ends))] {
        assert!(!object.trim_end().contains(is_unprintable), "{object}");
        holds(&validator, &object);
    }
    let total: Value = serde_json::from_str(&written(|out| write_total(out, &ends))).unwrap();
    assert_eq!(total["packets"], 38);
    let answers: Vec<&Value> = total["nodes"].as_array().unwrap().iter().map(|node| &node["answer"]).collect();
    assert_eq!(answers, [&Value::from("violating"), &Value::from("violating"), &Value::Null]);
}

/// What the commands beside `replay` write, each as one document and object by object.
fn listings() -> Vec<String> {
    let report = hostile();
    let mut objects = vec![written(|out| write_explanation(out, &report, &explanation()))];
    for lines in [false, true] {
        let nexthops = written(|out| write_nexthops(out, &[(report.clone(), nexthops())], lines));
        let connections = written(|out| write_connections(out, &[(report.clone(), connections())], lines));
        objects.extend(nexthops.lines().chain(connections.lines()).map(str::to_owned));
    }
    objects
}

fn validator() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/output.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).expect(path)).expect(path);
    jsonschema::draft202012::new(&schema).expect("the schema is one")
}

fn holds(validator: &jsonschema::Validator, object: &str) {
    let value: Value = serde_json::from_str(object).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{object}");
    // It is there only where something was left out.
    for key in value.as_object().unwrap().keys().filter(|key| *key != "left_out") {
        let mut without = value.clone();
        without.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&without), "{key} may be missing: {object}");
    }
    let mut with_more = value.clone();
    with_more["verdict"] = "fine".into();
    assert!(!validator.is_valid(&with_more), "{object}");
}

#[test]
fn listings_are_documents_and_lines_of_the_same_objects() {
    let types: Vec<String> = listings()
        .iter()
        .map(|object| serde_json::from_str::<Value>(object).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types[..6], ["explanation", "nexthops", "connections", "nexthop", "nexthop", "provenance"]);
    assert_eq!(types[6..13], ["connection"; 7]);
    assert_eq!(types[13..], ["provenance"]);
    assert!(listings().iter().all(|object| !object.trim_end().contains(is_unprintable)));
    let remedies = |object: &String| serde_json::from_str::<Value>(object).unwrap()["remedy"].as_array().unwrap().len();
    assert_eq!(
        listings()[6..13].iter().map(remedies).collect::<Vec<_>>(),
        [2, 0, 0, 0, 0, 0, 0],
        "stale entries alone"
    );
}

/// What depends on the run stands under one key, and says where, when and how.
#[test]
fn where_a_report_comes_from() {
    let lines = jsonl(&hostile());
    let summary: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    let mut provenance = summary["provenance"].clone();
    let run = provenance["run"].take();
    let [capture, asked] = provenance["sources"].as_array().unwrap().as_slice() else { panic!("{provenance}") };
    let of =
        |source: &Value| [&source["taken_for"], &source["size"], &source["rows"], &source["lost"]].map(Value::clone);
    assert_eq!(of(capture), [Value::from("capture"), 1825.into(), 19.into(), 1.into()]);
    assert_eq!(of(asked), [Value::from("nb"), Value::Null, Value::Null, Value::Null]);
    assert_eq!((&run["host"], &run["at"]), (&"worker-08".into(), &"2022-06-10T08:00:00.000000Z".into()));
    assert_eq!(run["modified"].as_array().unwrap().len(), 1, "{run}");
    let alike = provenance.to_string();
    assert!(!alike.contains("2022-06-1") && !alike.contains("worker-08"), "{alike}");
}

/// The manual names every key.
#[test]
fn the_manual() {
    fn keys(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                into.push(key.clone());
                keys(value, into);
            }),
            Value::Array(members) => members.iter().for_each(|member| keys(member, into)),
            _ => {}
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/output.md");
    let manual = std::fs::read_to_string(path).expect(path);
    let mut found = Vec::new();
    for report in [hostile(), undetermined()] {
        keys(&serde_json::from_str(&written(|out| write_json(out, &report))).unwrap(), &mut found);
    }
    let objects = listings().into_iter().chain(repair_objects());
    objects.for_each(|object| keys(&serde_json::from_str(&object).unwrap(), &mut found));
    found.retain(|key| !manual.contains(&format!("`{key}`")));
    assert!(found.is_empty(), "docs/output.md does not explain {found:?}");
}
